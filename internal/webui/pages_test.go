package webui_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/webui/webuitest"

	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/records/contract"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

// userPages are the pages that need a session.
var userPages = []string{
	"/auth/", "/auth/tokens", "/auth/tokens?after=x", "/auth/tokens/00000000-0000-0000-0000-000000000000/revoke",
	"/auth/tokens/00000000-0000-0000-0000-000000000000/regenerate", "/auth/tokens/revoke-all",
	"/auth/device", "/auth/device?user_code=BCDF-GHJK", "/profile/developer", "/account/developer",
}

var userForms = []string{
	"/auth/tokens", "/auth/tokens/00000000-0000-0000-0000-000000000000/revoke",
	"/auth/tokens/00000000-0000-0000-0000-000000000000/regenerate", "/auth/tokens/revoke-all",
	"/auth/device", "/profile/developer", "/account/developer",
}

func TestWhoHasNoSessionSignsInAndIsLedBack(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{}, webuitest.DeveloperPage)
	b := s.Browser(t)
	for _, path := range userPages {
		b.Get(t, path).Leads("/auth/login?next=" + url.QueryEscape(path))
	}
	for _, path := range userForms {
		b.Submit(t, path, "name", "x").Leads("/auth/login?next=" + url.QueryEscape(path))
	}
	b = s.Ada(t)
	s.Advance(12 * time.Hour)
	a := b.Get(t, "/auth/device?user_code=BCDF")
	a.Leads("/auth/login?" + url.Values{"next": {"/auth/device?user_code=BCDF"}, "notice": {"ended"}}.Encode())
	b.Get(t, a.Header.Get("Location")).Is(http.StatusOK, "Your session has ended.", `value="/auth/device?user_code=BCDF"`)
	b.Submit(t, "/auth/login", "username", "ada", "password", "correct horse", "next", "/auth/device?user_code=BCDF").
		Leads("/auth/device?user_code=BCDF")
}

func TestABearerIsNeverLedToASignInPageNorRescuedByACookie(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{})
	token := s.AccessToken(t, "ada", "correct horse").Value.Reveal()
	for _, b := range []*edgetest.Site{s.Browser(t), s.Ada(t)} {
		for _, value := range []string{"Bearer " + token, "Bearer nonsense"} {
			a := b.Get(t, "/auth/tokens", edgetest.Header("Authorization", value)).Is(http.StatusUnauthorized, "tokens are for the API")
			if a.Header.Get("WWW-Authenticate") == "" {
				t.Error("no challenge")
			}
		}
		b.Get(t, "/auth/tokens", edgetest.Header("Authorization", "Bearer ü")).Is(http.StatusBadRequest)
	}
}

// TestTwoSessionsAreNoneUntilOneSignsOut: which of the two somebody else set can't be known.
func TestTwoSessionsAreNoneUntilOneSignsOut(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{})
	good, other := s.SessionToken(t, "ada", "correct horse").Value.Reveal(), s.SessionToken(t, "ada", "correct horse").Value.Reveal()
	b := s.Browser(t)
	b.Get(t, "/auth/tokens", edgetest.Header("Cookie", "sessionid="+good)).Is(http.StatusOK)
	b.Get(t, "/auth/tokens", edgetest.Header("Cookie", "bearerd_session=bad; sessionid="+good)).Is(http.StatusOK)
	two := edgetest.Header("Cookie", "sessionid="+good+"; sessionid="+other)
	b.Get(t, "/auth/tokens", two).Is(http.StatusBadRequest, "/auth/logout")
	b.Get(t, "/auth/logout", two).Is(http.StatusOK)
	b.Do(t, "POST", "/auth/logout", "", two).Leads("/auth/login?notice=signed-out")
	b.Get(t, "/auth/tokens", edgetest.Header("Cookie", "sessionid="+good)).Leads("/auth/login?next=%2Fauth%2Ftokens&notice=ended")
	b.Get(t, "/auth/tokens", edgetest.Header("Cookie", "sessionid="+other)).Leads("/auth/login?next=%2Fauth%2Ftokens&notice=ended")
	token := s.AccessToken(t, "ada", "correct horse").Value.Reveal()
	b.Get(t, "/auth/tokens", edgetest.Header("Cookie", "bearerd_session="+token)).Is(http.StatusSeeOther)
}

func TestEveryAnswerMayBeKeptByNoCacheAndHeldByNoFrame(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{}, webuitest.DeveloperPage)
	nobody, ada := s.Browser(t), s.Ada(t)
	answers := []*edgetest.Answer{
		nobody.Get(t, "/auth/login"), nobody.Get(t, "/auth/logout"), nobody.Get(t, "/auth/tokens"),
		nobody.Submit(t, "/auth/login", "username", "ada", "password", "wrong"), nobody.Submit(t, "/auth/login", "a", "%"),
		nobody.Do(t, "POST", "/auth/login", "", edgetest.Header("Sec-Fetch-Site", "cross-site")),
		ada.Submit(t, "/auth/tokens", "name", "n"), ada.Submit(t, "/auth/tokens"), ada.Submit(t, "/profile/developer"),
	}
	for _, path := range userPages {
		answers = append(answers, ada.Get(t, path))
	}
	for _, a := range answers {
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", a.What, name, got, want)
			}
		}
		policy := a.Header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "style-src 'self'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s: the policy %q lacks %s", a.What, policy, part)
			}
		}
		if strings.Contains(policy, "unsafe") {
			t.Errorf("%s: the policy %q is unsafe", a.What, policy)
		}
	}
}

