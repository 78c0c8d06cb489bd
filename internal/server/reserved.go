package server

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/bearerd/bearerd/internal/httpkit"
)

// Dialect is an edge with endpoints outside /auth/, /oauth2/ and bearerd's names beneath
// /.well-known/, where an application behind bearerd has paths of its own.
type Dialect interface {
	Edge
	// Paths returns the paths of these endpoints, with wildcards as in Register and
	// without a slash at the end.
	Paths() []string
}

// Paths beneath reservedFirst, and those at and beneath these names in /.well-known/,
// belong to bearerd alone.
var (
	reservedFirst = []string{"auth", "oauth2"}
	wellKnown     = []string{"oauth-authorization-server", "openid-configuration", "jwks.json", "oauth-protected-resource"}
)

// reservations decide which paths never reach a proxied application: a client that spells
// the path of an endpoint wrong sends its secrets all the same.
type reservations struct {
	places []place  // of the dialects
	base   []string // the segments of the issuer's path, beneath which the same paths are bearerd's
}

// place is the path of an endpoint.
type place struct {
	path     string
	segments []string // "" is a wildcard
}

func newReservations(edges []Edge, base string) reservations {
	r := reservations{base: httpkit.LenientSegments(base)}
	for _, e := range edges {
		d, ok := e.(Dialect)
		if !ok {
			continue
		}
		for _, path := range d.Paths() {
			p := place{path: path, segments: strings.Split(strings.TrimPrefix(path, "/"), "/")}
			for i, s := range p.segments {
				if strings.HasPrefix(s, "{") {
					p.segments[i] = ""
				}
			}
			r.places = append(r.places, p)
		}
	}
	// /users/login comes before /users/{name}.
	slices.SortStableFunc(r.places, func(a, b place) int { return cmp.Compare(a.wildcards(), b.wildcards()) })
	return r
}

// meaning is one way to read a path that was sent.
type meaning struct {
	own   bool   // it is where only bearerd's endpoints may be
	path  string // of a dialect's endpoint; "": there is none
	exact bool   // it is spelt as that path is
	inner bool   // it is beneath the issuer's path
}

// read reads a path as leniently as any application might: as it is, and beneath the
// issuer's path.
func (r reservations) read(path string) meaning {
	segments := httpkit.LenientSegments(path)
	resolved := segments
	if slices.Contains(segments, ".") || slices.Contains(segments, "..") {
		resolved = httpkit.ResolveDots(segments)
	}
	if m := r.readAs(path, segments, resolved); m != (meaning{}) || len(r.base) == 0 {
		return m
	}
	n := len(r.base)
	if len(resolved) < n || !slices.EqualFunc(r.base, resolved[:n], strings.EqualFold) {
		return meaning{}
	}
	rest := "/" + strings.Join(resolved[n:], "/")
	if cut, ok := strings.CutPrefix(path, "/"+strings.Join(r.base, "/")); ok {
		rest = cut
	}
	m := r.readAs(rest, resolved[n:], resolved[n:])
	m.inner = m != (meaning{})
	return m
}

// readAs reads a path with its segments, and these without dot segments.
func (r reservations) readAs(path string, segments, resolved []string) meaning {
	if reserved(path, segments) || reserved(path, resolved) {
		return meaning{own: true, path: "/" + strings.ToLower(strings.Join(resolved, "/"))}
	}
	for _, p := range r.places {
		if slices.EqualFunc(p.segments, resolved, func(pattern, s string) bool {
			return pattern == "" || strings.EqualFold(pattern, s)
		}) {
			return meaning{path: p.path, exact: p.spelt(path)}
		}
	}
	return meaning{}
}

// reserved reports whether segments, a reading of the path, are where only bearerd's
// endpoints may be.
func reserved(path string, segments []string) bool {
	switch {
	case len(segments) == 0:
		return false
	case foldContains(reservedFirst, segments[0]):
		return len(segments) > 1 || path != "/"+segments[0] // beneath, not beside
	}
	return len(segments) > 1 && strings.EqualFold(segments[0], ".well-known") && foldContains(wellKnown, segments[1])
}

func foldContains(names []string, s string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, s) })
}

// spelt reports whether a path that was sent is this one, with or without a slash at its
// end, as a mux compares them.
func (p place) spelt(path string) bool {
	segments := strings.Split(strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/"), "/")
	return slices.EqualFunc(p.segments, segments, func(pattern, s string) bool {
		return pattern == "" && s != "" || pattern == httpkit.Unescape(s)
	})
}

func (p place) wildcards() (n int) {
	for _, s := range p.segments {
		if s == "" {
			n++
		}
	}
	return n
}

// endpoint returns the path of the endpoint that a request for a clean path would reach
// by some method; "" when there is none.
func (t *router) endpoint(path string) string {
	if _, ok := t.exact[path]; ok {
		return path
	}
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch} {
		r := &http.Request{Method: method, URL: &url.URL{Path: path}}
		for _, mux := range []*http.ServeMux{t.own, t.gateway} {
			_, pattern := mux.Handler(r)
			if _, found, ok := strings.Cut(pattern, " "); ok {
				pattern = found
			}
			if pattern != "" && pattern != everything {
				return strings.TrimSuffix(strings.TrimSuffix(pattern, "{$}"), "/")
			}
		}
	}
	return ""
}
