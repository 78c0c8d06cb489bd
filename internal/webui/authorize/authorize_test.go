package authorize_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/authorizing"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/clientdoc"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/verification"
	"github.com/bearerd/bearerd/internal/webui"
	"github.com/bearerd/bearerd/internal/webui/webuitest"
)

const (
	appBack  = "https://app.example/back"
	museumAt = "https://museum.example.org/api"
	verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636, appendix B
)

// asking is a site with clients that ask people for access.
type asking struct {
	*webuitest.Site
	app *caller.Caller
}

func newAsking(t *testing.T) *asking {
	t.Helper()
	s := webuitest.New(t, nodetest.Options{Settings: func(s *node.Settings) {
		s.Policy.Scopes = map[string]string{"read": "Read specimens", "write": "Change specimens"}
		s.Policy.Resources = []issuance.Resource{
			{URL: museumAt, Audience: "museum"}, {URL: museumAt + "/admin", Audience: "museum-admin"}, {URL: nodetest.Issuer, Audience: nodetest.Issuer},
		}
	}})
	s.Collection(t, 4, "Fish")
	_, err := s.CreateBinding(t.Context(), caller.Operator(), access.Binding{
		User: s.ByPassword(t, "ada").ID(), Permission: &access.Permission{Action: access.ActionAccess, Path: "/"}, Path: "/collections/4",
	})
	nodetest.Must(t, err)
	code := []string{identity.GrantTypeAuthorizationCode, identity.GrantTypeRefreshToken}
	_, _, err = s.CreateClient(t.Context(), caller.Operator(), identity.NewClient{
		ID: "phone", Grants: code[:1], Scopes: []string{"read"}, RedirectURIs: []string{"http://127.0.0.1/cb", "org.example.phone:/cb"},
	}, false)
	nodetest.Must(t, err)
	return &asking{
		Site: s,
		app: s.NewClient(t, identity.NewClient{
			ID: "app", Name: "The app", Grants: code, RedirectURIs: []string{appBack}, Secret: nodetest.ClientSecret,
		}),
	}
}

