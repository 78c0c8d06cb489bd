package webui_test

import (
	"html"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/assertion"
	"github.com/bearerd/bearerd/internal/assertion/assertiontest"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/secretfile"
	"github.com/bearerd/bearerd/internal/signin"
	"github.com/bearerd/bearerd/internal/sso"
	"github.com/bearerd/bearerd/internal/webui"
)

const museumOrigin = "https://museum.example.org"

var museumSecret = []byte("kZ8#vT2!qR5$wN7%yB4^xC6&jM9*hL3@")

// museum is an application with sessions of its own, and a proxy that signs people in
// beside it.
type museum struct {
	*site
	key assertiontest.Key
}

// newMuseum serves pages on which people sign in by the museum's session too.
func newMuseum(t *testing.T, policy signin.Source, change ...func(*webui.Pages)) *museum {
	t.Helper()
	policy.Name, policy.Title = "museum", "Museum"
	o := nodetest.Options{Settings: func(s *node.Settings) {
		s.Sources = signin.Sources{policy, {Name: "sso", Title: "Single sign-on", Create: true}}
	}}
	s := newSite(t, o, append([]func(*webui.Pages){func(p *webui.Pages) {
		keys, err := assertion.Secret("secret_file", museumSecret)
		nodetest.Must(t, err)
		verifier, err := assertion.New(assertion.Config{Issuer: museumOrigin, Keys: keys, Now: p.Now})
		nodetest.Must(t, err)
		claims := sso.Claims{Username: "preferred_username", FullName: "name", Email: "email"}
		requests, err := sso.NewRequests([32]byte{1}, httpkit.NewCookies(nodetest.Issuer), p.Now)
		nodetest.Must(t, err)
		p.Ways = webui.Ways{Requests: requests, Fresh: 15 * time.Minute, Sources: sso.Sources{
			{Name: "museum", Title: "Museum", App: &sso.App{
				Name: "museum", URL: museumOrigin + "/sign-in", Origin: museumOrigin, Audience: nodetest.Issuer, Claims: claims, Verifier: verifier,
			}},
			{Name: "sso", Title: "Single sign-on", Header: &sso.Header{
				Name: "sso", Claims: sso.Claims{Username: "Remote-User", FullName: "Remote-Name", Email: "Remote-Email"}, Secret: secretfile.Fixed(museumSecret),
				Proxies: httpkit.Proxies{netip.MustParsePrefix("127.0.0.0/8")}, Now: p.Now,
			}},
		}}
	}}, change...)...)
	return &museum{s, assertiontest.Shared(t, museumSecret)}
}

// begin has a browser begin to sign in, and returns the nonce that the museum gets.
func (m *museum) begin(t *testing.T, b *edgetest.Site, path string) string {
	t.Helper()
	a := b.Get(t, path)
	at, err := url.Parse(a.Header.Get("Location"))
	if a.Status != http.StatusSeeOther || err != nil || at.Host != "museum.example.org" || at.Path != "/sign-in" {
		t.Fatalf("%s: %d, leads to %s", path, a.Status, a.Header.Get("Location"))
	}
	return at.Query().Get("request")
}

// claims are those of an assertion for a request.
func (m *museum) claims(nonce string, changes map[string]any) map[string]any {
	now := m.Time().Unix()
	return assertiontest.With(map[string]any{
		"iss": museumOrigin, "aud": nodetest.Issuer, "nonce": nonce, "sub": "7", "iat": now, "exp": now + 60, "jti": "jti-" + nonce,
		"preferred_username": "grace", "name": "Grace H.", "auth_time": now - 10,
	}, changes)
}

func (m *museum) assert(nonce string, changes map[string]any) string {
	return m.key.Sign("bearerd-sign-in+jwt", m.claims(nonce, changes))
}

// post has a browser bring an assertion from the museum's page.
func post(t *testing.T, b *edgetest.Site, raw string, options ...edgetest.Option) *edgetest.Answer {
	t.Helper()
	set := func(r *http.Request) {
		r.Header.Set("Origin", museumOrigin)
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.Header.Set("Content-Type", edgetest.TypeForm)
	}
	options = append([]edgetest.Option{set}, options...)
	return b.Do(t, "POST", "/auth/sign-in/museum", edgetest.Form("assertion", raw), options...)
}

func origin(o string) edgetest.Option { return func(r *http.Request) { r.Header.Set("Origin", o) } }

