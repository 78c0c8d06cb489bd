package openid_test

import (
	"crypto/x509"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/assertion/assertiontest"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/openid"
	"github.com/bearerd/bearerd/internal/openid/openidtest"
	"github.com/bearerd/bearerd/internal/remote"
	"github.com/bearerd/bearerd/internal/secretfile"
)

var now = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return now }

const redirect = "https://tokens.example.org/auth/sign-in/idp/callback"

// party is a relying party of a provider, and the browser that signs in.
type party struct {
	*openid.Provider

	at *openidtest.Provider
	tb testing.TB
}

func config(tb testing.TB, at *openidtest.Provider) openid.Config {
	tb.Helper()
	client, err := remote.NewClient("")
	if err != nil {
		tb.Fatal(err)
	}
	return openid.Config{
		Name: "ORCID", Issuer: at.Issuer, ClientID: openidtest.ClientID, Secret: secretfile.Fixed([]byte(openidtest.Secret)), RedirectURI: redirect,
		Scopes: []string{"openid", "profile"}, Claims: []string{"preferred_username", "email"}, Client: client, Now: clock,
	}
}

func newParty(tb testing.TB, at *openidtest.Provider, change func(*openid.Config)) party {
	tb.Helper()
	cfg := config(tb, at)
	if change != nil {
		change(&cfg)
	}
	p, err := openid.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return party{p, at, tb}
}

func request() openid.Request {
	return openid.Request{State: "st-1", Nonce: "no-1", Verifier: openid.NewVerifier()}
}

// visit goes to the provider and returns what the browser is sent back with.
func (p party) visit(r openid.Request) url.Values {
	p.tb.Helper()
	address, err := p.Begin(p.tb.Context(), r)
	if err != nil {
		p.tb.Fatal(err)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Get(address)
	if err != nil {
		p.tb.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	back, err := url.Parse(res.Header.Get("Location"))
	if err != nil || !strings.HasPrefix(back.String(), redirect+"?") {
		p.tb.Fatalf("the provider answered %d, Location %q", res.StatusCode, back)
	}
	return back.Query()
}

// signIn is the whole way.
func (p party) signIn(r openid.Request) (*openid.Identity, error) {
	p.tb.Helper()
	return p.Finish(p.tb.Context(), p.visit(r), r)
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	at := openidtest.New(t, clock)
	p := newParty(t, at, nil)
	if at.Asked("/.well-known/openid-configuration") != 0 {
		t.Error("the provider was asked before anybody signed in")
	}
	who, err := p.signIn(request())
	if err != nil {
		t.Fatal(err)
	}
	if name, err := who.Text("preferred_username"); err != nil || name != "ada" || who.Subject != "248289761001" || who.Session != "s1" || !who.AuthTime.IsZero() {
		t.Errorf("%+v, %q, %v", who, name, err)
	}
	if _, err := p.signIn(request()); err != nil {
		t.Error(err)
	}
	if n := at.Asked("/.well-known/openid-configuration"); n != 1 {
		t.Errorf("the metadata was read %d times", n)
	}
	if n := at.Asked("/jwks"); n != 1 {
		t.Errorf("the keys were read %d times", n)
	}
}

func TestMaxAge(t *testing.T) {
	t.Parallel()
	at := openidtest.New(t, clock)
	p := newParty(t, at, nil)
	r := request()
	r.MaxAge = 10 * time.Minute
	who, err := p.signIn(r)
	if err != nil || !who.AuthTime.Equal(now) || at.Last().Get("max_age") != "600" {
		t.Errorf("%+v, %v; asked for %q", who, err, at.Last())
	}
	at.Person(map[string]any{"auth_time": now.Add(-11 * time.Minute).Unix()})
	if _, err := p.signIn(r); !fault.Is(err, fault.InvalidToken) || !strings.Contains(fault.Message(err), "too long ago") {
		t.Errorf("an old sign-in: %v", err)
	}
	at.Tokens(func(claims map[string]any) string {
		return at.Key.Sign("JWT", assertiontest.With(claims, map[string]any{"auth_time": nil}))
	})
	if _, err := p.signIn(r); !fault.Is(err, fault.InvalidToken) || !strings.Contains(fault.Message(err), "doesn't say when") {
		t.Errorf("a sign-in without time: %v", err)
	}
}

// TestMixUps: an answer that belongs to another request, another provider, another client.
func TestMixUps(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		answers func(url.Values)
		request func(*openid.Request)
		reason  string
	}{
		"another state":                 {request: func(r *openid.Request) { r.State = "st-2" }, reason: "another sign-in"},
		"no state":                      {answers: func(q url.Values) { q.Del("state") }, reason: "another sign-in"},
		"two states":                    {answers: func(q url.Values) { q.Add("state", "st-2") }, reason: "two values"},
		"two codes":                     {answers: func(q url.Values) { q.Add("code", "x") }, reason: "two values"},
		"another issuer":                {answers: func(q url.Values) { q.Set("iss", "https://evil.example") }, reason: "not from ORCID"},
		"no issuer, which is announced": {answers: func(q url.Values) { q.Del("iss") }, reason: "not from ORCID"},
		"another issuer, with an error": {answers: func(q url.Values) { q.Set("iss", "https://evil.example"); q.Set("error", "access_denied") }, reason: "not from ORCID"},
		"no code":                       {answers: func(q url.Values) { q.Del("code") }, reason: "without a code"},
		"an invented code":              {answers: func(q url.Values) { q.Set("code", "x") }, reason: "no longer knows"},
		"another nonce":                 {request: func(r *openid.Request) { r.Nonce = "no-2" }, reason: "another nonce"},
		"another verifier":              {request: func(r *openid.Request) { r.Verifier = openid.NewVerifier() }, reason: "no longer knows"},
	} {
		at := openidtest.New(t, clock)
		if row.answers != nil {
			at.Answers(row.answers)
		}
		p, r := newParty(t, at, nil), request()
		answer := p.visit(r)
		if row.request != nil {
			row.request(&r)
		}
		_, err := p.Finish(t.Context(), answer, r)
		if !fault.Is(err, fault.InvalidToken) || !strings.Contains(fault.Message(err), row.reason) {
			t.Errorf("%s: %v, want %q", name, err, row.reason)
		}
	}
}

func TestACodeIsGoodOnce(t *testing.T) {
	t.Parallel()
	p, r := newParty(t, openidtest.New(t, clock), nil), request()
	answer := p.visit(r)
	if _, err := p.Finish(t.Context(), answer, r); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Finish(t.Context(), answer, r); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("the second time: %v", err)
	}
}

