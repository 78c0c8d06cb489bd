// Package scim serves SCIM 2.0 (RFC 7643, RFC 7644) at /scim/v2: a system that maintains
// people, such as Microsoft Entra ID or Okta, creates, changes, disables and removes users
// here, and sets who is in which group.
//
// The caller is a client or a user with the scope scim, and owns what it creates. It sees
// and changes nothing else: package provisioning decides that. This package translates. It is
// strict in reading what decides something, and lenient with what real clients are known to send:
// booleans as strings, operations in capitals, paths with filters, operations without a
// path, values in a list of one. Attributes that bearerd doesn't keep are ignored.
//
// Filters and paths are read by a parser of their own, in filter.go: of the grammar of
// RFC 7644 they need `eq` and `and`, the strings of JSON with their escapes, and a bound.
package scim

import (
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/provisioning"
	"github.com/bearerd/bearerd/internal/signin"
)

// base is the path of the endpoints, under the issuer's path.
const base = "/scim/v2"

// Edge serves the endpoints. All fields must be set.
type Edge struct {
	SignIn    *signin.Authenticator
	Directory *provisioning.Provisioner
	Issuer    string
}

// request is a request of somebody who may provision.
type request struct {
	*http.Request
	caller *caller.Caller
	id     string // that the path names; "": none
}

// endpoint is a method of a path. The action is that of the audit log, where it changes
// something.
type endpoint struct {
	method, path, action string
	serve                func(w http.ResponseWriter, r *request) error
}

func (e *Edge) endpoints() []endpoint {
	at := location(strings.TrimSuffix(e.Issuer, "/") + base)
	return slices.Concat(users{e.Directory, at}.endpoints(), groups{e.Directory, at}.endpoints(), discovery{at}.endpoints())
}

// Register mounts the endpoints. Everything beneath /scim/v2 is answered in SCIM's words.
func (e *Edge) Register(mux *http.ServeMux) {
	methods := map[string][]string{}
	for _, one := range e.endpoints() {
		mux.Handle(one.method+" "+base+one.path, httpkit.Handle(func(w http.ResponseWriter, r *http.Request) error {
			return e.serve(one, w, r)
		}, e.writeError))
		methods[one.path] = append(methods[one.path], one.method)
		if one.method == http.MethodGet {
			methods[one.path] = append(methods[one.path], http.MethodHead)
		}
	}
	for path, served := range methods {
		allow := strings.Join(slices.Sorted(slices.Values(served)), ", ")
		mux.Handle(base+path, httpkit.Handle(func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Allow", allow)
			return writeFailure(w, failure{Status: http.StatusMethodNotAllowed, Detail: "this path is served with " + allow})
		}, e.writeError))
	}
	mux.Handle(base+"/", httpkit.Handle(func(w http.ResponseWriter, r *http.Request) error {
		if slices.Contains([]string{"/Bulk", "/Me", "/.search"}, strings.TrimPrefix(r.URL.Path, base)) {
			return writeFailure(w, failure{Status: http.StatusNotImplemented, Detail: "this part of SCIM is not implemented"})
		}
		return errNothing
	}, e.writeError))
}

// Paths returns the paths that an application behind bearerd can't have.
func (e *Edge) Paths() []string {
	var paths []string
	for _, one := range e.endpoints() {
		if !slices.Contains(paths, base+one.path) {
			paths = append(paths, base+one.path)
		}
	}
	return paths
}

var errNothing = fault.New(fault.NotFound, "there is nothing at this path")

// serve identifies the caller and checks whether it may, before it looks at anything else in the
// request.
func (e *Edge) serve(one endpoint, w http.ResponseWriter, r *http.Request) error {
	c, err := e.identify(r)
	if err != nil {
		return err
	}
	httpkit.Note(r, c)
	httpkit.NoStore(w)
	asked := &request{Request: r, caller: c, id: r.PathValue("id")}
	if err := e.Directory.MayProvision(r.Context(), c, one.action, asked.id); err != nil {
		return err
	}
	if !storable(asked.id) {
		return errNothing
	}
	return one.serve(w, asked)
}

// identify authenticates the caller: by a Bearer token, or as a client by HTTP Basic.
func (e *Edge) identify(r *http.Request) (*caller.Caller, error) {
	raw, found, err := httpkit.Bearer(r)
	switch {
	case err != nil:
		return nil, err
	case found:
		return e.SignIn.Bearer(r.Context(), raw)
	}
	basic, found, err := httpkit.ClientBasic(r)
	switch {
	case err != nil:
		return nil, err
	case found:
		return e.SignIn.AuthenticateClient(r.Context(), basic.Name, basic.Password)
	}
	return nil, fault.New(fault.Unauthenticated, "a Bearer token or client authentication is needed")
}

// storable reports whether a text can be a name or an id at all.
func storable(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// writeError answers an error by RFC 7644 §3.12.
func (e *Edge) writeError(w http.ResponseWriter, r *http.Request, err error) {
	kind := fault.KindOf(err)
	status := httpkit.Status(kind)
	if challenge, ok := (httpkit.Challenge{Realm: e.Issuer}).For(err); ok && status != http.StatusBadRequest {
		if kind == fault.InsufficientScope {
			challenge.Scope = identity.ScopeSCIM
		}
		if _, basic, _ := httpkit.Basic(r); basic && status == http.StatusUnauthorized {
			w.Header().Add("WWW-Authenticate", "Basic"+strings.TrimPrefix(httpkit.Challenge{Realm: e.Issuer}.String(), "Bearer")+`, charset="UTF-8"`)
		}
		w.Header().Add("WWW-Authenticate", challenge.String())
	}
	httpkit.SetRetryAfter(w, err)
	_ = writeFailure(w, failure{Status: status, Type: scimTypeOf(err), Detail: fault.Message(err)}) // strings can be encoded
}
