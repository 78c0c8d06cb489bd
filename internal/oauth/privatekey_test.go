package oauth_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/apply"
	"github.com/bearerd/bearerd/internal/assertion/assertiontest"
	"github.com/bearerd/bearerd/internal/authorizing"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/clientauth"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/verification"
)

const keyedRedirect = "https://app.example/back"

// keyed is an environment with a client that has a key and every grant, and a user ada.
type keyed struct {
	*env
	key assertiontest.Key
}

func newKeyed(t *testing.T) *keyed {
	t.Helper()
	k := &keyed{env: newEnv(t, nodetest.Options{}), key: assertiontest.New(t, "ES256", "k1")}
	k.User(t, "ada", "correct horse")
	k.addClient(t, identity.NewClient{
		ID: "app", Scopes: []string{"read"}, Grants: identity.GrantTypes(), RedirectURIs: []string{keyedRedirect},
		Keys: identity.ClientKeys{JWKS: assertiontest.Set(k.key.JWK())},
	})
	return k
}

// assertion returns the parameters of a fresh assertion.
func (k *keyed) assertion(t *testing.T, changes ...map[string]any) []string {
	t.Helper()
	claims := map[string]any{
		"iss": "app", "sub": "app", "aud": nodetest.Issuer, "jti": uuid.NewString(), "iat": k.Time().Unix(), "exp": k.Time().Add(time.Minute).Unix(),
	}
	for _, c := range changes {
		claims = assertiontest.With(claims, c)
	}
	return []string{"client_assertion_type", clientauth.Type, "client_assertion", k.key.Sign("client-authentication+jwt", claims)}
}

const keyedVerifier = "a verifier of forty-three characters, at least"

// code has ada allow the client something, and returns the parameters of its code.
func (k *keyed) code(t *testing.T) []string {
	t.Helper()
	p, err := k.ClientNamed(t.Context(), "app")
	nodetest.Must(t, err)
	sum := sha256.Sum256([]byte(keyedVerifier))
	redirect, _ := identity.MatchRedirect(p.Client.RedirectURIs, keyedRedirect)
	grants := k.Authorizations
	asked, err := grants.Ask(t.Context(), p, redirect, authorizing.Asking{
		ResponseType: "code", Challenge: base64.RawURLEncoding.EncodeToString(sum[:]), ChallengeMethod: "S256",
	})
	nodetest.Must(t, err)
	code, err := k.Allow(t.Context(), k.session(t), asked, authorizing.Allowed{})
	nodetest.Must(t, err)
	return []string{"grant_type", identity.GrantTypeAuthorizationCode, "code", code.Reveal(), "redirect_uri", keyedRedirect, "code_verifier", keyedVerifier}
}

// device has ada connect a device, and returns the parameters of its code.
func (k *keyed) device(t *testing.T) []string {
	t.Helper()
	begin := k.assertion(t)
	start := k.post(t, "/oauth2/device_authorization", form(begin...)).ok(t)
	k.post(t, "/oauth2/device_authorization", form(begin...)).refused(t, http.StatusUnauthorized, "invalid_client")
	nodetest.Must(t, k.DecideDevice(t.Context(), k.session(t), start.str(t, "user_code"), true))
	return []string{"grant_type", deviceType, "device_code", start.str(t, "device_code")}
}

// trustPartner trusts an issuer's JWTs, and returns the parameters with one.
func (k *keyed) trustPartner(t *testing.T) []string {
	t.Helper()
	signer := assertiontest.New(t, "EdDSA", "k1")
	jwks := filepath.Join(t.TempDir(), "jwks.json")
	nodetest.Must(t, os.WriteFile(jwks, []byte(assertiontest.Set(signer.JWK())), 0o600))
	_, _, err := k.Apply(t.Context(), caller.Operator(), apply.Desired{Issuers: []records.Issuer{{
		Name: "partner", Issuer: partnerURL, JWKS: jwks, Once: true, MaxAge: time.Hour,
		Rules: []records.IssuerRule{{Name: "job", Match: map[string]json.RawMessage{"kind": json.RawMessage(`"job"`)}, Client: "app", Scope: []string{"read"}}},
	}}})
	nodetest.Must(t, err)
	return []string{"grant_type", jwtBearer, "assertion", signer.Sign("JWT", map[string]any{
		"iss": partnerURL, "aud": nodetest.Issuer, "sub": "job 7", "kind": "job", "iat": k.Time().Unix(), "exp": k.Time().Add(time.Minute).Unix(),
	})}
}