// The code of a request that an attacker began, brought into the request of a victim: the
// verifier is another, and so is the nonce for a provider that doesn't know PKCE.
func TestACodeOfAnotherRequest(t *testing.T) {
	t.Parallel()
	at := openidtest.New(t, clock)
	p := newParty(t, at, nil)
	attackers := request()
	answer := p.visit(attackers)
	victims := openid.Request{State: "st-2", Nonce: "no-2", Verifier: openid.NewVerifier()}
	answer.Set("state", victims.State)
	if _, err := p.Finish(t.Context(), answer, victims); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("with PKCE: %v", err)
	}
	answer = p.visit(attackers)
	answer.Set("state", victims.State)
	victims.Verifier = attackers.Verifier // as if the provider didn't check it
	if _, err := p.Finish(t.Context(), answer, victims); !fault.Is(err, fault.InvalidToken) || !strings.Contains(fault.Message(err), "nonce") {
		t.Errorf("without PKCE: %v", err)
	}
}

// TestIDTokens: what a token endpoint may answer, be it forged or for somebody else.
func TestIDTokens(t *testing.T) {
	t.Parallel()
	at := openidtest.New(t, clock)
	p := newParty(t, at, nil)
	der, err := x509.MarshalPKIXPublicKey(at.Key.Public())
	if err != nil {
		t.Fatal(err)
	}
	other := assertiontest.New(t, "ES256", "k1")
	with := func(changes map[string]any) func(map[string]any) string {
		return func(claims map[string]any) string { return at.Key.Sign("JWT", assertiontest.With(claims, changes)) }
	}
	for name, sign := range map[string]func(map[string]any) string{
		"none at all":               func(map[string]any) string { return "" },
		"no JWT":                    func(map[string]any) string { return "x.y.z" },
		"of another key":            func(c map[string]any) string { return other.Sign("JWT", c) },
		"HS256 with the public key": func(c map[string]any) string { return assertiontest.Shared(t, der).As("HS256", "k1").Sign("JWT", c) },
		"HS256 with the secret": func(c map[string]any) string {
			return assertiontest.Shared(t, []byte(openidtest.Secret)).Sign("JWT", c)
		},
		"alg none":                   func(c map[string]any) string { return unsigned(at.Key.Sign("JWT", c)) },
		"of another type":            func(c map[string]any) string { return at.Key.Sign("at+jwt", c) },
		"a logout token":             func(c map[string]any) string { return at.Key.Sign("logout+jwt", c) },
		"for another client":         with(map[string]any{"aud": "portal"}),
		"for two clients":            with(map[string]any{"aud": []string{openidtest.ClientID, "portal"}}),
		"for two, of another":        with(map[string]any{"aud": []string{openidtest.ClientID, "portal"}, "azp": "portal"}),
		"of another party":           with(map[string]any{"azp": "portal"}),
		"of a party that is no text": with(map[string]any{"azp": 4}),
		"of another issuer":          with(map[string]any{"iss": "https://evil.example"}),
		"of the issuer with a slash": with(map[string]any{"iss": at.Issuer + "/"}),
		"with another nonce":         with(map[string]any{"nonce": "x"}),
		"without nonce":              with(map[string]any{"nonce": nil}),
		"expired":                    with(map[string]any{"exp": now.Unix()}),
		"of tomorrow":                with(map[string]any{"iat": now.Add(24 * time.Hour).Unix(), "exp": now.Add(25 * time.Hour).Unix()}),
		"without subject":            with(map[string]any{"sub": nil}),
		"with a session of no text":  with(map[string]any{"sid": 1}),
	} {
		at.Tokens(sign)
		if who, err := p.signIn(request()); !fault.Is(err, fault.InvalidToken) {
			t.Errorf("an ID token %s: %+v, %v", name, who, err)
		}
	}
	for name, sign := range map[string]func(map[string]any) string{
		"without typ":              func(c map[string]any) string { return at.Key.Sign("", c) },
		"without kid":              func(c map[string]any) string { return at.Key.As("ES256", "").Sign("JWT", c) },
		"with this party":          with(map[string]any{"azp": openidtest.ClientID}),
		"for two, of this party":   with(map[string]any{"aud": []string{"portal", openidtest.ClientID}, "azp": openidtest.ClientID}),
		"for a list of one":        with(map[string]any{"aud": []string{openidtest.ClientID}}),
		"with a nested claim more": with(map[string]any{"realm_access": map[string]any{"roles": []string{"a"}}}),
	} {
		at.Tokens(sign)
		if _, err := p.signIn(request()); err != nil {
			t.Errorf("an ID token %s: %v", name, err)
		}
	}
}

