package oauth_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/node"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
)

func TestMetadataTellsWhatThereIs(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nodetest.Options{Settings: func(p *node.Settings) {
		p.Policy.Scopes = map[string]string{"read": "Read specimens"}
		p.Staleness = 1500 * time.Millisecond
	}})
	const iss = nodetest.Issuer
	want := map[string]any{
		"issuer":                                iss,
		"token_endpoint":                        iss + "/oauth2/token",
		"token_endpoint_auth_methods_supported": []any{"client_secret_basic", "client_secret_post", "private_key_jwt", "none"},
		"token_endpoint_auth_signing_alg_values_supported":         []any{"EdDSA", "ES256", "RS256", "PS256"},
		"revocation_endpoint_auth_signing_alg_values_supported":    []any{"EdDSA", "ES256", "RS256", "PS256"},
		"introspection_endpoint_auth_signing_alg_values_supported": []any{"EdDSA", "ES256", "RS256", "PS256"},
		"grant_types_supported": []any{
			"authorization_code", "client_credentials", "refresh_token",
			"urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:jwt-bearer",
			"urn:ietf:params:oauth:grant-type:token-exchange",
		},
		"device_authorization_endpoint":                  nodetest.Issuer + "/oauth2/device_authorization",
		"revocations_endpoint":                           iss + "/auth/revocations",
		"revocations_max_staleness":                      1.5,
		"response_types_supported":                       []any{"code"},
		"authorization_endpoint":                         iss + "/oauth2/authorize",
		"code_challenge_methods_supported":               []any{"S256"},
		"authorization_response_iss_parameter_supported": true,
		"client_id_metadata_document_supported":          false,
		"scopes_supported":                               []any{"read"},
		"jwks_uri":                                       iss + "/.well-known/jwks.json",
		"revocation_endpoint":                            iss + "/oauth2/revoke",
		"revocation_endpoint_auth_methods_supported":     []any{"client_secret_basic", "client_secret_post", "private_key_jwt", "none"},
		"introspection_endpoint":                         iss + "/oauth2/introspect",
		"introspection_endpoint_auth_methods_supported":  []any{"client_secret_basic", "client_secret_post", "private_key_jwt", "Bearer"},
	}
	for _, path := range []string{
		"/.well-known/oauth-authorization-server", "/.well-known/oauth-authorization-server/some/path",
		"/.well-known/openid-configuration", "/.well-known/openid-configuration/some/path",
	} {
		a := e.get(t, path).ok(t)
		want := maps.Clone(want)
		if strings.Contains(path, "openid") {
			want["id_token_signing_alg_values_supported"] = []any{"EdDSA"}
			want["subject_types_supported"] = []any{"public"}
		}
		if diff := cmp.Diff(want, a.body); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
		if a.header.Get("Content-Type") != "application/json" || a.header.Get("Cache-Control") == "" {
			t.Errorf("%s: %v", path, a.header)
		}
	}
}

// TestEveryGrantInTheMetadataIsServed keeps the document honest.
func TestEveryGrantInTheMetadataIsServed(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nodetest.Options{})
	listed, _ := e.get(t, "/.well-known/oauth-authorization-server").ok(t).body["grant_types_supported"].([]any)
	for _, listing := range listed {
		name := fmt.Sprint(listing)
		a := e.post(t, "/oauth2/token", form("grant_type", name))
		if a.body["error"] == "unsupported_grant_type" {
			t.Errorf("%s is listed and not served", name)
		}
	}
	if len(listed) == 0 {
		t.Error("no grant is listed")
	}
}

func TestMetadataOfAnIssuerWithAPathStandsBeforeIt(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: func(p *node.Settings) { p.Policy.Issuer = "https://example.org/tokens" }})
	mux := http.NewServeMux() // the description has no paths of an issuer with a path
	newEdge(f).Register(mux)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	e := &env{Fixture: f, http: edgetest.At(t, server.URL)}
	for _, path := range []string{
		"/.well-known/oauth-authorization-server", "/.well-known/oauth-authorization-server/tokens",
		"/.well-known/openid-configuration", "/.well-known/openid-configuration/tokens",
	} {
		a := e.get(t, path).ok(t)
		if a.body["issuer"] != "https://example.org/tokens" || a.body["token_endpoint"] != "https://example.org/tokens/oauth2/token" {
			t.Errorf("%s: %s", path, a.text)
		}
	}
}