// query returns the query of a request of the app, with changes by pairs; "" leaves one out.
func query(pairs ...string) string {
	sum := sha256.Sum256([]byte(verifier))
	q := url.Values{
		"client_id": {"app"}, "redirect_uri": {appBack}, "response_type": {"code"}, "scope": {"read write"}, "state": {"s&1"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}, "resource": {museumAt},
	}
	for i := 0; i < len(pairs); i += 2 {
		q.Del(pairs[i])
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q.Encode()
}

const endpoint = "/oauth2/authorize?"

// answered returns the parameters of the answer that a page sends a client.
func answered(t *testing.T, a *edgetest.Answer, to string) url.Values {
	t.Helper()
	at, q, _ := strings.Cut(a.Header.Get("Location"), "?")
	if a.Status != http.StatusSeeOther || at != to {
		t.Fatalf("%s: %d, leads to %s\n%s", a.What, a.Status, a.Header.Get("Location"), a.Body)
	}
	values, err := url.ParseQuery(q)
	if err != nil || values.Get("iss") != nodetest.Issuer {
		t.Fatalf("%s leads to %s, %v", a.What, a.Header.Get("Location"), err)
	}
	return values
}

// allow has a browser allow what a request asks for.
func allow(t *testing.T, b *edgetest.Site, q string, pairs ...string) *edgetest.Answer {
	t.Helper()
	b.Get(t, endpoint+q).Is(http.StatusOK, "Allow access?")
	return b.Submit(t, "/oauth2/authorize", append([]string{"request", q, "decision", "allow"}, pairs...)...)
}

func (a *asking) redeem(t *testing.T, code string, change ...func(*authorizing.CodeUse)) (issuance.Pair, error) {
	t.Helper()
	x := authorizing.CodeUse{Client: a.app, Code: code, RedirectURI: appBack, Verifier: verifier}
	for _, c := range change {
		c(&x)
	}
	return a.RedeemCode(t.Context(), x)
}

func (a *asking) verify(t *testing.T, raw, audience string) (*verification.Token, error) {
	t.Helper()
	return a.Verify(t.Context(), raw, verification.Requirements{Audience: audience})
}

// The person sees who asks, where the answer goes, and what for; what they untick isn't in
// the token; disconnecting it ends everything.
func TestAPersonAllowsAClient(t *testing.T) {
	t.Parallel()
	s := newAsking(t)
	b := s.Browser(t)
	a := b.Get(t, endpoint+query())
	if to := a.Header.Get("Location"); a.Status != http.StatusSeeOther || !strings.HasPrefix(to, "/auth/login?next=%2Foauth2%2Fauthorize%3F") {
		t.Fatalf("without a session it leads to %s", to)
	}
	next, err := url.Parse(a.Header.Get("Location"))
	nodetest.Must(t, err)
	a = b.Submit(t, "/auth/login", "username", "ada", "password", "correct horse", "next", next.Query().Get("next"))
	a = b.Get(t, a.Header.Get("Location"))
	a.Is(http.StatusOK, "The app", "app.example", "Read specimens", museumAt, "Fish (4)")
	if policy := a.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "form-action 'self' https://app.example;") || !strings.Contains(policy, "frame-ancestors 'none'") {
		t.Errorf("policy %s", policy)
	}
	got := answered(t, allow(t, b, query(), "scope", "read", "collection", "4", "days", "7"), appBack)
	if got.Get("state") != "s&1" || !strings.HasPrefix(got.Get("code"), "bdo_") {
		t.Fatalf("the client gets %v", got)
	}
	pair, err := s.redeem(t, got.Get("code"))
	nodetest.Must(t, err)
	if pair.Refresh == nil || strings.Join(pair.Access.Scope, " ") != "read" || pair.Access.Audience != "museum" || *pair.Access.Collection != 4 {
		t.Errorf("issued %+v, %+v", pair.Access, pair.Refresh)
	}
	if _, err := s.verify(t, pair.Access.Value.Reveal(), nodetest.Issuer); err == nil {
		t.Error("a token for a resource is good for bearerd's own API")
	}
	id, err := s.verify(t, pair.Access.Value.Reveal(), "museum")
	nodetest.Must(t, err)
	grant := id.Chain[0]
	next2, err := s.Refresh(t.Context(), issuance.Refresh{Token: pair.Refresh.Value.Reveal(), Client: s.app})
	nodetest.Must(t, err)
	if next2.Access.Audience != "museum" || strings.Join(next2.Access.Scope, " ") != "read" {
		t.Errorf("refreshed %+v", next2.Access)
	}
	if _, err := s.Refresh(t.Context(), issuance.Refresh{Token: next2.Refresh.Value.Reveal(), Client: s.app, Audience: nodetest.Issuer}); !fault.Is(err, fault.InvalidTarget) {
		t.Errorf("a grant's refresh token was traded for another resource: %v", err)
	}
	ada, err := s.Session(t.Context(), b.Cookie(t, "bearerd_session"))
	nodetest.Must(t, err)
	_, err = s.RevokeID(t.Context(), ada, grant)
	nodetest.Must(t, err)
	if _, err := s.verify(t, next2.Access.Value.Reveal(), "museum"); err == nil {
		t.Error("a token outlives the grant that it comes of")
	}
	if _, err := s.Refresh(t.Context(), issuance.Refresh{Token: next2.Refresh.Value.Reveal(), Client: s.app}); !fault.Is(err, fault.InvalidGrant) {
		t.Errorf("a refresh token outlives the grant that it comes of: %v", err)
	}
}

