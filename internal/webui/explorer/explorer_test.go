package explorer_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/webui/webuitest"

	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/webui"
)

// What the policy forbids on a page, and what a page loads.
var (
	inline = regexp.MustCompile(`(?i)<style|<script>|\son[a-z]+=|\sstyle=|javascript:`)
	linked = regexp.MustCompile(`(?:href|src)="(/auth/assets/[^"]+)"`)
)

const sampleDocument = `{
  "tags": [{"name": "things", "description": "All <things>."}, {"name": "empty", "description": "None."}],
  "paths": {
    "/b": {"get": {"summary": "Read b", "tags": ["things"], "security": []}},
    "/a/{id}": {
      "parameters": [{"name": "id"}],
      "post": {"summary": "Make a", "tags": ["things"], "security": [{"bearer": []}, {"session": []}, {}]},
      "get": {"summary": "Read a", "tags": ["things"], "security": [{"bearer": []}]}
    }
  }
}`

// explored turns the API explorer on.
func explored(document string) func(*webui.Pages) {
	return func(p *webui.Pages) { p.Explorer = func() []byte { return []byte(document) } }
}

func TestTheExplorerIsForEverybody(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{}, explored(sampleDocument))
	a := s.Browser(t).Get(t, "/auth/docs").Is(http.StatusOK, `data-document="/auth/openapi.json"`, `href="/auth/login?next=%2fauth%2fdocs"`)
	a.Lacks("data-username")
	ada := s.Ada(t)
	ada.Get(t, "/auth/docs").Is(http.StatusOK, `data-username="ada"`, `<a href="/auth/docs" aria-current="page">API</a>`)
	ada.Get(t, "/auth/tokens").Is(http.StatusOK, `<a href="/auth/docs">API</a>`)
	if got := a.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
}

func TestWithoutADocumentThereIsNoExplorer(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{})
	b := s.Ada(t)
	b.Get(t, "/auth/docs").Is(http.StatusNotFound)
	b.Get(t, "/auth/tokens").Is(http.StatusOK).Lacks("/auth/docs")
}

// TestTheExplorerLoadsFromThisServerAlone holds what the page refers to against what
// its policy lets it load.
func TestTheExplorerLoadsFromThisServerAlone(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{}, explored(sampleDocument))
	b := s.Browser(t)
	a := b.Get(t, "/auth/docs").Is(http.StatusOK)
	if found := inline.FindString(a.Body); found != "" {
		t.Errorf("the page has %q", found)
	}
	if found := regexp.MustCompile(`(?:https?:)?//[a-z][^"' <]*`).FindString(a.Body); found != "" {
		t.Errorf("the page refers to %q", found)
	}
	assets := linked.FindAllStringSubmatch(a.Body, -1)
	if len(assets) < 7 { // ours twice, of which the icon stands twice, and Swagger UI's
		t.Errorf("assets: %v", assets)
	}
	for _, m := range assets {
		b.Get(t, m[1]).Is(http.StatusOK)
	}
	policy := a.Header.Get("Content-Security-Policy")
	want := map[string]string{
		"default-src": "'none'", "script-src": "'self'", "style-src": "'self'", "style-src-attr": "'unsafe-inline'",
		"img-src": "'self' data:", "connect-src": "'self'", "form-action": "'self'", "base-uri": "'none'", "frame-ancestors": "'none'",
	}
	for directive := range strings.SplitSeq(policy, "; ") {
		name, value, _ := strings.Cut(directive, " ")
		if want[name] != value {
			t.Errorf("the policy says %q of %s, want %q", value, name, want[name])
		}
		delete(want, name)
	}
	if len(want) != 0 {
		t.Errorf("the policy %q lacks %v", policy, want)
	}
}

func TestOtherPagesKeepTheStrictPolicy(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{}, explored(sampleDocument))
	for _, path := range []string{"/auth/tokens", "/auth/device"} {
		if got := s.Ada(t).Get(t, path).Header.Get("Content-Security-Policy"); strings.Contains(got, "unsafe") || strings.Contains(got, "data:") {
			t.Errorf("%s: %q", path, got)
		}
	}
}