// Libraries take no algorithm that isn't listed: those of keys that were are listed too,
// as long as their tokens live.
func TestOpenIDMetadataListsEveryAlgorithmThatTokensAreSignedBy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	listed := func(o nodetest.Options) any {
		t.Helper()
		o.Dir = dir
		e := newEnv(t, o)
		nodetest.Must(t, e.RotateKeys(t.Context(), caller.Operator(), true))
		return e.get(t, "/.well-known/openid-configuration").ok(t).body["id_token_signing_alg_values_supported"]
	}
	if got := listed(nodetest.Options{}); !cmp.Equal(got, []any{"EdDSA"}) {
		t.Errorf("at first: %v", got)
	}
	if got := listed(nodetest.Options{Algorithm: token.ES256}); !cmp.Equal(got, []any{"ES256", "EdDSA"}) {
		t.Errorf("after a change of the algorithm: %v", got)
	}
	e := newEnv(t, nodetest.Options{Algorithm: token.HS256, Secret: []byte("0123456789abcdefghijklmnopqrstuv")})
	got := e.get(t, "/.well-known/openid-configuration").ok(t).body["id_token_signing_alg_values_supported"]
	if !cmp.Equal(got, []any{"HS256"}) {
		t.Errorf("with a shared secret: %v", got)
	}
}

// A script of any origin may read what is public, without credentials, and whatever
// headers it sends; a client for the Model Context Protocol sends one of its own.
func TestPublicDocumentsAreForScriptsOfEveryOrigin(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nodetest.Options{})
	for _, path := range []string{
		"/.well-known/oauth-authorization-server", "/.well-known/oauth-authorization-server/mcp/v1",
		"/.well-known/openid-configuration", "/.well-known/openid-configuration/mcp",
		"/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp", "/.well-known/jwks.json",
	} {
		a := e.get(t, path, withHeader("Origin", "https://stranger.example")).ok(t)
		if got := a.header.Values("Access-Control-Allow-Origin"); !slices.Equal(got, []string{"*"}) {
			t.Errorf("%s: %q", path, got)
		}
		preflight := e.do(t, http.MethodOptions, path, "", withHeader("Origin", "https://stranger.example"),
			withHeader("Access-Control-Request-Method", "GET"), withHeader("Access-Control-Request-Headers", "mcp-protocol-version"))
		h := preflight.header
		if preflight.status != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != "*" ||
			!strings.Contains(h.Get("Access-Control-Allow-Headers"), "*") || !strings.Contains(h.Get("Access-Control-Allow-Methods"), "GET") {
			t.Errorf("%s: %d %v", path, preflight.status, h)
		}
		for _, header := range []http.Header{a.header, h} {
			if header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s: %v", path, header)
			}
		}
		if got := e.post(t, path, ""); got.status != http.StatusMethodNotAllowed {
			t.Errorf("POST %s: %d", path, got.status)
		}
	}
	for _, path := range []string{"/oauth2/token", "/oauth2/introspect"} {
		if got := e.post(t, path, "", withHeader("Origin", "https://stranger.example")).header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("%s: %q", path, got)
		}
	}
}

func TestJWKSetIsCacheableAndVerifiesTokens(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nodetest.Options{})
	e.Client(t, "ci")
	raw := e.clientToken(t, "ci")
	a := e.get(t, "/.well-known/jwks.json").ok(t)
	keys, err := keyring.ReadJWKS([]byte(a.text))
	if err != nil {
		t.Fatal(err)
	}
	find := func(kid string) (token.VerificationKey, bool) {
		for _, k := range keys {
			if k.KID == kid {
				return k, true
			}
		}
		return token.VerificationKey{}, false
	}
	if _, err := token.Verify(raw, find); err != nil {
		t.Error(err)
	}
	if a.header.Get("Cache-Control") != "public, max-age=300" || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("headers: %v", a.header)
	}
	tag := a.header.Get("ETag")
	if again := e.get(t, "/.well-known/jwks.json", withHeader("If-None-Match", tag)); tag == "" || again.status != http.StatusNotModified || again.text != "" {
		t.Errorf("ETag %s: %d %s", tag, again.status, again.text)
	}
	if head := e.do(t, http.MethodHead, "/.well-known/jwks.json", ""); head.status != http.StatusOK || head.header.Get("ETag") != tag || head.text != "" {
		t.Errorf("HEAD: %d %v", head.status, head.header)
	}
}

func TestNextKeyShowsInTheJWKSetAtOnce(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nodetest.Options{})
	before := e.get(t, "/.well-known/jwks.json").ok(t)
	if err := e.RotateKeys(t.Context(), caller.Operator(), false); err != nil {
		t.Fatal(err)
	}
	after := e.get(t, "/.well-known/jwks.json", withHeader("If-None-Match", before.header.Get("ETag"))).ok(t)
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal([]byte(after.text), &set); err != nil || len(set.Keys) != 2 {
		t.Errorf("%v: %s", err, after.text)
	}
	for _, k := range set.Keys {
		if _, private := k["d"]; private {
			t.Error("a private key is shown")
		}
	}
}

func TestJWKSetOfASharedSecretIsEmpty(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nodetest.Options{Algorithm: token.HS256, Secret: []byte("0123456789abcdefghijklmnopqrstuv")})
	if a := e.get(t, "/.well-known/jwks.json").ok(t); a.text != `{"keys":[]}` {
		t.Errorf("answered %s", a.text)
	}
}