// TestEveryGrantTakesAnAssertion: each grant issues to a client that authenticates by its key,
// uses the assertion up, and refuses it with another request; what that request brought stays
// good for a fresh one.
func TestEveryGrantTakesAnAssertion(t *testing.T) {
	t.Parallel()
	k := newKeyed(t)
	refresh := func() []string {
		pair := k.post(t, "/oauth2/token", form(append(k.code(t), k.assertion(t)...)...)).ok(t)
		return []string{"grant_type", identity.GrantTypeRefreshToken, "refresh_token", pair.str(t, "refresh_token")}
	}
	for name, request := range map[string]func() []string{
		"client credentials": func() []string { return []string{"grant_type", "client_credentials"} },
		"code":               func() []string { return k.code(t) },
		"refresh":            refresh,
		"device":             func() []string { return k.device(t) },
		"exchange": func() []string {
			return []string{"grant_type", exchangeType, "subject_token", k.apiToken(t), "subject_token_type", accessType}
		},
		"jwt-bearer": func() []string { return k.trustPartner(t) },
	} {
		used, brought := k.assertion(t), request()
		k.post(t, "/oauth2/token", form(append([]string{"grant_type", "client_credentials"}, used...)...)).ok(t)
		k.post(t, "/oauth2/token", form(append(slices.Clone(brought), used...)...)).refused(t, http.StatusUnauthorized, "invalid_client")
		fresh := append(slices.Clone(brought), k.assertion(t)...)
		got := k.post(t, "/oauth2/token", form(fresh...))
		if got.status != http.StatusOK {
			t.Errorf("%s: %d %s", name, got.status, got.text)
			continue
		}
		id, err := k.Verify(t.Context(), got.str(t, "access_token"), verification.Requirements{})
		if err != nil || id.ClientID != "app" {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
		// The same request once more, as a proxy that retries sends it: nothing is revoked.
		if again := k.post(t, "/oauth2/token", form(fresh...)); again.status == http.StatusOK || k.dead(t, got.str(t, "access_token")) {
			t.Errorf("%s: a request that was sent twice revoked what came of the first", name)
		}
	}
}

func TestRevocationAndIntrospectionTakeAnAssertion(t *testing.T) {
	t.Parallel()
	k := newKeyed(t)
	token := func() string {
		return k.post(t, "/oauth2/token", form(append([]string{"grant_type", "client_credentials"}, k.assertion(t)...)...)).ok(t).str(t, "access_token")
	}
	one, other := token(), token()
	use := append([]string{"token", one}, k.assertion(t)...)
	if got := k.post(t, "/oauth2/introspect", form(use...)).ok(t); got.body["active"] != true || got.body["client_id"] != "app" {
		t.Errorf("introspection: %s", got.text)
	}
	k.post(t, "/oauth2/introspect", form(use...)).refused(t, http.StatusUnauthorized, "invalid_client")
	k.post(t, "/oauth2/introspect", form("token", one, "client_id", "app")).refused(t, http.StatusUnauthorized, "invalid_client")

	assertion := k.assertion(t)
	if got := k.post(t, "/oauth2/revoke", form(append([]string{"token", one}, assertion...)...)).ok(t); got.body["revoked"] != true || !k.dead(t, one) {
		t.Errorf("revocation: %s", got.text)
	}
	k.post(t, "/oauth2/revoke", form(append([]string{"token", other}, assertion...)...)).refused(t, http.StatusUnauthorized, "invalid_client")
	if k.dead(t, other) {
		t.Error("an assertion that was used before revoked a token")
	}
}

// TestOneWayToAuthenticate: a request that names two is refused, be both good.
func TestOneWayToAuthenticate(t *testing.T) {
	t.Parallel()
	k := newKeyed(t)
	k.Client(t, "plain", "read")
	bearer := asBearer(k.AccessToken(t, "ada", "correct horse").Value.Reveal())
	for name, c := range map[string]struct {
		more    []string
		options []option
	}{
		"and a secret":       {[]string{"client_secret", nodetest.ClientSecret}, nil},
		"and Basic":          {nil, []option{asClient("plain")}},
		"and a Bearer token": {nil, []option{bearer}},
	} {
		for path, first := range map[string][]string{"/oauth2/token": {"grant_type", "client_credentials"}, "/oauth2/revoke": {"token", "x"}, "/oauth2/introspect": {"token", "x"}} {
			a := k.post(t, path, form(slices.Concat(first, k.assertion(t), c.more)...), c.options...)
			if a.status != http.StatusBadRequest || a.body["error"] != "invalid_request" {
				t.Errorf("%s %s: %d %s", path, name, a.status, a.text)
			}
		}
	}
	for name, c := range map[string]struct {
		params []string
		status int
		code   string
	}{
		"the token endpoint for aud": {k.assertion(t, map[string]any{"aud": nodetest.Issuer + "/oauth2/token"}), 401, "invalid_client"},
		"aud as a list":              {k.assertion(t, map[string]any{"aud": []string{nodetest.Issuer}}), 401, "invalid_client"},
		"another client_id":          {append(k.assertion(t), "client_id", "plain"), 401, "invalid_client"},
		"the same client_id":         {append(k.assertion(t), "client_id", "app"), 200, ""},
		"without the type":           {k.assertion(t)[2:], 400, "invalid_request"},
		"without the assertion":      {k.assertion(t)[:2], 400, "invalid_request"},
		"the type twice":             {slices.Concat(k.assertion(t), k.assertion(t)[:2]), 400, "invalid_request"},
	} {
		a := k.post(t, "/oauth2/token", form(append([]string{"grant_type", "client_credentials"}, c.params...)...))
		if c.code != "" {
			t.Run(name, func(t *testing.T) { a.refused(t, c.status, c.code) })
		} else if a.status != c.status {
			t.Errorf("%s: %d %s", name, a.status, a.text)
		}
	}
}

// TestAWrongVerifierUsesTheAssertionUpToo: the code is used up by it, and so is what the client
// proved itself by.
func TestAWrongVerifierUsesTheAssertionUpToo(t *testing.T) {
	t.Parallel()
	k := newKeyed(t)
	code := k.code(t)
	wrong := slices.Clone(code)
	wrong[len(wrong)-1] = strings.Repeat("x", 43)
	used := k.assertion(t)
	k.post(t, "/oauth2/token", form(append([]string{"grant_type", "client_credentials"}, used...)...)).ok(t)
	k.post(t, "/oauth2/token", form(append(slices.Clone(wrong), used...)...)).refused(t, http.StatusUnauthorized, "invalid_client")
	k.post(t, "/oauth2/token", form(append(slices.Clone(code), k.assertion(t)...)...)).ok(t)

	code = k.code(t)
	wrong[3] = code[3]
	k.post(t, "/oauth2/token", form(append(slices.Clone(wrong), k.assertion(t)...)...)).refused(t, http.StatusBadRequest, "invalid_grant")
	k.post(t, "/oauth2/token", form(append(slices.Clone(code), k.assertion(t)...)...)).refused(t, http.StatusBadRequest, "invalid_grant")
}

// TestMetadataListsPrivateKeyJWT: with the algorithms, at each endpoint that authenticates clients.
func TestMetadataListsPrivateKeyJWT(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nodetest.Options{})
	got := e.get(t, "/.well-known/oauth-authorization-server").ok(t)
	for _, endpoint := range []string{"token", "revocation", "introspection"} {
		methods, _ := got.body[endpoint+"_endpoint_auth_methods_supported"].([]any)
		algorithms, _ := got.body[endpoint+"_endpoint_auth_signing_alg_values_supported"].([]any)
		if !slices.Contains(methods, any("private_key_jwt")) || !slices.Equal(algorithms, []any{"EdDSA", "ES256", "RS256", "PS256"}) {
			t.Errorf("%s: %v, %v", endpoint, methods, algorithms)
		}
	}
}
