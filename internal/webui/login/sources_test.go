package login_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/webui/webuitest"

	"github.com/bearerd/bearerd/internal/assertion/assertiontest"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/signin"
	"github.com/bearerd/bearerd/internal/webui"
)

func TestTheApplicationsSessionSignsIn(t *testing.T) {
	t.Parallel()
	m := webuitest.NewMuseum(t, signin.Source{Create: true})
	b := m.Browser(t)
	b.Get(t, "/auth/login?next=/app").Is(http.StatusOK, `name="password"`, `href="/auth/sign-in/museum?next=%2Fapp"`, "Sign in with Museum")
	nonce := m.Begin(t, b, "/auth/sign-in/museum?next=/app")
	a := webuitest.Post(t, b, m.Assert(nonce, nil), webuitest.Origin("null"))
	a.Leads("/app")
	b.Get(t, "/auth/tokens").Is(http.StatusOK, `title="grace"`)
	c, err := m.Session(t.Context(), b.Cookie(t, "bearerd_session"))
	nodetest.Must(t, err)
	if c.Token.VouchedBy != "museum" || m.Time().Sub(c.Token.SignedIn) > 15*time.Second {
		t.Errorf("the session says %q, %s", c.Token.VouchedBy, c.Token.SignedIn)
	}
}

// What isn't the source's answer to this browser's request signs nobody in, and says so.
func TestOtherAnswersSignNobodyIn(t *testing.T) {
	t.Parallel()
	m := webuitest.NewMuseum(t, signin.Source{Create: true})
	other := assertiontest.Shared(t, []byte("another secret of at least 32 byt"))
	type changed = map[string]any
	for name, tt := range map[string]struct {
		raw    func(nonce string) string
		status int
	}{
		"nothing":           {func(string) string { return "" }, 401},
		"no JWT":            {func(string) string { return "a.b.c" }, 401},
		"huge":              {func(string) string { return strings.Repeat("x", 40_000) }, 401},
		"another secret":    {func(n string) string { return other.Sign("bearerd-sign-in+jwt", m.Claims(n, nil)) }, 401},
		"another type":      {func(n string) string { return m.Key.Sign("JWT", m.Claims(n, nil)) }, 401},
		"another issuer":    {func(n string) string { return m.Assert(n, changed{"iss": "https://evil.example"}) }, 401},
		"another audience":  {func(n string) string { return m.Assert(n, changed{"aud": "https://other.example"}) }, 401},
		"two audiences":     {func(n string) string { return m.Assert(n, changed{"aud": []string{nodetest.Issuer, "x"}}) }, 401},
		"another nonce":     {func(string) string { return m.Assert("AAAA", nil) }, 401},
		"no nonce":          {func(n string) string { return m.Assert(n, changed{"nonce": nil}) }, 401},
		"expired":           {func(n string) string { return m.Assert(n, changed{"exp": m.Time().Unix() - 1}) }, 401},
		"good for too long": {func(n string) string { return m.Assert(n, changed{"exp": m.Time().Unix() + 3600}) }, 401},
		"from the future": {func(n string) string {
			return m.Assert(n, changed{"iat": m.Time().Unix() + 600, "exp": m.Time().Unix() + 660})
		}, 401},
		"no jti":            {func(n string) string { return m.Assert(n, changed{"jti": nil}) }, 401},
		"no sub":            {func(n string) string { return m.Assert(n, changed{"sub": nil}) }, 401},
		"sub is a number":   {func(n string) string { return m.Assert(n, changed{"sub": 7}) }, 401},
		"a list for a name": {func(n string) string { return m.Assert(n, changed{"preferred_username": []string{"ada"}}) }, 401},
		"somebody's name":   {func(n string) string { return m.Assert(n, changed{"sub": "8", "preferred_username": "ada"}) }, 409},
		"unusable name":     {func(n string) string { return m.Assert(n, changed{"sub": "8", "preferred_username": "a\u202eb"}) }, 403},
	} {
		b := m.Browser(t)
		nonce := m.Begin(t, b, "/auth/sign-in/museum")
		a := webuitest.Post(t, b, tt.raw(nonce))
		if a.Status != tt.status || !strings.Contains(a.Body, "sign you in") || a.Header.Get("Location") != "" {
			t.Errorf("%s: %d\n%s", name, a.Status, a.Body)
		}
		b.Get(t, "/auth/tokens").Leads("/auth/login?next=%2Fauth%2Ftokens")
	}
	if users, err := m.UserList(t.Context(), caller.Operator(), records.UserQuery{}); err != nil || len(users.Items) != 2 {
		t.Errorf("%d users, %v", len(users.Items), err)
	}
	events, err := m.AuditEvents(t.Context(), caller.Operator(), audit.Filter{Action: audit.Login, Limit: 100})
	if err != nil || len(events) < 3 {
		t.Errorf("the audit log has %d refusals, %v", len(events), err)
	}
	for _, e := range events { // whom the source named, or the source where it named nobody
		if !strings.HasPrefix(e.Target, "museum") && e.TargetName != "ada" {
			t.Errorf("%+v", e)
		}
	}
}