// unsigned returns a JWT with its header replaced by one of alg none.
func unsigned(raw string) string {
	parts := strings.Split(raw, ".")
	return assertiontest.Encode([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + parts[1] + "."
}

func TestUserinfo(t *testing.T) {
	t.Parallel()
	at := openidtest.New(t, clock)
	p := newParty(t, at, nil)
	at.Userinfo(map[string]any{"sub": "248289761001", "email": "other@example.org", "preferred_username": "eve", "groups": []string{"curators"}, "email_verified": false})
	if _, err := p.signIn(request()); err != nil || at.Asked("/userinfo") != 0 {
		t.Errorf("the ID token said all, and userinfo was asked %d times: %v", at.Asked("/userinfo"), err)
	}
	at.Person(map[string]any{"email": nil})
	who, err := p.signIn(request())
	if err == nil {
		email, err1 := who.Text("email")
		name, err2 := who.Text("preferred_username")
		groups, err3 := who.List("groups")
		if email != "other@example.org" || name != "ada" || !slices.Equal(groups, []string{"curators"}) || err1 != nil || err2 != nil || err3 != nil || !who.Unverified() {
			t.Errorf("%q, %q, %q: %v %v %v", email, name, groups, err1, err2, err3)
		}
	}
	if err == nil && at.Asked("/userinfo") != 1 {
		t.Error("userinfo was not asked")
	}
	for name, row := range map[string]struct {
		claims map[string]any
		serve  http.HandlerFunc
		kind   fault.Kind
	}{
		"another subject": {claims: map[string]any{"sub": "17", "email": "x@example.org"}, kind: fault.InvalidToken},
		"no subject":      {claims: map[string]any{"email": "x@example.org"}, kind: fault.InvalidToken},
		"two subjects": {serve: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"sub":"17","sub":"248289761001"}`))
		}, kind: fault.Unavailable},
		"a signed answer": {serve: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/jwt")
			_, _ = w.Write([]byte(at.Key.Sign("JWT", map[string]any{"sub": "248289761001"})))
		}, kind: fault.Unavailable},
		"an error":   {serve: func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) }, kind: fault.Unavailable},
		"a redirect": {serve: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }, kind: fault.Unavailable},
	} {
		at.Serve("/userinfo", row.serve)
		if row.claims != nil {
			at.Userinfo(row.claims)
		}
		if _, err := p.signIn(request()); !fault.Is(err, row.kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A claim that was too long for the token is not taken for an empty one.
func TestClaimsThatAreElsewhere(t *testing.T) {
	t.Parallel()
	at := openidtest.New(t, clock)
	p := newParty(t, at, func(c *openid.Config) { c.Claims = []string{"groups"} })
	at.Person(map[string]any{"_claim_names": map[string]any{"groups": "src1"}, "_claim_sources": map[string]any{"src1": map[string]any{"endpoint": "https://graph.example/"}}})
	if _, err := p.signIn(request()); !fault.Is(err, fault.InvalidToken) || !strings.Contains(fault.Message(err), `"groups"`) {
		t.Errorf("groups that are elsewhere: %v", err)
	}
	at.Person(map[string]any{"groups": []string{"a"}})
	if _, err := p.signIn(request()); err != nil {
		t.Errorf("groups that are here too: %v", err)
	}
	at.Person(map[string]any{"groups": nil, "_claim_names": nil})
	if who, err := p.signIn(request()); err != nil {
		t.Errorf("no groups: %v", err)
	} else if groups, err := who.List("groups"); err != nil || groups != nil {
		t.Errorf("no groups: %q, %v", groups, err)
	}
}

func TestWhatTheProviderRefuses(t *testing.T) {
	t.Parallel()
	for code, kind := range map[string]fault.Kind{
		"access_denied": fault.Forbidden, "login_required": fault.Forbidden, "consent_required": fault.Forbidden,
		"temporarily_unavailable": fault.Unavailable, "server_error": fault.Unavailable,
		"invalid_scope": fault.Unavailable, "unauthorized_client": fault.Unavailable, "<script>": fault.Unavailable,
	} {
		at := openidtest.New(t, clock)
		at.Answers(func(q url.Values) {
			q.Del("code")
			q.Set("error", code)
			q.Set("error_description", "SENTENCE of the provider")
		})
		_, err := newParty(t, at, nil).signIn(request())
		if !fault.Is(err, kind) || strings.Contains(fault.Message(err), "SENTENCE") || strings.Contains(fault.Message(err), code) {
			t.Errorf("%s: kind %d, %q", code, fault.KindOf(err), fault.Message(err))
		}
		if !strings.Contains(err.Error(), "SENTENCE") {
			t.Errorf("%s: the log doesn't have the provider's words: %v", code, err)
		}
	}
}

// Whatever is wrong with a provider is a fault that says so, and never what it answered.
func TestAProviderThatIsNotWell(t *testing.T) {
	t.Parallel()
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = w.Write([]byte(`{"error":"x","secret":"PRIVATE"}`))
		}
	}
	huge := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"x":"` + strings.Repeat("x", 300<<10) + `"}`))
	}
	redirects := func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }
	cut := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	for _, path := range []string{"/.well-known/openid-configuration", "/token", "/jwks"} {
		for name, serve := range map[string]http.HandlerFunc{"500": status(500), "404": status(404), "huge": huge, "redirecting": redirects, "gone": cut} {
			at := openidtest.New(t, clock)
			p, r := newParty(t, at, nil), request()
			var err error
			if path == "/.well-known/openid-configuration" {
				at.Serve(path, serve)
				_, err = p.Begin(t.Context(), r)
			} else {
				answer := p.visit(r)
				at.Serve(path, serve)
				_, err = p.Finish(t.Context(), answer, r)
			}
			if !fault.Is(err, fault.Unavailable) || strings.Contains(err.Error(), "PRIVATE") && path == "/token" || strings.Contains(fault.Message(err), "PRIVATE") || len(err.Error()) > 2000 {
				t.Errorf("%s is %s: %.500v", path, name, err)
			}
			if at.Asked("/elsewhere") != 0 {
				t.Errorf("%s: a redirect was followed", path)
			}
		}
	}
}

