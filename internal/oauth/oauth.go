// Package oauth serves the standard endpoints: the token endpoint (RFC 6749), revocation
// (RFC 7009), introspection (RFC 7662), the metadata (RFC 8414), the JWK Set (RFC 7517),
// device authorization (RFC 8628), protected-resource metadata (RFC 9728), and in
// addition the report of leaked tokens.
//
// An endpoint reads its request strictly, calls an operation, and writes the result.
// Faults become RFC 6749 §5.2 errors by the one table in errors.go. A grant type is a row
// of the table in token.go.
package oauth

import (
	"net/http"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/authorizing"
	"github.com/bearerd/bearerd/internal/clientauth"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/quota"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/signin"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/trust"
	"github.com/bearerd/bearerd/internal/verification"
)

// Edge holds the endpoints. All but CacheTime and Documentation must be set.
type Edge struct {
	SignIn     *signin.Authenticator
	ClientAuth *clientauth.Authenticator
	Issuance   *issuance.Issuance
	Flows      *authorizing.Flows
	Assertions *trust.Assertions // of trusted issuers
	Revoker    *revoking.Revoker
	Verifier   *verification.Verifier
	Applied    func() revocation.Seq    // up to which this node has applied the log
	JWKS       func() []byte            // the JWK Set (RFC 7517 §5)
	SignedBy   func() []token.Algorithm // the algorithms of the tokens that are and were signed
	Quota      *quota.Quota             // counts what limits refuse
	Now        func() time.Time
	Site       Site

	// CacheTime is the max-age of the JWK Set, as in keyring.Config. With 0, caches must
	// ask each time.
	CacheTime time.Duration
	// TokenInQuery accepts the parameters of a token request without a body from the
	// query, except for secrets. RFC 6749 §3.2 allows them only in the body.
	TokenInQuery bool
	// Documentation is the URL of service_documentation; "": none.
	Documentation string
}

// Site is what the metadata says about this deployment.
type Site struct {
	Issuer          string
	DefaultAudience string
	Scopes          map[string]string // declared, with their descriptions
	Staleness       time.Duration     // L, of the revocation log
	ClientURLs      bool              // clients that nobody registered may ask people
	Resources       []Resource        // none: the default audience is the one resource
}

// Paths of the endpoints, beneath the issuer.
const (
	pathToken      = "/oauth2/token" // #nosec G101 -- a path
	pathRevoke     = "/oauth2/revoke"
	pathIntrospect = "/oauth2/introspect"
	pathJWKS       = "/.well-known/jwks.json"
	pathMetadata   = "/.well-known/oauth-authorization-server"
	pathOpenID     = "/.well-known/openid-configuration"
	pathDevice     = "/oauth2/device_authorization"
	pathResource   = "/.well-known/oauth-protected-resource"
	pathLeaked     = "/auth/leaked"

	// beneath is what follows a metadata path: the path of an issuer or of a resource,
	// which is inserted before its own (RFC 8414 §3.1, RFC 9728 §3.1). There is one issuer
	// and one protected resource, so that every path leads to the same document.
	beneath = "/{path...}"

	pathAuthorize   = "/oauth2/authorize" // the page on which people are asked
	pathDevicePage  = "/auth/device"      // where the user decides
	pathRevocations = "/auth/revocations" // the log
)

// Register mounts the endpoints.
func (e *Edge) Register(mux *http.ServeMux) {
	in, who := realm(e.Site.Issuer), e.authenticator()
	mux.Handle("POST "+pathToken, e.TokenEndpoint())
	mux.HandleFunc("OPTIONS "+pathToken, preflight)
	device := devices{authenticator: who, flows: e.Flows, page: e.Site.url(pathDevicePage)}
	mux.Handle("POST "+pathDevice, httpkit.Handle(device.serve, in.writeError))
	revoke := revocations{authenticator: who, revoker: e.Revoker}
	mux.Handle("POST "+pathRevoke, httpkit.Handle(revoke.serve, in.bearerErrors("")))
	introspect := introspections{authenticator: who, verifier: e.Verifier, applied: e.Applied, issuer: e.Site.Issuer}
	mux.Handle("POST "+pathIntrospect, httpkit.Handle(introspect.serve, in.bearerErrors(identity.ScopeIntrospect)))
	problems := httpkit.Problems(httpkit.Challenge{Realm: e.Site.Issuer})
	leaked := leaks{limiter: newReportLimiter(), quota: e.Quota, revoker: e.Revoker, now: e.Now}
	mux.Handle("POST "+pathLeaked, httpkit.Handle(leaked.serve, problems))
	httpkit.HandlePublic(mux, pathJWKS, httpkit.Handle(keySet{set: e.JWKS, age: e.CacheTime}.serve, problems))
	document := documents{site: e.Site, signedBy: e.SignedBy, documentation: e.Documentation}
	for path, serve := range map[string]httpkit.HandlerFunc{
		pathResource: document.serveResource, pathMetadata: document.serveServer, pathOpenID: document.serveOpenID,
	} {
		httpkit.HandlePublic(mux, path, httpkit.Handle(serve, problems))
		httpkit.HandlePublic(mux, path+beneath, httpkit.Handle(serve, problems))
	}
}

func (e *Edge) authenticator() authenticator {
	return authenticator{signIn: e.SignIn, clientAuth: e.ClientAuth}
}

// TokenEndpoint serves the token endpoint, for a dialect with another path for it. Another
// dialect may set TokenInQuery afterwards.
func (e *Edge) TokenEndpoint() http.Handler {
	return httpkit.Handle(func(w http.ResponseWriter, r *http.Request) error {
		return tokens{
			authenticator: e.authenticator(), issuance: e.Issuance, flows: e.Flows, assertions: e.Assertions, inQuery: e.TokenInQuery,
		}.serve(w, r)
	}, realm(e.Site.Issuer).writeError)
}

// url returns an endpoint's address.
func (s Site) url(path string) string {
	return strings.TrimSuffix(s.Issuer, "/") + path
}