func TestTheApplicationsSessionSignsIn(t *testing.T) {
	t.Parallel()
	m := newMuseum(t, signin.Source{Create: true})
	b := m.Browser(t)
	b.Get(t, "/auth/login?next=/app").Is(http.StatusOK, `name="password"`, `href="/auth/sign-in/museum?next=%2Fapp"`, "Sign in with Museum")
	nonce := m.begin(t, b, "/auth/sign-in/museum?next=/app")
	a := post(t, b, m.assert(nonce, nil), origin("null"))
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
	m := newMuseum(t, signin.Source{Create: true})
	other := assertiontest.Shared(t, []byte("another secret of at least 32 byt"))
	type changed = map[string]any
	for name, tt := range map[string]struct {
		raw    func(nonce string) string
		status int
	}{
		"nothing":           {func(string) string { return "" }, 401},
		"no JWT":            {func(string) string { return "a.b.c" }, 401},
		"huge":              {func(string) string { return strings.Repeat("x", 40_000) }, 401},
		"another secret":    {func(n string) string { return other.Sign("bearerd-sign-in+jwt", m.claims(n, nil)) }, 401},
		"another type":      {func(n string) string { return m.key.Sign("JWT", m.claims(n, nil)) }, 401},
		"another issuer":    {func(n string) string { return m.assert(n, changed{"iss": "https://evil.example"}) }, 401},
		"another audience":  {func(n string) string { return m.assert(n, changed{"aud": "https://other.example"}) }, 401},
		"two audiences":     {func(n string) string { return m.assert(n, changed{"aud": []string{nodetest.Issuer, "x"}}) }, 401},
		"another nonce":     {func(string) string { return m.assert("AAAA", nil) }, 401},
		"no nonce":          {func(n string) string { return m.assert(n, changed{"nonce": nil}) }, 401},
		"expired":           {func(n string) string { return m.assert(n, changed{"exp": m.Time().Unix() - 1}) }, 401},
		"good for too long": {func(n string) string { return m.assert(n, changed{"exp": m.Time().Unix() + 3600}) }, 401},
		"from the future": {func(n string) string {
			return m.assert(n, changed{"iat": m.Time().Unix() + 600, "exp": m.Time().Unix() + 660})
		}, 401},
		"no jti":            {func(n string) string { return m.assert(n, changed{"jti": nil}) }, 401},
		"no sub":            {func(n string) string { return m.assert(n, changed{"sub": nil}) }, 401},
		"sub is a number":   {func(n string) string { return m.assert(n, changed{"sub": 7}) }, 401},
		"a list for a name": {func(n string) string { return m.assert(n, changed{"preferred_username": []string{"ada"}}) }, 401},
		"somebody's name":   {func(n string) string { return m.assert(n, changed{"sub": "8", "preferred_username": "ada"}) }, 409},
		"unusable name":     {func(n string) string { return m.assert(n, changed{"sub": "8", "preferred_username": "a\u202eb"}) }, 403},
	} {
		b := m.Browser(t)
		nonce := m.begin(t, b, "/auth/sign-in/museum")
		a := post(t, b, tt.raw(nonce))
		if a.Status != tt.status || !strings.Contains(a.Body, "sign you in") || a.Header.Get("Location") != "" {
			t.Errorf("%s: %d\n%s", name, a.Status, a.Body)
		}
		b.Get(t, "/auth/tokens").Leads("/auth/login?next=%2Fauth%2Ftokens")
	}
	if users, err := m.UserList(t.Context(), caller.Operator(), records.UserQuery{}); err != nil || len(users.Items) != 2 {
		t.Errorf("%d users, %v", len(users.Items), err)
	}
	events, err := m.AuditEvents(t.Context(), caller.Operator(), audit.Filter{Action: audit.Login, Limit: 100})
	if err != nil || len(events) < 3 || !strings.HasPrefix(events[0].Target, "museum") {
		t.Errorf("the audit log has %d refusals, %v", len(events), err)
	}
}

