package webui_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/webui"
)

// hypothesis turns the developer page on.
func hypothesis(p *webui.Pages) { p.Hypothesis = true }

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
	s := newSite(t, nodetest.Options{}, hypothesis)
	b := s.browser(t)
	for _, path := range userPages {
		b.get(path).leads("/auth/login?next=" + url.QueryEscape(path))
	}
	for _, path := range userForms {
		b.post(path, "name", "x").leads("/auth/login?next=" + url.QueryEscape(path))
	}
	b = s.ada(t)
	s.Advance(12 * time.Hour)
	a := b.get("/auth/device?user_code=BCDF")
	a.leads("/auth/login?" + url.Values{"next": {"/auth/device?user_code=BCDF"}, "notice": {"ended"}}.Encode())
	b.get(a.header.Get("Location")).want(http.StatusOK, "Your session has ended.", `value="/auth/device?user_code=BCDF"`)
	b.post("/auth/login", "username", "ada", "password", "correct horse", "next", "/auth/device?user_code=BCDF").
		leads("/auth/device?user_code=BCDF")
}

func TestABearerIsNeverLedToASignInPageNorRescuedByACookie(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	token := s.AccessToken(t, "ada", "correct horse").Value.Reveal()
	for _, b := range []*browser{s.browser(t), s.ada(t)} {
		for _, value := range []string{"Bearer " + token, "Bearer nonsense"} {
			a := b.get("/auth/tokens", header("Authorization", value)).want(http.StatusUnauthorized, "tokens are for the API")
			if a.header.Get("WWW-Authenticate") == "" {
				t.Error("no challenge")
			}
		}
		b.get("/auth/tokens", header("Authorization", "Bearer ü")).want(http.StatusBadRequest)
	}
}

// TestTwoSessionsAreNoneUntilOneSignsOut: which of the two somebody else set can't be known.
func TestTwoSessionsAreNoneUntilOneSignsOut(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	good, other := s.SessionToken(t, "ada", "correct horse").Value.Reveal(), s.SessionToken(t, "ada", "correct horse").Value.Reveal()
	b := s.browser(t)
	b.get("/auth/tokens", header("Cookie", "sessionid="+good)).want(http.StatusOK)
	b.get("/auth/tokens", header("Cookie", "bearerd_session=bad; sessionid="+good)).want(http.StatusOK)
	two := header("Cookie", "sessionid="+good+"; sessionid="+other)
	b.get("/auth/tokens", two).want(http.StatusBadRequest, "/auth/logout")
	b.get("/auth/logout", two).want(http.StatusOK)
	b.do("POST", "/auth/logout", "", two).leads("/auth/login?notice=signed-out")
	b.get("/auth/tokens", header("Cookie", "sessionid="+good)).leads("/auth/login?next=%2Fauth%2Ftokens&notice=ended")
	b.get("/auth/tokens", header("Cookie", "sessionid="+other)).leads("/auth/login?next=%2Fauth%2Ftokens&notice=ended")
	token := s.AccessToken(t, "ada", "correct horse").Value.Reveal()
	b.get("/auth/tokens", header("Cookie", "bearerd_session="+token)).want(http.StatusSeeOther)
}

func TestEveryAnswerMayBeKeptByNoCacheAndHeldByNoFrame(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{}, hypothesis)
	nobody, ada := s.browser(t), s.ada(t)
	answers := []*answer{
		nobody.get("/auth/login"), nobody.get("/auth/logout"), nobody.get("/auth/tokens"),
		nobody.post("/auth/login", "username", "ada", "password", "wrong"), nobody.post("/auth/login", "a", "%"),
		nobody.do("POST", "/auth/login", "", header("Sec-Fetch-Site", "cross-site")),
		ada.post("/auth/tokens", "name", "n"), ada.post("/auth/tokens"), ada.post("/profile/developer"),
	}
	for _, path := range userPages {
		answers = append(answers, ada.get(path))
	}
	for _, a := range answers {
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", a.what, name, got, want)
			}
		}
		policy := a.header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "style-src 'self'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s: the policy %q lacks %s", a.what, policy, part)
			}
		}
		if strings.Contains(policy, "unsafe") {
			t.Errorf("%s: the policy %q is unsafe", a.what, policy)
		}
	}
}

