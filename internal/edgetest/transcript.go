package edgetest

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/textproto"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// Stage is where a conversation takes place.
type Stage struct {
	URL     string            // of the server
	Secrets map[string]string // secrets that exist before, written as <NAME>
	Acts    map[string]func() // what else may happen
}

// Play plays every conversation of testdata/*.txtar, each on a stage of its own, and
// compares the answers with the file; with update it writes them to the file.
//
// A conversation is a txtar archive whose comment describes it. Its files are,
// in any number and order:
//
//	-- request --        a request: METHOD PATH, headers, an empty line, the body
//	-- response --       the answer to the request before it
//	-- claims <jwt 1> -- the claims of that token
//	-- act --            the name of an act of the test in between
//
// Values that differ each time have names: <jwt 1>, <secret 1>, <id 1>, <key 1> and
// <pem 1> are numbered as they first appear in answers, and can be used in later
// requests; <time>, <seconds> and <runtime> are numbers. In a request
// <basic NAME:PASSWORD> is those two in base64.
func Play(t *testing.T, update bool, setUp func(t *testing.T) Stage) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("found no conversation: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			play(t, file, update, setUp(t))
		})
	}
}

func play(t *testing.T, file string, update bool, s Stage) {
	t.Helper()
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p := newPlayer(t, s)
	var played []txtar.File
	for i, f := range archive.Files {
		text := string(f.Data)
		switch name, argument, _ := strings.Cut(f.Name, " "); name {
		case "request":
			p.ask(t, text)
		case "response":
			text = p.answer
		case "claims":
			text = p.claims(t, argument)
		case "act":
			act := s.Acts[strings.TrimSpace(text)]
			if act == nil {
				t.Fatalf("%s: file %d: no act is called %q", file, i+1, text)
			}
			act()
		default:
			t.Fatalf("%s: file %d is called %q", file, i+1, f.Name)
		}
		if diff := cmp.Diff(string(f.Data), text); diff != "" && !update {
			t.Errorf("%s: file %d, %s, after\n%s(-want +got)\n%s", file, i+1, f.Name, p.request, diff)
		}
		played = append(played, txtar.File{Name: f.Name, Data: []byte(text)})
	}
	if update {
		err := os.WriteFile(file, txtar.Format(&txtar.Archive{Comment: archive.Comment, Files: played}), 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
}

// player is a conversation that is being played.
type player struct {
	Stage
	site            *Site
	request, answer string
	values          map[string]string // by name
	names           map[string]string // by value
}

func newPlayer(t *testing.T, s Stage) *player {
	t.Helper()
	p := &player{Stage: s, site: At(t, s.URL), values: map[string]string{}, names: map[string]string{}}
	for name, value := range s.Secrets {
		name = "<" + name + ">"
		p.values[name], p.names[value] = value, name
	}
	return p
}

// recorded are the headers that a conversation contains.
var recorded = []string{
	"Allow", "Cache-Control", "Content-Type", "Location", "Pragma", "Retry-After", "Set-Cookie", "Www-Authenticate",
}

// ask makes a request and records its answer.
func (p *player) ask(t *testing.T, text string) {
	t.Helper()
	p.request = text
	response := p.site.Send(t, p.parse(t, text))
	var b strings.Builder
	fmt.Fprintln(&b, response.Status)
	for _, name := range recorded {
		for _, value := range response.Header[name] {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	if response.Body != "" {
		fmt.Fprintf(&b, "\n%s\n", indented([]byte(response.Body)))
	}
	p.answer = p.named(b.String())
}

func (p *player) parse(t *testing.T, text string) *http.Request {
	t.Helper()
	head, body, _ := strings.Cut(p.meant(t, text), "\n\n")
	line, headers, _ := strings.Cut(head, "\n")
	method, path, _ := strings.Cut(line, " ")
	r, err := http.NewRequestWithContext(t.Context(), method, p.URL+path, strings.NewReader(strings.TrimSuffix(body, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	h, err := textproto.NewReader(bufio.NewReader(strings.NewReader(headers + "\n\n"))).ReadMIMEHeader()
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	r.Header = http.Header(h)
	return r
}

var (
	reference = regexp.MustCompile(`<[a-z][a-z' ]*[0-9]*>`)
	basic     = regexp.MustCompile(`<basic ([^>]*)>`)
)

// meant replaces names by values.
func (p *player) meant(t *testing.T, text string) string {
	t.Helper()
	text = basic.ReplaceAllStringFunc(text, func(s string) string {
		return base64.StdEncoding.EncodeToString([]byte(basic.FindStringSubmatch(s)[1]))
	})
	return reference.ReplaceAllStringFunc(text, func(name string) string {
		value, known := p.values[name]
		if !known {
			t.Fatalf("%s: nothing is called %s yet", text, name)
		}
		return value
	})
}

// varying is what differs each time, in the order in which it is looked for: a token
// may hold what looks like a key.
var varying = []struct {
	name    string
	pattern *regexp.Regexp
}{
	{"jwt", regexp.MustCompile(`ey[\w-]+\.[\w-]+\.[\w-]+`)},
	{"secret", regexp.MustCompile(`(?:bd[arsc]_|6879-)[0-9A-Za-z]{36}`)},
	{"pem", regexp.MustCompile(`-----BEGIN [^"]*-----END [A-Z ]+-----`)},
	{"id", regexp.MustCompile(`[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}`)},
	{"key", regexp.MustCompile(`"[\w-]{43}"`)},
}

var (
	instant  = regexp.MustCompile(`\b\d{10}\b`)
	runtime  = regexp.MustCompile(`("_runtime": )[\d.e-]+`)
	maxAge   = regexp.MustCompile(`Max-Age=[1-9]\d*`)
	lifetime = regexp.MustCompile(`"exp": \d+`)
)

// named replaces what differs each time by names.
func (p *player) named(text string) string {
	for _, v := range varying {
		text = v.pattern.ReplaceAllStringFunc(text, func(value string) string {
			if p.names[value] == "" {
				name := fmt.Sprintf("<%s %d>", v.name, p.count(v.name)+1)
				p.names[value], p.values[name] = name, value
			}
			return p.names[value]
		})
	}
	text = instant.ReplaceAllString(text, "<time>")
	text = maxAge.ReplaceAllString(text, "Max-Age=<seconds>")
	return runtime.ReplaceAllString(text, "$1<runtime>")
}

// count returns how many names of a sort there are.
func (p *player) count(sort string) (n int) {
	for name := range p.values {
		if strings.HasPrefix(name, "<"+sort+" ") {
			n++
		}
	}
	return n
}

// claims returns the claims of a token.
func (p *player) claims(t *testing.T, name string) string {
	t.Helper()
	_, rest, _ := strings.Cut(p.meant(t, name), ".")
	part, _, _ := strings.Cut(rest, ".")
	payload, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		t.Fatal(err)
	}
	var c struct{ Exp, Iat int64 }
	if err := json.Unmarshal(payload, &c); err != nil {
		t.Fatal(err)
	}
	text := lifetime.ReplaceAllString(indented(payload), fmt.Sprintf(`"exp": <iat + %d>`, c.Exp-c.Iat))
	return p.named(text) + "\n"
}

// indented indents JSON; other text is returned unchanged.
func indented(text []byte) string {
	text = bytes.TrimRight(text, "\n")
	var b bytes.Buffer
	if json.Indent(&b, text, "", "  ") != nil {
		return string(text)
	}
	return b.String()
}