// An answer is good once, and in the browser that asked.
func TestAReplayIsRefused(t *testing.T) {
	t.Parallel()
	m := newMuseum(t, signin.Source{Create: true})
	b := m.Browser(t)
	nonce := m.begin(t, b, "/auth/sign-in/museum")
	stolen := b.Cookie(t, "bearerd_signin")
	raw := m.assert(nonce, nil)
	post(t, m.Browser(t), raw).Is(http.StatusUnauthorized, "This browser has not begun that sign-in")
	post(t, b, raw).Leads("/auth/tokens")
	post(t, b, raw).Is(http.StatusUnauthorized)
	post(t, m.Browser(t), raw, edgetest.Cookie("bearerd_signin", stolen)).Is(http.StatusUnauthorized, "used already")
	// With another jti, the request itself has been used.
	post(t, m.Browser(t), m.assert(nonce, map[string]any{"jti": "new"}), edgetest.Cookie("bearerd_signin", stolen)).Is(http.StatusUnauthorized, "used already")
	// And an assertion's id is good once, whatever request it answers.
	second := m.begin(t, b, "/auth/sign-in/museum")
	post(t, b, m.assert(second, map[string]any{"jti": "jti-" + nonce})).Is(http.StatusUnauthorized, "used already")
}

// Five tabs may be under way; an older one, and one that took too long, begins again.
func TestRequestsUnderWay(t *testing.T) {
	t.Parallel()
	m := newMuseum(t, signin.Source{Create: true})
	b := m.Browser(t)
	var nonces []string
	for range 6 {
		nonces = append(nonces, m.begin(t, b, "/auth/sign-in/museum"))
	}
	post(t, b, m.assert(nonces[0], nil)).Is(http.StatusUnauthorized)
	for _, n := range []string{nonces[3], nonces[1], nonces[5]} {
		post(t, b, m.assert(n, nil)).Leads("/auth/tokens")
	}
	late := m.begin(t, b, "/auth/sign-in/museum")
	m.Advance(5*time.Minute + time.Second)
	post(t, b, m.assert(late, nil)).Is(http.StatusUnauthorized, "five minutes")
}

// Another site can't bring an answer, and none comes where a source has no such way.
func TestOtherSitesCantAnswer(t *testing.T) {
	t.Parallel()
	m := newMuseum(t, signin.Source{Create: true})
	b := m.Browser(t)
	nonce := m.begin(t, b, "/auth/sign-in/museum")
	post(t, b, m.assert(nonce, nil), origin("https://evil.example")).Is(http.StatusForbidden)
	b.Do(t, "POST", "/auth/sign-in/sso", edgetest.Form("assertion", "x")).Is(http.StatusNotFound)
	b.Do(t, "POST", "/auth/sign-in/nowhere", edgetest.Form("assertion", "x")).Is(http.StatusNotFound)
	b.Get(t, "/auth/sign-in/nowhere").Is(http.StatusNotFound)
	b.Get(t, "/auth/sign-in/museum/callback?state="+nonce).Is(http.StatusNotFound)
	post(t, b, m.assert(nonce, nil)).Leads("/auth/tokens")
}

// Nowhere does a sign-in lead to another site.
func TestASignInLeadsToOwnPages(t *testing.T) {
	t.Parallel()
	m := newMuseum(t, signin.Source{Create: true})
	for _, next := range []string{"https://evil.example/", "//evil.example", `/\evil.example`, "javascript:alert(1)"} {
		b := m.Browser(t)
		nonce := m.begin(t, b, "/auth/sign-in/museum?next="+url.QueryEscape(next))
		post(t, b, m.assert(nonce, nil)).Leads("/auth/tokens")
	}
}

// A recent sign-in is asked of the source, and one that isn't is refused.
func TestSigningInAgain(t *testing.T) {
	t.Parallel()
	m := newMuseum(t, signin.Source{Create: true})
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
		nonce := m.begin(t, b, "/auth/sign-in/museum?again=true")
		a := post(t, b, m.assert(nonce, map[string]any{"auth_time": at}))
		if a.Status != http.StatusForbidden {
			t.Errorf("%s: %d", name, a.Status)
		}
	}
	nonce := m.begin(t, b, "/auth/sign-in/museum?again=true")
	post(t, b, m.assert(nonce, nil)).Leads("/auth/tokens")
}