var (
	inline = regexp.MustCompile(`(?i)<style|<script>|\son[a-z]+=|\sstyle=|javascript:`)
	linked = regexp.MustCompile(`(?:href|src)="(/auth/assets/[^"]+)"`)
)

func TestPagesHaveNothingInlineAndTheirAssetsExist(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{}, hypothesis)
	b := s.ada(t)
	assets := map[string]bool{}
	for _, path := range append([]string{"/auth/login", "/auth/logout"}, userPages...) {
		a := b.get(path)
		if found := inline.FindString(a.body); found != "" {
			t.Errorf("%s has %q", path, found)
		}
		for _, m := range linked.FindAllStringSubmatch(a.body, -1) {
			assets[m[1]] = true
		}
	}
	if len(assets) != 3 {
		t.Errorf("assets: %v", assets)
	}
	for path := range assets {
		a := s.browser(t).get(path).want(http.StatusOK)
		if got := a.header.Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
			t.Errorf("%s: Cache-Control %q", path, got)
		}
		old := regexp.MustCompile(`/[0-9a-f]{16}/`).ReplaceAllString(path, "/0000000000000000/")
		if got := b.get(old).want(http.StatusOK).header.Get("Cache-Control"); got != "no-cache" {
			t.Errorf("%s: Cache-Control %q", old, got)
		}
	}
	b.get("/auth/assets/0000000000000000/layout.html").want(http.StatusNotFound)
	b.get("/auth/assets/0000000000000000/..%2ftemplates%2flayout.html").want(http.StatusNotFound)
}

func TestEveryFieldHasALabel(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{Settings: scopes}, hypothesis)
	s.Collection(t, 4, "Fish")
	s.Collection(t, 5, "Birds")
	s.User(t, "lis", "a third one", nodetest.May("access", "/collections"))
	b := s.signedIn(t, "lis", "a third one")
	for _, path := range []string{"/auth/login", "/auth/tokens", "/auth/device"} {
		body := b.get(path).want(http.StatusOK).body
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
	s := newSite(t, nodetest.Options{Store: func(real records.Store) records.Store { return broken{real} }})
	a := s.ada(t).get("/auth/tokens").want(http.StatusInternalServerError, "Internal Server Error", "Internal error.")
	a.without("the disk", "@@", "Sign out")
}

func TestAnUnreachableStoreIs503(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{Store: func(real records.Store) records.Store { return away{real} }})
	b := s.browser(t)
	a := b.post("/auth/login", "username", "ada", "password", "correct horse").want(http.StatusServiceUnavailable, "The store is away.")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	a = b.do("POST", "/auth/login", form("username", "ada", "password", "x"), header("Accept", "application/json"),
		header("Content-Type", "application/x-www-form-urlencoded"))
	a.want(http.StatusServiceUnavailable, `"code":"temporarily_unavailable"`)
}

func TestOtherMethodsAreRefused(t *testing.T) {
	t.Parallel()
	b := newSite(t, nodetest.Options{}).ada(t)
	for _, path := range []string{"/auth/login", "/auth/tokens", "/auth/device"} {
		a := b.do("DELETE", path, "").want(http.StatusMethodNotAllowed)
		if a.header.Get("Allow") != "GET, HEAD, POST" {
			t.Errorf("%s: Allow %q", path, a.header.Get("Allow"))
		}
	}
	b.get("/profile/developer").want(http.StatusNotFound) // the dialect is off
}

func errAway() error { return fault.New(fault.Unavailable, "the store is away") }