// An answer is good once, and in the browser that asked.
func TestAReplayIsRefused(t *testing.T) {
	t.Parallel()
	m := webuitest.NewMuseum(t, signin.Source{Create: true})
	b := m.Browser(t)
	nonce := m.Begin(t, b, "/auth/sign-in/museum")
	stolen := b.Cookie(t, "bearerd_signin")
	raw := m.Assert(nonce, nil)
	webuitest.Post(t, m.Browser(t), raw).Is(http.StatusUnauthorized, "This browser has not begun that sign-in")
	webuitest.Post(t, b, raw).Leads("/auth/tokens")
	webuitest.Post(t, b, raw).Is(http.StatusUnauthorized)
	webuitest.Post(t, m.Browser(t), raw, edgetest.Cookie("bearerd_signin", stolen)).Is(http.StatusUnauthorized, "used already")
	// With another jti, the request itself has been used.
	webuitest.Post(t, m.Browser(t), m.Assert(nonce, map[string]any{"jti": "new"}), edgetest.Cookie("bearerd_signin", stolen)).Is(http.StatusUnauthorized, "used already")
	// And an assertion's id is good once, whatever request it answers.
	second := m.Begin(t, b, "/auth/sign-in/museum")
	webuitest.Post(t, b, m.Assert(second, map[string]any{"jti": "jti-" + nonce})).Is(http.StatusUnauthorized, "used already")
}

// Five tabs may be under way; an older one, and one that took too long, begins again.
func TestRequestsUnderWay(t *testing.T) {
	t.Parallel()
	m := webuitest.NewMuseum(t, signin.Source{Create: true})
	b := m.Browser(t)
	var nonces []string
	for range 6 {
		nonces = append(nonces, m.Begin(t, b, "/auth/sign-in/museum"))
	}
	webuitest.Post(t, b, m.Assert(nonces[0], nil)).Is(http.StatusUnauthorized)
	for _, n := range []string{nonces[3], nonces[1], nonces[5]} {
		webuitest.Post(t, b, m.Assert(n, nil)).Leads("/auth/tokens")
	}
	late := m.Begin(t, b, "/auth/sign-in/museum")
	m.Advance(5*time.Minute + time.Second)
	webuitest.Post(t, b, m.Assert(late, nil)).Is(http.StatusUnauthorized, "five minutes")
}

// Another site can't bring an answer, and none comes where a source has no such way.
func TestOtherSitesCantAnswer(t *testing.T) {
	t.Parallel()
	m := webuitest.NewMuseum(t, signin.Source{Create: true})
	b := m.Browser(t)
	nonce := m.Begin(t, b, "/auth/sign-in/museum")
	webuitest.Post(t, b, m.Assert(nonce, nil), webuitest.Origin("https://evil.example")).Is(http.StatusForbidden)
	b.Do(t, "POST", "/auth/sign-in/sso", edgetest.Form("assertion", "x")).Is(http.StatusNotFound)
	b.Do(t, "POST", "/auth/sign-in/nowhere", edgetest.Form("assertion", "x")).Is(http.StatusNotFound)
	b.Get(t, "/auth/sign-in/nowhere").Is(http.StatusNotFound)
	b.Get(t, "/auth/sign-in/museum/callback?state="+nonce).Is(http.StatusNotFound)
	webuitest.Post(t, b, m.Assert(nonce, nil)).Leads("/auth/tokens")
}

// Nowhere does a sign-in lead to another site.
func TestASignInLeadsToOwnPages(t *testing.T) {
	t.Parallel()
	m := webuitest.NewMuseum(t, signin.Source{Create: true})
	for _, next := range []string{"https://evil.example/", "//evil.example", `/\evil.example`, "javascript:alert(1)"} {
		b := m.Browser(t)
		nonce := m.Begin(t, b, "/auth/sign-in/museum?next="+url.QueryEscape(next))
		webuitest.Post(t, b, m.Assert(nonce, nil)).Leads("/auth/tokens")
	}
}

