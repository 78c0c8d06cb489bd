package server

import (
	"net/http"
	"path"
	"strings"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// router finds who serves a request. Two muxes stand beside each other because in
// one the gateway's "/" would take what an own endpoint answers with 405.
type router struct {
	own, gateway *http.ServeMux
	ownHandler   http.Handler // own, with what is around it
	exact        map[string]http.Handler
	beneath      map[string]http.Handler // by the path, with a slash at its end
	application  http.Handler // the gateway's "/"; nil: there is none
	reservations reservations
}

// everything is the pattern of the proxied application.
const everything = "/"

func (t *router) serve(w http.ResponseWriter, r *http.Request) error {
	if h, pattern := t.find(r); h != nil {
		if pattern != "" {
			r.Pattern = pattern // as a mux does that found h by it
		}
		h.ServeHTTP(w, r)
		return nil
	}
	if r.Method == http.MethodConnect {
		return errNothing // a mux would make a route, and so a metric, of its path
	}
	tidy := clean(r.URL.EscapedPath())
	meant := t.reservations.read(r.URL.EscapedPath())
	if allow := t.allowed(r, tidy); allow != "" && (meant.own || meant.path == "" || meant.exact) {
		return httpkit.MethodNotAllowed(w, r, allow)
	}
	if meant.own {
		meant.path = t.endpoint(meant.path)
	}
	if meant.path == "" || meant.path == r.URL.EscapedPath() {
		return errNothing
	}
	return fault.New(fault.NotFound, "there is nothing at this path: did you mean %s?", meant.path)
}

// find returns who serves a request, with the pattern where no mux of theirs will find
// one; nil where nobody does.
func (t *router) find(r *http.Request) (h http.Handler, pattern string) {
	if r.Method == http.MethodConnect {
		return nil, ""
	}
	if h, ok := t.exact[r.URL.Path]; ok && r.URL.RawPath == "" {
		return h, r.URL.Path
	}
	sent := r.URL.EscapedPath()
	for path, h := range t.beneath {
		if strings.HasPrefix(sent, path) {
			return h, path
		}
	}
	if clean(sent) { // a mux would redirect every other path
		if _, pattern := t.gateway.Handler(r); pattern != "" && pattern != everything {
			return t.gateway, ""
		}
		if _, pattern := t.own.Handler(r); pattern != "" {
			return t.ownHandler, ""
		}
	}
	// What such a path means is the application's to know, and whether it may pass is the
	// proxy's, unless it is one of ours in another spelling. Of its own paths a dialect
	// takes the methods that it serves.
	meant := t.reservations.read(sent)
	if t.application != nil && !meant.own && (meant.path == "" || meant.exact) {
		return t.application, everything
	}
	return nil, ""
}

// leaves reports whether a request is the application's. What scripts may do there is
// for the proxy to say.
func (t *router) leaves(r *http.Request) bool {
	if method := r.Header.Get("Access-Control-Request-Method"); r.Method == http.MethodOptions && method != "" {
		asked := *r // a preflight belongs to the request that it asks about
		asked.Method = method
		r = &asked
	}
	_, pattern := t.find(r)
	return pattern == everything
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
func (t *router) allowed(r *http.Request, tidy bool) string {
	if !tidy {
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

// probe takes the headers of an answer and nothing else.
type probe http.Header

func (p probe) Header() http.Header         { return http.Header(p) }
func (p probe) Write(b []byte) (int, error) { return len(b), nil }
func (p probe) WriteHeader(int)             {}
