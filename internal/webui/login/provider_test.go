package login_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/assertion/assertiontest"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/openid"
	"github.com/bearerd/bearerd/internal/openid/openidtest"
	"github.com/bearerd/bearerd/internal/remote"
	"github.com/bearerd/bearerd/internal/secretfile"
	"github.com/bearerd/bearerd/internal/signin"
	"github.com/bearerd/bearerd/internal/sso"
	"github.com/bearerd/bearerd/internal/webui"
	"github.com/bearerd/bearerd/internal/webui/login"
	"github.com/bearerd/bearerd/internal/webui/webuitest"
)

// orcid is a site on which people sign in with an OpenID provider, and that provider.
type orcid struct {
	*webuitest.Site

	at    *openidtest.Provider
	pages *webui.Pages
}

func newORCID(t *testing.T, change ...func(*sso.Source)) *orcid {
	t.Helper()
	o := &orcid{}
	options := nodetest.Options{Settings: func(s *node.Settings) {
		s.Sources = signin.Sources{{Name: "orcid", Title: "ORCID", Create: true, SetsGroups: true, GroupsOnly: []string{"curators"}}}
	}}
	o.Site = webuitest.New(t, options, func(p *webui.Pages) {
		o.at = openidtest.New(t, p.Now)
		client, err := remote.NewClient("")
		nodetest.Must(t, err)
		claims := sso.Claims{Username: "preferred_username", FullName: "name", Email: "email", Groups: "groups"}
		provider, err := openid.New(openid.Config{
			Name: "ORCID", Issuer: o.at.Issuer, ClientID: openidtest.ClientID, Secret: secretfile.Fixed([]byte(openidtest.Secret)), Now: p.Now,
			RedirectURI: nodetest.Issuer + "/auth/sign-in/orcid/callback", Scopes: []string{"openid"}, Claims: claims.Names(), Client: client,
		})
		nodetest.Must(t, err)
		source := sso.Source{Name: "orcid", Title: "ORCID", Provider: &sso.Provider{Provider: provider, Claims: claims}}
		for _, c := range change {
			c(&source)
		}
		requests, err := sso.NewRequests([32]byte{1}, httpkit.NewCookies(nodetest.Issuer), p.Now)
		nodetest.Must(t, err)
		p.Ways = login.Ways{Requests: requests, Fresh: 15 * time.Minute, Sources: sso.Sources{source}}
		o.pages = p
	})
	return o
}

