package oauth

import (
	"maps"
	"net/http"
	"slices"

	"github.com/bearerd/bearerd/internal/clientauth"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/token"
)

// metadata is the document of RFC 8414 §2. It lists only what this server supports. The two
// members about revocations are bearerd's own: the address of the revocation stream, and
// the longest staleness.
type metadata struct {
	Issuer                      string            `json:"issuer"`
	TokenEndpoint               string            `json:"token_endpoint"`
	TokenAuthMethods            []string          `json:"token_endpoint_auth_methods_supported"`
	TokenAuthAlgorithms         []token.Algorithm `json:"token_endpoint_auth_signing_alg_values_supported"`
	GrantTypes                  []string          `json:"grant_types_supported"`
	AuthorizationEndpoint       string            `json:"authorization_endpoint"`
	ResponseTypes               []string          `json:"response_types_supported"`
	ChallengeMethods            []string          `json:"code_challenge_methods_supported"`
	NamesItself                 bool              `json:"authorization_response_iss_parameter_supported"` // RFC 9207
	ClientURLs                  bool              `json:"client_id_metadata_document_supported"`
	Scopes                      []string          `json:"scopes_supported"`
	JWKSURI                     string            `json:"jwks_uri"`
	RevocationEndpoint          string            `json:"revocation_endpoint"`
	RevocationAuthMethods       []string          `json:"revocation_endpoint_auth_methods_supported"`
	RevocationAuthAlgorithms    []token.Algorithm `json:"revocation_endpoint_auth_signing_alg_values_supported"`
	IntrospectionEndpoint       string            `json:"introspection_endpoint"`
	IntrospectionAuthMethods    []string          `json:"introspection_endpoint_auth_methods_supported"`
	IntrospectionAuthAlgorithms []token.Algorithm `json:"introspection_endpoint_auth_signing_alg_values_supported"`
	DeviceEndpoint              string            `json:"device_authorization_endpoint"`
	RevocationsEndpoint         string            `json:"revocations_endpoint"`
	RevocationsMaxStaleness     float64           `json:"revocations_max_staleness"` // seconds
	Documentation               string            `json:"service_documentation,omitempty"`
}

// metadataAge is how long the metadata may be cached, in seconds; it changes only
// with the configuration.
const metadataAge = "public, max-age=300"

// openIDMetadata is the same document for clients that look for an OpenID provider. There
// are no ID tokens, but libraries that verify with it accept only the algorithms that are
// listed here, and only RS256 where none is.
type openIDMetadata struct {
	metadata

	SigningAlgorithms []token.Algorithm `json:"id_token_signing_alg_values_supported"`
	SubjectTypes      []string          `json:"subject_types_supported"`
}

// documents are the endpoints of what clients find this server by.
type documents struct {
	site          Site
	signedBy      func() []token.Algorithm // the algorithms of the tokens that are and were signed
	documentation string                   // a URL; "": none
}

func (d documents) serveServer(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Cache-Control", metadataAge)
	return httpkit.WriteJSON(w, http.StatusOK, d.metadata())
}

func (d documents) serveOpenID(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Cache-Control", metadataAge)
	return httpkit.WriteJSON(w, http.StatusOK, openIDMetadata{
		metadata: d.metadata(), SigningAlgorithms: d.signedBy(), SubjectTypes: []string{"public"},
	})
}

func (d documents) metadata() metadata {
	confidential := []string{"client_secret_basic", "client_secret_post", "private_key_jwt"}
	tokenMethods := confidential
	for _, g := range grants {
		if g.public {
			tokenMethods = append(slices.Clone(confidential), "none")
		}
	}
	return metadata{
		Issuer:              d.site.Issuer,
		TokenEndpoint:       d.site.url(pathToken),
		TokenAuthMethods:    tokenMethods,
		TokenAuthAlgorithms: clientauth.Algorithms(), RevocationAuthAlgorithms: clientauth.Algorithms(), IntrospectionAuthAlgorithms: clientauth.Algorithms(),
		GrantTypes:               grantTypes(),
		AuthorizationEndpoint:    d.site.url(pathAuthorize),
		ResponseTypes:            []string{"code"},
		ChallengeMethods:         []string{"S256"},
		NamesItself:              true,
		ClientURLs:               d.site.ClientURLs,
		Scopes:                   d.site.scopes(),
		JWKSURI:                  d.site.url(pathJWKS),
		RevocationEndpoint:       d.site.url(pathRevoke),
		RevocationAuthMethods:    append(slices.Clone(confidential), "none"),
		IntrospectionEndpoint:    d.site.url(pathIntrospect),
		IntrospectionAuthMethods: append(slices.Clone(confidential), "Bearer"),
		DeviceEndpoint:           d.site.url(pathDevice),
		RevocationsEndpoint:      d.site.url(pathRevocations),
		RevocationsMaxStaleness:  d.site.Staleness.Seconds(),
		Documentation:            d.documentation,
	}
}

// scopes returns the scopes that people can have: those that are declared. The built-in
// ones are for programs that know them.
func (s Site) scopes() []string {
	all := slices.AppendSeq([]string{}, maps.Keys(s.Scopes))
	slices.Sort(all)
	return all
}