var (
	inline = regexp.MustCompile(`(?i)<style|<script>|\son[a-z]+=|\sstyle=|javascript:`)
	linked = regexp.MustCompile(`(?:href|src)="(/auth/assets/[^"]+)"`)
)

func TestPagesHaveNothingInlineAndTheirAssetsExist(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{}, webuitest.DeveloperPage)
	b := s.Ada(t)
	assets := map[string]bool{}
	for _, path := range append([]string{"/auth/login", "/auth/logout"}, userPages...) {
		a := b.Get(t, path)
		if found := inline.FindString(a.Body); found != "" {
			t.Errorf("%s has %q", path, found)
		}
		for _, m := range linked.FindAllStringSubmatch(a.Body, -1) {
			assets[m[1]] = true
		}
	}
	if len(assets) != 3 {
		t.Errorf("assets: %v", assets)
	}
	for path := range assets {
		a := s.Browser(t).Get(t, path).Is(http.StatusOK)
		if got := a.Header.Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
			t.Errorf("%s: Cache-Control %q", path, got)
		}
		old := regexp.MustCompile(`/[0-9a-f]{16}/`).ReplaceAllString(path, "/0000000000000000/")
		if got := b.Get(t, old).Is(http.StatusOK).Header.Get("Cache-Control"); got != "no-cache" {
			t.Errorf("%s: Cache-Control %q", old, got)
		}
	}
	b.Get(t, "/auth/assets/0000000000000000/layout.html").Is(http.StatusNotFound)
	b.Get(t, "/auth/assets/0000000000000000/..%2ftemplates%2flayout.html").Is(http.StatusNotFound)
}

func TestEveryFieldHasALabel(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{Settings: webuitest.Scopes}, webuitest.DeveloperPage)
	s.Collection(t, 4, "Fish")
	s.Collection(t, 5, "Birds")
	s.User(t, "lis", "a third one", nodetest.May("access", "/collections"))
	b := s.SignedIn(t, "lis", "a third one")
	for _, path := range []string{"/auth/login", "/auth/tokens", "/auth/device"} {
		body := b.Get(t, path).Is(http.StatusOK).Body
		inLabel := false
		for _, m := range regexp.MustCompile(`</?label[^>]*>|<(?:input|select)[^>]*>`).FindAllString(body, -1) {
			id := regexp.MustCompile(` id="([^"]+)"`).FindStringSubmatch(m)
			switch {
			case strings.HasPrefix(m, "<label"):
				inLabel = !strings.Contains(m, "for=")
			case m == "</label>":
				inLabel = false
			case inLabel, strings.Contains(m, `type="hidden"`), strings.Contains(m, "aria-label="):
			case id == nil || !strings.Contains(body, `<label for="`+id[1]+`"`):
				t.Errorf("%s: %s has no label", path, m)
			}
		}
	}
}

func TestAnErrorPageTellsNothingInternal(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{Store: func(real contract.Store) contract.Store { return broken{real} }})
	a := s.Ada(t).Get(t, "/auth/tokens").Is(http.StatusInternalServerError, "Internal Server Error", "Internal error.")
	a.Lacks("the disk", "@@", "Sign out")
}

func TestAnUnreachableStoreIs503(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{Store: func(real contract.Store) contract.Store { return away{real} }})
	b := s.Browser(t)
	a := b.Submit(t, "/auth/login", "username", "ada", "password", "correct horse").Is(http.StatusServiceUnavailable, "The store is away.")
	if a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	a = b.Do(t, "POST", "/auth/login", edgetest.Form("username", "ada", "password", "x"), edgetest.Header("Accept", "application/json"),
		edgetest.Header("Content-Type", "application/x-www-form-urlencoded"))
	a.Is(http.StatusServiceUnavailable, `"code":"temporarily_unavailable"`)
}

func TestOtherMethodsAreRefused(t *testing.T) {
	t.Parallel()
	b := webuitest.New(t, nodetest.Options{}).Ada(t)
	for _, path := range []string{"/auth/login", "/auth/tokens", "/auth/device"} {
		a := b.Do(t, "DELETE", path, "").Is(http.StatusMethodNotAllowed)
		if a.Header.Get("Allow") != "GET, HEAD, POST" {
			t.Errorf("%s: Allow %q", path, a.Header.Get("Allow"))
		}
	}
	b.Get(t, "/profile/developer").Is(http.StatusNotFound) // the dialect is off
}

func errAway() error { return fault.New(fault.Unavailable, "the store is away") }
