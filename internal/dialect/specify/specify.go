// Package specify serves the endpoints of Specify 7: a user signs in at /context/login/
// with a CSRF token and a collection, trades a password for a token that is valid in one
// collection at /accounts/token/, a refresh token for the next pair at
// /accounts/token/refresh/, and revokes either at /accounts/token/revoke/.
// docs/dialect-specify.md lists the deliberate differences from the original and their
// reasons.
//
// A request with a Bearer token is judged by it whatever it asks for, as by the
// original's middleware: an invalid token is 401 and a challenge, a valid one whose user
// has lost the collection is 403. Every other refusal is {"error","error_description"}
// with the status that the original has.
package specify

import (
	_ "embed" // the description
	"errors"
	"net/http"

	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/signin"

	"github.com/bearerd/bearerd/internal/caller"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// SessionCookie is the name of the original's session cookie.
const SessionCookie = "sessionid"

// Dialect is the endpoints of Specify 7.
type Dialect struct {
	SignIn         *signin.Authenticator
	Issuance       *issuance.Issuance
	Revoker        *revoking.Revoker
	Directory      *directory.Directory
	Login          bool                 // serve /context/login/; false: it is the application's own
	Cookies        httpkit.Cookies      // how cookies are made
	CrossOrigin    *httpkit.CrossOrigin // nil: nothing is done by cookie
	SessionCookies []string             // those that carry a session; the first is the one that is set
	Challenge      httpkit.Challenge    // the challenge of a 401
}

// Register mounts the endpoints, each with and without the slash at its end: a
// redirect from one to the other would lose the body of a POST, or show a password
// to a second address.
func (d *Dialect) Register(mux *http.ServeMux) {
	serve := func(method, path string, fn httpkit.HandlerFunc) {
		h := httpkit.Handle(fn, d.writeError)
		mux.Handle(method+" "+path, h)
		mux.Handle(method+" "+path+"/{$}", h)
	}
	if d.Login {
		serve("GET", "/context/login", d.loginForm)
		serve("PUT", "/context/login", d.login)
	}
	serve("POST", "/accounts/token", d.token)
	serve("POST", "/accounts/token/refresh", d.refresh)
	serve("POST", "/accounts/token/revoke", d.revoke)
}

// Paths implements server.Dialect.
func (d *Dialect) Paths() []string {
	paths := []string{"/accounts/token", "/accounts/token/refresh", "/accounts/token/revoke"}
	if d.Login {
		paths = append(paths, "/context/login")
	}
	return paths
}

var (
	//go:embed openapi.json
	described []byte
	//go:embed openapi-login.json
	describedLogin []byte
)

// OpenAPI describes the endpoints that are on.
func (d *Dialect) OpenAPI() [][]byte {
	if d.Login {
		return [][]byte{described, describedLogin}
	}
	return [][]byte{described}
}

// presented is the error of the token that a request came with.
type presented struct{ error }

func (p presented) Unwrap() error { return p.error }

// bearer returns the caller of a request with a token; nil when it has none. The error is
// a presented one.
func (d *Dialect) bearer(r *http.Request, judge judge) (*caller.Caller, error) {
	raw, found, err := httpkit.Bearer(r)
	if err != nil {
		return nil, presented{err}
	}
	if !found {
		return nil, nil
	}
	c, err := judge(r.Context(), raw)
	if err != nil {
		return nil, presented{err}
	}
	httpkit.Note(r, c)
	return c, nil
}

// writeError writes an error: with a challenge when the token of the request was refused,
// and otherwise with the original's statuses.
func (d *Dialect) writeError(w http.ResponseWriter, r *http.Request, err error) {
	if _, ok := errors.AsType[presented](err); ok {
		httpkit.BearerErrors(d.Challenge)(w, r, err)
		return
	}
	kind := fault.KindOf(err)
	httpkit.SetRetryAfter(w, err)
	httpkit.NoStore(w)
	_ = httpkit.WriteJSON(w, status(kind), problem{httpkit.Code(kind), fault.Message(err)})
}

// problem is the body of a refusal.
type problem struct {
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// status returns the original's status: an unauthenticated caller is refused with 403,
// and an invalid token in a parameter is a bad request.
func status(kind fault.Kind) int {
	switch kind { //nolint:exhaustive // all other statuses are the common ones
	case fault.Unauthenticated, fault.BadCredentials:
		return http.StatusForbidden
	case fault.InvalidToken:
		return http.StatusBadRequest
	default:
		return httpkit.Status(kind)
	}
}