// A user with a password here is linked by it once.
func TestAPasswordLinksOnce(t *testing.T) {
	t.Parallel()
	m := newMuseum(t, signin.Source{LinkUsername: true})
	b := m.Browser(t)
	nonce := m.begin(t, b, "/auth/sign-in/museum?next=/app")
	a := post(t, b, m.assert(nonce, map[string]any{"preferred_username": "ada"}))
	a.Is(http.StatusOK, "Password of ada here")
	said := between(a.Body, `name="said" value="`, `"`)
	b.Submit(t, "/auth/sign-in/museum/password", "said", said, "password", "wrong").Is(http.StatusUnauthorized, "Wrong password.")
	b.Submit(t, "/auth/sign-in/museum/password", "said", "x"+said, "password", "correct horse").Is(http.StatusUnauthorized, "begin again")
	b.Submit(t, "/auth/sign-in/museum/password", "said", said, "password", "correct horse").Leads("/app")
	b.Submit(t, "/auth/sign-in/museum/password", "said", said, "password", "correct horse").Is(http.StatusUnauthorized, "used already")
	fresh := m.Browser(t)
	nonce = m.begin(t, fresh, "/auth/sign-in/museum")
	post(t, fresh, m.assert(nonce, nil)).Leads("/auth/tokens")
	fresh.Get(t, "/auth/tokens").Is(http.StatusOK, `title="ada"`)
}

// Somebody who is signed in connects an account, by a form of this server alone.
func TestConnectingAnAccount(t *testing.T) {
	t.Parallel()
	m := newMuseum(t, signin.Source{})
	b := m.ada(t)
	b.Get(t, "/auth/sign-in/museum/link?next=/app").Is(http.StatusOK, "Connect Museum", `value="/app"`)
	b.Do(t, "POST", "/auth/sign-in/museum/link", edgetest.Form("next", "/app"), edgetest.Type(edgetest.TypeForm), origin("https://evil.example"), edgetest.Header("Sec-Fetch-Site", "cross-site")).
		Is(http.StatusForbidden)
	a := b.Submit(t, "/auth/sign-in/museum/link", "next", "/app")
	a.Is(http.StatusOK, museumOrigin+"/sign-in?request=")
	nonce := between(a.Body, "request=", `"`)
	post(t, b, m.assert(nonce, nil)).Leads("/app")
	other := m.Browser(t)
	nonce = m.begin(t, other, "/auth/sign-in/museum")
	post(t, other, m.assert(nonce, nil)).Leads("/auth/tokens")
	other.Get(t, "/auth/tokens").Is(http.StatusOK, `title="ada"`)
	m.signedIn(t, "eve", "battery staple").Submit(t, "/auth/sign-in/sso/link").Is(http.StatusForbidden)
}

// A proxy signs in by its headers, from its address, with its secret, on that page alone.
func TestAProxySignsIn(t *testing.T) {
	t.Parallel()
	m := newMuseum(t, signin.Source{})
	secret := edgetest.Header("X-Bearerd-Proxy", string(museumSecret))
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
		"two secrets":       {[]edgetest.Option{user("grace"), secret, more("X-Bearerd-Proxy", string(museumSecret))}, 403},
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
	m := newMuseum(t, signin.Source{Create: true}, func(p *webui.Pages) {
		p.Passwords, p.Ways.Sources = false, p.Ways.Sources[:1]
	})
	b := m.Browser(t)
	b.Get(t, "/auth/login?next=/app").Leads("/auth/sign-in/museum?next=%2Fapp")
	b.Get(t, "/auth/login?notice=signed-out").Is(http.StatusOK, "You are signed out", "Sign in with Museum").Lacks(`name="password"`)
	nonce := m.begin(t, b, "/auth/sign-in/museum")
	post(t, b, m.assert(nonce, nil)).Leads("/auth/tokens")
	b.Submit(t, "/auth/logout").Leads("/auth/login?notice=signed-out")
}

// Disabled here is disabled: a session that a source began ends at once, and none begins.
func TestADisabledUserIsOut(t *testing.T) {
	t.Parallel()
	m := newMuseum(t, signin.Source{Create: true})
	b := m.Browser(t)
	nonce := m.begin(t, b, "/auth/sign-in/museum")
	post(t, b, m.assert(nonce, nil)).Leads("/auth/tokens")
	disabled := true
	_, err := m.UpdateUser(t.Context(), caller.Operator(), "grace", directory.UserPatch{Disabled: &disabled})
	nodetest.Must(t, err)
	b.Get(t, "/auth/tokens").Is(http.StatusSeeOther)
	nonce = m.begin(t, b, "/auth/sign-in/museum")
	post(t, b, m.assert(nonce, nil)).Is(http.StatusForbidden, "The account is disabled.")
}

// between returns what stands in a text between two others.
func between(text, before, after string) string {
	_, rest, _ := strings.Cut(text, before)
	inside, _, _ := strings.Cut(rest, after)
	return html.UnescapeString(inside)
}
