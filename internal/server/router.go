package server

import (
	"net/http"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// router finds who serves a request. Two muxes stand beside each other because in
// one the gateway's "/" would take what an own endpoint answers with 405.
type router struct {
	own, gateway *http.ServeMux
	ownHandler   http.Handler // own, with what is around it
}

// everything is the pattern of the proxied application.
const everything = "/"

func (t *router) serve(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodConnect {
		return errNothing // a mux would make a route, and so a metric, of its path
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
		t.gateway.ServeHTTP(w, r)
		return nil
	}
	if allow := allowed(t.gateway, r); allow != "" {
		return httpkit.MethodNotAllowed(w, r, allow)
	}
	return errNothing
}

var errNothing = fault.New(fault.NotFound, "there is nothing at this path")

// allowed gives the methods that the mux serves at the path of a request that it
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
