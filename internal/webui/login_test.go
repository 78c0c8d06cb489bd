package webui_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
	"github.com/bearerd/bearerd/internal/webui"
)

func TestSigningInGivesASessionAndLeadsOn(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	b := s.browser(t)
	b.get("/auth/login").want(http.StatusOK, "<h1>Sign in</h1>", `name="password"`).without("Sign out")
	a := b.post("/auth/login", "username", "ada", "password", "correct horse")
	a.leads("/auth/tokens")
	cookie := a.header.Get("Set-Cookie")
	for _, part := range []string{"bearerd_session=bds_", "; Path=/", "; Max-Age=43200", "; HttpOnly", "; SameSite=Lax"} {
		if !strings.Contains(cookie, part) {
			t.Errorf("the cookie %q lacks %q", cookie, part)
		}
	}
	b.get("/auth/tokens").want(http.StatusOK, "Your tokens", `title="ada"`)
	b.get("/auth/").leads("/auth/tokens")
	b.get("/auth/login?next=/app").want(http.StatusOK, "signed in as <strong>ada</strong>", `href="/app"`)
}

func TestSigningInTakesJSONToo(t *testing.T) {
	t.Parallel()
	b := newSite(t, nodetest.Options{}).browser(t)
	json := header("Content-Type", "application/json")
	b.do("POST", "/auth/login", `{"username":"ada","password":"correct horse","next":"/app"}`, json).leads("/app")
	a := b.do("POST", "/auth/login", `{"username":"ada","password":"wrong"}`, json, header("Accept", "application/json"))
	a.want(http.StatusUnauthorized, `"code":"bad_credentials"`)
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("content type %q", got)
	}
}

func TestSignInLeadsToOwnPagesAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	b := s.browser(t)
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
		"/" + strings.Repeat("a", 3000):      "/auth/tokens",
	} {
		b.post("/auth/login", "username", "ada", "password", "correct horse", "next", next).leads(want)
	}
}

func TestAWrongPasswordKeepsWhatWasTypedAndTellsNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	yes := true
	s.User(t, "gone", "correct horse")
	if _, err := s.UpdateUser(t.Context(), caller.Operator(), "gone", directory.UserPatch{Disabled: &yes}); err != nil {
		t.Fatal(err)
	}
	b := s.browser(t)
	var pages []string
	for _, who := range []string{"ada", "nobody", "gone"} {
		password := "correct horse"
		if who == "ada" {
			password = "wrong & <secret>"
		}
		a := b.post("/auth/login", "username", who, "password", password, "next", "/app")
		a.want(http.StatusUnauthorized, "not a username and password", `value="`+who+`"`, `name="next" value="/app"`)
		a.without(password, "secret")
		if a.header.Get("Set-Cookie") != "" || !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer ") {
			t.Errorf("headers: %v", a.header)
		}
		pages = append(pages, strings.ReplaceAll(a.body, who, "NAME"))
	}
	if pages[0] != pages[1] || pages[0] != pages[2] {
		t.Error("the answers differ")
	}
}

func TestSignInAsksForWhatIsMissing(t *testing.T) {
	t.Parallel()
	b := newSite(t, nodetest.Options{}).browser(t)
	b.post("/auth/login").want(http.StatusBadRequest, "Type your username.", "Type your password.", `aria-invalid="true"`)
	b.post("/auth/login", "username", "ada").want(http.StatusBadRequest, "Type your password.", `value="ada"`).without("Type your username.")
	b.post("/auth/login", "password", "correct horse").want(http.StatusBadRequest, "Type your username.").without("correct horse")
}

func TestTooManyFailuresSayWhenToTryAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{Settings: func(p *node.Settings) { p.Limits.Account = 2 }})
	s.Freeze()
	b := s.browser(t)
	for range 2 {
		b.post("/auth/login", "username", "ada", "password", "wrong").want(http.StatusUnauthorized)
	}
	a := b.post("/auth/login", "username", "ada", "password", "correct horse")
	a.want(http.StatusTooManyRequests, "Try again in 15 minutes.", `value="ada"`)
	if got := a.header.Get("Retry-After"); got != "900" {
		t.Errorf("Retry-After %q", got)
	}
	s.Advance(15 * time.Minute)
	b.post("/auth/login", "username", "ada", "password", "correct horse").want(http.StatusSeeOther)
}