// visit has a browser begin to sign in and go to the provider; the result is the path that
// the provider sends it back to.
func (o *orcid) visit(t *testing.T, b *edgetest.Site, path string) string {
	t.Helper()
	a := b.Get(t, path)
	address := a.Header.Get("Location")
	if a.Status != http.StatusSeeOther || !strings.HasPrefix(address, o.at.Issuer+"/authorize?") {
		t.Fatalf("%s: %d, leads to %q\n%s", path, a.Status, address, a.Body)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Get(address)
	nodetest.Must(t, err)
	defer func() { _ = res.Body.Close() }()
	back, err := url.Parse(res.Header.Get("Location"))
	if err != nil || !strings.HasPrefix(back.String(), nodetest.Issuer+"/auth/sign-in/orcid/callback?") {
		t.Fatalf("the provider answers %d, and leads to %q", res.StatusCode, back)
	}
	return back.RequestURI()
}

// signIn is the whole way.
func (o *orcid) signIn(t *testing.T, b *edgetest.Site) {
	t.Helper()
	b.Get(t, o.visit(t, b, "/auth/sign-in/orcid")).Leads("/auth/tokens")
}

// logout posts a logout token to the back channel.
func (o *orcid) logout(t *testing.T, raw string) *edgetest.Answer {
	t.Helper()
	a := o.Do(t, "POST", "/auth/sign-in/orcid/backchannel-logout", edgetest.Form("logout_token", raw), edgetest.Type(edgetest.TypeForm))
	a.Uncached()
	return a
}

func (o *orcid) wantSignedIn(t *testing.T, name string, b *edgetest.Site, want bool) {
	t.Helper()
	if a := b.Get(t, "/auth/tokens"); (a.Status == http.StatusOK) != want {
		t.Errorf("%s: %d, signed in: %t", name, a.Status, want)
	}
}

func TestSignInWithAProvider(t *testing.T) {
	t.Parallel()
	o := newORCID(t)
	o.at.Person(map[string]any{"groups": []string{"curators", "administrators"}})
	b := o.Browser(t)
	b.Get(t, "/auth/login?next=/app").Is(http.StatusOK, `name="password"`, `href="/auth/sign-in/orcid?next=%2Fapp"`, "Sign in with ORCID")
	b.Get(t, o.visit(t, b, "/auth/sign-in/orcid?next=/app")).Is(http.StatusConflict, `The username &#34;ada&#34; is taken`)
	o.at.Person(map[string]any{"preferred_username": "grace"})
	b.Get(t, o.visit(t, b, "/auth/sign-in/orcid?next=/app")).Leads("/app")
	b.Get(t, "/auth/tokens").Is(http.StatusOK, `title="grace"`)
	c, err := o.Session(t.Context(), b.Cookie(t, "bearerd_session"))
	nodetest.Must(t, err)
	if c.Token.VouchedBy != "orcid" || len(c.Subject.Groups) != 1 || c.Subject.Groups[0] != "curators" {
		t.Errorf("vouched for by %q, groups %q", c.Token.VouchedBy, c.Subject.Groups)
	}
}

// What doesn't belong together signs nobody in, and says so on a page.
func TestMixUpsWithAProvider(t *testing.T) {
	t.Parallel()
	o := newORCID(t)
	o.at.Person(map[string]any{"preferred_username": "grace"})
	change := func(path string, change func(url.Values)) string {
		u, _ := url.Parse(path)
		q := u.Query()
		change(q)
		return u.Path + "?" + q.Encode()
	}
	for name, tt := range map[string]struct {
		act    func(b *edgetest.Site) *edgetest.Answer
		status int
		text   string
	}{
		"another browser": {func(b *edgetest.Site) *edgetest.Answer {
			return o.Browser(t).Get(t, o.visit(t, b, "/auth/sign-in/orcid"))
		}, 401, "This browser has not begun that sign-in"},
		"another state": {func(b *edgetest.Site) *edgetest.Answer {
			return b.Get(t, change(o.visit(t, b, "/auth/sign-in/orcid"), func(q url.Values) { q.Set("state", "x") }))
		}, 401, "This browser has not begun that sign-in"},
		"no state": {func(b *edgetest.Site) *edgetest.Answer {
			return b.Get(t, change(o.visit(t, b, "/auth/sign-in/orcid"), func(q url.Values) { q.Del("state") }))
		}, 401, "This browser has not begun that sign-in"},
		"two states": {func(b *edgetest.Site) *edgetest.Answer {
			return b.Get(t, o.visit(t, b, "/auth/sign-in/orcid")+"&state=x")
		}, 401, "two values"},
		"a code of another request": {func(b *edgetest.Site) *edgetest.Answer {
			u, _ := url.Parse(o.visit(t, o.Browser(t), "/auth/sign-in/orcid"))
			return b.Get(t, change(o.visit(t, b, "/auth/sign-in/orcid"), func(q url.Values) { q.Set("code", u.Query().Get("code")) }))
		}, 401, "no longer knows"},
		"another issuer": {func(b *edgetest.Site) *edgetest.Answer {
			return b.Get(t, change(o.visit(t, b, "/auth/sign-in/orcid"), func(q url.Values) { q.Set("iss", "https://evil.example") }))
		}, 401, "not from ORCID"},
		"no issuer": {func(b *edgetest.Site) *edgetest.Answer {
			return b.Get(t, change(o.visit(t, b, "/auth/sign-in/orcid"), func(q url.Values) { q.Del("iss") }))
		}, 401, "not from ORCID"},
		"too late": {func(b *edgetest.Site) *edgetest.Answer {
			back := o.visit(t, b, "/auth/sign-in/orcid")
			o.Advance(5*time.Minute + time.Second)
			return b.Get(t, back)
		}, 401, "five minutes"},
		"the person declines": {func(b *edgetest.Site) *edgetest.Answer {
			return b.Get(t, change(o.visit(t, b, "/auth/sign-in/orcid"), func(q url.Values) {
				q.Del("code")
				q.Set("error", "access_denied")
				q.Set("error_description", "<b>call 555</b>")
			}))
		}, 403, "ORCID did not let you in, or you declined there."},
		"an error of an attacker": {func(b *edgetest.Site) *edgetest.Answer {
			return b.Get(t, "/auth/sign-in/orcid/callback?error=access_denied&error_description=call+555")
		}, 401, "This browser has not begun that sign-in"},
	} {
		b := o.Browser(t)
		a := tt.act(b)
		if a.Status != tt.status || !strings.Contains(a.Body, tt.text) || strings.Contains(a.Body, "555") || !strings.Contains(a.Body, "/auth/sign-in/orcid") {
			t.Errorf("%s: %d, want %d and %q\n%s", name, a.Status, tt.status, tt.text, a.Body)
		}
		o.wantSignedIn(t, name, b, false)
	}
}

// A callback is good once, in the browser that began, even for who has copied its cookie.
func TestACallbackIsGoodOnce(t *testing.T) {
	t.Parallel()
	o := newORCID(t)
	o.at.Person(map[string]any{"preferred_username": "grace"})
	b := o.Browser(t)
	back := o.visit(t, b, "/auth/sign-in/orcid")
	stolen := b.Cookie(t, "bearerd_signin")
	b.Get(t, back).Leads("/auth/tokens")
	b.Get(t, back).Is(http.StatusUnauthorized, "has finished it")
	o.Browser(t).Get(t, back, edgetest.Cookie("bearerd_signin", stolen)).Is(http.StatusUnauthorized, "no longer knows")
	// A provider that takes its codes twice: the request has been used all the same.
	again := o.visit(t, b, "/auth/sign-in/orcid")
	stolen = b.Cookie(t, "bearerd_signin")
	var answer []byte
	o.at.Serve("/token", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if answer == nil {
			nonce := o.at.Last().Get("nonce")
			raw := o.at.Key.Sign("JWT", map[string]any{
				"iss": o.at.Issuer, "aud": openidtest.ClientID, "sub": "248289761001", "nonce": nonce, "preferred_username": "grace",
				"iat": o.Time().Unix(), "exp": o.Time().Add(time.Minute).Unix(),
			})
			answer = []byte(`{"access_token":"x","token_type":"Bearer","id_token":"` + raw + `"}`)
		}
		_, _ = w.Write(answer)
	})
	b.Get(t, again).Leads("/auth/tokens")
	o.Browser(t).Get(t, again, edgetest.Cookie("bearerd_signin", stolen)).Is(http.StatusUnauthorized, "used already")
}

