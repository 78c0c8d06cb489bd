package server

import (
	"net/http"
	"path"
	"strings"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// router finds the handler of a request. There are two muxes, because in a single one the
// gateway's "/" would serve requests that an own endpoint answers with 405.
type router struct {
	own, gateway *http.ServeMux
	ownHandler   http.Handler // own, with its middleware
	exact        map[string]http.Handler
	beneath      map[string]http.Handler // by the path, with a slash at its end
	application  http.Handler            // the gateway's "/"; nil: there is none
	reservations reservations
	base         string // the issuer's path; "": it has none
}

// everything is the pattern of the proxied application.
const everything = "/"

func (t *router) serve(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodConnect {
		return errNothing // a mux would make a route, and so a metric, of its path
	}
	inner := t.within(r)
	h, pattern, asked := t.find(r, inner)
	if h == nil {
		return t.refuse(w, r, inner)
	}
	if pattern != "" {
		asked.Pattern = pattern // as a mux does that has found h by this pattern
	}
	h.ServeHTTP(w, asked)
	r.Pattern = asked.Pattern
	return nil
}

// find returns the handler of a request, the request to pass to it, and the pattern where
// no mux will set one; the handler is nil where there is none. Inner is the request
// beneath the issuer's path, nil for another.
func (t *router) find(r, inner *http.Request) (h http.Handler, pattern string, asked *http.Request) {
	for _, asked := range []*http.Request{r, inner} {
		if asked == nil {
			continue
		}
		if h, pattern := t.findEndpoint(asked); h != nil {
			return h, pattern, asked
		}
	}
	// The application knows what such a path means, and the proxy decides whether it may
	// pass, unless it is a path of bearerd's in another spelling. On its own paths a
	// dialect takes only the methods that it serves.
	meant := t.reservations.read(r.URL.EscapedPath())
	if t.application != nil && !meant.own && (meant.path == "" || meant.exact) {
		return t.application, everything, r
	}
	return nil, "", nil
}

// findEndpoint returns the handler of an endpoint, if it serves the request's method.
func (t *router) findEndpoint(r *http.Request) (h http.Handler, pattern string) {
	if h, ok := t.exact[r.URL.Path]; ok && r.URL.RawPath == "" {
		return h, r.URL.Path
	}
	sent := r.URL.EscapedPath()
	for path, h := range t.beneath {
		if strings.HasPrefix(sent, path) {
			return h, path
		}
	}
	if !clean(sent) { // a mux would redirect it
		return nil, ""
	}
	if _, pattern := t.gateway.Handler(r); pattern != "" && pattern != everything {
		return t.gateway, ""
	}
	if _, pattern := t.own.Handler(r); pattern != "" {
		return t.ownHandler, ""
	}
	return nil, ""
}

// leaves reports whether a request is left to the application. What scripts may do there
// is decided by the proxy.
func (t *router) leaves(r *http.Request) bool {
	if method := r.Header.Get("Access-Control-Request-Method"); r.Method == http.MethodOptions && method != "" {
		asked := *r // a preflight belongs to the request that it asks about
		asked.Method = method
		r = &asked
	}
	if r.Method == http.MethodConnect {
		return false
	}
	_, pattern, _ := t.find(r, t.within(r))
	return pattern == everything
}

// within returns the request with its path relative to the issuer's; nil when it isn't
// beneath that.
func (t *router) within(r *http.Request) *http.Request {
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), t.base)
	if t.base == "" || !ok || rest != "" && rest[0] != '/' {
		return nil
	}
	inner, address := *r, *r.URL
	address.Path, address.RawPath = strings.TrimPrefix(address.Path, t.base), strings.TrimPrefix(address.RawPath, t.base)
	if rest == "" {
		address.Path = "/"
	}
	inner.URL = &address
	return &inner
}

// refuse answers a request that no handler serves. Inner is the request
// beneath the issuer's path, nil for another.
func (t *router) refuse(w http.ResponseWriter, r, inner *http.Request) error {
	meant := t.reservations.read(r.URL.EscapedPath())
	place, base := r, ""
	if meant.inner || meant == (meaning{}) && inner != nil {
		base = t.base
		if inner != nil {
			place = inner
		}
	}
	if allow := t.allowed(place); allow != "" && (meant.own || meant.path == "" || meant.exact) {
		return httpkit.MethodNotAllowed(w, r, allow)
	}
	if meant.own {
		meant.path = t.endpoint(meant.path)
	}
	if meant.path == "" || meant.path == place.URL.EscapedPath() {
		return errNothing
	}
	return fault.New(fault.NotFound, "there is nothing at this path: did you mean %s?", base+meant.path)
}

// answersPreflight reports whether a request is for an own endpoint that answers
// preflights itself, because it is for scripts of every origin.
func (t *router) answersPreflight(r *http.Request) bool {
	if r.Method != http.MethodOptions || !clean(r.URL.EscapedPath()) {
		return false
	}
	_, pattern := t.own.Handler(r)
	return strings.HasPrefix(pattern, http.MethodOptions+" ")
}

// clean reports whether a mux would take the path as it is.
func clean(p string) bool {
	if p == "" || p[0] != '/' {
		return false
	}
	rest := path.Clean(p)
	return rest == p || len(p) == len(rest)+1 && p[len(rest)] == '/'
}

var errNothing = fault.New(fault.NotFound, "there is nothing at this path")

// allowed returns the methods that are served at the path of a request that is not
// served; "" when there are none.
func (t *router) allowed(r *http.Request) string {
	if !clean(r.URL.EscapedPath()) {
		return ""
	}
	for _, mux := range []*http.ServeMux{t.own, t.gateway} {
		refusal, pattern := mux.Handler(r)
		if pattern == everything {
			continue
		}
		p := probe{}
		refusal.ServeHTTP(p, r)
		if allow := http.Header(p).Get("Allow"); allow != "" {
			return allow
		}
	}
	return ""
}

// probe keeps the headers of an answer and discards the rest.
type probe http.Header

func (p probe) Header() http.Header         { return http.Header(p) }
func (p probe) Write(b []byte) (int, error) { return len(b), nil }
func (p probe) WriteHeader(int)             {}
