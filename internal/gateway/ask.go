package gateway

import (
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/uses"
	"github.com/bearerd/bearerd/internal/verification"
)

// ask is what is required of a token, and where in a request it may be. It is never
// changed once it is created.
type ask struct {
	requirements verification.Requirements
	// safe replaces requirements for a request whose method is safe (RFC 9110 §9.2.1); of
	// a request whose method isn't known, both are asked. nil: the method makes no
	// difference.
	safe      *verification.Requirements
	both      *verification.Requirements
	optional  bool // a request without a token may pass
	preflight bool // a CORS preflight passes as nobody
	doors     doors
	// route is what is noted of a token's use: a configured path, or the name of a
	// requirement; "": the first segment of the path that was asked for.
	route string
	// reportOnly lets every request pass unchanged: what would have been refused is
	// counted under label.
	reportOnly bool
	label      string
}

// setSafeScope requires another scope for safe methods.
func (a *ask) setSafeScope(scope []string) {
	safe, both := a.requirements, a.requirements
	safe.Scope = scope
	both.Scope = slices.Concat(a.requirements.Scope, scope)
	a.safe, a.both = &safe, &both
}

// of returns what is asked of a request with that method.
func (a *ask) of(m method) *verification.Requirements {
	switch {
	case a.safe == nil:
		return &a.requirements
	case m.named && m.safe():
		return a.safe
	case m.named:
		return &a.requirements
	}
	return a.both
}

// doors are the places for a token other than a Bearer Authorization header, for clients
// that can't send one: git, WebDAV, R, instruments. The zero value is none.
type doors struct {
	basic   bool     // HTTP Basic, whose password is the token
	token   bool     // Authorization: Token
	headers []string // canonical names
}

// parseDoors reads a list such as basic, token, header:X-API-Key.
func parseDoors(list []string) (d doors, err error) {
	for _, name := range list {
		header, isHeader := strings.CutPrefix(name, "header:")
		switch {
		case name == "basic":
			d.basic = true
		case name == "token":
			d.token = true
		case isHeader && MayAnnounce(header) && !(&Announcer{}).impostor(header):
			d.headers = append(d.headers, textproto.CanonicalMIMEHeaderKey(header))
		default:
			return doors{}, fault.New(fault.Invalid, "must be basic, token or header:NAME, not %.64q", name)
		}
	}
	return d, nil
}

// schemes returns the schemes of the Authorization header that the doors read.
func (d *doors) schemes() (list []string) {
	if d.basic {
		list = append(list, "basic")
	}
	if d.token {
		list = append(list, "token")
	}
	return list
}

// String describes where a token may be.
func (d *doors) String() string {
	places := []string{"Authorization: Bearer"}
	if d.token {
		places = append(places, "Authorization: Token")
	}
	if d.basic {
		places = append(places, "the password of HTTP Basic")
	}
	places = append(places, d.headers...)
	return strings.Join(places, ", or ")
}

// method is that of the request that is judged.
type method struct {
	name   string // an unsafe one, where any of several that are named is unsafe
	named  bool   // in addition to the request's own, where that is a proxy's
	agreed bool   // all that are named are this one
}

// safe reports whether the method changes nothing (RFC 9110 §9.2.1).
func (m method) safe() bool { return safe(m.name) }

// methodAskedAbout returns the method that a proxy asks about, which it names in a header.
// It counts as safe only if each such header that is there says so, and the request's own
// method is safe too.
func methodAskedAbout(r *http.Request) method {
	m := method{name: r.Method, agreed: true}
	for _, header := range []string{"X-Forwarded-Method", "X-Original-Method"} {
		for _, name := range r.Header[header] {
			m.agreed = m.agreed && (!m.named || m.name == name)
			if safe(m.name) {
				m.name = name
			}
			m.named = true
		}
	}
	return m
}

// safe reports whether a method changes nothing (RFC 9110 §9.2.1).
func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// Requirements are sets of conditions on tokens, by name.
type Requirements map[string]*ask

// NamedRequirement is a set of conditions on a token that proxies ask for by its name.
// The zero value asks for a token for the default audience.
type NamedRequirement struct {
	Audience   string
	Scope      []string
	SafeScope  []string // nil: Scope, for safe methods as for others
	Collection *int64
	Permission access.Permission // zero: none is asked for
	In         []string          // where else a token may be: basic, token, header:NAME
	ReportOnly bool              // every request passes; what would have been refused is counted
}

// NewRequirements checks requirements. The error names the one that is wrong.
func NewRequirements(list map[string]NamedRequirement) (Requirements, error) {
	out := Requirements{}
	for name, r := range list {
		a := &ask{route: uses.Route("ext-authz/" + name), requirements: verification.Requirements{
			Audience: r.Audience, Scope: r.Scope, Collection: r.Collection, Action: r.Permission.Action, Path: r.Permission.Path,
		}}
		a.reportOnly, a.label = r.ReportOnly, "requirement "+name
		var err error
		if a.doors, err = parseDoors(r.In); err != nil {
			return nil, fmt.Errorf("requirement %q: in: %w", name, err)
		}
		for _, scope := range append(r.Scope, r.SafeScope...) {
			if !identity.ValidScopeName(scope) {
				return nil, fmt.Errorf("requirement %q: %q is no scope", name, scope)
			}
		}
		if (r.Permission != access.Permission{}) && r.Permission.Validate() != nil {
			return nil, fmt.Errorf("requirement %q: %w", name, r.Permission.Validate())
		}
		if r.SafeScope != nil {
			a.setSafeScope(r.SafeScope)
		}
		out[name] = a
	}
	return out, nil
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
		case "preflight":
			if a.preflight = value == "pass"; !a.preflight {
				err = fault.New(fault.Invalid, "must be pass")
			}
		case "enforce":
			var enforce bool
			enforce, err = parseTruth(value)
			a.reportOnly = !enforce
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
			a.optional, err = parseTruth(value)
		default:
			return nil, queryError{fault.New(fault.Invalid, "unknown query parameter %.64q", name)}
		}
		if err != nil {
			return nil, queryError{fault.New(fault.Invalid, "query parameter %s: %s", name, fault.Message(err))}
		}
	}
	if query.Has("safe_scope") {
		a.setSafeScope(safeScope)
	}
	if (want.Action == "") != (want.Path == "") {
		return nil, queryError{fault.New(fault.Invalid, "query parameters action and path need each other")}
	}
	return a, nil
}

func parseTruth(value string) (bool, error) {
	if value != "true" && value != "false" {
		return false, fault.New(fault.Invalid, "must be true or false")
	}
	return value == "true", nil
}

// of returns a copy of the requirement that a query names; the zero ask where it names
// none. An empty name is an error: it would ask for nothing, which nobody means.
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

// of returns what the query of a request asks for. Its place is computed with FNV-1a.
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