// A provider that is not well: a page says so, and the other ways to sign in go on.
func TestAProviderThatIsAway(t *testing.T) {
	t.Parallel()
	o := newORCID(t)
	o.at.Serve("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "PRIVATE", http.StatusInternalServerError)
	})
	b := o.Browser(t)
	a := b.Get(t, "/auth/sign-in/orcid?next=/app")
	a.Is(http.StatusServiceUnavailable, "ORCID can&#39;t be reached now", "/auth/login").Lacks("PRIVATE")
	if a.Header.Get("Retry-After") == "" {
		t.Error("it isn't said when to come again")
	}
	b.Get(t, "/auth/sign-in/orcid", edgetest.Header("Accept", "application/json")).Is(http.StatusServiceUnavailable, `"detail"`)
	b.Submit(t, "/auth/login", "username", "ada", "password", "correct horse").Leads("/auth/tokens")
	o.at.Serve("/.well-known/openid-configuration", nil)
	o.Advance(5 * time.Second)
	o.at.Person(map[string]any{"preferred_username": "grace"})
	o.signIn(t, o.Browser(t))
}

// The page says what a person can do; why, and in the provider's words, the log says.
func TestTheLogSaysWhyAProviderFailed(t *testing.T) {
	t.Parallel()
	o := newORCID(t)
	o.at.Serve("/token", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"error":"invalid_client","error_description":"no such client"}`))
	})
	var log strings.Builder
	mux := http.NewServeMux()
	o.pages.Register(mux)
	observer := httpkit.NewObserver(httpkit.ObserverConfig{
		Logger: slog.New(slog.NewTextHandler(&log, nil)), Now: o.Time, Context: func(ctx context.Context, _ *httpkit.Event) context.Context { return ctx },
	})
	b := o.Browser(t)
	back := o.visit(t, b, "/auth/sign-in/orcid")
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, back, http.NoBody)
	r.AddCookie(&http.Cookie{Name: "bearerd_signin", Value: b.Cookie(t, "bearerd_signin")})
	w := httptest.NewRecorder()
	observer.Wrap(mux).ServeHTTP(w, r)
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "An administrator") || strings.Contains(w.Body.String(), "no such client") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "invalid_client") || !strings.Contains(log.String(), "no such client") || strings.Contains(log.String(), "code=") {
		t.Errorf("the log: %s", &log)
	}
}

// How long ago people may have authenticated is said to the provider, so that it asks them
// again, and the shorter of two ages counts.
func TestMaxAgeIsSaidToTheProvider(t *testing.T) {
	t.Parallel()
	o := newORCID(t, func(s *sso.Source) { s.MaxAge = time.Hour })
	for path, want := range map[string]string{"/auth/sign-in/orcid": "3600", "/auth/sign-in/orcid?again=true": "900"} {
		o.visit(t, o.Browser(t), path)
		if got := o.at.Last().Get("max_age"); got != want {
			t.Errorf("%s: max_age %q, want %q", path, got, want)
		}
	}
	o.at.Person(map[string]any{"preferred_username": "grace", "auth_time": o.Time().Add(-2 * time.Hour).Unix()})
	b := o.Browser(t)
	b.Get(t, o.visit(t, b, "/auth/sign-in/orcid")).Is(http.StatusUnauthorized, "too long ago")
}

func TestTheProviderEndsASession(t *testing.T) {
	t.Parallel()
	o := newORCID(t)
	o.at.Person(map[string]any{"preferred_username": "grace"})
	here, there := o.Browser(t), o.Browser(t)
	o.signIn(t, here)
	c, err := o.Session(t.Context(), here.Cookie(t, "bearerd_session"))
	nodetest.Must(t, err)
	access, apiToken := o.MadeAccess(t, c), o.APIToken(t, c, credentials.NewCredential{})
	ada := o.Ada(t)
	o.at.Person(map[string]any{"sid": "s2"})
	o.signIn(t, there)

	if a := o.logout(t, o.at.LogoutToken(map[string]any{"sid": "s1"})); a.Status != http.StatusOK || a.Body != "" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
	o.wantSignedIn(t, "the session", here, false)
	o.wantSignedIn(t, "another session of the person", there, true)
	o.wantSignedIn(t, "somebody else", ada, true)
	o.WantDead(t, "an access token of the session", access)
	o.WantAlive(t, "an API token", apiToken)

	o.logout(t, o.at.LogoutToken(map[string]any{"sid": nil})).Is(http.StatusOK)
	o.wantSignedIn(t, "every session of the person", there, false)
	o.wantSignedIn(t, "somebody else", ada, true)
	o.logout(t, o.at.LogoutToken(map[string]any{"sub": "nobody here", "sid": nil})).Is(http.StatusOK)
	events, err := o.AuditEvents(t.Context(), caller.Operator(), audit.Filter{Action: audit.Logout, Limit: 10})
	if err != nil || len(events) != 2 || events[0].Reason != "signed out at the source orcid" {
		t.Errorf("%+v, %v", events, err)
	}
}

func TestTheProviderEndsEverything(t *testing.T) {
	t.Parallel()
	o := newORCID(t, func(s *sso.Source) { s.Provider.LogoutAll = true })
	o.at.Person(map[string]any{"preferred_username": "grace"})
	b := o.Browser(t)
	o.signIn(t, b)
	c, err := o.Session(t.Context(), b.Cookie(t, "bearerd_session"))
	nodetest.Must(t, err)
	apiToken := o.APIToken(t, c, credentials.NewCredential{})
	o.logout(t, o.at.LogoutToken(nil)).Is(http.StatusOK)
	o.wantSignedIn(t, "the session", b, false)
	o.WantDead(t, "an API token", apiToken)
	o.at.Person(map[string]any{"sid": "s2"})
	o.signIn(t, b)
}

// The provider ends the session, or all of the person, while the browser is on its way back
// from there.
func TestTheProviderEndsASignInUnderWay(t *testing.T) {
	t.Parallel()
	for name, changes := range map[string]map[string]any{"the session": {"sub": nil}, "all of the person": {"sid": nil}} {
		o := newORCID(t)
		o.Freeze()
		o.at.Person(map[string]any{"preferred_username": "grace"})
		b := o.Browser(t)
		o.signIn(t, b)
		o.at.Tokens(func(claims map[string]any) string {
			o.logout(t, o.at.Key.Sign("logout+jwt", assertiontest.With(map[string]any{
				"iss": o.at.Issuer, "aud": openidtest.ClientID, "iat": o.Time().Unix(), "jti": "x", "sub": claims["sub"], "sid": claims["sid"],
				"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
			}, changes))).Is(http.StatusOK)
			return o.at.Key.Sign("JWT", claims)
		})
		b.Get(t, o.visit(t, b, "/auth/sign-in/orcid"))
		o.wantSignedIn(t, "the sign-in that was under way when "+name+" ended", b, false)
		o.Advance(time.Second)
		o.at.Tokens(func(claims map[string]any) string { return o.at.Key.Sign("JWT", claims) })
		o.at.Person(map[string]any{"sid": "s2"})
		o.signIn(t, b)
		o.wantSignedIn(t, "signed in again after "+name+" had ended", b, true)
	}
}

func TestLogoutTokensThatEndNothing(t *testing.T) {
	t.Parallel()
	o := newORCID(t)
	o.at.Person(map[string]any{"preferred_username": "grace"})
	b := o.Browser(t)
	o.signIn(t, b)
	forged := assertiontest.New(t, "ES256", "k1")
	claims := map[string]any{
		"iss": o.at.Issuer, "aud": openidtest.ClientID, "iat": o.Time().Unix(), "exp": o.Time().Add(time.Minute).Unix(), "jti": "x",
		"sub": "248289761001", "events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
	for name, raw := range map[string]string{
		"nothing":        "",
		"no JWT":         "a.b.c",
		"a forged one":   forged.Sign("logout+jwt", claims),
		"a nonce":        o.at.LogoutToken(map[string]any{"nonce": "x"}),
		"no event":       o.at.LogoutToken(map[string]any{"events": nil}),
		"no jti":         o.at.LogoutToken(map[string]any{"jti": nil}),
		"nobody":         o.at.LogoutToken(map[string]any{"sub": nil, "sid": nil}),
		"another client": o.at.LogoutToken(map[string]any{"aud": "portal"}),
		"an old one":     o.at.LogoutToken(map[string]any{"iat": o.Time().Add(-6 * time.Minute).Unix()}),
	} {
		a := o.logout(t, raw)
		if body := a.Object(); a.Status != http.StatusBadRequest || body["error"] != "invalid_request" || body["error_description"] == "" {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
	}
	o.wantSignedIn(t, "after all of them", b, true)

	used := o.at.LogoutToken(map[string]any{"sid": nil})
	o.logout(t, used).Is(http.StatusOK)
	o.Advance(time.Second)
	o.signIn(t, b)
	o.logout(t, used).Is(http.StatusBadRequest, "used already")
	o.wantSignedIn(t, "after a copy of one that was used", b, true)

	form := edgetest.Type(edgetest.TypeForm)
	for path, status := range map[string]int{"/auth/sign-in/nowhere/backchannel-logout": 404, "/auth/sign-in/orcid/backchannel-logout?logout_token=" + used: 400} {
		o.Do(t, "POST", path, "", form).Is(status)
	}
	o.Do(t, "POST", "/auth/sign-in/orcid/backchannel-logout", `{"logout_token":"`+used+`"}`, edgetest.Type("application/json")).Is(http.StatusBadRequest)
	o.Do(t, "POST", "/auth/sign-in/orcid/backchannel-logout", edgetest.Form("logout_token", strings.Repeat("x", 70<<10)), form).Is(http.StatusRequestEntityTooLarge)
	o.Get(t, "/auth/sign-in/orcid/backchannel-logout").Is(http.StatusMethodNotAllowed)
	o.at.Serve("/jwks", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) })
	o.Advance(25 * time.Hour) // the keys that were known are too old
	a := o.logout(t, o.at.LogoutToken(nil))
	if a.Status != http.StatusServiceUnavailable || a.Object()["error"] != "temporarily_unavailable" || a.Header.Get("Retry-After") == "" {
		t.Errorf("without keys: %d %s", a.Status, a.Body)
	}
}

// An application has no back channel.
func TestOnlyProvidersHaveABackChannel(t *testing.T) {
	t.Parallel()
	m := webuitest.NewMuseum(t, signin.Source{})
	m.Do(t, "POST", "/auth/sign-in/museum/backchannel-logout", edgetest.Form("logout_token", "x"), edgetest.Type(edgetest.TypeForm)).Is(http.StatusNotFound)
}