func TestSignInRefusesWhatIsNoForm(t *testing.T) {
	t.Parallel()
	b := newSite(t, nodetest.Options{}).browser(t)
	isForm := header("Content-Type", "application/x-www-form-urlencoded")
	for name, tt := range map[string]struct {
		body   string
		header with
		status int
	}{
		"repeated":     {"username=ada&username=eve&password=x", isForm, http.StatusBadRequest},
		"not UTF-8":    {"username=%ff&password=x", isForm, http.StatusBadRequest},
		"NUL":          {"username=a%00&password=x", isForm, http.StatusBadRequest},
		"huge":         {"username=" + strings.Repeat("a", 70<<10), isForm, http.StatusRequestEntityTooLarge},
		"another type": {"username=ada&password=x", header("Content-Type", "text/plain"), http.StatusBadRequest},
		"bad JSON":     {`{"username":`, header("Content-Type", "application/json"), http.StatusBadRequest},
		"wrong member": {`{"username":["ada"],"password":"x"}`, header("Content-Type", "application/json"), http.StatusBadRequest},
	} {
		a := b.do("POST", "/auth/login", tt.body, tt.header)
		if a.status != tt.status || a.header.Get("Set-Cookie") != "" || !strings.Contains(a.body, "<h1>") {
			t.Errorf("%s: %d %v\n%s", name, a.status, a.header, a.body)
		}
	}
}

func TestAnotherSiteCanSignNobodyInOrOut(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	b := s.browser(t)
	isForm := header("Content-Type", "application/x-www-form-urlencoded")
	for _, foreign := range []with{header("Sec-Fetch-Site", "cross-site"), header("Origin", "https://evil.example"), header("Origin", "null")} {
		a := b.do("POST", "/auth/login", form("username", "eve", "password", "battery staple"), isForm, foreign)
		a.want(http.StatusForbidden, "Cross-origin request refused.")
		if a.header.Get("Set-Cookie") != "" {
			t.Error("a session was set")
		}
	}
	b = s.ada(t)
	b.do("POST", "/auth/logout", "", header("Sec-Fetch-Site", "cross-site")).want(http.StatusForbidden)
	b.get("/auth/tokens").want(http.StatusOK)
}

func TestPagesWithoutCookiesOrOriginCheckLetNobodyIn(t *testing.T) {
	t.Parallel()
	none := newSite(t, nodetest.Options{}, func(p *webui.Pages) { p.SessionCookies = nil })
	none.browser(t).post("/auth/login", "username", "ada", "password", "correct horse").want(http.StatusForbidden)
	unchecked := newSite(t, nodetest.Options{}, func(p *webui.Pages) { p.CrossOrigin = nil })
	unchecked.browser(t).post("/auth/login", "username", "ada", "password", "correct horse").want(http.StatusForbidden)
}

func TestSigningOutEndsEverySessionOfTheBrowser(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	b := s.ada(t)
	first := b.cookie("bearerd_session")
	second := s.SessionToken(t, "ada", "correct horse").Value.Reveal()
	c, err := s.Session(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	made, err := s.Issue(t.Context(), c, &issuance.Request{Kind: token.KindAccess, Parent: c.Token})
	if err != nil {
		t.Fatal(err)
	}

	b.get("/auth/logout").want(http.StatusOK, "Sign out?", `method="post" action="/auth/logout"`)
	a := b.do("POST", "/auth/logout", "", header("Cookie", "bearerd_session="+first+"; sessionid="+second))
	a.leads("/auth/login?notice=signed-out")
	if got := len(a.header.Values("Set-Cookie")); got != 2 {
		t.Errorf("%d cookies are taken back, want 2", got)
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
	b = s.browser(t)
	b.get("/auth/login?notice=signed-out").want(http.StatusOK, "You are signed out.")
	b.get("/auth/login?notice=%3Cb%3E").want(http.StatusOK).without("<b>")
	b.post("/auth/logout").leads("/auth/login?notice=signed-out")
	if got := b.post("/auth/logout").header.Get("Clear-Site-Data"); got != `"cache"` {
		t.Errorf("Clear-Site-Data %q", got)
	}
	b.get("/auth/logout").want(http.StatusOK, "You are signed out")
}
