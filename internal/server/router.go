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
}

// everything is the pattern of the proxied application.
const everything = "/"

func newRouter(own, gateway []Edge) *router {
	t := &router{own: newMux(own), gateway: newMux(gateway), exact: map[string]http.Handler{}}
	t.ownHandler = httpkit.SecurityHeaders(t.own)
	root := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: everything}}
	if h, pattern := t.gateway.Handler(root); pattern == everything {
		t.application = h
	}
	for _, e := range gateway {
		if e, ok := e.(Exact); ok {
			path, h := e.Exact()
			t.exact[path] = h
		}
	}
	return t
}

func (t *router) serve(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodConnect {
		return errNothing // a mux would make a route, and so a metric, of its path
	}
	if h, ok := t.exact[r.URL.Path]; ok {
		pass(w, r, h, r.URL.Path)
		return nil
	}
	if t.application != nil && !clean(r.URL.EscapedPath()) {
		// A mux would redirect it. What such a path means is the application's to
		// know, and whether it may pass is the proxy's.
		pass(w, r, t.application, everything)
		return nil
	}
	_, behind := t.gateway.Handler(r)
	if behind != "" && behind != everything {
		t.gateway.ServeHTTP(w, r)
		return nil
	}
	if _, pattern := t.own.Handler(r); pattern != "" {
		t.ownHandler.ServeHTTP(w, r)
		return nil
	}
	if allow := allowed(t.own, r); allow != "" {
		return httpkit.MethodNotAllowed(w, r, allow)
	}
	if behind != "" {
		pass(w, r, t.application, everything)
		return nil
	}
	if allow := allowed(t.gateway, r); allow != "" {
		return httpkit.MethodNotAllowed(w, r, allow)
	}
	return errNothing
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

// allowed returns the methods that the mux serves at the path of a request that it
// doesn't serve; "" when there are none.
func allowed(mux *http.ServeMux, r *http.Request) string {
	refusal, _ := mux.Handler(r)
	p := probe{}
	refusal.ServeHTTP(p, r)
	return http.Header(p).Get("Allow")
}

// probe takes the headers of an answer and nothing else.
type probe http.Header

func (p probe) Header() http.Header         { return http.Header(p) }
func (p probe) Write(b []byte) (int, error) { return len(b), nil }
func (p probe) WriteHeader(int)             {}
