package oauth

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// Resource is a protected resource (RFC 9728) that this server's tokens are for.
type Resource struct {
	URL    string   // its identifier in its metadata and in requests of clients
	Scopes []string // none: those that are declared
}

// MetadataOf returns the address of a resource's metadata: the well-known path, and then
// the resource's own (RFC 9728 §3.1).
func MetadataOf(resource string) string {
	u, err := url.Parse(resource)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host + pathResource + strings.TrimSuffix(u.EscapedPath(), "/")
}

// resourceMetadata is the document of RFC 9728 §2 about an application that bearerd stands
// in front of.
type resourceMetadata struct {
	Resource             string   `json:"resource"`
	AuthorizationServers []string `json:"authorization_servers"`
	JWKSURI              string   `json:"jwks_uri"`
	Scopes               []string `json:"scopes_supported"`
	BearerMethods        []string `json:"bearer_methods_supported"`
	Documentation        string   `json:"resource_documentation,omitempty"`
}

func (d documents) serveResource(w http.ResponseWriter, r *http.Request) error {
	found, err := d.site.resourceAt(r)
	if err != nil {
		return err
	}
	scopes := found.Scopes
	if len(scopes) == 0 {
		scopes = d.site.scopes()
	}
	w.Header().Set("Cache-Control", metadataAge)
	return httpkit.WriteJSON(w, http.StatusOK, resourceMetadata{
		Resource: found.URL, AuthorizationServers: []string{d.site.Issuer}, JWKSURI: d.site.url(pathJWKS),
		Scopes: scopes, BearerMethods: []string{"header"}, Documentation: d.documentation,
	})
}

// resourceAt returns the resource whose metadata a request asks for: by the path after the
// well-known one, of several with that path the one on the request's host. Where none is
// configured, there is one for every path.
func (s Site) resourceAt(r *http.Request) (Resource, error) {
	if len(s.Resources) == 0 {
		return Resource{URL: s.resource()}, nil
	}
	path := strings.Trim(r.PathValue("path"), "/")
	var at []Resource
	for _, one := range s.Resources {
		u, err := url.Parse(one.URL)
		if err == nil && strings.Trim(u.Path, "/") == path {
			if strings.EqualFold(u.Host, r.Host) {
				return one, nil
			}
			at = append(at, one)
		}
	}
	switch {
	case len(at) == 1:
		return at[0], nil
	case path == "" && len(at) == 0 && len(s.Resources) == 1:
		return s.Resources[0], nil
	}
	return Resource{}, fault.New(fault.NotFound, "there is no such protected resource")
}

// resource returns the identifier of the application as a resource: the default audience,
// where that is the URL that RFC 9728 asks for, or else the issuer.
func (s Site) resource() string {
	audience := s.DefaultAudience
	if u, err := url.Parse(audience); err == nil && u.IsAbs() && u.Host != "" && u.Fragment == "" {
		return audience
	}
	return s.Issuer
}
