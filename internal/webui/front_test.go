package webui_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/webui"
	"github.com/bearerd/bearerd/internal/webui/kit"
	"github.com/bearerd/bearerd/internal/webui/webuitest"
)

// The address of the server, opened in a browser, says what it is; a program gets what it
// gets for every path that isn't there.
func TestTheFrontPageIsForBrowsers(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{}, func(p *webui.Pages) { p.Front = true })
	b := s.Browser(t)
	page := edgetest.Header("Accept", "text/html,*/*;q=0.8")
	b.Get(t, "/", page).Is(http.StatusOK, "<h1>bearerd</h1>", `href="/auth/login"`, "manages API tokens").Lacks("Your tokens")
	s.Ada(t).Get(t, "/", page).Is(http.StatusOK, `href="/auth/tokens"`).Lacks(`href="/auth/login"`)
	for _, accept := range []string{"application/json", "*/*"} {
		a := b.Get(t, "/", edgetest.Header("Accept", accept)).Is(http.StatusNotFound)
		if kind := a.Header.Get("Content-Type"); kind != "application/problem+json" {
			t.Errorf("%s: the answer is %s", accept, kind)
		}
	}
	behind := webuitest.New(t, nodetest.Options{})
	if a := behind.Browser(t).Get(t, "/", page); strings.Contains(a.Body, "looks after") {
		t.Error("the front page stands where an application is behind")
	}
}

// What nobody serves is answered by Accept, too.
func TestRefusalsAreByAccept(t *testing.T) {
	t.Parallel()
	var made *webui.Pages
	webuitest.New(t, nodetest.Options{}, func(p *webui.Pages) { p.Name, made = "Museum <API>", p })
	for accept, want := range map[string]string{
		"text/html,application/xhtml+xml": "text/html; charset=utf-8", "application/json": "application/problem+json", "*/*": "application/problem+json", "": "application/problem+json",
	} {
		r := httptest.NewRequest(http.MethodGet, "/nothing", nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		made.Refuse(w, r, fault.New(fault.NotFound, "there is nothing at this path"))
		if got := w.Header().Get("Content-Type"); w.Code != http.StatusNotFound || got != want {
			t.Errorf("%q: %d, %s", accept, w.Code, got)
		}
		if strings.HasPrefix(want, "text/html") {
			if body := w.Body.String(); !strings.Contains(body, "There is nothing at this path.") || !strings.Contains(body, "Museum &lt;API&gt;</bdi>") {
				t.Error(body)
			}
			if w.Header().Get("Content-Security-Policy") == "" || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%v", w.Header())
			}
		}
	}
}

// The site's logo is served as what it is, and can do nothing.
func TestTheSiteHasItsNameAndLogo(t *testing.T) {
	t.Parallel()
	svg := `<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`
	s := webuitest.New(t, nodetest.Options{}, func(p *webui.Pages) {
		p.Name, p.Logo = "Museum <API>", &kit.Logo{Type: "image/svg+xml", Body: []byte(svg)}
	})
	b := s.Ada(t)
	a := b.Get(t, "/auth/tokens").Is(http.StatusOK, "<title>Your tokens · Museum &lt;API&gt;</title>", "<bdi>Museum &lt;API&gt;</bdi>")
	found := regexp.MustCompile(`src="(/auth/assets/[0-9a-f]+/logo)"`).FindStringSubmatch(a.Body)
	if found == nil {
		t.Fatal(a.Body)
	}
	logo := b.Get(t, found[1]).Is(http.StatusOK, svg)
	for header, want := range map[string]string{
		"Content-Type": "image/svg+xml", "X-Content-Type-Options": "nosniff", "Cache-Control": "public, max-age=31536000, immutable",
	} {
		if got := logo.Header.Get(header); got != want {
			t.Errorf("%s: %q", header, got)
		}
	}
	if policy := logo.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "sandbox") {
		t.Errorf("the policy is %q", policy)
	}
}
