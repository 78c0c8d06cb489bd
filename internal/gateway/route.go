package gateway

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/uses"
	"github.com/bearerd/bearerd/internal/verification"
)

// Requirement says whether requests need a token.
type Requirement string

// The requirements. The empty one is RequireToken.
const (
	RequireToken    Requirement = "token"
	RequireOptional Requirement = "optional" // a request may have no token, but no bad one
	RequireNone     Requirement = "none"     // tokens are not looked at: the application checks them
)

// Route is the rule for a path and all beneath it, by whole segments; a slash at
// its end makes no difference. The longest path that covers a request decides; where none
// does, a token for the default audience is needed.
type Route struct {
	Path string
	// Methods are those that the rule is for; GET includes HEAD. None: those that no
	// other rule of this path names. What no rule of a path is for is 405.
	Methods    []string
	Require    Requirement
	Audience   string // empty: the default audience
	Scope      []string
	Permission access.Permission // zero: none is asked for
	TokensIn   []string          // where else a token may be: basic, token, header:NAME
	// ReportOnly passes every request on unchanged. What would have been refused is
	// counted, with what the application answers.
	ReportOnly bool
}

// routes is a table of rules, longest path first.
type routes []route

type route struct {
	path     []string // its segments
	methods  []string // none: those that no other rule of the path names
	byMethod bool     // a rule of this path names methods
	enforced bool     // a rule of this path is not report-only
	none     bool     // no request needs a token
	ask      ask
}

// takes reports whether the rule names a method.
func (r *route) takes(method string) bool { return slices.Contains(r.methods, method) }

var anything = &route{enforced: true}

func newRoutes(list []Route) (routes, error) {
	var table routes
	for _, r := range list {
		compiled, err := r.compile()
		if err != nil {
			return nil, fmt.Errorf("route %q: %w", r.Path, err)
		}
		for i := range table {
			other := &table[i]
			if !slices.Equal(other.path, compiled.path) {
				continue
			}
			if len(other.methods) == 0 && len(compiled.methods) == 0 || slices.ContainsFunc(other.methods, compiled.takes) {
				return nil, fmt.Errorf("route %q: there are two for this path and method", r.Path)
			}
			other.byMethod, compiled.byMethod = true, true
			enforced := other.enforced || compiled.enforced
			other.enforced, compiled.enforced = enforced, enforced
		}
		table = append(table, compiled)
	}
	slices.SortStableFunc(table, func(a, b route) int {
		return cmp.Or(cmp.Compare(len(b.path), len(a.path)), slices.Compare(a.path, b.path), cmp.Compare(len(b.methods), len(a.methods)))
	})
	return table, nil
}

func (r Route) compile() (route, error) {
	c := route{none: r.Require == RequireNone, enforced: !r.ReportOnly, ask: ask{optional: r.Require == RequireOptional}}
	switch {
	case !slices.Contains([]Requirement{"", RequireToken, RequireOptional, RequireNone}, r.Require):
		return c, fmt.Errorf("unknown requirement %q", r.Require)
	case c.none && r.ReportOnly:
		return c, errors.New("refuses nothing, so there is nothing to report")
	case c.none && (r.Audience != "" || len(r.Scope) > 0 || r.Permission != access.Permission{} || len(r.TokensIn) > 0):
		return c, errors.New("requires something of a token, but no token")
	case (r.Permission != access.Permission{}) && r.Permission.Validate() != nil:
		return c, fmt.Errorf("permission: %w", r.Permission.Validate())
	}
	for _, name := range r.Scope {
		if !identity.ValidScopeName(name) {
			return c, fmt.Errorf("%q is no scope", name)
		}
	}
	for _, m := range r.Methods {
		if !ValidMethod(m) {
			return c, fmt.Errorf("%q is no method", m)
		}
		if c.methods = append(c.methods, m); m == http.MethodGet {
			c.methods = append(c.methods, http.MethodHead)
		}
	}
	c.byMethod = len(c.methods) > 0
	var err error
	if c.ask.doors, err = parseDoors(r.TokensIn); err != nil {
		return c, fmt.Errorf("tokens_in: %w", err)
	}
	c.ask.reportOnly, c.ask.label = r.ReportOnly, strings.TrimSpace(strings.Join(r.Methods, ",")+" "+r.Path)
	if c.path, err = routeSegments(r.Path); len(c.path) > 0 {
		c.ask.route = uses.Route("/" + strings.Join(c.path, "/"))
	}
	c.ask.requirements = verification.Requirements{
		Audience: r.Audience, Scope: r.Scope, Action: r.Permission.Action, Path: r.Permission.Path,
	}
	return c, err
}

// ValidMethod reports whether a rule may name a method: in capitals, as all registered
// ones are (RFC 9110 §9.1).
func ValidMethod(m string) bool {
	return m != "" && !strings.ContainsFunc(m, func(c rune) bool { return (c < 'A' || c > 'Z') && c != '-' })
}

