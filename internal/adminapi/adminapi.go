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
	"github.com/bearerd/bearerd/internal/audit"
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
	return []route{
		{"GET", "/me", a.me, "", anybody},
		{"POST", "/me/revoke-all", a.revokeMine, "wait", a.mayRevokeMine},
		{"GET", "/tokens", a.tokens, "all " + tokenFilters + " " + paging, mayListTokens},
		{"POST", "/tokens", a.createToken, "", a.mayCreateToken},
		{"GET", "/tokens/{id}", a.token, "", anybody},                                                        // it depends on whose it is
		{"DELETE", "/tokens/{id}", revokes(func() operation { return a.Revoker.RevokeID }), "wait", anybody}, // likewise
		{"GET", "/tokens/{id}/uses", a.tokenUses, "", anybody},                                               // likewise
		{"POST", "/tokens/{id}/smaller", a.shrinkToken, "wait", a.mayRegenerate},
		{"POST", "/tokens/{id}/regenerate", a.regenerateToken, "wait", a.mayRegenerate},
		{"GET", "/users", a.users, "search disabled sort total " + paging, administrator},
		{"POST", "/users", a.createUser, "", a.mayDo(audit.UserCreate)},
		{"GET", "/users/{id}", a.user, "", a.mayReadUser},
		{"PATCH", "/users/{id}", a.updateUser, "wait", a.mayDo(audit.UserUpdate)},
		{"DELETE", "/users/{id}", revokes(func() operation { return a.Directory.RemoveUser }), "wait", a.mayDo(audit.UserRemove)},
		{"GET", "/users/{id}/tokens", a.userTokens, tokenFilters + " " + paging, a.mayReadUser},
		{"POST", "/users/{id}/revoke-all", revokes(func() operation { return a.Revoker.RevokeAllOf }), "wait", a.mayRevokeUser},
		{"POST", "/users/{id}/unlock", a.unlockUser, "", a.mayDo(audit.UserUnlock)},
		{"GET", "/users/{id}/access", a.access, "", a.mayReadUser},
		{"DELETE", "/users/{id}/access", a.removeAccess, "path wait", a.mayDo(audit.UserAccess)},
		{"GET", "/collections", a.collections, listing, administrator},
		{"POST", "/collections", a.createCollection, "", a.mayDo(audit.CollectionCreate)},
		{"GET", "/collections/{id}", a.readCollection, "", administrator},
		{"PATCH", "/collections/{id}", a.updateCollection, "wait", a.mayDo(audit.CollectionUpdate)},
		{"DELETE", "/collections/{id}", a.removeCollection, "wait", a.mayDo(audit.CollectionRemove)},
		{"GET", "/roles", a.roles, listing, administrator},
		{"POST", "/roles", a.createRole, "", a.mayDo(audit.RoleCreate)},
		{"GET", "/roles/{id}", a.readRole, "", administrator},
		{"PATCH", "/roles/{id}", a.updateRole, "wait", a.mayDo(audit.RoleUpdate)},
		{"DELETE", "/roles/{id}", revokes(func() operation { return a.Directory.RemoveRole }), "wait", a.mayDo(audit.RoleRemove)},
		{"GET", "/bindings", a.bindings, "user group role path " + listing, administrator},
		{"POST", "/bindings", a.createBinding, "", a.mayDo(audit.BindingCreate)},
		{"GET", "/bindings/{id}", a.readBinding, "", administrator},
		{"PATCH", "/bindings/{id}", a.updateBinding, "wait", a.mayDo(audit.BindingUpdate)},
		{"DELETE", "/bindings/{id}", revokes(func() operation { return a.Directory.RemoveBinding }), "wait", a.mayDo(audit.BindingRemove)},
		{"GET", "/clients", a.clients, listing, administrator},
		{"POST", "/clients", a.createClient, "", a.mayDo(audit.ClientCreate)},
		{"GET", "/clients/{id}", a.readClient, "", administrator},
		{"PATCH", "/clients/{id}", a.updateClient, "wait", a.mayDo(audit.ClientUpdate)},
		{"DELETE", "/clients/{id}", revokes(func() operation { return a.Directory.RemoveClient }), "wait", a.mayDo(audit.ClientRemove)},
		{"POST", "/clients/{id}/secret", a.rotateSecret, "wait", a.mayDo(audit.ClientSecret)},
		{"GET", "/issuers", a.issuers, listing, administrator},
		{"GET", "/shadow", a.shadow, paging, administrator},
		{"GET", "/sources/{name}/users", a.sourceUsers, paging, a.mayReadSource},
		{"PATCH", "/sources/{name}/users/{external_id}", a.updateSourceUser, "wait", a.mayDisable},
		{"GET", "/keys", a.keys, paging, administrator},
		{"POST", "/keys", a.rotateKeys, "wait", a.mayDo(audit.KeyRotate)},
		{"DELETE", "/keys/{id}", revokes(func() operation { return a.Directory.RetireKey }), "wait", a.mayDo(audit.KeyRetire)},
		{"GET", "/audit", a.audit, "actor action target token_id outcome address since until " + paging, administrator},
		{"GET", "/stats", a.stats, "since step", administrator},
		{"POST", "/explain", a.explain, "", anybody}, // it depends on whom the body asks about
	}
}

// Register mounts every endpoint, and answers requests for other methods and paths
// beneath the API's with a problem too.
func (a *API) Register(mux *http.ServeMux) {
	methods := map[string][]string{}
	for _, e := range slices.Concat(a.routes(), a.accountRoutes()) {
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
func (a *API) mayDo(action string) gate {
	return func(r *request) error {
		return a.Directory.MayChange(r.Context(), r.caller, action, r.id)
	}
}

func (a *API) mayReadUser(r *request) error { return a.Directory.MayRead(r.caller, r.id) }

func (a *API) mayRevokeUser(r *request) error {
	return a.Revoker.MayRevokeAllOf(r.Context(), r.caller, r.id)
}

func (a *API) mayRevokeMine(r *request) error {
	return a.Revoker.MayRevokeAll(r.Context(), r.caller, r.caller.ID())
}

func (a *API) mayCreateToken(r *request) error {
	return a.Tokens.MayCreate(r.Context(), r.caller)
}

func (a *API) mayRegenerate(r *request) error {
	if err := mayBeID(r.id); err != nil {
		return err
	}
	return a.Tokens.MayRegenerate(r.Context(), r.caller, r.id)
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
