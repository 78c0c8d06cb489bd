package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/bearerd/bearerd/internal/frontendtest"
)

const hostileDir = "../../testdata/hostile"

const hostileConfig = `
dialects: [specify, senaite, hypothesis, gen3]
specify: {login: true}
`

const hostileUpstream = `
upstream:
  url: %s
  routes:
    - {path: /public/, require: none}
    - {path: /session/, require: optional}
`

// hostileCase is one file of the corpus; its README says what stands where.
type hostileCase struct {
	name    string
	request string              // as it is sent, with the names of secrets in it
	status  map[string][]string // what each server may answer
	reaches []string            // which requests the application may get, as METHOD TARGET
	never   []*regexp.Regexp    // what may be in nothing that it gets
	secrets []string            // the servers that may pass a secret on
}

func readHostile(t *testing.T) []hostileCase {
	t.Helper()
	files, err := filepath.Glob(hostileDir + "/*.txt")
	if err != nil || len(files) < 60 {
		t.Fatalf("%d cases, %v", len(files), err)
	}
	var cases []hostileCase
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		c := hostileCase{name: strings.TrimSuffix(filepath.Base(file), ".txt"), status: map[string][]string{}}
		if len(archive.Comment) == 0 || len(archive.Files) != 2 || archive.Files[0].Name != "request" || archive.Files[1].Name != "verdict" {
			t.Fatalf("%s: needs a comment, a request and a verdict", file)
		}
		c.request = unescapeHostile(t, string(archive.Files[0].Data))
		for line := range strings.Lines(string(archive.Files[1].Data)) {
			c.judgeBy(t, strings.TrimSpace(line))
		}
		for _, server := range []string{"serve", "proxy", "nginx", "caddy"} {
			if len(c.status[server]) == 0 {
				t.Fatalf("%s: no verdict for %s", file, server)
			}
		}
		cases = append(cases, c)
	}
	return cases
}

func (c *hostileCase) judgeBy(t *testing.T, line string) {
	t.Helper()
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "serve", "proxy", "nginx", "caddy", "traefik":
		c.status[word] = strings.Split(rest, "|")
	case "application":
		if rest != "nothing" {
			c.reaches = append(c.reaches, rest)
		}
	case "never":
		c.never = append(c.never, regexp.MustCompile(rest))
	case "secrets":
		c.secrets = strings.Fields(rest)
	default:
		t.Fatalf("%s: what is %q?", c.name, line)
	}
}

// unescapeHostile returns the bytes of a request: lines end in CR LF, unless a backslash
// ends them, and the escapes of Go's strings stand for other bytes.
func unescapeHostile(t *testing.T, text string) string {
	t.Helper()
	text = strings.ReplaceAll(text, "\\\n", "")
	text = strings.ReplaceAll(text, "\n", `\r\n`)
	raw, err := strconv.Unquote(`"` + strings.ReplaceAll(text, `"`, `\"`) + `"`)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return raw
}

// recorder is an application that keeps all that it gets.
type recorder struct {
	net.Listener

	mu       sync.Mutex
	bytes    bytes.Buffer
	requests []string
	url      string
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	r := &recorder{}
	s := httptest.NewUnstartedServer(r)
	r.Listener, s.Listener = s.Listener, r
	s.Start()
	t.Cleanup(s.Close)
	r.url = s.URL
	return r
}

func (r *recorder) Accept() (net.Conn, error) {
	conn, err := r.Listener.Accept()
	return recordedConn{conn, r}, err
}

type recordedConn struct {
	net.Conn
	to *recorder
}

func (c recordedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.to.mu.Lock()
	defer c.to.mu.Unlock()
	c.to.bytes.Write(p[:n])
	return n, err
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	r.requests = append(r.requests, q.Method+" "+q.RequestURI)
	r.mu.Unlock()
	_, _ = io.Copy(io.Discard, q.Body)
	w.Header().Set("X-From", "application")
	_, _ = io.WriteString(w, "application")
}

func (r *recorder) take() (requests []string, all []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	requests, all = r.requests, bytes.Clone(r.bytes.Bytes())
	r.requests = nil
	r.bytes.Reset()
	return requests, all
}

