package oauth

import (
	"maps"
	"net/http"
	"slices"

	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/token"
)

// metadata is the document of RFC 8414 §2. It lists only what this server supports. The
// list of response types is required and is empty, because bearerd has no authorization
// endpoint. The two members about revocations are bearerd's own: the address of the
// revocation stream, and the longest staleness.
type metadata struct {
	Issuer                   string   `json:"issuer"`
	TokenEndpoint            string   `json:"token_endpoint"`
	TokenAuthMethods         []string `json:"token_endpoint_auth_methods_supported"`
	GrantTypes               []string `json:"grant_types_supported"`
	ResponseTypes            []string `json:"response_types_supported"`
	Scopes                   []string `json:"scopes_supported"`
	JWKSURI                  string   `json:"jwks_uri"`
	RevocationEndpoint       string   `json:"revocation_endpoint"`
	RevocationAuthMethods    []string `json:"revocation_endpoint_auth_methods_supported"`
	IntrospectionEndpoint    string   `json:"introspection_endpoint"`
	IntrospectionAuthMethods []string `json:"introspection_endpoint_auth_methods_supported"`
	DeviceEndpoint           string   `json:"device_authorization_endpoint"`
	RevocationsEndpoint      string   `json:"revocations_endpoint"`
	RevocationsMaxStaleness  float64  `json:"revocations_max_staleness"` // seconds
	Documentation            string   `json:"service_documentation,omitempty"`
}

// metadataAge is how long the metadata may be cached, in seconds; it changes only
// with the configuration.
const metadataAge = "public, max-age=300"

// openIDMetadata is the same for clients that look for an OpenID provider. There are no
// ID tokens, but libraries that verify with it accept only the algorithms that are listed
// here, and only RS256 where none is.
type openIDMetadata struct {
	metadata

	SigningAlgorithms []token.Algorithm `json:"id_token_signing_alg_values_supported"`
	SubjectTypes      []string          `json:"subject_types_supported"`
}

func (e *Edge) serveMetadata(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Cache-Control", metadataAge)
	return httpkit.WriteJSON(w, http.StatusOK, e.metadata())
}

func (e *Edge) serveOpenID(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Cache-Control", metadataAge)
	return httpkit.WriteJSON(w, http.StatusOK, openIDMetadata{
		metadata: e.metadata(), SigningAlgorithms: e.SignedBy(), SubjectTypes: []string{"public"},
	})
}

func (e *Edge) metadata() metadata {
	confidential := []string{"client_secret_basic", "client_secret_post"}
	tokenMethods := confidential
	for _, g := range grants {
		if g.public {
			tokenMethods = append(slices.Clone(confidential), "none")
		}
	}
	return metadata{
		Issuer:                   e.Site.Issuer,
		TokenEndpoint:            e.url(pathToken),
		TokenAuthMethods:         tokenMethods,
		GrantTypes:               grantTypes(),
		ResponseTypes:            []string{},
		Scopes:                   e.scopes(),
		JWKSURI:                  e.url(pathJWKS),
		RevocationEndpoint:       e.url(pathRevoke),
		RevocationAuthMethods:    append(slices.Clone(confidential), "none"),
		IntrospectionEndpoint:    e.url(pathIntrospect),
		IntrospectionAuthMethods: append(slices.Clone(confidential), "Bearer"),
		DeviceEndpoint:           e.url(pathDevice),
		RevocationsEndpoint:      e.url(pathRevocations),
		RevocationsMaxStaleness:  e.Site.Staleness.Seconds(),
		Documentation:            e.Documentation,
	}
}

// scopes returns the declared scopes and the built-in ones that can be used here. The scope
// scim is for one client that the operator sets up, and not for those that read this.
func (e *Edge) scopes() []string {
	known := map[string]bool{}
	for name := range e.Site.Scopes {
		known[name] = true
	}
	_, refresh := grants[identity.GrantTypeRefreshToken]
	for _, name := range identity.BuiltinScopes() {
		if name != identity.ScopeSCIM && (name != identity.ScopeOfflineAccess || refresh) {
			known[name] = true
		}
	}
	return slices.Sorted(maps.Keys(known))
}