func routeSegments(path string) ([]string, error) {
	rest, absolute := strings.CutPrefix(path, "/")
	rest = strings.TrimSuffix(rest, "/")
	if absolute && rest == "" {
		return nil, nil
	}
	segments := strings.Split(rest, "/")
	for _, s := range segments {
		if !absolute || s == "" || isOdd(s) || isRefused(s) {
			return nil, errors.New("must be an absolute path of plain segments")
		}
	}
	return segments, nil
}

// requestError is a request that can't be passed on, with any credentials.
type requestError struct{ error }

func (e requestError) Unwrap() error { return e.error }

var (
	errNoPath    = requestError{fault.New(fault.Invalid, "the request has no path")}
	errRefused   = requestError{fault.New(fault.Invalid, "the path has a dot segment, or bytes that don't belong in one")}
	errAmbiguous = requestError{fault.New(fault.Invalid, "the path can be read in more than one way")}
	errNoMethod  = requestError{fault.New(fault.Invalid, "the path is not served with this method")}
)

// find returns the rule for a path as it was sent, with its escapes. How the application
// reads it is not known, so a path is refused when another reading of it could fall under
// another rule: dot segments always, and other odd segments when what follows them could
// change which rule is chosen.
//
// Where no rule of that path is for the method, the error is errNoMethod, and one of them
// is returned with it.
func (t routes) find(raw, method string) (*route, error) {
	if !strings.HasPrefix(raw, "/") || strings.HasPrefix(raw, "//") {
		return nil, errNoPath
	}
	var plain []string // the segments before the first odd one, decoded
	certain := true
	segments := strings.Split(raw[1:], "/")
	for i, s := range segments {
		odd, refused := judgeSegment(s)
		if refused {
			return nil, errRefused
		}
		certain = certain && !odd && (s != "" || i == len(segments)-1)
		if certain && s != "" {
			plain = append(plain, httpkit.Unescape(s))
		}
	}
	if !certain && t.beneath(plain) {
		return nil, errAmbiguous
	}
	of := t.longest(plain)
	if rule := of.covering(method); rule != nil {
		return rule, nil
	}
	return &of[0], errNoMethod
}

// longest returns the rules of the longest path that covers p; nil where none does.
func (t routes) longest(p []string) routes {
	for i := range t {
		if n := len(t[i].path); n > len(p) || !slices.Equal(t[i].path, p[:n]) {
			continue
		}
		end := i + 1
		for end < len(t) && slices.Equal(t[end].path, t[i].path) {
			end++
		}
		return t[i:end]
	}
	return nil
}

// covering returns which of the rules of one path is for the method: the one that names
// it, or the one that names none. Without any rules, the default rule is for every
// method.
func (t routes) covering(method string) *route {
	if len(t) == 0 {
		return anything
	}
	for i := range t {
		if len(t[i].methods) == 0 || t[i].takes(method) {
			return &t[i]
		}
	}
	return nil
}

// allowed returns the methods of the rules for a path that has none for some method.
func (t routes) allowed(raw string) string {
	var methods []string
	for _, m := range registered {
		if _, err := t.find(raw, m); err == nil {
			methods = append(methods, m)
		}
	}
	return strings.Join(methods, ", ")
}

// registered are the methods that Allow may name.
var registered = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// reportOnly returns the rule for everything, where every rule is report-only; else nil.
func (t routes) reportOnly() *route {
	var root *route
	for i := range t {
		if !t[i].ask.reportOnly {
			return nil
		}
		if len(t[i].path) == 0 && len(t[i].methods) == 0 {
			root = &t[i]
		}
	}
	return root
}

// beneath reports whether there are rules for paths beneath p.
func (t routes) beneath(p []string) bool {
	return slices.ContainsFunc(t, func(r route) bool {
		return len(r.path) > len(p) && slices.Equal(r.path[:len(p)], p)
	})
}

// judgeSegment looks at one escaped segment of a path. It is odd when software on
// the way may read it as something else: as several segments, or as a part of
// itself. It is refused when one reading is a dot segment, or can't be told.
func judgeSegment(s string) (odd, refused bool) {
	for range httpkit.MaxDecodings {
		decoded := httpkit.Unescape(s)
		if isRefused(decoded) {
			return true, true
		}
		odd = odd || isOdd(decoded)
		if decoded == s {
			return odd, false
		}
		s = decoded
	}
	return true, true
}

// isOdd reports whether a decoded segment is one of those that some servers read
// as another: Windows drops dots and spaces at the end and takes a backslash for
// a slash, Java's servers cut at a semicolon, others at what was decoded too often.
func isOdd(s string) bool {
	return strings.ContainsAny(s, `/\;?#%`) || strings.HasSuffix(s, ".") || strings.HasSuffix(s, " ")
}

// isRefused reports whether a decoded segment holds what no path should: control
// characters, bytes that are not UTF-8, or a reading as "." or "..".
func isRefused(s string) bool {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return true
	}
	for part := range strings.FieldsFuncSeq(s, func(c rune) bool { return c == '/' || c == '\\' }) {
		if i := strings.IndexAny(part, ";?#"); i >= 0 {
			part = part[:i]
		}
		if part = strings.TrimRight(part, " "); part == "." || part == ".." {
			return true
		}
	}
	return false
}