// A recent sign-in is asked of the source, and one that isn't is refused.
func TestSigningInAgain(t *testing.T) {
	t.Parallel()
	m := webuitest.NewMuseum(t, signin.Source{Create: true})
	b := m.Browser(t)
	a := b.Get(t, "/auth/sign-in/museum?again=true")
	if at, _ := url.Parse(a.Header.Get("Location")); at.Query().Get("max_age") != "900" {
		t.Errorf("leads to %s", at)
	}
	a = b.Get(t, "/auth/sign-in/museum?again=60")
	if at, _ := url.Parse(a.Header.Get("Location")); at.Query().Get("max_age") != "60" {
		t.Errorf("leads to %s", at)
	}
	for name, at := range map[string]any{"none": nil, "too old": m.Time().Unix() - 1000} {
		nonce := m.Begin(t, b, "/auth/sign-in/museum?again=true")
		a := webuitest.Post(t, b, m.Assert(nonce, map[string]any{"auth_time": at}))
		if a.Status != http.StatusForbidden {
			t.Errorf("%s: %d", name, a.Status)
		}
	}
	nonce := m.Begin(t, b, "/auth/sign-in/museum?again=true")
	webuitest.Post(t, b, m.Assert(nonce, nil)).Leads("/auth/tokens")
}

// A user with a password here is linked by it once.
func TestAPasswordLinksOnce(t *testing.T) {
	t.Parallel()
	m := webuitest.NewMuseum(t, signin.Source{LinkUsername: true})
	b := m.Browser(t)
	nonce := m.Begin(t, b, "/auth/sign-in/museum?next=/app")
	a := webuitest.Post(t, b, m.Assert(nonce, map[string]any{"preferred_username": "ada"}))
	a.Is(http.StatusOK, "Password of ada here")
	said := webuitest.Between(a.Body, `name="said" value="`, `"`)
	b.Submit(t, "/auth/sign-in/museum/password", "said", said, "password", "wrong").Is(http.StatusUnauthorized, "Wrong password.")
	b.Submit(t, "/auth/sign-in/museum/password", "said", "x"+said, "password", "correct horse").Is(http.StatusUnauthorized, "begin again")
	b.Submit(t, "/auth/sign-in/museum/password", "said", said, "password", "correct horse").Leads("/app")
	b.Submit(t, "/auth/sign-in/museum/password", "said", said, "password", "correct horse").Is(http.StatusUnauthorized, "used already")
	fresh := m.Browser(t)
	nonce = m.Begin(t, fresh, "/auth/sign-in/museum")
	webuitest.Post(t, fresh, m.Assert(nonce, nil)).Leads("/auth/tokens")
	fresh.Get(t, "/auth/tokens").Is(http.StatusOK, `title="ada"`)
}

// Somebody who is signed in connects an account, by a form of this server alone.
func TestConnectingAnAccount(t *testing.T) {
	t.Parallel()
	m := webuitest.NewMuseum(t, signin.Source{})
	b := m.Ada(t)
	b.Get(t, "/auth/sign-in/museum/link?next=/app").Is(http.StatusOK, "Connect Museum", `value="/app"`)
	b.Do(t, "POST", "/auth/sign-in/museum/link", edgetest.Form("next", "/app"), edgetest.Type(edgetest.TypeForm), webuitest.Origin("https://evil.example"), edgetest.Header("Sec-Fetch-Site", "cross-site")).
		Is(http.StatusForbidden)
	a := b.Submit(t, "/auth/sign-in/museum/link", "next", "/app")
	a.Is(http.StatusOK, webuitest.MuseumOrigin+"/sign-in?request=")
	nonce := webuitest.Between(a.Body, "request=", `"`)
	webuitest.Post(t, b, m.Assert(nonce, nil)).Leads("/app")
	other := m.Browser(t)
	nonce = m.Begin(t, other, "/auth/sign-in/museum")
	webuitest.Post(t, other, m.Assert(nonce, nil)).Leads("/auth/tokens")
	other.Get(t, "/auth/tokens").Is(http.StatusOK, `title="ada"`)
	m.SignedIn(t, "eve", "battery staple").Submit(t, "/auth/sign-in/sso/link").Is(http.StatusForbidden)
}

