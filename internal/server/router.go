package server

import (
	"net/http"
	"net/url"
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
	application  http.Handler // the gateway's "/"; nil: there is none
	reservations reservations
	base         string // the issuer's path; "": it has none
}

// everything is the pattern of the proxied application.
const everything = "/"

func (t *router) serve(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodConnect {
		return errNothing // a mux would make a route, and so a metric, of its path
	}
	if t.serveEndpoint(w, r) {
		return nil
	}
	inner := t.beneath(r)
	if inner != nil && t.serveEndpoint(w, inner) {
		r.Pattern = inner.Pattern
		return nil
	}
	return t.serveOther(w, r, inner)
}

// serveEndpoint serves a request for an endpoint by a method that it has, and reports
// whether there is one.
func (t *router) serveEndpoint(w http.ResponseWriter, r *http.Request) bool {
	if h, ok := t.exact[r.URL.Path]; ok && r.URL.RawPath == "" {
		pass(w, r, h, r.URL.Path)
		return true
	}
	if !clean(r.URL.EscapedPath()) { // a mux would redirect it
		return false
	}
	if _, pattern := t.gateway.Handler(r); pattern != "" && pattern != everything {
		t.gateway.ServeHTTP(w, r)
		return true
	}
	if _, pattern := t.own.Handler(r); pattern != "" {
		t.ownHandler.ServeHTTP(w, r)
		return true
	}
	return false
}

// beneath returns the request for what its path names beneath the issuer's; nil when it
// doesn't lie there.
func (t *router) beneath(r *http.Request) *http.Request {
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

// serveOther serves what no endpoint does. What such a path means is the application's to
// know, and whether it may pass is the proxy's, unless it is one of ours in another
// spelling. Inner is the request beneath the issuer's path, nil for another.
func (t *router) serveOther(w http.ResponseWriter, r, inner *http.Request) error {
	meant := t.reservations.read(r.URL.EscapedPath())
	if t.application != nil && !meant.own && (meant.path == "" || meant.exact) {
		pass(w, r, t.application, everything) // of its own paths a dialect takes the methods that it serves
		return nil
	}
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

// probe takes the headers of an answer and nothing else.
type probe http.Header

func (p probe) Header() http.Header         { return http.Header(p) }
func (p probe) Write(b []byte) (int, error) { return len(b), nil }
func (p probe) WriteHeader(int)             {}

// mount returns the handler of one listener.
func (s *Server) mount(o *httpkit.Observer, own, gateway []Edge) http.Handler {
	base := httpkit.IssuerPath(s.Issuer)
	r := &router{
		own: newMux(own), gateway: newMux(gateway), exact: map[string]http.Handler{},
		reservations: newReservations(own, base), base: base,
	}
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
	handler := httpkit.Handle(r.serve, httpkit.Problems(httpkit.Challenge{Realm: s.Issuer}))
	cors := httpkit.CORS(s.CORS)(handler)
	return httpkit.BoundBodies(s.BodyTimeout, o.Wrap(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if r.answersPreflight(req) {
			handler.ServeHTTP(w, req)
			return
		}
		cors.ServeHTTP(w, req)
	})))
}

func newMux(edges []Edge) *http.ServeMux {
	mux := http.NewServeMux()
	for _, e := range edges {
		e.Register(mux)
	}
	return mux
}
