package gateway

import (
	_ "embed" // the description
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
)

//go:embed openapi.json
var described []byte

// OpenAPI describes forward auth, as a fragment of an OpenAPI 3.1 document.
func (f *ForwardAuth) OpenAPI() [][]byte { return [][]byte{described} }

// ForwardAuth answers a proxy that asks whether a request may pass: nginx's
// auth_request, Caddy's forward_auth, Traefik's ForwardAuth.
type ForwardAuth struct {
	Gate *Gate
	// Requirements are asked for by name: at /auth/ext-authz/NAME, and at /auth/verify
	// with requirement=NAME.
	Requirements Requirements

	asks asks
}

// pathVerify is also the pattern: every method will do.
const pathVerify = "/auth/verify"

// Register mounts /auth/verify and /auth/ext-authz/NAME/… for every method. A bare ServeMux
// tidies paths; a server takes [ForwardAuth.Beneath], which doesn't.
func (f *ForwardAuth) Register(mux *http.ServeMux) {
	mux.Handle(f.Exact())
	path, h := f.Beneath()
	mux.Handle(path+"{name}/{path...}", h)
}

// Exact returns what Register mounts, for a server that finds it without a search.
func (f *ForwardAuth) Exact() (path string, h http.Handler) {
	return pathVerify, httpkit.Handle(f.verify, f.refuse)
}

// noStore keeps an answer out of every cache: a yes that is a second old could be
// a second older than the revocation that it should have known of.
var noStore = []string{"no-store"}

// verify answers 200 with who is calling. The body of the request is not read.
func (f *ForwardAuth) verify(w http.ResponseWriter, r *http.Request) error {
	a, err := f.asks.of(r, f.Requirements)
	if err != nil {
		return err
	}
	return f.answer(w, r, a, methodAskedAbout(r))
}

// answer judges a request and says who is calling.
func (f *ForwardAuth) answer(w http.ResponseWriter, r *http.Request, a *ask, m method) error {
	if a.reportOnly {
		return f.report(w, r, a, m)
	}
	var c admitted
	if !a.preflight || !m.named || !m.agreed || m.name != http.MethodOptions || !isPreflight(r.Header) {
		var err error
		if c, err = f.Gate.admit(r, a, m); err != nil {
			return a.refusal(err)
		}
	}
	h := w.Header()
	if err := f.Gate.Announcer.announce(r.Context(), h, c.identity); err != nil {
		return err
	}
	httpkit.EventOf(r.Context()).Mute()
	f.Gate.warn(h, c.identity)
	h["Cache-Control"] = noStore
	w.WriteHeader(http.StatusOK)
	return nil
}

// refuse says no. A proxy takes any status but 401 and 403 for a fault of its own,
// so that is what a client's faults are; 400 is for the operator, whose query is wrong.
func (f *ForwardAuth) refuse(w http.ResponseWriter, r *http.Request, err error) {
	_ = f.Gate.Announcer.announce(r.Context(), w.Header(), nil) // nobody can always be told
	if _, ok := errors.AsType[queryError](err); ok {
		httpkit.Problems(f.Gate.Challenge)(w, r, err)
		return
	}
	f.Gate.refuse(w, r, err, http.StatusUnauthorized)
}

// queryError is a query that the operator got wrong.
type queryError struct{ error }

func (e queryError) Unwrap() error { return e.error }

// parseAsk reads the query of a request to /auth/verify. The operator writes it, so a
// parameter that is unknown is a mistake: taken for nothing, it would let too much pass.
// The error is a queryError that names the parameter.
func parseAsk(r *http.Request, named Requirements) (*ask, error) {
	query, err := httpkit.Query(r)
	if err != nil {
		return nil, queryError{err}
	}
	a, err := named.of(r)
	if err != nil {
		return nil, err
	}
	want := &a.requirements
	var safeScope []string
	for _, name := range slices.Sorted(maps.Keys(query)) {
		value := query.Get(name)
		if query.Has("requirement") && !slices.Contains([]string{"requirement", "optional", "preflight", "enforce"}, name) {
			return nil, queryError{fault.New(fault.Invalid, "query parameter %.64s: the requirement says that already", name)}
		}
		switch name {
		case "requirement":
		case "audience":
			want.Audience = value
		case "scope":
			want.Scope, err = identity.ParseScope(value)
		case "safe_scope":
			safeScope, err = identity.ParseScope(value)
		case "in":
			a.doors, err = parseDoors(strings.Split(value, ","))
			if err != nil {
				err = fault.New(fault.Invalid, "%s", err)
			}
		case "preflight":
			if a.preflight = value == "pass"; !a.preflight {
				err = fault.New(fault.Invalid, "must be pass")
			}
		case "enforce":
			if a.reportOnly = value == "false"; !a.reportOnly && value != "true" {
				err = fault.New(fault.Invalid, "must be true or false")
			}
		case "collection":
			var id int64
			if id, err = access.ParseCollection(value); err != nil {
				err = fault.New(fault.Invalid, "must be the number of a collection")
			}
			want.Collection = &id
		case "action":
			want.Action, err = access.ParseAction(value)
		case "path":
			want.Path, err = access.ParsePath(value)
		case "optional":
			if a.optional = value == "true"; !a.optional && value != "false" {
				err = fault.New(fault.Invalid, "must be true or false")
			}
		default:
			return nil, queryError{fault.New(fault.Invalid, "unknown query parameter %.64q", name)}
		}
		if err != nil {
			return nil, queryError{fault.New(fault.Invalid, "query parameter %s: %s", name, fault.Message(err))}
		}
	}
	if (want.Action == "") != (want.Path == "") {
		return nil, queryError{fault.New(fault.Invalid, "query parameters action and path need each other")}
	}
	if query.Has("safe_scope") {
		a.setSafeScope(safeScope)
	}
	return a, nil
}

// of returns a copy of the requirement that a query names; the zero ask where it names
// none. An empty name asks for nothing, which nobody means.
func (n Requirements) of(r *http.Request) (*ask, error) {
	query, err := httpkit.QueryWithEmpty(r)
	if err != nil {
		return nil, queryError{err}
	}
	if !query.Has("requirement") {
		return &ask{label: pathVerify}, nil
	}
	known := n[query.Get("requirement")]
	if known == nil {
		return nil, queryError{fault.New(fault.Invalid, "query parameter requirement: there is no requirement of that name")}
	}
	a := *known
	return &a, nil
}

// asks remembers parsed queries, of which an operator has a handful. Strangers may
// send others: those that fall into the same place only push one another out.
type asks [256]atomic.Pointer[rememberedAsk]

type rememberedAsk struct {
	query string
	ask   *ask
}

const maxRememberedQuery = 1 << 10

// of returns what the query of a request asks for. Its place is by FNV-1a.
func (m *asks) of(r *http.Request, named Requirements) (*ask, error) {
	query := r.URL.RawQuery
	hash := uint32(2166136261)
	for i := range len(query) {
		hash = (hash ^ uint32(query[i])) * 16777619
	}
	place := &m[hash%uint32(len(m))]
	if known := place.Load(); known != nil && known.query == query {
		return known.ask, nil
	}
	a, err := parseAsk(r, named)
	if err == nil && len(query) <= maxRememberedQuery {
		place.Store(&rememberedAsk{strings.Clone(query), a})
	}
	return a, err
}
