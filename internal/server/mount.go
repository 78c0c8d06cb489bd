package server

import (
	"net/http"
	"net/url"

	"github.com/bearerd/bearerd/internal/httpkit"
)

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
