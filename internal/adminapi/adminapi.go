// Package adminapi is bearerd's management API under /auth/api/v1, and the
// description of all of bearerd's HTTP at /auth/openapi.json.
//
// The API is JSON. A caller authenticates by a Bearer token or, with the cross-origin
// check, by a session cookie; the operations behind the endpoints decide who may do what.
// Lists are {"items":[…],"next":CURSOR or null}, times are RFC 3339 in UTC, every error
// is a problem of RFC 9457. A parameter or member that an endpoint doesn't know is
// refused, so that a misspelt one isn't ignored.
//
// [Describe] assembles the description from a fragment of each edge that is on, so each
// endpoint is described beside the code that serves it.
package adminapi

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bearerd/bearerd/internal/account"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/explain"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/provisioning"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/shadow"
	"github.com/bearerd/bearerd/internal/signin"
	"github.com/bearerd/bearerd/internal/traffic"
	"github.com/bearerd/bearerd/internal/usage"
)

const base = "/auth/api/v1"

// API is the management API.
type API struct {
	SignIn      *signin.Authenticator
	Accounts    *account.Accounts
	Issuance    *issuance.Issuance
	Tokens      *credentials.Tokens
	Usage       *usage.Reader
	Revoker     *revoking.Revoker
	Directory   *directory.Directory
	Provisioner *provisioning.Provisioner
	Explainer   *explain.Explainer
	Status      func() revocation.Status // how far this node has applied the revocation log
	Policy      issuance.Policy
	Now         func() time.Time

	CrossOrigin    *httpkit.CrossOrigin // nil: nothing is changed by cookie
	Cookies        httpkit.Cookies      // how a session's cookie is set
	SessionCookies []string             // the cookies that carry a session; none: Bearer alone
	Challenge      httpkit.Challenge    // the challenge of a 401
	Traffic        traffic.Log          // the source of the statistics; nil: nothing is counted
	Shadow         *shadow.Log          // what report-only routes would have refused
}

// request is a request whose caller is known.
type request struct {
	*http.Request
	caller *caller.Caller
	id     string // that the path names; "": none
	query  parameters
}

// route is one endpoint.
type route struct {
	method, path string
	serve        func(w http.ResponseWriter, r *request) error
	query        string // the parameters that it takes
	may          gate
}

// gate decides whether the caller may use the endpoint, by what the path names, before
// anything else of the request is read. The operation behind an endpoint decides again,
// for each of its callers.
type gate func(r *request) error

const (
	paging  = "cursor limit"
	listing = "search sort total " + paging // of things
)

func (a *API) routes() []route {
	return slices.Concat(
		own{
			accounts: a.Accounts, issuance: a.Issuance, tokens: a.Tokens, revoker: a.Revoker, directory: a.Directory,
			cookies: a.Cookies, sessionCookies: a.SessionCookies,
		}.routes(),
		tokens{
			credentials: a.Tokens, usage: a.Usage, revoker: a.Revoker, directory: a.Directory,
			overlap: a.Policy.APITokenOverlap, now: a.Now,
		}.routes(),
		users{a.Directory, a.Revoker}.routes(),
		accounts{a.Accounts, a.Directory, a.Policy.Issuer}.routes(),
		collections{a.Directory}.routes(),
		roles{a.Directory}.routes(),
		bindings{a.Directory}.routes(),
		clients{a.Directory, a.Now}.routes(),
		issuers{a.Directory}.routes(),
		shadows{a.Shadow}.routes(),
		sources{a.Provisioner}.routes(),
		keys{a.Directory}.routes(),
		events{a.Directory}.routes(),
		statistics{a.Status, a.Traffic, a.Now}.routes(),
		explanations{a.Explainer}.routes(),
	)
}

// Register mounts every endpoint, and answers requests for other methods and paths
// beneath the API's with a problem too.
func (a *API) Register(mux *http.ServeMux) {
	methods := map[string][]string{}
	for _, e := range a.routes() {
		mux.Handle(e.method+" "+base+e.path, a.handle(e))
		methods[e.path] = append(methods[e.path], e.method)
		if e.method == http.MethodGet {
			methods[e.path] = append(methods[e.path], http.MethodHead)
		}
	}
	onError := httpkit.Problems(a.Challenge)
	for path, served := range methods {
		allow := strings.Join(slices.Sorted(slices.Values(served)), ", ")
		mux.Handle(base+path, httpkit.Handle(func(w http.ResponseWriter, r *http.Request) error {
			return httpkit.MethodNotAllowed(w, r, allow)
		}, onError))
	}
	mux.Handle(base+"/", httpkit.Handle(func(http.ResponseWriter, *http.Request) error { return errNothing }, onError))
}

