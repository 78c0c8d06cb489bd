// Package senaite serves the endpoints of SENAITE's JSON API that are about users: log in
// with a password for a token and a cookie, log out, read who is logged in, list users,
// and revoke every token of a user at once. docs/dialect-senaite.md lists the deliberate
// differences from the original and their reasons.
//
// Where to find what:
//
//	site.go     what the endpoints beneath one prefix share
//	visitor.go  where the credentials of a request are, and whose they are
//	login.go    /login and /auth
//	logout.go   /logout
//	users.go    /users and /users/NAME/rotate_secret
//	batch.go    pages of users
//
// Every refusal is {"success": false, "message"}.
package senaite

import (
	_ "embed" // the description
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/signin"
)

// DefaultPrefix is where the original has its endpoints, within its site.
const DefaultPrefix = "/@@API/senaite/v1"

// SitePrefix is where its clients expect them: it is the name of the site in the
// original's image.
const SitePrefix = "/senaite" + DefaultPrefix

// DefaultPrefixes returns the prefixes of a dialect that names none.
func DefaultPrefixes() []string { return []string{DefaultPrefix, SitePrefix} }

// Dialect is the endpoints of SENAITE.
type Dialect struct {
	SignIn         *signin.Authenticator
	Issuance       *issuance.Issuance
	Revoker        *revoking.Revoker
	Directory      *directory.Directory
	Issuer         string
	Now            func() time.Time
	Prefixes       []string             // beneath each of which the endpoints are served, without a slash at the end; none: DefaultPrefixes
	LoginInQuery   bool                 // accept passwords in URLs, which are often logged
	Cookies        httpkit.Cookies      // how cookies are made
	SessionCookies []string             // those that carry a session of bearerd's pages
	CrossOrigin    *httpkit.CrossOrigin // nil: nothing is changed by cookie or Basic, and no cookie is set
	Challenge      httpkit.Challenge    // the challenge of a 401
}

// loginPaths are the paths beneath which /login, /logout and /auth are served.
var loginPaths = []string{"", "/users"}

// Register mounts the endpoints.
func (d *Dialect) Register(mux *http.ServeMux) {
	for _, prefix := range d.prefixes() {
		d.register(mux, prefix)
	}
}

// register mounts the endpoints beneath one prefix.
func (d *Dialect) register(mux *http.ServeMux, prefix string) {
	shared := site{
		signIn: d.SignIn, sessionCookies: d.SessionCookies, crossOrigin: d.CrossOrigin,
		root: strings.TrimSuffix(d.Issuer, "/") + prefix, now: d.Now,
	}
	user := users{site: shared, directory: d.Directory, revoker: d.Revoker}
	session := logins{site: shared, issuance: d.Issuance, revoker: d.Revoker, cookies: d.Cookies, inQuery: d.LoginInQuery}
	serve := func(method, path string, fn httpkit.HandlerFunc) {
		mux.Handle(method+" "+prefix+path, httpkit.Handle(fn, d.writeError))
	}
	for _, at := range loginPaths {
		serve("GET", at+"/login", session.login)
		serve("POST", at+"/login", session.login)
		serve("GET", at+"/logout", session.logout)
		mux.Handle("GET "+prefix+at+"/auth", httpkit.Handle(session.auth, d.writeAuthError))
	}
	serve("GET", "/users", user.list)
	serve("GET", "/users/{name}", user.one)
	serve("POST", "/users/{name}/rotate_secret", user.rotateSecret)
}

// Paths implements server.Dialect.
func (d *Dialect) Paths() []string {
	var paths []string
	for _, prefix := range d.prefixes() {
		paths = append(paths, prefix+"/users", prefix+"/users/{name}", prefix+"/users/{name}/rotate_secret")
		for _, at := range loginPaths {
			for _, name := range []string{"/login", "/logout", "/auth"} {
				paths = append(paths, prefix+at+name)
			}
		}
	}
	return paths
}

func (d *Dialect) prefixes() []string {
	if len(d.Prefixes) == 0 {
		return DefaultPrefixes()
	}
	return d.Prefixes
}

var (
	//go:embed openapi.json
	described []byte
	//go:embed openapi-users.json
	describedUsers string
	//go:embed openapi-login.json
	describedLogin string
)

// OpenAPI describes the endpoints at their configured prefixes.
func (d *Dialect) OpenAPI() [][]byte {
	fragments := [][]byte{described}
	for i, prefix := range d.prefixes() {
		encoded, _ := json.Marshal(prefix) // a string can be encoded
		quoted := strings.TrimSuffix(string(encoded), `"`)
		n := "" // distinguishes the operations beneath further prefixes
		if i > 0 {
			n = strconv.Itoa(i + 1)
		}
		users := strings.NewReplacer(`"{prefix}`, quoted, "{n}", n)
		fragments = append(fragments, []byte(users.Replace(describedUsers)))
		for _, at := range loginPaths {
			login := strings.NewReplacer(`"{prefix}`, quoted, "{n}", n, "{at}/", at+"/", "{at}", strings.ReplaceAll(at, "/", "_"))
			fragments = append(fragments, []byte(login.Replace(describedLogin)))
		}
	}
	return fragments
}

// failure is the body of every refusal.
type failure struct {
	Success bool   `json:"success"`
	Message string `json:"message"`
}

// writeError answers a fault, with the statuses of [httpkit.Status]. The challenge is
// only Bearer: for Basic a browser would open its own login window.
func (d *Dialect) writeError(w http.ResponseWriter, r *http.Request, err error) {
	status := httpkit.Status(fault.KindOf(err))
	if c, ok := d.Challenge.For(err); ok && status != http.StatusBadRequest {
		w.Header().Add("WWW-Authenticate", c.String())
	}
	if _, stale := errors.AsType[cookieError](err); stale {
		http.SetCookie(w, d.Cookies.Expire(tokenCookie))
	}
	httpkit.SetRetryAfter(w, err)
	httpkit.NoStore(w)
	httpkit.EventOf(r.Context()).Outcome = fault.Message(err)
	_ = httpkit.WriteJSON(w, status, failure{Message: fault.Message(err)}) // a string can be encoded
}

// writeAuthError is writeError for /auth, whose purpose is to open that window.
func (d *Dialect) writeAuthError(w http.ResponseWriter, r *http.Request, err error) {
	if httpkit.Status(fault.KindOf(err)) == http.StatusUnauthorized {
		bearer := httpkit.Challenge{Realm: d.Challenge.Realm}.String()
		w.Header().Add("WWW-Authenticate", strings.Replace(bearer, "Bearer", "Basic", 1)+`, charset="UTF-8"`)
	}
	d.writeError(w, r, err)
}
