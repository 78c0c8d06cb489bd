package oauth

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
)

// metadata is the document of RFC 8414 §2. It tells what there is and nothing more;
// the list of response types must be there and is empty, for bearerd has no
// authorization endpoint. The two members about revocations are bearerd's own: where
// its log can be followed, and for how long one may rely on what one knows of it.
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

// metadataPaths are where the document stands. For an issuer with a path that is
// also inserted before it (RFC 8414 §3.1).
func (e *Edge) metadataPaths() []string {
	paths := []string{pathMetadata, pathOpenID}
	u, err := url.Parse(e.Site.Issuer)
	if err != nil {
		return paths
	}
	inserted := strings.TrimSuffix(u.EscapedPath(), "/")
	if inserted == "" || strings.ContainsAny(inserted, "{}") {
		return paths
	}
	return append(paths, pathMetadata+inserted, pathOpenID+inserted)
}

func (e *Edge) serveMetadata(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Cache-Control", metadataAge)
	return httpkit.WriteJSON(w, http.StatusOK, e.metadata())
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

// scopes are the declared ones and the built-in ones that mean something here.
func (e *Edge) scopes() []string {
	known := map[string]bool{}
	for name := range e.Site.Scopes {
		known[name] = true
	}
	_, refresh := grants[identity.GrantTypeRefreshToken]
	for _, name := range identity.BuiltinScopes() {
		if name != identity.ScopeOfflineAccess || refresh {
			known[name] = true
		}
	}
	return slices.Sorted(maps.Keys(known))
}