func TestWithoutScriptsTheExplorerIsAList(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{}, explored(sampleDocument))
	body := s.Browser(t).Get(t, "/auth/docs").Is(http.StatusOK, "All &lt;things&gt;.").Body
	_, list, found := strings.Cut(body, "<noscript>")
	if !found {
		t.Fatalf("no <noscript> in\n%s", body)
	}
	var got []string
	for _, m := range regexp.MustCompile(`<tr><td><code>(\w+)</code></td><td><code>([^<]+)</code></td><td[^>]*>([^<]+)</td><td>([^<]+)</td>`).FindAllStringSubmatch(list, -1) {
		got = append(got, strings.Join(m[1:], " | "))
	}
	want := "GET | /a/{id} | Read a | bearer\nPOST | /a/{id} | Make a | bearer, session, anybody\nGET | /b | Read b | anybody"
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("the list is\n%s\nwant\n%s", text, want)
	}
	if strings.Contains(list, "None.") {
		t.Error("a tag without endpoints is listed")
	}
}

func TestADocumentThatIsNoneIsAnErrorPage(t *testing.T) {
	t.Parallel()
	for _, document := range []string{`{`, `{"paths":{"/a":{"get":7}}}`} {
		s := webuitest.New(t, nodetest.Options{}, explored(document))
		if a := s.Get(t, "/auth/docs"); a.Status != http.StatusInternalServerError {
			t.Errorf("%s: %d", document, a.Status)
		}
	}
}

func TestAPackedAssetIsUnpackedForWhoDoesNotTakeIt(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{}, explored(sampleDocument))
	path := regexp.MustCompile(`/auth/assets/[0-9a-f]+/swagger-ui-bundle\.js`).FindString(s.Browser(t).Get(t, "/auth/docs").Body)
	for accept, packed := range map[string]bool{
		"gzip": true, "br, GZIP;q=0.5": true, "gzip; q=1": true,
		"": false, "identity": false, "gzip;q=0": false, "gzip; q=0.000": false, "xgzip": false,
	} {
		a := s.Get(t, path, edgetest.Header("Accept-Encoding", accept))
		if got := a.Header.Get("Content-Encoding") == "gzip"; got != packed || a.Header.Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: %v", accept, a.Header)
		}
		body := io.Reader(strings.NewReader(a.Body))
		if packed {
			z, err := gzip.NewReader(body)
			if err != nil {
				t.Fatal(err)
			}
			body = z
		}
		text, err := io.ReadAll(body)
		if err != nil || !strings.Contains(string(text), "SwaggerUIBundle") {
			t.Errorf("%q: %d bytes, %v", accept, len(text), err)
		}
		if got := a.Header.Get("Content-Type"); got != "text/javascript; charset=utf-8" {
			t.Errorf("%q: Content-Type %q", accept, got)
		}
	}
}

// TestTheRealDocumentIsListed holds the list against the description of the pages
// themselves.
func TestTheRealDocumentIsListed(t *testing.T) {
	t.Parallel()
	plain := webuitest.New(t, nodetest.Options{}, explored(sampleDocument))
	document := plain.Browser(t).Get(t, "/auth/openapi.json").Body
	var d struct {
		Paths map[string]map[string]any
	}
	if err := json.Unmarshal([]byte(document), &d); err != nil {
		t.Fatal(err)
	}
	operations := 0
	for _, item := range d.Paths {
		for name := range item {
			if name != "parameters" {
				operations++
			}
		}
	}
	body := webuitest.New(t, nodetest.Options{}, explored(document)).Browser(t).Get(t, "/auth/docs").Is(http.StatusOK).Body
	if got := strings.Count(body, "<tr><td>"); got != operations || got == 0 {
		t.Errorf("%d operations are listed, of %d", got, operations)
	}
}
