package server

import (
	"net/http"
	"net/url"
	"path"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// router finds who serves a request. Two muxes stand beside each other because in
// one the gateway's "/" would take what an own endpoint answers with 405.
type router struct {
	own, gateway *http.ServeMux
	ownHandler   http.Handler // own, with what is around it
	exact        map[string]http.Handler
	application  http.Handler // the gateway's "/"; nil: there is none
	reservations reservations
}

// everything is the pattern of the proxied application.
const everything = "/"

func (t *router) serve(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodConnect {
		return errNothing // a mux would make a route, and so a metric, of its path
	}
	if h, ok := t.exact[r.URL.Path]; ok && r.URL.RawPath == "" {
		pass(w, r, h, r.URL.Path)
		return nil
	}
	tidy := clean(r.URL.EscapedPath()) // a mux would redirect every other path
	if tidy {
		if _, pattern := t.gateway.Handler(r); pattern != "" && pattern != everything {
			t.gateway.ServeHTTP(w, r)
			return nil
		}
		if _, pattern := t.own.Handler(r); pattern != "" {
			t.ownHandler.ServeHTTP(w, r)
			return nil
		}
	}
	// What such a path means is the application's to know, and whether it may pass is the
	// proxy's, unless it is one of ours in another spelling.
	meant := t.reservations.read(r.URL.EscapedPath())
	if t.application != nil && !meant.own && (meant.path == "" || meant.exact) {
		pass(w, r, t.application, everything) // of its own paths a dialect takes the methods that it serves
		return nil
	}
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

// pass serves a request as a mux does that found h by the pattern.
func pass(w http.ResponseWriter, r *http.Request, h http.Handler, pattern string) {
	r.Pattern = pattern
	h.ServeHTTP(w, r)
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

// mount returns the handler of one listener.
func (s *Server) mount(o *httpkit.Observer, own, gateway []Edge) http.Handler {
	r := &router{own: newMux(own), gateway: newMux(gateway), exact: map[string]http.Handler{}, reservations: newReservations(own)}
	r.ownHandler = httpkit.SecurityHeaders(r.own)
	root := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: everything}}
	if h, pattern := r.gateway.Handler(root); pattern == everything {
		r.application = h
	}
	for _, e := range gateway {
		if e, ok := e.(Exact); ok {
			path, h := e.Exact()
			r.exact[path] = h
		}
	}
	onError := httpkit.Problems(httpkit.Challenge{Realm: s.Issuer})
	return httpkit.BoundBodies(s.BodyTimeout, o.Wrap(httpkit.CORS(s.CORS)(httpkit.Handle(r.serve, onError))))
}

func newMux(edges []Edge) *http.ServeMux {
	mux := http.NewServeMux()
	for _, e := range edges {
		e.Register(mux)
	}
	return mux
}