// A provider that sends nothing, or a byte now and then, is given up after five seconds.
func TestAProviderThatIsSlow(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]http.HandlerFunc{
		"silent": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // else the end of the connection isn't seen
			<-r.Context().Done()
		},
		"dripping": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			for r.Context().Err() == nil {
				if _, err := w.Write([]byte(" ")); err != nil || http.NewResponseController(w).Flush() != nil {
					return
				}
				select {
				case <-r.Context().Done():
				case <-time.After(100 * time.Millisecond):
				}
			}
		},
	} {
		for _, path := range []string{"/.well-known/openid-configuration", "/token"} {
			t.Run(name+path, func(t *testing.T) {
				t.Parallel()
				at := openidtest.New(t, clock)
				p, r := newParty(t, at, nil), request()
				var err error
				begun := time.Now()
				if path == "/token" {
					answer := p.visit(r)
					at.Serve(path, serve)
					_, err = p.Finish(t.Context(), answer, r)
				} else {
					at.Serve(path, serve)
					_, err = p.Begin(t.Context(), r)
				}
				if took := time.Since(begun); !fault.Is(err, fault.Unavailable) || took > 8*time.Second {
					t.Errorf("after %s: %v", took, err)
				}
			})
		}
	}
}

func TestARefusedClientIsNotThePersonsFault(t *testing.T) {
	t.Parallel()
	at := openidtest.New(t, clock)
	p := newParty(t, at, func(c *openid.Config) { c.Secret = secretfile.Fixed([]byte("another")) })
	_, err := p.signIn(request())
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(fault.Message(err), "administrator") || !strings.Contains(err.Error(), "invalid_client") {
		t.Errorf("%v", err)
	}
}

