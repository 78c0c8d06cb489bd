package login_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/webui/webuitest"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/verification"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/webui"
)

func TestSigningInGivesASessionAndLeadsOn(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{})
	b := s.Browser(t)
	b.Get(t, "/auth/login").Is(http.StatusOK, "<h1>Sign in</h1>", `name="password"`).Lacks("Sign out")
	a := b.Submit(t, "/auth/login", "username", "ada", "password", "correct horse")
	a.Leads("/auth/tokens")
	cookie := a.Header.Get("Set-Cookie")
	for _, part := range []string{"bearerd_session=bds_", "; Path=/", "; Max-Age=43200", "; HttpOnly", "; SameSite=Lax"} {
		if !strings.Contains(cookie, part) {
			t.Errorf("the cookie %q lacks %q", cookie, part)
		}
	}
	b.Get(t, "/auth/tokens").Is(http.StatusOK, "Your tokens", `title="ada"`)
	b.Get(t, "/auth/").Leads("/auth/tokens")
	b.Get(t, "/auth/login?next=/app").Is(http.StatusOK, "signed in as <strong>ada</strong>", `href="/app"`)
}

func TestSigningInTakesJSONToo(t *testing.T) {
	t.Parallel()
	b := webuitest.New(t, nodetest.Options{}).Browser(t)
	json := edgetest.Header("Content-Type", "application/json")
	b.Do(t, "POST", "/auth/login", `{"username":"ada","password":"correct horse","next":"/app"}`, json).Leads("/app")
	a := b.Do(t, "POST", "/auth/login", `{"username":"ada","password":"wrong"}`, json, edgetest.Header("Accept", "application/json"))
	a.Is(http.StatusUnauthorized, `"code":"bad_credentials"`)
	if got := a.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type %q", got)
	}
}

func TestSignInLeadsToOwnPagesAlone(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{})
	b := s.Browser(t)
	for next, want := range map[string]string{
		"":                                   "/auth/tokens",
		"/app?a=b%20c":                       "/app?a=b%20c",
		"/auth/device?user_code=BCDF":        "/auth/device?user_code=BCDF",
		nodetest.Issuer + "/app":             "/app",
		"//evil.example":                     "/auth/tokens",
		"///evil.example":                    "/auth/tokens",
		`/\evil.example`:                     "/auth/tokens",
		`\\evil.example`:                     "/auth/tokens",
		"/%5cevil.example":                   "/auth/tokens",
		"/%2Fevil.example":                   "/auth/tokens",
		"/\t/evil.example":                   "/auth/tokens",
		"/..//evil.example":                  "/auth/tokens",
		"https://evil.example/":              "/auth/tokens",
		"http:evil.example":                  "/auth/tokens",
		"http:/evil.example":                 "/auth/tokens",
		"http://localhost:8080@evil.example": "/auth/tokens",
		"http://x@localhost:8080/app":        "/auth/tokens",
		"https://localhost:8080/app":         "/auth/tokens",
		"http://localhost:8081/app":          "/auth/tokens",
		"javascript:alert(1)":                "/auth/tokens",
		"data:text/html,x":                   "/auth/tokens",
		" /app":                              "/auth/tokens",
		"app":                                "/auth/tokens",
		"/app\r\nSet-Cookie: a=b":            "/auth/tokens",
		"/" + strings.Repeat("a", 5000):      "/auth/tokens",
	} {
		b.Submit(t, "/auth/login", "username", "ada", "password", "correct horse", "next", next).Leads(want)
	}
}

func TestAWrongPasswordKeepsWhatWasTypedAndTellsNothing(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{})
	yes := true
	s.User(t, "gone", "correct horse")
	if _, err := s.UpdateUser(t.Context(), caller.Operator(), "gone", identity.UserPatch{Disabled: &yes}); err != nil {
		t.Fatal(err)
	}
	b := s.Browser(t)
	var pages []string
	for _, who := range []string{"ada", "nobody", "gone"} {
		password := "correct horse"
		if who == "ada" {
			password = "wrong & <secret>"
		}
		a := b.Submit(t, "/auth/login", "username", who, "password", password, "next", "/app")
		a.Is(http.StatusUnauthorized, "Wrong username or password.", `value="`+who+`"`, `name="next" value="/app"`)
		a.Lacks(password, "secret")
		if a.Header.Get("Set-Cookie") != "" || !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), "Bearer ") {
			t.Errorf("headers: %v", a.Header)
		}
		pages = append(pages, strings.ReplaceAll(a.Body, who, "NAME"))
	}
	if pages[0] != pages[1] || pages[0] != pages[2] {
		t.Error("the answers differ")
	}
}

func TestSignInAsksForWhatIsMissing(t *testing.T) {
	t.Parallel()
	b := webuitest.New(t, nodetest.Options{}).Browser(t)
	b.Submit(t, "/auth/login").Is(http.StatusBadRequest, "Enter your username.", "Enter your password.", `aria-invalid="true"`)
	b.Submit(t, "/auth/login", "username", "ada").Is(http.StatusBadRequest, "Enter your password.", `value="ada"`).Lacks("Enter your username.")
	b.Submit(t, "/auth/login", "password", "correct horse").Is(http.StatusBadRequest, "Enter your username.").Lacks("correct horse")
}