var errNothing = fault.New(fault.NotFound, "there is nothing at this path")

// handle returns the handler of a route: before the endpoint is called, it finds out who
// is calling, whether they may, and with which parameters, in this order. No answer may
// be kept by a cache.
func (a *API) handle(e route) http.Handler {
	known := strings.Fields(e.query)
	return httpkit.Handle(func(w http.ResponseWriter, r *http.Request) error {
		// The caller authenticates by a Bearer token or, where there is none, by a
		// session cookie. If the first credential is invalid, the second isn't tried.
		c, err := a.identify(r)
		if err != nil {
			return err
		}
		httpkit.Note(r, c)
		httpkit.NoStore(w)
		asked := &request{Request: r, caller: c, id: r.PathValue("id")}
		if err := e.may(asked); err != nil {
			return err
		}
		if asked.query, err = readParameters(r, known); err != nil {
			return err
		}
		if t := c.Token; t.ExpiringSoon(a.Now()) {
			httpkit.WarnOfExpiry(w.Header(), t.Expiry)
		}
		wait, err := revocation.ParseWait(asked.query.get("wait"))
		if err != nil {
			return err
		}
		if err := mayBeID(asked.id); err != nil {
			return err
		}
		asked.caller = c.Waiting(wait)
		return e.serve(w, asked)
	}, httpkit.Problems(a.Challenge))
}

// mayBeID returns an error for a text that can't be a name.
func mayBeID(id string) error {
	if !utf8.ValidString(id) || strings.ContainsRune(id, 0) {
		return errNothing
	}
	return nil
}

// optionalBody reads a JSON body if there is one.
func (r *request) optionalBody(w http.ResponseWriter, dst any) error {
	if r.ContentLength == 0 {
		return nil
	}
	return httpkit.DecodeJSON(w, r.Request, dst)
}

// missing is the answer to a body without a member that must be there.
func missing(member string) error {
	return fault.New(fault.Invalid, "the member %q is missing", member).In(member)
}

// operation revokes or removes one thing.
type operation func(ctx context.Context, c *caller.Caller, id string) (revocation.Receipt, error)

// revokes returns the endpoint of an operation on what the path names.
func revokes(get func() operation) func(http.ResponseWriter, *request) error {
	return func(w http.ResponseWriter, r *request) error {
		_, err := get()(r.Context(), r.caller, r.id)
		return done(w, err)
	}
}

// done answers that it was done, without a body.
func done(w http.ResponseWriter, err error) error {
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

// anybody admits every caller who is known: what they may see or do is decided by what
// they ask for.
func anybody(*request) error { return nil }

func administrator(r *request) error { return r.caller.RequireAdministrator() }

// mayDo returns the gate of an administrative change, by its action in the audit log.
func mayDo(d *directory.Directory, action string) gate {
	return func(r *request) error { return d.MayChange(r.Context(), r.caller, action, r.id) }
}

// mayReadUser returns the gate of what callers may see of themselves, and administrators
// of everybody.
func mayReadUser(d *directory.Directory) gate {
	return func(r *request) error { return d.MayRead(r.caller, r.id) }
}

func (a *API) identify(r *http.Request) (*caller.Caller, error) {
	raw, found, err := httpkit.Bearer(r)
	if err != nil {
		return nil, err
	}
	if found {
		return a.SignIn.Bearer(r.Context(), raw)
	}
	if len(httpkit.SessionCookies(r, a.SessionCookies)) == 0 {
		return nil, httpkit.SignInOrToken()
	}
	if a.CrossOrigin == nil {
		return nil, fault.New(fault.Forbidden, "a session can't be used here")
	}
	if err := a.CrossOrigin.Check(r); err != nil {
		return nil, err
	}
	c, _, err := httpkit.Session(r, a.SessionCookies, a.SignIn.Session)
	return c, err
}
