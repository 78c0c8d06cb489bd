package interop_test

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "write the transcripts")

// recorder stands between a client and bearerd, and writes down what they say.
type recorder struct {
	url string

	mu    sync.Mutex
	text  strings.Builder
	names map[string]string // of what differs in each run
}

// record starts a recorder in front of a server.
func record(t *testing.T, server string) *recorder {
	t.Helper()
	target, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	rec := &recorder{names: map[string]string{}}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host
	}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		proxy.ServeHTTP(answer, r)
		rec.write(r, body, answer)
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	}))
	t.Cleanup(s.Close)
	rec.url = s.URL
	return rec
}

// said are the headers of requests, and answered those of answers, that a transcript shows.
var (
	said     = []string{"Authorization", "Content-Type", "Cookie", "Hypothesis-Client-Version", "X-Client-Id", "X-Csrftoken", "X-Jwt-Auth-Token"}
	answered = []string{"Content-Type", "Set-Cookie", "Www-Authenticate"}
)

func (rec *recorder) write(r *http.Request, body []byte, answer *httptest.ResponseRecorder) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", r.Method, r.URL.RequestURI())
	for _, name := range said {
		for _, value := range r.Header[name] {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	if len(body) > 0 {
		fmt.Fprintf(&b, "\n%s\n", body)
	}
	fmt.Fprintf(&b, "\n> %d\n", answer.Code)
	for _, name := range answered {
		for _, value := range answer.Header()[name] {
			fmt.Fprintf(&b, "> %s: %s\n", name, value)
		}
	}
	for line := range strings.SplitSeq(strings.TrimSpace(answer.Body.String()), "\n") {
		if line != "" {
			fmt.Fprintf(&b, "> %s\n", line)
		}
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.text.WriteString(rec.named(b.String()) + "\n")
}

// differing is what differs in each run, by what it is called.
var differing = []struct {
	name    string
	pattern *regexp.Regexp
}{
	{"jwt", regexp.MustCompile(`ey[\w-]+\.[\w-]+\.[\w-]+`)},
	{"secret", regexp.MustCompile(`(?:bd[arsc]_|6879-)[0-9A-Za-z]{36}`)},
	{"csrf", regexp.MustCompile(`\b[A-Z2-7]{32}\b`)},
	{"id", regexp.MustCompile(`[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}`)},
}

var (
	address = regexp.MustCompile(`127\.0\.0\.1(:|%3A)\d+`)
	instant = regexp.MustCompile(`\b\d{10}\b|\b\d{4}-\d\d-\d\dT[\d:.]+Z`)
	elapsed = regexp.MustCompile(`("_runtime":)[\d.e-]+`)
	maxAge  = regexp.MustCompile(`Max-Age=[1-9]\d*`)
)

func (rec *recorder) named(text string) string {
	for _, d := range differing {
		text = d.pattern.ReplaceAllStringFunc(text, func(value string) string {
			if rec.names[value] == "" {
				n := 1
				for _, name := range rec.names {
					if strings.HasPrefix(name, "<"+d.name+" ") {
						n++
					}
				}
				rec.names[value] = fmt.Sprintf("<%s %d>", d.name, n)
			}
			return rec.names[value]
		})
	}
	text = address.ReplaceAllString(text, "HOST")
	text = maxAge.ReplaceAllString(instant.ReplaceAllString(text, "<time>"), "Max-Age=<seconds>")
	return elapsed.ReplaceAllString(text, "$1<runtime>")
}

// compare holds what was said against the golden file of that name.
func (rec *recorder) compare(t *testing.T, name string) {
	t.Helper()
	rec.mu.Lock()
	defer rec.mu.Unlock()
	file, got := filepath.Join("testdata", "transcripts", name+".txt"), rec.text.String()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	wanted, said := strings.Split(string(want), "\n"), strings.Split(got, "\n")
	for i := range max(len(wanted), len(said)) {
		if i >= len(wanted) || i >= len(said) || wanted[i] != said[i] {
			t.Fatalf("%s, from line %d on: got\n%s", file, i+1, strings.Join(said[min(i, len(said)):min(i+12, len(said))], "\n"))
		}
	}
}