// An unknown client or redirect URI is a page; every other refusal goes back to the client.
func TestRefusalsOfAuthorizationRequests(t *testing.T) {
	t.Parallel()
	s := newAsking(t)
	b := s.Ada(t)
	for name, q := range map[string]string{
		"no client":             query("client_id", ""),
		"an unknown client":     query("client_id", "nobody"),
		"another redirect URI":  query("redirect_uri", "https://evil.example/back"),
		"a longer redirect URI": query("redirect_uri", appBack+"/x"),
		"which of several":      query("client_id", "phone", "redirect_uri", ""),
		"two redirect URIs":     query() + "&redirect_uri=" + url.QueryEscape(appBack),
		"two clients":           query() + "&client_id=app",
	} {
		if a := b.Get(t, endpoint+q); a.Status != http.StatusBadRequest || a.Header.Get("Location") != "" {
			t.Errorf("%s: %d, leads to %q", name, a.Status, a.Header.Get("Location"))
		}
	}
	for name, tt := range map[string]struct{ q, code string }{
		"no response type":    {query("response_type", ""), "invalid_request"},
		"the implicit grant":  {query("response_type", "token"), "unsupported_response_type"},
		"no challenge":        {query("code_challenge", ""), "invalid_request"},
		"the plain method":    {query("code_challenge_method", "plain"), "invalid_request"},
		"no method":           {query("code_challenge_method", ""), "invalid_request"},
		"a short challenge":   {query("code_challenge", "abc"), "invalid_request"},
		"no resource":         {query("resource", ""), "invalid_target"},
		"an unknown resource": {query("resource", "https://other.example"), "invalid_target"},
		"half a segment":      {query("resource", museumAt+"2"), "invalid_target"},
		"dots":                {query("resource", museumAt+"/../x"), "invalid_target"},
		"two resources":       {query() + "&resource=" + url.QueryEscape(museumAt), "invalid_target"},
		"an unknown scope":    {query("scope", "read everything"), "invalid_scope"},
		"a built-in scope":    {query("scope", "admin"), "invalid_scope"},
		"a bad scope":         {query("scope", "a\"b"), "invalid_scope"},
		"two states":          {query() + "&state=x", "invalid_request"},
		"an unknown prompt":   {query("prompt", "create"), "invalid_request"},
		"none and login":      {query("prompt", "none login"), "invalid_request"},
		"a bad max_age":       {query("max_age", "-1"), "invalid_request"},
		"nothing remembered":  {query("prompt", "none"), "consent_required"},
	} {
		got := answered(t, b.Get(t, endpoint+tt.q), appBack)
		if got.Get("error") != tt.code || got.Get("code") != "" || name != "two states" && got.Get("state") != "s&1" {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := answered(t, s.Browser(t).Get(t, endpoint+query("prompt", "none")), appBack); got.Get("error") != "login_required" {
		t.Errorf("nobody signed in: %v", got)
	}
	if got := answered(t, b.Submit(t, "/oauth2/authorize", "request", query(), "decision", "deny"), appBack); got.Get("error") != "access_denied" {
		t.Errorf("cancelled: %v", got)
	}
	if got := answered(t, b.Submit(t, "/oauth2/authorize", "request", query(), "decision", "allow"), appBack); got.Get("error") != "access_denied" {
		t.Errorf("everything unticked: %v", got)
	}
	if got := answered(t, b.Submit(t, "/oauth2/authorize", "request", query("scope", "read"), "decision", "allow", "scope", "write"), appBack); got.Get("error") != "invalid_scope" {
		t.Errorf("more than was asked for: %v", got)
	}
	if got := answered(t, b.Submit(t, "/oauth2/authorize", "request", query(), "decision", "allow", "scope", "read", "collection", "5"), appBack); got.Get("error") == "" {
		t.Errorf("a collection without access: %v", got)
	}
	b.Do(t, "POST", "/oauth2/authorize", edgetest.Form("request", query(), "decision", "allow", "scope", "read"), edgetest.Type(edgetest.TypeForm),
		edgetest.Header("Origin", "https://evil.example"), edgetest.Header("Sec-Fetch-Site", "cross-site")).Is(http.StatusForbidden)
	b.Submit(t, "/oauth2/authorize", "request", query("redirect_uri", "https://evil.example/"), "decision", "allow", "scope", "read").Is(http.StatusBadRequest)
}

// A code is for one client, one redirect URI and one verifier, for a minute, once: what is
// tried with it otherwise issues nothing, and a second use ends what was issued.
func TestACodeIsGoodOnceForWhoAsked(t *testing.T) {
	t.Parallel()
	s := newAsking(t)
	b := s.Ada(t)
	code := func() string {
		return answered(t, allow(t, b, query(), "scope", "read"), appBack).Get("code")
	}
	other := s.NewClient(t, identity.NewClient{
		ID: "other", Grants: []string{identity.GrantTypeAuthorizationCode}, RedirectURIs: []string{appBack}, Secret: nodetest.ClientSecret,
	})
	for name, tt := range map[string]struct {
		change func(*authorizing.CodeUse)
		kind   fault.Kind
		spoilt bool
	}{
		"another client":       {func(x *authorizing.CodeUse) { x.Client = other }, fault.InvalidGrant, false},
		"no client":            {func(x *authorizing.CodeUse) { x.Client = nil }, fault.InvalidClient, false},
		"another resource":     {func(x *authorizing.CodeUse) { x.Audience = museumAt + "/admin" }, fault.InvalidTarget, false},
		"another verifier":     {func(x *authorizing.CodeUse) { x.Verifier = strings.Repeat("x", 43) }, fault.InvalidGrant, true},
		"no verifier":          {func(x *authorizing.CodeUse) { x.Verifier = "" }, fault.InvalidGrant, true},
		"another redirect URI": {func(x *authorizing.CodeUse) { x.RedirectURI = appBack + "/" }, fault.InvalidGrant, true},
		"no redirect URI":      {func(x *authorizing.CodeUse) { x.RedirectURI = "" }, fault.InvalidGrant, true},
	} {
		c := code()
		if _, err := s.redeem(t, c, tt.change); !fault.Is(err, tt.kind) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := s.redeem(t, c); (err != nil) != tt.spoilt {
			t.Errorf("after %s the code is spoilt: %v", name, err)
		}
	}
	c := code()
	pair, err := s.redeem(t, c, func(x *authorizing.CodeUse) { x.Audience = museumAt + "/" })
	nodetest.Must(t, err)
	if _, err := s.redeem(t, c); !fault.Is(err, fault.InvalidGrant) {
		t.Errorf("a second use: %v", err)
	}
	if _, err := s.verify(t, pair.Access.Value.Reveal(), "museum"); err == nil {
		t.Error("a second use of the code left what was issued")
	}
	if _, err := s.Refresh(t.Context(), issuance.Refresh{Token: pair.Refresh.Value.Reveal(), Client: s.app}); !fault.Is(err, fault.InvalidGrant) {
		t.Errorf("a second use of the code left the refresh token: %v", err)
	}
	if e := s.Events(t, audit.Filter{Action: audit.TokenReuse, Limit: 1}); len(e) != 1 {
		t.Errorf("the audit log has %d events", len(e))
	}
	late := code()
	s.Advance(time.Minute + time.Second)
	if _, err := s.redeem(t, late); !fault.Is(err, fault.InvalidGrant) {
		t.Errorf("after a minute: %v", err)
	}
	voided := code()
	s.RevokeAllOfUser(t, "ada")
	if _, err := s.redeem(t, voided); !fault.Is(err, fault.InvalidGrant) {
		t.Errorf("after revoke all: %v", err)
	}
}

// Consent is remembered for the same client, resource, scope and redirect URIs alone, and
// for none that anybody on the person's machine could ask for.
func TestConsentIsRemembered(t *testing.T) {
	t.Parallel()
	s := newAsking(t)
	b := s.Ada(t)
	answered(t, allow(t, b, query(), "scope", "read", "scope", "write", "remember", "yes"), appBack)
	if got := answered(t, b.Get(t, endpoint+query("scope", "read")), appBack); got.Get("code") == "" {
		t.Errorf("a part of what was allowed: %v", got)
	}
	answered(t, b.Get(t, endpoint+query("prompt", "none")), appBack)
	b.Get(t, endpoint+query("prompt", "consent")).Is(http.StatusOK, "Allow access?")
	admin := query("resource", museumAt+"/admin")
	answered(t, allow(t, b, admin, "scope", "read", "scope", "write", "remember", "yes", "days", "7"), appBack)
	b.Get(t, endpoint+admin).Is(http.StatusOK, "Allow access?") // what had an end isn't given again without
	b.Get(t, endpoint+query("resource", museumAt+"/admin")).Is(http.StatusOK, "Allow access?")
	s.SignedIn(t, "eve", "battery staple").Get(t, endpoint+query()).Is(http.StatusOK, "Allow access?")
	_, err := s.UpdateClient(t.Context(), caller.Operator(), identity.NewClient{
		ID: "app", Name: "Another name", Grants: []string{identity.GrantTypeAuthorizationCode}, RedirectURIs: []string{appBack},
	})
	nodetest.Must(t, err)
	b.Get(t, endpoint+query()).Is(http.StatusOK, "Allow access?")

	phone := query("client_id", "phone", "redirect_uri", "http://127.0.0.1:4711/cb", "scope", "read")
	b.Get(t, endpoint+phone).Is(http.StatusOK, "127.0.0.1:4711", "Nobody has checked").Lacks("remember")
	answered(t, allow(t, b, phone, "scope", "read", "remember", "yes"), "http://127.0.0.1:4711/cb")
	b.Get(t, endpoint+phone).Is(http.StatusOK, "Allow access?")
	mobile := query("client_id", "phone", "redirect_uri", "org.example.phone:/cb", "scope", "read")
	a := b.Get(t, endpoint+mobile)
	a.Is(http.StatusOK, "org.example.phone:")
	if policy := a.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "form-action 'self' org.example.phone:;") {
		t.Errorf("policy %s", policy)
	}
}

// A client may ask for a recent sign-in: then it is asked of the person, and of their source,
// and the way back ends. The form of a page that was shown before it doesn't go around it.
func TestAClientAsksForARecentSignIn(t *testing.T) {
	t.Parallel()
	s := newAsking(t)
	b := s.Ada(t)
	b.Get(t, endpoint+query("max_age", "600")).Is(http.StatusOK, "Allow access?")
	for q, again := range map[string]string{query("prompt", "login"): "60", query("max_age", "600"): "600", query("max_age", "0"): "60"} {
		s.Advance(23 * time.Minute)
		to, err := url.Parse(b.Get(t, endpoint+q).Header.Get("Location"))
		nodetest.Must(t, err)
		if to.Path != "/auth/login" || to.Query().Get("again") != again {
			t.Fatalf("%s leads to %s", q, to)
		}
		for _, posted := range []string{q, strings.TrimPrefix(to.Query().Get("next"), endpoint)} {
			a := b.Submit(t, "/oauth2/authorize", "request", posted, "decision", "allow", "scope", "read")
			if !strings.HasPrefix(a.Header.Get("Location"), "/auth/login?") {
				t.Errorf("%s: the form leads to %s", q, a.Header.Get("Location"))
			}
		}
		b.Get(t, to.Query().Get("next")).Is(http.StatusSeeOther) // not without signing in again
		a := b.Submit(t, "/auth/login", "username", "ada", "password", "correct horse", "next", to.Query().Get("next"))
		back := a.Header.Get("Location")
		b.Get(t, back).Is(http.StatusOK, "Allow access?")
		s.Advance(9 * time.Minute) // to decide
		got := answered(t, b.Submit(t, "/oauth2/authorize", "request", strings.TrimPrefix(back, endpoint), "decision", "allow", "scope", "read"), appBack)
		if got.Get("code") == "" {
			t.Errorf("%s: %v", q, got)
		}
	}
	s.Advance(23 * time.Minute)
	if got := answered(t, b.Get(t, endpoint+query("prompt", "none", "max_age", "0")), appBack); got.Get("error") != "login_required" {
		t.Errorf("%v", got)
	}
}

// A strong scope takes a recent sign-in: the person is led to it and back.
func TestAStrongScopeTakesARecentSignIn(t *testing.T) {
	t.Parallel()
	s := newAsking(t)
	_, err := s.UpdateClient(t.Context(), caller.Operator(), identity.NewClient{
		ID: "app", Grants: []string{identity.GrantTypeAuthorizationCode}, Scopes: []string{"read", identity.ScopeCredentials}, RedirectURIs: []string{appBack},
	})
	nodetest.Must(t, err)
	b := s.Ada(t)
	s.Advance(16 * time.Minute)
	q := query("scope", "credentials")
	to, err := url.Parse(allow(t, b, q, "scope", "credentials").Header.Get("Location"))
	nodetest.Must(t, err)
	if to.Path != "/auth/login" || to.Query().Get("again") != "true" || to.Query().Get("next") != endpoint+q {
		t.Errorf("leads to %s", to)
	}
	b.Submit(t, "/auth/login", "username", "ada", "password", "correct horse")
	if got := answered(t, allow(t, b, q, "scope", "credentials"), appBack); got.Get("code") == "" {
		t.Errorf("%v", got)
	}
}

// A code is no token: it opens nothing, and nothing is learnt of it.
func TestACodeIsNoToken(t *testing.T) {
	t.Parallel()
	s := newAsking(t)
	code := answered(t, allow(t, s.Ada(t), query("resource", nodetest.Issuer), "scope", "read"), appBack).Get("code")
	if _, err := s.verify(t, code, nodetest.Issuer); err == nil {
		t.Error("a code is accepted as a token")
	}
	if _, err := s.Bearer(t.Context(), code); err == nil {
		t.Error("a code calls the management API")
	}
	if _, live, err := s.Introspect(t.Context(), s.app, code); err != nil || live {
		t.Errorf("introspected: %v, %v", live, err)
	}
	if _, err := s.Exchange(t.Context(), issuance.Exchange{Subject: code, Client: s.app}); err == nil {
		t.Error("a code is exchanged")
	}
	if _, err := s.Refresh(t.Context(), issuance.Refresh{Token: code, Client: s.app}); err == nil {
		t.Error("a code is a refresh token")
	}
	if _, err := s.redeem(t, code); err != nil {
		t.Errorf("after all of these it is as good as before: %v", err)
	}
}

// A client that nobody registered is read once somebody is signed in, is shown as what it
// is, and gets what the person allows; without that setting it is unknown.
func TestAClientThatNobodyRegistered(t *testing.T) {
	t.Parallel()
	const id, back = "https://assistant.example.com/client.json", "https://assistant.example.com/back"
	asked := 0
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"client_id":"`+id+`","client_name":"Assistant <b>","redirect_uris":["`+back+`"]}`)
	}))
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	s := webuitest.New(t, nodetest.Options{Settings: func(s *node.Settings) { s.ClientURL = identity.IsClientURL }}, func(p *webui.Pages) {
		var err error
		p.Documents, err = clientdoc.New(clientdoc.Config{
			Now: p.Now, TLS: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, ServerName: "example.com"},
			Instead: map[string]netip.AddrPort{"assistant.example.com": netip.MustParseAddrPort(server.Listener.Addr().String())},
		})
		nodetest.Must(t, err)
	})
	q := query("client_id", id, "redirect_uri", back, "resource", "", "scope", "read")
	if to := s.Browser(t).Get(t, endpoint+q).Header.Get("Location"); !strings.HasPrefix(to, "/auth/login?next=") || asked != 0 {
		t.Errorf("for nobody it leads to %s, and %d documents were read", to, asked)
	}
	b := s.Ada(t)
	b.Get(t, endpoint+query("client_id", id, "redirect_uri", "https://evil.example/", "resource", "")).Is(http.StatusBadRequest)
	b.Get(t, endpoint+query("client_id", id, "redirect_uri", back, "resource", "", "scope", "admin")).Is(http.StatusSeeOther)
	b.Get(t, endpoint+q).Is(http.StatusOK, "Not verified.", "assistant.example.com", "Assistant &lt;b&gt;")
	code := answered(t, allow(t, b, q, "scope", "read", "remember", "yes"), back).Get("code")
	client, err := s.IdentifyClient(t.Context(), id)
	nodetest.Must(t, err)
	pair, err := s.RedeemCode(t.Context(), authorizing.CodeUse{Client: client, Code: code, RedirectURI: back, Verifier: verifier})
	nodetest.Must(t, err)
	next, err := s.Refresh(t.Context(), issuance.Refresh{Token: pair.Refresh.Value.Reveal(), Client: client})
	nodetest.Must(t, err)
	t1, err := s.Verify(t.Context(), next.Access.Value.Reveal(), verification.Requirements{})
	if err != nil || t1.ClientID != id || asked != 1 {
		t.Errorf("%+v, %v, %d documents were read", t1, err, asked)
	}
	if got := answered(t, b.Get(t, endpoint+q), back); got.Get("code") == "" {
		t.Errorf("what was remembered: %v", got)
	}
	off := webuitest.New(t, nodetest.Options{})
	off.Ada(t).Get(t, endpoint+q).Is(http.StatusBadRequest, "No client of that id")
	if _, err := off.IdentifyClient(t.Context(), id); err == nil {
		t.Error("a client that nobody registered is taken where that is off")
	}
}

// What an application created for itself stands beneath it, and not among what its user
// created; it ends with the application.
func TestTokensOfAConnectedApplicationStandBeneathIt(t *testing.T) {
	t.Parallel()
	s := newAsking(t)
	b := s.Ada(t)
	pair, err := s.redeem(t, answered(t, allow(t, b, query(), "scope", "read", "remember", "yes"), appBack).Get("code"))
	nodetest.Must(t, err)
	id, err := s.verify(t, pair.Access.Value.Reveal(), "museum")
	nodetest.Must(t, err)
	grant := id.Chain[0]
	child := s.StoredAs(t, records.StoredToken{
		ID: uuid.NewString(), Owner: id.Subject, ClientID: "app", Chain: append(slices.Clone(id.Chain), id.ID), Scope: []string{"read"},
	})
	a := b.Get(t, "/auth/tokens")
	a.Is(http.StatusOK, "Tokens that <bdi>The app</bdi> created", "laptop").Lacks(`aria-label="Tokens"`, "No tokens yet")
	connected := webuitest.Between(a.Body, `id="connected"`, "</section>\n</li>")
	if !strings.Contains(connected, "/auth/tokens/"+child.ID+"/revoke") || !strings.Contains(connected, "/auth/tokens/"+grant+"/revoke") {
		t.Errorf("beneath the application stands %s", connected)
	}
	own := s.StoredAs(t, records.StoredToken{ID: uuid.NewString(), Owner: id.Subject})
	a = b.Get(t, "/auth/tokens")
	a.Is(http.StatusOK, `aria-label="Tokens"`)
	active := webuitest.Between(a.Body, `aria-label="Tokens"`, "</table>")
	if !strings.Contains(active, own.ID) || strings.Contains(active, child.ID) {
		t.Errorf("among what she created stands %s", active)
	}
	b.Submit(t, "/auth/tokens/"+grant+"/revoke").Is(http.StatusSeeOther)
	s.WantDead(t, "what the application created", child)
	b.Get(t, "/auth/tokens").Is(http.StatusOK, "Ended tokens").Lacks("Tokens that")
}

// What somebody has connected stands on the page of their tokens, and is disconnected
// there: then nothing of it works, and the client has to ask again.
func TestConnectedApplications(t *testing.T) {
	t.Parallel()
	s := newAsking(t)
	b := s.Ada(t)
	b.Get(t, "/auth/tokens").Is(http.StatusOK).Lacks("Connected applications")
	pair, err := s.redeem(t, answered(t, allow(t, b, query(), "scope", "read", "remember", "yes"), appBack).Get("code"))
	nodetest.Must(t, err)
	a := b.Get(t, "/auth/tokens")
	a.Is(http.StatusOK, "Connected applications", "The app", "museum")
	id := webuitest.Between(a.Body, `id="connected"`, "</section>")
	id = webuitest.Between(id, `href="/auth/tokens/`, "/revoke")
	s.SignedIn(t, "eve", "battery staple").Submit(t, "/auth/tokens/"+id+"/revoke").Is(http.StatusNotFound)
	b.Get(t, "/auth/tokens/"+id+"/revoke").Is(http.StatusOK, "The app")
	b.Submit(t, "/auth/tokens/"+id+"/revoke").Is(http.StatusSeeOther)
	b.Get(t, "/auth/tokens").Is(http.StatusOK).Lacks("Connected applications")
	if _, err := s.verify(t, pair.Access.Value.Reveal(), "museum"); err == nil {
		t.Error("a token works after its application was disconnected")
	}
	b.Get(t, endpoint+query("scope", "read")).Is(http.StatusOK, "Allow access?")
}
