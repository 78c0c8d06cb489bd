package gateway

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/verification"
)

// Requirements are what tokens must be good for, by name.
type Requirements map[string]*ask

// NamedRequirement is what a token must be good for where that is asked for by name. The
// zero value asks for a token for the default audience.
type NamedRequirement struct {
	Audience   string
	Scope      []string
	SafeScope  []string // nil: Scope, for safe methods as for others
	Collection *int64
	Permission access.Permission // zero: none is asked for
	In         []string          // where else a token may stand: basic, token, header:NAME
	ReportOnly bool              // every request passes; what would have been refused is counted
}

// NewRequirements checks requirements. The error names the one that is wrong.
func NewRequirements(list map[string]NamedRequirement) (Requirements, error) {
	out := Requirements{}
	for name, r := range list {
		a := &ask{requirements: verification.Requirements{
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

// pathExtAuthz is where Envoy and what is built on it ask: the path that a client asked
// for follows a requirement's name.
const pathExtAuthz = "/auth/ext-authz/"

// Beneath returns the path beneath which every path is served, as it was sent, and who
// serves it: what a client asked for is no path of ours to tidy.
func (f *ForwardAuth) Beneath() (path string, h http.Handler) {
	return pathExtAuthz, httpkit.Handle(f.extAuthz, f.refuse)
}

var errNoRequirement = fault.New(fault.Forbidden, "there is no requirement of this name")

// extAuthz answers Envoy's HTTP ext_authz. The requirement's name is the one thing that is
// read of the path; the method is the request's own.
func (f *ForwardAuth) extAuthz(w http.ResponseWriter, r *http.Request) error {
	name, _, _ := strings.Cut(strings.TrimPrefix(pathAsSent(r.URL), pathExtAuthz), "/")
	a := f.Requirements[name]
	if a == nil {
		return errNoRequirement
	}
	return f.answer(w, r, a, method{name: r.Method, named: true})
}