func TestTooManyFailuresSayWhenToTryAgain(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{Settings: func(p *node.Settings) { p.Limits.Account = 2 }})
	s.Freeze()
	b := s.Browser(t)
	for range 2 {
		b.Submit(t, "/auth/login", "username", "ada", "password", "wrong").Is(http.StatusUnauthorized)
	}
	a := b.Submit(t, "/auth/login", "username", "ada", "password", "correct horse")
	a.Is(http.StatusTooManyRequests, "Try again in 15 minutes.", `value="ada"`)
	if got := a.Header.Get("Retry-After"); got != "900" {
		t.Errorf("Retry-After %q", got)
	}
	s.Advance(15 * time.Minute)
	b.Submit(t, "/auth/login", "username", "ada", "password", "correct horse").Is(http.StatusSeeOther)
}

func TestSignInRefusesWhatIsNoForm(t *testing.T) {
	t.Parallel()
	b := webuitest.New(t, nodetest.Options{}).Browser(t)
	isForm := edgetest.Header("Content-Type", "application/x-www-form-urlencoded")
	for name, tt := range map[string]struct {
		body   string
		header edgetest.Option
		status int
	}{
		"repeated":     {"username=ada&username=eve&password=x", isForm, http.StatusBadRequest},
		"not UTF-8":    {"username=%ff&password=x", isForm, http.StatusBadRequest},
		"NUL":          {"username=a%00&password=x", isForm, http.StatusBadRequest},
		"huge":         {"username=" + strings.Repeat("a", 70<<10), isForm, http.StatusRequestEntityTooLarge},
		"another type": {"username=ada&password=x", edgetest.Header("Content-Type", "text/plain"), http.StatusBadRequest},
		"bad JSON":     {`{"username":`, edgetest.Header("Content-Type", "application/json"), http.StatusBadRequest},
		"wrong member": {`{"username":["ada"],"password":"x"}`, edgetest.Header("Content-Type", "application/json"), http.StatusBadRequest},
	} {
		a := b.Do(t, "POST", "/auth/login", tt.body, tt.header)
		if a.Status != tt.status || a.Header.Get("Set-Cookie") != "" || !strings.Contains(a.Body, "<h1>") {
			t.Errorf("%s: %d %v\n%s", name, a.Status, a.Header, a.Body)
		}
	}
}

func TestAnotherSiteCanSignNobodyInOrOut(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{})
	b := s.Browser(t)
	isForm := edgetest.Header("Content-Type", "application/x-www-form-urlencoded")
	for _, foreign := range []edgetest.Option{edgetest.Header("Sec-Fetch-Site", "cross-site"), edgetest.Header("Origin", "https://evil.example"), edgetest.Header("Origin", "null")} {
		a := b.Do(t, "POST", "/auth/login", edgetest.Form("username", "eve", "password", "battery staple"), isForm, foreign)
		a.Is(http.StatusForbidden, "Cross-origin request refused.")
		if a.Header.Get("Set-Cookie") != "" {
			t.Error("a session was set")
		}
	}
	b = s.Ada(t)
	b.Do(t, "POST", "/auth/logout", "", edgetest.Header("Sec-Fetch-Site", "cross-site")).Is(http.StatusForbidden)
	b.Get(t, "/auth/tokens").Is(http.StatusOK)
}

func TestPagesWithoutCookiesOrOriginCheckLetNobodyIn(t *testing.T) {
	t.Parallel()
	none := webuitest.New(t, nodetest.Options{}, func(p *webui.Pages) { p.SessionCookies = nil })
	none.Browser(t).Submit(t, "/auth/login", "username", "ada", "password", "correct horse").Is(http.StatusForbidden)
	unchecked := webuitest.New(t, nodetest.Options{}, func(p *webui.Pages) { p.CrossOrigin = nil })
	unchecked.Browser(t).Submit(t, "/auth/login", "username", "ada", "password", "correct horse").Is(http.StatusForbidden)
}

func TestSigningOutEndsEverySessionOfTheBrowser(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{})
	b := s.Ada(t)
	first := b.Cookie(t, "bearerd_session")
	second := s.SessionToken(t, "ada", "correct horse").Value.Reveal()
	c, err := s.Session(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	made, err := s.Issue(t.Context(), c, &issuance.Request{Kind: token.KindAccess, Parent: c.Token})
	if err != nil {
		t.Fatal(err)
	}

	b.Get(t, "/auth/logout").Is(http.StatusOK, "Sign out?", `method="post" action="/auth/logout"`)
	a := b.Do(t, "POST", "/auth/logout", "", edgetest.Header("Cookie", "bearerd_session="+first+"; sessionid="+second))
	a.Leads("/auth/login?notice=signed-out")
	if got := len(a.Header.Values("Set-Cookie")); got != 2 {
		t.Errorf("%d cookies are removed, want 2", got)
	}
	for _, raw := range []string{first, second} {
		if _, err := s.Session(t.Context(), raw); !fault.Is(err, fault.InvalidToken) {
			t.Errorf("a session lives: %v", err)
		}
	}
	if _, err := s.Verify(t.Context(), made.Value.Reveal(), verification.Requirements{}); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("a token that was made from it lives: %v", err)
	}
	if got := len(s.Events(t, audit.Filter{Action: audit.Logout})); got != 2 {
		t.Errorf("%d events, want 2", got)
	}
	b = s.Browser(t)
	b.Get(t, "/auth/login?notice=signed-out").Is(http.StatusOK, "You are signed out.")
	b.Get(t, "/auth/login?notice=%3Cb%3E").Is(http.StatusOK).Lacks("<b>")
	b.Submit(t, "/auth/logout").Leads("/auth/login?notice=signed-out")
	if got := b.Submit(t, "/auth/logout").Header.Get("Clear-Site-Data"); got != `"cache"` {
		t.Errorf("Clear-Site-Data %q", got)
	}
	b.Get(t, "/auth/logout").Is(http.StatusOK, "You are signed out")
}
