package specify_test

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/node"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

var update = flag.Bool("update", false, "write the transcripts again")

// TestTranscripts holds whole conversations against testdata/*.txtar. A section
// named "request" is sent; the section after it is the answer. A section named "do"
// says what happens in between. Secrets are named in the order in which they come:
// <csrftoken>, <session-1>, <token-1>.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("found no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			script, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := play(t, script)
			if *update {
				if err := os.WriteFile(file, txtar.Format(got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(txtar.Format(script)), string(txtar.Format(got))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// conversation is a transcript being played.
type conversation struct {
	*site
	names map[string]string // of secrets
}

func play(t *testing.T, script *txtar.Archive) *txtar.Archive {
	t.Helper()
	options := nodetest.Options{Settings: func(p *node.Settings) {
		p.Limits = identity.Limits{Account: 3, AccountTotal: 100, Address: 100, Window: 15 * time.Minute}
	}}
	c := &conversation{site: newSite(t, options), names: map[string]string{}}
	got := &txtar.Archive{Comment: script.Comment}
	for _, section := range script.Files {
		switch section.Name {
		case "request":
			got.Files = append(got.Files, section, txtar.File{Name: "answer", Data: []byte(c.ask(string(section.Data)))})
		case "do":
			c.do(strings.Fields(string(section.Data)))
			got.Files = append(got.Files, section)
		case "answer":
		default:
			t.Fatalf("unknown section %q", section.Name)
		}
	}
	return got
}

// do does what an administrator, or time, does.
func (c *conversation) do(words []string) {
	c.t.Helper()
	ctx, operator := c.t.Context(), caller.Operator()
	var err error
	switch words[0] {
	case "advance":
		d, parseErr := time.ParseDuration(words[1])
		c.Advance(d)
		err = parseErr
	case "remove":
		_, _, err = c.RemoveAccess(ctx, operator, words[1], access.Path(words[2]))
	case "disable":
		disabled := true
		_, err = c.UpdateUser(ctx, operator, words[1], identity.UserPatch{Disabled: &disabled})
	default:
		c.t.Fatalf("unknown deed %q", words)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// ask sends a request and returns the answer, with secrets named.
func (c *conversation) ask(request string) string {
	c.t.Helper()
	for secret, name := range c.names {
		request = strings.ReplaceAll(request, name, secret)
	}
	if missing := regexp.MustCompile(`<[a-z]+(-\d+)?>`).FindString(request); missing != "" {
		c.t.Fatalf("%s is not known yet", missing)
	}
	head, body, _ := strings.Cut(request, "\n\n")
	lines := bufio.NewScanner(strings.NewReader(head))
	lines.Scan()
	method, path, _ := strings.Cut(lines.Text(), " ")
	var options []option
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		options = append(options, func(r *http.Request) { r.Header.Add(name, value) })
	}
	a := send(c.t, method, c.url+path, strings.TrimSuffix(body, "\n"), append([]option{func(r *http.Request) { r.Header.Del("Content-Type") }}, options...)...)
	c.learn(a)
	return c.named(a)
}

// learn names the secrets in an answer.
func (c *conversation) learn(a answer) {
	for name, kind := range map[string]string{"csrftoken": "csrftoken", "sessionid": "session"} {
		if cookie := a.cookies[name]; cookie != nil && cookie.Value != "" {
			c.name(cookie.Value, kind)
		}
	}
	var body struct {
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
	}
	if json.Unmarshal([]byte(a.body), &body) != nil {
		return
	}
	for secret, kind := range map[string]string{body.AccessToken: "token", body.RefreshToken: "refresh"} {
		if secret != "" {
			c.name(secret, kind)
		}
	}
}

func (c *conversation) name(secret, kind string) {
	if _, known := c.names[secret]; known {
		return
	}
	name := "<" + kind + ">"
	for n := 1; kind != "csrftoken"; n++ {
		name = fmt.Sprintf("<%s-%d>", kind, n)
		if !slices.Contains(slices.Collect(maps.Values(c.names)), name) {
			break
		}
	}
	c.names[secret] = name
}

// named writes an answer without what differs from one run to the next.
func (c *conversation) named(a answer) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%d %s\n", a.status, http.StatusText(a.status))
	for _, name := range []string{"Allow", "Cache-Control", "Content-Type", "Retry-After", "Set-Cookie", "Www-Authenticate"} {
		for _, value := range a.header[name] {
			if name == "Retry-After" {
				value = "<seconds>"
			}
			fmt.Fprintf(&out, "%s: %s\n", name, value)
		}
	}
	if a.body != "" {
		fmt.Fprintf(&out, "\n%s\n", strings.TrimSuffix(a.body, "\n"))
	}
	text := out.String()
	for secret, name := range c.names {
		text = strings.ReplaceAll(text, secret, name)
	}
	return text
}
