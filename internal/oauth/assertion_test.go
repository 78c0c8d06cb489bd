package oauth_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/apply"
	"github.com/bearerd/bearerd/internal/assertion/assertiontest"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
)

const (
	jwtBearer   = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	partnerURL  = "https://partner.example.org"
	typeIDToken = "urn:ietf:params:oauth:token-type:id_token"
	typeJWT     = "urn:ietf:params:oauth:token-type:jwt"
)

// newPartner trusts a partner's JWTs of the kind "job", for the client ci.
func newPartner(t *testing.T) (*env, func(changes map[string]any) string) {
	t.Helper()
	e := newEnv(t, nodetest.Options{})
	key := assertiontest.New(t, "EdDSA", "k1")
	jwks := filepath.Join(t.TempDir(), "jwks.json")
	nodetest.Must(t, os.WriteFile(jwks, []byte(assertiontest.Set(key.JWK())), 0o600))
	_, _, err := e.Apply(t.Context(), caller.Operator(), apply.Desired{
		Clients: []identity.NewClient{
			{ID: "ci", Scopes: []string{"read"}},
			{ID: "web", Secret: nodetest.ClientSecret, Grants: []string{identity.GrantTypeClientCredentials}},
		},
		Issuers: []records.Issuer{{
			Name: "partner", Issuer: partnerURL, JWKS: jwks, Once: true, MaxAge: time.Hour,
			Rules: []records.IssuerRule{{Name: "job", Match: map[string]json.RawMessage{"kind": json.RawMessage(`"job"`)}, Client: "ci", Scope: []string{"read"}}},
		}},
	})
	nodetest.Must(t, err)
	return e, func(changes map[string]any) string {
		return key.Sign("JWT", assertiontest.With(map[string]any{
			"iss": partnerURL, "aud": nodetest.Issuer, "sub": "job 7", "kind": "job", "iat": e.Time().Unix(), "exp": e.Time().Add(time.Minute).Unix(),
		}, changes))
	}
}

func TestTheJWTBearerGrant(t *testing.T) {
	t.Parallel()
	e, sign := newPartner(t)
	got := e.post(t, "/oauth2/token", url.Values{"grant_type": {jwtBearer}, "assertion": {sign(nil)}}.Encode())
	if got.status != http.StatusOK || got.body["token_type"] != "Bearer" || got.body["scope"] != "read" || got.body["refresh_token"] != nil || got.header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %s", got.status, got.text)
	}
	for name, c := range map[string]struct {
		form    url.Values
		options []option
		status  int
		code    string
	}{
		"no assertion":     {url.Values{}, nil, 400, "invalid_request"},
		"no rule":          {url.Values{"assertion": {sign(map[string]any{"kind": "other"})}}, nil, 400, "invalid_grant"},
		"no JWT":           {url.Values{"assertion": {"x"}}, nil, 400, "invalid_grant"},
		"too much":         {url.Values{"assertion": {sign(map[string]any{"jti": "1"})}, "scope": {"read admin"}}, nil, 400, "invalid_scope"},
		"another resource": {url.Values{"assertion": {sign(map[string]any{"jti": "1"})}, "resource": {"https://x.example"}}, nil, 400, "invalid_target"},
		"without grant":    {url.Values{"assertion": {sign(map[string]any{"jti": "1"})}}, []option{asClient("web")}, 400, "unauthorized_client"},
		"a public client":  {url.Values{"assertion": {sign(map[string]any{"jti": "1"})}, "client_id": {"ci"}}, nil, 400, "unauthorized_client"},
	} {
		c.form.Set("grant_type", jwtBearer)
		got := e.post(t, "/oauth2/token", c.form.Encode(), c.options...)
		if got.status != c.status || got.body["error"] != c.code {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
}

func TestExchangeTakesJWTsOfTrustedIssuers(t *testing.T) {
	t.Parallel()
	e, sign := newPartner(t)
	exchange := func(subject, typ string) answer {
		return e.post(t, "/oauth2/token", url.Values{
			"grant_type": {identity.GrantTypeTokenExchange}, "subject_token": {subject}, "subject_token_type": {typ},
		}.Encode())
	}
	for i, typ := range []string{typeJWT, typeIDToken} {
		got := exchange(sign(map[string]any{"jti": string(rune('a' + i))}), typ)
		if got.status != http.StatusOK || got.body["issued_token_type"] != "urn:ietf:params:oauth:token-type:access_token" {
			t.Errorf("%s: %d %s", typ, got.status, got.text)
		}
	}
	own := e.MadeAccess(t, e.Person(t, "ada"), "read").Value.Reveal()
	if got := exchange(own, typeJWT); got.status != http.StatusOK {
		t.Errorf("bearerd's own token as a JWT: %d %s", got.status, got.text)
	}
	withActor := e.post(t, "/oauth2/token", url.Values{
		"grant_type": {identity.GrantTypeTokenExchange}, "subject_token": {sign(map[string]any{"jti": "d"})}, "subject_token_type": {typeJWT},
		"actor_token": {own}, "actor_token_type": {typeJWT},
	}.Encode())
	if withActor.status != http.StatusBadRequest || withActor.body["error"] != "invalid_request" {
		t.Errorf("with an actor: %d %s", withActor.status, withActor.text)
	}
	// RFC 8693 §2.2.2: a subject token that is not valid makes the request invalid.
	for name, got := range map[string]answer{
		"bearerd's own as an ID token": exchange(own, typeIDToken),
		"again":                        exchange(sign(map[string]any{"jti": "a"}), typeJWT),
		"as an access token":           exchange(sign(map[string]any{"jti": "c"}), "urn:ietf:params:oauth:token-type:access_token"),
	} {
		if got.status != http.StatusBadRequest || got.body["error"] != "invalid_request" {
			t.Errorf("%s: %d %s", name, got.status, got.text)
		}
	}
}

func TestMetadataListsTheJWTBearerGrant(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nodetest.Options{})
	var m struct {
		Grants []string `json:"grant_types_supported"`
	}
	nodetest.Must(t, json.Unmarshal([]byte(e.do(t, "GET", "/.well-known/oauth-authorization-server", "").text), &m))
	if !slices.Contains(m.Grants, jwtBearer) {
		t.Errorf("%q", m.Grants)
	}
}