// target is a server that the corpus is sent to.
type target struct {
	name    string
	dial    func(context.Context) (net.Conn, error)
	app     *recorder
	secrets map[string]string // by the name that stands for each in a request
	process *process
}

func dialer(base string) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(base, "http://"))
	}
}

// hostileTargets starts bearerd without an application, as a proxy of one, and behind each
// web server that there is a page for.
func hostileTargets(t *testing.T) []target {
	t.Helper()
	alone, app := newBench(t, t.TempDir(), hostileConfig), newRecorder(t)
	proxying := newBench(t, t.TempDir(), hostileConfig+fmt.Sprintf(hostileUpstream, app.url))
	p, q := alone.serve(), proxying.serve()
	secrets := alone.secrets(p)
	targets := []target{
		{"serve", dialer(p.base), newRecorder(t), secrets, p},
		{"proxy", dialer(q.base), app, proxying.secrets(q), q},
	}
	for name, start := range map[string]frontendtest.Starter{"nginx": frontendtest.Nginx, "caddy": frontendtest.Caddy, "traefik": frontendtest.Traefik} {
		app := newRecorder(t)
		t.Run("start "+name, func(t2 *testing.T) {
			if name != "traefik" {
				frontendtest.Program(t2, name, "/usr/sbin/"+name) // without it the rest goes on
			}
			targets = append(targets, target{name, start(t, p.base, app.url).Dial, app, secrets, p})
		})
	}
	return targets
}

// secrets signs ada in by every door, and returns what must reach no application.
func (b *bench) secrets(p *process) map[string]string {
	b.Helper()
	s := map[string]string{"<token>": b.token(p)}
	for _, name := range []string{"<session>", "<other session>"} {
		client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		resp, err := client.PostForm(p.base+"/auth/login", url.Values{"username": {"ada"}, "password": {"correct horse"}})
		if err != nil {
			b.Fatal(err)
		}
		_ = resp.Body.Close()
		for _, c := range resp.Cookies() {
			if strings.HasPrefix(c.Value, "bds_") {
				s[name] = c.Value
			}
		}
	}
	r, err := http.NewRequest(http.MethodGet, p.base+"/@@API/senaite/v1/login", nil)
	if err != nil {
		b.Fatal(err)
	}
	r.SetBasicAuth("ada", "correct horse")
	a, err := b.send(r)
	if err != nil {
		b.Fatal(err)
	}
	s["<ada's token>"], _ = a.body["token"].(string)
	s["<secret>"] = "a-client-secret-that-was-sent-to-the-wrong-path"
	for name, value := range s {
		if value == "" || len(s) != 5 {
			b.Fatalf("there is no %s", name)
		}
	}
	return s
}

// TestHostileRequestsGetNowhere sends every request of the corpus to every server.
func TestHostileRequestsGetNowhere(t *testing.T) {
	t.Parallel()
	cases := readHostile(t)
	targets := hostileTargets(t)
	var all sync.WaitGroup
	for _, target := range targets {
		all.Go(func() {
			for _, c := range cases {
				if len(c.status[target.name]) > 0 {
					target.try(t, c)
				}
			}
		})
	}
	all.Wait()
	for _, target := range targets[:2] {
		_ = target.process.stop()
		for name, value := range target.secrets {
			if strings.Contains(target.process.log.String(), value) {
				t.Errorf("%s: %s is in the log", target.name, name)
			}
		}
	}
}