// A proxy signs in by its headers, from its address, with its secret, on that page alone.
func TestAProxySignsIn(t *testing.T) {
	t.Parallel()
	m := webuitest.NewMuseum(t, signin.Source{})
	secret := edgetest.Header("X-Bearerd-Proxy", string(webuitest.MuseumSecret()))
	user := func(name string) edgetest.Option { return edgetest.Header("Remote-User", name) }
	b := m.Browser(t)
	b.Get(t, "/auth/sign-in/sso?next=/app", secret, user("Grace"), edgetest.Header("Remote-Name", "Grace Hopper")).Leads("/app")
	b.Get(t, "/auth/tokens").Is(http.StatusOK, `title="Grace"`)
	more := func(name, value string) edgetest.Option {
		return func(r *http.Request) { r.Header.Add(name, value) }
	}
	raw := func(name, value string) edgetest.Option {
		return func(r *http.Request) { r.Header[name] = append(r.Header[name], value) }
	}
	for name, tt := range map[string]struct {
		options []edgetest.Option
		status  int
	}{
		"no secret":         {[]edgetest.Option{user("grace")}, 403},
		"a wrong secret":    {[]edgetest.Option{user("grace"), edgetest.Header("X-Bearerd-Proxy", "x")}, 403},
		"two secrets":       {[]edgetest.Option{user("grace"), secret, more("X-Bearerd-Proxy", string(webuitest.MuseumSecret()))}, 403},
		"nobody":            {[]edgetest.Option{secret}, 403},
		"empty":             {[]edgetest.Option{secret, user("")}, 403},
		"two users":         {[]edgetest.Option{secret, user("grace"), more("Remote-User", "ada")}, 400},
		"two names":         {[]edgetest.Option{secret, user("grace"), more("Remote-Name", "a"), more("Remote-Name", "b")}, 400},
		"another spelling":  {[]edgetest.Option{secret, user("grace"), raw("Remote_User", "ada")}, 400},
		"a spelled secret":  {[]edgetest.Option{secret, user("grace"), raw("X_Bearerd_Proxy", "x")}, 400},
		"another encoding":  {[]edgetest.Option{secret, user("gr\xe4ce")}, 400},
		"a name that's had": {[]edgetest.Option{secret, user("ada")}, 409},
	} {
		if a := m.Browser(t).Get(t, "/auth/sign-in/sso", tt.options...); a.Status != tt.status {
			t.Errorf("%s: %d, want %d\n%s", name, a.Status, tt.status, a.Body)
		}
	}
	m.Browser(t).Get(t, "/auth/tokens", secret, user("grace")).Leads("/auth/login?next=%2Fauth%2Ftokens")
	b.Do(t, "POST", "/auth/sign-in/sso", "", secret, user("grace")).Is(http.StatusNotFound)
}

// With one way alone, the sign-in page leads there at once, except after a sign-out.
func TestOneWayAloneIsTaken(t *testing.T) {
	t.Parallel()
	m := webuitest.NewMuseum(t, signin.Source{Create: true}, func(p *webui.Pages) {
		p.Passwords, p.Ways.Sources = false, p.Ways.Sources[:1]
	})
	b := m.Browser(t)
	b.Get(t, "/auth/login?next=/app").Leads("/auth/sign-in/museum?next=%2Fapp")
	b.Get(t, "/auth/login?notice=signed-out").Is(http.StatusOK, "You are signed out", "Sign in with Museum").Lacks(`name="password"`)
	nonce := m.Begin(t, b, "/auth/sign-in/museum")
	webuitest.Post(t, b, m.Assert(nonce, nil)).Leads("/auth/tokens")
	b.Submit(t, "/auth/logout").Leads("/auth/login?notice=signed-out")
}

// Disabled here is disabled: a session that a source began ends at once, and none begins.
func TestADisabledUserIsOut(t *testing.T) {
	t.Parallel()
	m := webuitest.NewMuseum(t, signin.Source{Create: true})
	b := m.Browser(t)
	nonce := m.Begin(t, b, "/auth/sign-in/museum")
	webuitest.Post(t, b, m.Assert(nonce, nil)).Leads("/auth/tokens")
	disabled := true
	_, err := m.UpdateUser(t.Context(), caller.Operator(), "grace", identity.UserPatch{Disabled: &disabled})
	nodetest.Must(t, err)
	b.Get(t, "/auth/tokens").Is(http.StatusSeeOther)
	nonce = m.Begin(t, b, "/auth/sign-in/museum")
	webuitest.Post(t, b, m.Assert(nonce, nil)).Is(http.StatusForbidden, "The account is disabled.")
}
