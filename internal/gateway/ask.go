package gateway

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/verification"
)

// ask is what a token has to be good for. It is never changed once it is made.
type ask struct {
	requirements verification.Requirements
	optional     bool // a request without a token may pass
}

// parameters are those of /auth/verify. The operator writes them, so one that is
// unknown is a mistake: taken for nothing, it would let too much pass.
var parameters = map[string]func(*ask, string) error{
	"audience": func(a *ask, v string) error {
		a.requirements.Audience = v
		return nil
	},
	"scope": func(a *ask, v string) (err error) {
		a.requirements.Scope, err = identity.ParseScope(v)
		return err
	},
	"collection": func(a *ask, v string) error {
		id, err := access.ParseCollection(v)
		if err != nil {
			return fault.New(fault.Invalid, "must be the number of a collection")
		}
		a.requirements.Collection = &id
		return nil
	},
	"action": func(a *ask, v string) (err error) {
		a.requirements.Action, err = access.ParseAction(v)
		return err
	},
	"path": func(a *ask, v string) (err error) {
		a.requirements.Path, err = access.ParsePath(v)
		return err
	},
	"optional": func(a *ask, v string) error {
		if v != "true" && v != "false" {
			return fault.New(fault.Invalid, "must be true or false")
		}
		a.optional = v == "true"
		return nil
	},
}

// queryError is a query that the operator got wrong.
type queryError struct{ error }

func (e queryError) Unwrap() error { return e.error }

// parseAsk reads the query of a request to /auth/verify. The error is a
// queryError that names the parameter.
func parseAsk(r *http.Request) (*ask, error) {
	query, err := httpkit.Query(r)
	if err != nil {
		return nil, queryError{err}
	}
	a := &ask{}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		parse, known := parameters[name]
		if !known {
			return nil, queryError{fault.New(fault.Invalid, "unknown query parameter %.64q", name)}
		}
		if err := parse(a, query.Get(name)); err != nil {
			return nil, queryError{fault.New(fault.Invalid, "query parameter %s: %s", name, fault.Message(err))}
		}
	}
	if (a.requirements.Action == "") != (a.requirements.Path == "") {
		return nil, queryError{fault.New(fault.Invalid, "query parameters action and path need each other")}
	}
	return a, nil
}

// asks remembers parsed queries, of which an operator has a handful. Strangers may
// send others: those that fall into the same place only push one another out.
type asks [256]atomic.Pointer[rememberedAsk]

type rememberedAsk struct {
	query string
	ask   *ask
}

const maxRememberedQuery = 1 << 10

// of returns what the query of a request asks for.
func (m *asks) of(r *http.Request) (*ask, error) {
	query := r.URL.RawQuery
	place := &m[hash(query)%uint32(len(m))]
	if known := place.Load(); known != nil && known.query == query {
		return known.ask, nil
	}
	a, err := parseAsk(r)
	if err == nil && len(query) <= maxRememberedQuery {
		place.Store(&rememberedAsk{strings.Clone(query), a})
	}
	return a, err
}

// hash is FNV-1a.
func hash(s string) uint32 {
	h := uint32(2166136261)
	for i := range len(s) {
		h = (h ^ uint32(s[i])) * 16777619
	}
	return h
}
