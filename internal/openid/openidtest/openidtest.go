// Package openidtest is an OpenID provider for tests. It does what a good one does, checks
// what a good one checks, and lets a test change each of its answers.
package openidtest

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/assertion/assertiontest"
)

// The one client that the provider knows.
const (
	ClientID = "bearerd"
	Secret   = "a client's secret, with +, % and : in it" //nolint:gosec // of a provider for tests
)

// Provider is a running provider. Its fields may be set before it is asked.
type Provider struct {
	Server *httptest.Server
	Issuer string
	Key    assertiontest.Key
	Now    func() time.Time

	mu       sync.Mutex
	person   map[string]any              // claims of who is signed in here
	userinfo map[string]any              // what the userinfo endpoint says; nil: there is none
	metadata map[string]any              // changes
	token    func(map[string]any) string // makes the ID token of its claims
	answers  func(url.Values)            // changes what the browser brings back
	serve    map[string]http.HandlerFunc // in place of an endpoint
	asked    map[string]int              // by path
	codes    map[string]code
	tokens   map[string]bool
	logouts  int
	last     url.Values // of the authorization request
}

type code struct{ nonce, challenge, redirect, maxAge string }

// New returns a provider at which ada is signed in.
func New(tb testing.TB, now func() time.Time) *Provider {
	tb.Helper()
	p := &Provider{
		Key: assertiontest.New(tb, "ES256", "k1"), Now: now,
		person: map[string]any{"sub": "248289761001", "preferred_username": "ada", "name": "Ada Lovelace", "email": "ada@example.org", "sid": "s1"},
		serve:  map[string]http.HandlerFunc{}, asked: map[string]int{}, codes: map[string]code{}, tokens: map[string]bool{},
	}
	p.token = func(claims map[string]any) string { return p.Key.Sign("", claims) }
	p.answers = func(url.Values) {}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.configuration)
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(assertiontest.Set(p.Key.JWK())))
	})
	mux.HandleFunc("GET /authorize", p.authorize)
	mux.HandleFunc("POST /token", p.exchange)
	mux.HandleFunc("GET /userinfo", p.whoIsIt)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked[r.URL.Path]++
		own := p.serve[r.URL.Path]
		p.mu.Unlock()
		if own == nil {
			own = mux.ServeHTTP
		}
		own(w, r)
	}))
	tb.Cleanup(p.Server.Close)
	p.Issuer = p.Server.URL
	return p
}

// Person changes the claims of who is signed in; nil removes one.
func (p *Provider) Person(changes map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.person = assertiontest.With(p.person, changes)
}

// Userinfo adds a userinfo endpoint that answers these claims.
func (p *Provider) Userinfo(claims map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.userinfo = claims
}

// Metadata changes members of the metadata; nil removes one.
func (p *Provider) Metadata(changes map[string]any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.metadata = changes
}

// Tokens replaces how an ID token is made of its claims.
func (p *Provider) Tokens(sign func(claims map[string]any) string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.token = sign
}

// Answers changes the parameters that the browser brings back.
func (p *Provider) Answers(change func(url.Values)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers = change
}

// Serve replaces an endpoint; nil puts it back.
func (p *Provider) Serve(path string, h http.HandlerFunc) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.serve[path] = h
}

// Asked returns how many requests an endpoint had.
func (p *Provider) Asked(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[path]
}

// Last returns the parameters of the last authorization request.
func (p *Provider) Last() url.Values {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last
}

// LogoutToken returns a logout token of the person's session with some claims changed.
func (p *Provider) LogoutToken(changes map[string]any) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.logouts++
	return p.Key.Sign("logout+jwt", assertiontest.With(map[string]any{
		"iss": p.Issuer, "aud": ClientID, "iat": p.Now().Unix(), "exp": p.Now().Add(2 * time.Minute).Unix(), "jti": fmt.Sprint("logout-", p.logouts),
		"sub": p.person["sub"], "sid": p.person["sid"],
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}, changes))
}

func (p *Provider) configuration(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m := map[string]any{
		"issuer": p.Issuer, "authorization_endpoint": p.Issuer + "/authorize", "token_endpoint": p.Issuer + "/token", "jwks_uri": p.Issuer + "/jwks",
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"ES256"}, "authorization_response_iss_parameter_supported": true,
	}
	if p.userinfo != nil {
		m["userinfo_endpoint"] = p.Issuer + "/userinfo"
	}
	writeJSON(w, http.StatusOK, assertiontest.With(m, p.metadata))
}

// authorize signs nobody in: the browser that asks is the person.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := r.URL.Query()
	p.last = q
	switch {
	case q.Get("response_type") != "code", q.Get("client_id") != ClientID, q.Get("state") == "", q.Get("nonce") == "",
		!strings.Contains(" "+q.Get("scope")+" ", " openid "), q.Get("code_challenge_method") != "S256", len(q.Get("code_challenge")) != 43:
		http.Error(w, "a bad request: "+r.URL.RawQuery, http.StatusBadRequest)
		return
	}
	name := fmt.Sprint("code-", p.asked["/authorize"])
	p.codes[name] = code{q.Get("nonce"), q.Get("code_challenge"), q.Get("redirect_uri"), q.Get("max_age")}
	answer := url.Values{"code": {name}, "state": {q.Get("state")}, "iss": {p.Issuer}}
	p.answers(answer)
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+answer.Encode(), http.StatusFound) //nolint:gosec // a provider for tests
}

func (p *Provider) exchange(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	id, secret, ok := r.BasicAuth()
	if !ok || id != url.QueryEscape(ClientID) || secret != url.QueryEscape(Secret) {
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	c, known := p.codes[r.FormValue("code")]
	delete(p.codes, r.FormValue("code"))
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	if !known || c.challenge != assertiontest.Encode(sum[:]) || c.redirect != r.FormValue("redirect_uri") || r.FormValue("grant_type") != "authorization_code" {
		writeJSON(w, http.StatusBadRequest, map[string]any{"error": "invalid_grant"})
		return
	}
	claims := assertiontest.With(p.person, map[string]any{
		"iss": p.Issuer, "aud": ClientID, "nonce": c.nonce, "iat": p.Now().Unix(), "exp": p.Now().Add(5 * time.Minute).Unix(),
	})
	if c.maxAge != "" && claims["auth_time"] == nil {
		claims["auth_time"] = p.Now().Unix()
	}
	access := fmt.Sprint("access-", p.asked["/token"])
	p.tokens[access] = true
	answer := map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": 300}
	if raw := p.token(claims); raw != "" {
		answer["id_token"] = raw
	}
	writeJSON(w, http.StatusOK, answer)
}

func (p *Provider) whoIsIt(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if access, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); !ok || !p.tokens[access] {
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid_token"})
		return
	}
	writeJSON(w, http.StatusOK, p.userinfo)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}
