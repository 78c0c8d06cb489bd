package oauth

import (
	"net/http"
	"net/url"

	"github.com/bearerd/bearerd/internal/httpkit"
)

// resourceMetadata is the document of RFC 9728 §2 about the application that
// bearerd stands in front of.
type resourceMetadata struct {
	Resource             string   `json:"resource"`
	AuthorizationServers []string `json:"authorization_servers"`
	JWKSURI              string   `json:"jwks_uri"`
	Scopes               []string `json:"scopes_supported"`
	BearerMethods        []string `json:"bearer_methods_supported"`
	Documentation        string   `json:"resource_documentation,omitempty"`
}

func (e *Edge) serveResource(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Cache-Control", metadataAge)
	return httpkit.WriteJSON(w, http.StatusOK, resourceMetadata{
		Resource: e.resource(), AuthorizationServers: []string{e.Site.Issuer}, JWKSURI: e.url(pathJWKS),
		Scopes: e.scopes(), BearerMethods: []string{"header"}, Documentation: e.Documentation,
	})
}

// resource returns the identifier of the application as a resource: the default audience,
// where that is the URL that RFC 9728 asks for, or else the issuer.
func (e *Edge) resource() string {
	audience := e.Site.DefaultAudience
	if u, err := url.Parse(audience); err == nil && u.IsAbs() && u.Host != "" && u.Fragment == "" {
		return audience
	}
	return e.Site.Issuer
}