func (s target) try(t *testing.T, c hostileCase) {
	t.Helper()
	s.app.take()
	request := c.request
	for name, value := range s.secrets {
		request = strings.ReplaceAll(request, name, value)
	}
	timeout := 20 * time.Second
	if slices.Contains(c.status[s.name], silence) {
		timeout = time.Second // nothing that this waits for may come
	}
	got := s.exchange(t, request, timeout)
	if !slices.Contains(c.status[s.name], got) {
		t.Errorf("%s, %s: %s, want %q", c.name, s.name, got, c.status[s.name])
	}
	// What comes behind it arrives as it was sent, on a connection of its own and, where
	// the server keeps them, on the same one to the application.
	if s.name != "serve" {
		sentinel := "GET /session/sentinel HTTP/1.1\r\nHost: museum.example.org\r\nConnection: close\r\n\r\n"
		if got := s.exchange(t, sentinel, 20*time.Second); got != "200" {
			t.Errorf("%s, %s: the next request is %s", c.name, s.name, got)
		}
	}
	requests, all := s.app.take()
	sentinels := 0
	for _, r := range requests {
		if r == "GET /session/sentinel" {
			sentinels++
		} else if !slices.Contains(c.reaches, r) {
			t.Errorf("%s, %s: the application got %q", c.name, s.name, r)
		}
	}
	if s.name != "serve" && sentinels != 1 {
		t.Errorf("%s, %s: the next request arrived %d times", c.name, s.name, sentinels)
	}
	for _, never := range c.never {
		if never.Match(all) {
			t.Errorf("%s, %s: the application got what matches %s:\n%s", c.name, s.name, never, all)
		}
	}
	for name, value := range s.secrets {
		if bytes.Contains(all, []byte(value)) && !slices.Contains(c.secrets, s.name) {
			t.Errorf("%s, %s: the application got %s:\n%s", c.name, s.name, name, all)
		}
	}
}

// silence stands for an answer that doesn't come.
const silence = "silence"

// exchange sends bytes and returns the status of the first answer; "closed" when there is
// none.
func (s target) exchange(t *testing.T, request string, timeout time.Duration) string {
	t.Helper()
	conn, err := s.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(timeout))
	_, _ = io.WriteString(conn, request)
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return silence
	}
	if err != nil {
		return "closed"
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return strconv.Itoa(resp.StatusCode)
}

// TestNoEndpointsPathReachesTheApplicationMisspelt goes through the description of a
// server with every dialect on, through its proxy and through every web server that there
// is a page for. A good token opens everything else there.
func TestNoEndpointsPathReachesTheApplicationMisspelt(t *testing.T) {
	t.Parallel()
	app := newRecorder(t)
	b := newBench(t, t.TempDir(), hostileConfig+fmt.Sprintf(hostileUpstream, app.url)+"    - {path: /, require: none}\n")
	p := b.serve()
	resp, err := b.client.Get(p.base + "/auth/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var document struct {
		Paths map[string]any `json:"paths"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&document); err != nil || len(document.Paths) < 60 {
		t.Fatalf("%d paths, %v", len(document.Paths), err)
	}
	targets := append(hostileTargets(t)[2:], target{name: "proxy", dial: dialer(p.base), app: app, secrets: b.secrets(p)})
	var all sync.WaitGroup
	for _, s := range targets {
		all.Go(func() {
			for _, path := range slices.Sorted(maps.Keys(document.Paths)) {
				s.misspell(t, path)
			}
		})
	}
	all.Wait()
}

// misspell sends requests for a path of the description, which may have wildcards, in
// spellings that some application takes for it.
func (s target) misspell(t *testing.T, path string) {
	t.Helper()
	plain := regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(path, "7")
	for _, misspelt := range []string{
		"/" + plain, plain + "//", strings.ToUpper(plain[:2]) + plain[2:] + ";", "/" + strings.Replace(plain[1:], "/", "%2F", 1), "/x/.." + plain,
		strings.ToUpper(plain) + "/", strings.Replace(plain, "/", "/./", 1),
	} {
		if strings.HasSuffix(path, "}") && strings.HasSuffix(misspelt, ";") {
			continue // a name may end so
		}
		if strings.HasPrefix(misspelt, "/auth/ext-authz/") {
			continue // nothing is read of what follows
		}
		if misspelt == plain || strings.Count(plain, "/") == 1 && misspelt == plain+"/" {
			continue
		}
		got := s.exchange(t, "POST "+misspelt+" HTTP/1.1\r\nHost: museum.example.org\r\nAuthorization: Bearer "+s.secrets["<token>"]+
			"\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 20*time.Second)
		if requests, _ := s.app.take(); len(requests) > 0 || got != "404" {
			t.Errorf("%s, %s: %s, and the application got %q", s.name, misspelt, got, requests)
		}
	}
}
