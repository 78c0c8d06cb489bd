// Package gen3 serves the endpoints of Gen3's Fence: a user creates API keys that are
// valid for weeks, trades one for an access token or for a task token that a single
// service accepts, and reads their own profile; a gateway asks whether a token was
// revoked. docs/dialect-gen3.md lists the deliberate differences from the original and
// their reasons.
//
// Where to find what:
//
//	keys.go         /credentials/api: API keys
//	accesstoken.go  /credentials/api/access_token: what a key is traded for
//	denylist.go     /credentials/token/denylisted, which can have a listener of its own
//	user.go         /user and /user/anyaccess
//	publickeys.go   /jwt/keys and /.well-known/jwks
//	profile.go      what every token contains for the services of a data commons
//	errors.go       refusals, in the original's words where clients show them
//
// Every refusal is {"message"} with the status that the original has.
package gen3

import (
	"bytes"
	_ "embed" // the description
	"net/http"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/signin"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/trust"
	"github.com/bearerd/bearerd/internal/verification"
)

// Dialect is the endpoints of Fence, except the denylist: see [Denylist].
type Dialect struct {
	SignIn         *signin.Authenticator
	Issuance       *issuance.Issuance
	Tokens         *credentials.Tokens
	Assertions     *trust.Assertions // of keys that the original has signed; nil: none is traded
	Revoker        *revoking.Revoker
	Verifier       *verification.Verifier
	PublicKeys     func() []token.VerificationKey // those of the JWK Set
	Now            func() time.Time
	SessionCookies []string             // those that carry a session
	CrossOrigin    *httpkit.CrossOrigin // nil: nothing is done by session
	Challenge      httpkit.Challenge    // the challenge of a 401
	CacheTime      time.Duration        // max-age of /jwt/keys: that of the JWK Set; 0: caches ask each time
}

// credentialNames are the paths of API keys. The original kept the second for its many
// older clients.
var credentialNames = []string{"api", "cdis"}

// Register mounts the endpoints.
func (d *Dialect) Register(mux *http.ServeMux) {
	onError := writeError(d.Challenge)
	for _, name := range credentialNames {
		path := "/credentials/" + name
		serve(mux, "POST "+path, d.createKey, onError)
		serve(mux, "GET "+path, d.listKeys, onError)
		serve(mux, "DELETE "+path+"/{key_id}", d.deleteKey, onError)
		serve(mux, "POST "+path+"/access_token", d.accessToken, onError)
	}
	serve(mux, "GET /user", d.user, onError)
	serve(mux, "POST /user", d.user, onError)
	serve(mux, "GET /user/anyaccess", d.anyAccess, onError)
	for path, h := range map[string]httpkit.HandlerFunc{"/jwt/keys": d.jwtKeys, "/.well-known/jwks": d.jwks} {
		httpkit.HandlePublic(mux, path, httpkit.Handle(h, onError))
		httpkit.HandlePublic(mux, path+"/{$}", httpkit.Handle(h, onError))
	}
}

// Paths implements server.Dialect.
func (d *Dialect) Paths() []string {
	paths := []string{"/user", "/user/anyaccess", "/jwt/keys", "/.well-known/jwks"}
	for _, name := range credentialNames {
		path := "/credentials/" + name
		paths = append(paths, path, path+"/access_token", path+"/{key_id}")
	}
	return paths
}

// serve mounts an endpoint with and without the slash at its end: a redirect from
// one to the other would lose the body.
func serve(mux *http.ServeMux, pattern string, fn httpkit.HandlerFunc, onError httpkit.ErrorWriter) {
	h := httpkit.Handle(fn, onError)
	mux.Handle(pattern, h)
	mux.Handle(pattern+"/{$}", h)
}

var (
	//go:embed openapi.json
	described []byte
	//go:embed openapi-keys.json
	describedKeys []byte
)

// OpenAPI describes the endpoints.
func (d *Dialect) OpenAPI() [][]byte {
	fragments := [][]byte{described}
	for _, name := range credentialNames {
		fragments = append(fragments, bytes.ReplaceAll(describedKeys, []byte("{name}"), []byte(name)))
	}
	return fragments
}

// failure is the body of every refusal.
type failure struct {
	Message string `json:"message"`
}

// writeError answers a fault. The statuses are those of [httpkit.Status]: the
// original's are the same.
func writeError(base httpkit.Challenge) httpkit.ErrorWriter {
	return func(w http.ResponseWriter, _ *http.Request, err error) {
		status := httpkit.Status(fault.KindOf(err))
		if c, ok := base.For(err); ok && status != http.StatusBadRequest {
			w.Header().Set("WWW-Authenticate", c.String())
		}
		httpkit.SetRetryAfter(w, err)
		httpkit.NoStore(w)
		_ = httpkit.WriteJSON(w, status, failure{message(err)}) // a string can be encoded
	}
}

// caller authenticates a request: by a Bearer token that meets the requirements or, where
// the request has none, by session. When the first credential is invalid, a second one is
// not tried.
func (d *Dialect) caller(r *http.Request, needs verification.Requirements) (*caller.Caller, error) {
	raw, found, err := httpkit.Bearer(r)
	if err != nil {
		return nil, err
	}
	var c *caller.Caller
	if found {
		c, err = d.identify(r, raw, needs)
	} else {
		c, err = d.session(r)
	}
	if err != nil {
		return nil, err
	}
	httpkit.Note(r, c)
	return c, nil
}

func (d *Dialect) identify(r *http.Request, raw string, needs verification.Requirements) (*caller.Caller, error) {
	id, err := d.Verifier.Identify(r.Context(), raw, needs)
	if err != nil {
		return nil, err
	}
	return caller.ByToken(id), nil
}

// keyOwner returns the caller where API keys are created, listed and deleted.
func (d *Dialect) keyOwner(r *http.Request) (*caller.Caller, error) {
	return d.caller(r, verification.Requirements{Scope: []string{identity.ScopeCredentials}})
}

func (d *Dialect) session(r *http.Request) (*caller.Caller, error) {
	switch {
	case len(httpkit.SessionCookies(r, d.SessionCookies)) == 0:
		return nil, httpkit.SignInOrToken()
	case d.CrossOrigin == nil:
		return nil, fault.New(fault.Forbidden, "a session can't be used here")
	}
	if err := d.CrossOrigin.Check(r); err != nil {
		return nil, err
	}
	c, _, err := httpkit.Session(r, d.SessionCookies, d.SignIn.Session)
	return c, err
}