func TestASecretThatTheProviderRepeatsIsNotInTheError(t *testing.T) {
	t.Parallel()
	at := openidtest.New(t, clock)
	p, r := newParty(t, at, func(c *openid.Config) { c.Secret = secretfile.Fixed([]byte("another")) }), request()
	answer := p.visit(r)
	at.Serve("/token", func(w http.ResponseWriter, r *http.Request) {
		_, secret, _ := r.BasicAuth()
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"error":"invalid_client","error_description":"wrong secret another`+secret+`"}`)
	})
	_, err := p.Finish(t.Context(), answer, r)
	if err == nil || strings.Contains(err.Error(), "another") || !strings.Contains(err.Error(), "wrong secret [secret]") {
		t.Errorf("%v", err)
	}
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	for name, changes := range map[string]map[string]any{
		"another issuer":               {"issuer": "https://evil.example"},
		"a tenant's placeholder":       {"issuer": "https://login.example.org/{tenantid}/v2.0"},
		"no authorization endpoint":    {"authorization_endpoint": nil},
		"no token endpoint":            {"token_endpoint": nil},
		"no keys":                      {"jwks_uri": nil},
		"an endpoint in the clear":     {"token_endpoint": "http://idp.example.org/token"},
		"an endpoint of another kind":  {"authorization_endpoint": "javascript:alert(1)"},
		"keys in a file":               {"jwks_uri": "file:///etc/passwd"},
		"algorithms of others":         {"id_token_signing_alg_values_supported": []string{"HS256", "none", "RS512"}},
		"no secrets":                   {"token_endpoint_auth_methods_supported": []string{"private_key_jwt"}},
		"a member of another type":     {"userinfo_endpoint": []string{"x"}},
		"an announcement of no truth":  {"authorization_response_iss_parameter_supported": "true"},
		"a member in a list of others": {"id_token_signing_alg_values_supported": "ES256"},
	} {
		at := openidtest.New(t, clock)
		at.Metadata(changes)
		if _, err := newParty(t, at, nil).Begin(t.Context(), request()); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	at := openidtest.New(t, clock)
	at.Serve("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		base := `"issuer":"` + at.Issuer + `","authorization_endpoint":"` + at.Issuer + `/authorize","jwks_uri":"` + at.Issuer + `/jwks",`
		_, _ = w.Write([]byte(`{` + base + `"token_endpoint":"https://evil.example/","token_endpoint":"` + at.Issuer + `/token"}`))
	})
	if _, err := newParty(t, at, nil).Begin(t.Context(), request()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("two token endpoints: %v", err)
	}
}

// iss is needed only where the provider says that it sends it.
func TestAProviderThatDoesNotNameItself(t *testing.T) {
	t.Parallel()
	at := openidtest.New(t, clock)
	at.Metadata(map[string]any{"authorization_response_iss_parameter_supported": nil})
	at.Answers(func(q url.Values) { q.Del("iss") })
	p := newParty(t, at, nil)
	if _, err := p.signIn(request()); err != nil {
		t.Error(err)
	}
	at.Answers(func(q url.Values) { q.Set("iss", "https://evil.example") })
	if _, err := p.signIn(request()); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("another issuer: %v", err)
	}
}

func TestHowTheClientAuthenticates(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		methods []string
		secret  string
		basic   bool
		form    string
	}{
		"nothing said":   {secret: openidtest.Secret, basic: true},
		"basic and post": {methods: []string{"client_secret_post", "client_secret_basic"}, secret: openidtest.Secret, basic: true},
		"post alone":     {methods: []string{"client_secret_post"}, secret: openidtest.Secret, form: openidtest.Secret},
		"a public one":   {methods: []string{"none"}},
	} {
		at := openidtest.New(t, clock)
		if row.methods != nil {
			at.Metadata(map[string]any{"token_endpoint_auth_methods_supported": row.methods})
		}
		at.Serve("/token", func(w http.ResponseWriter, r *http.Request) {
			if _, _, basic := r.BasicAuth(); basic != row.basic || r.FormValue("client_secret") != row.form || !row.basic && r.FormValue("client_id") != openidtest.ClientID {
				t.Errorf("%s: Basic is %t, the form %q", name, basic, r.Form)
			}
			http.Error(w, "seen", http.StatusInternalServerError)
		})
		_, _ = newParty(t, at, func(c *openid.Config) { c.Secret = secretfile.Fixed([]byte(row.secret)) }).signIn(request())
		if at.Asked("/token") != 1 {
			t.Errorf("%s: %d requests", name, at.Asked("/token"))
		}
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	at := openidtest.New(t, clock)
	for name, change := range map[string]func(*openid.Config){
		"no name": func(c *openid.Config) { c.Name = "" }, "no client id": func(c *openid.Config) { c.ClientID = "" },
		"no redirect": func(c *openid.Config) { c.RedirectURI = "" }, "no HTTP client": func(c *openid.Config) { c.Client = nil },
		"no clock": func(c *openid.Config) { c.Now = nil }, "no openid": func(c *openid.Config) { c.Scopes = []string{"profile"} },
		"no issuer": func(c *openid.Config) { c.Issuer = "" }, "an issuer in the clear": func(c *openid.Config) { c.Issuer = "http://idp.example.org" },
	} {
		cfg := config(t, at)
		change(&cfg)
		if _, err := openid.New(cfg); err == nil {
			t.Errorf("%s: it is a provider", name)
		}
	}
}
