package server

import (
	"net/http"
	"net/url"

	"github.com/bearerd/bearerd/internal/httpkit"
)

// mount returns the handler of one listener.
func (s *Server) mount(o *httpkit.Observer, own, gateway []Edge) http.Handler {
	base := httpkit.IssuerPath(s.Issuer)
	r := &router{
		own: newMux(own), gateway: newMux(gateway), exact: map[string]http.Handler{}, beneath: map[string]http.Handler{},
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
		if e, ok := e.(Beneath); ok {
			path, h := e.Beneath()
			r.beneath[path] = h
		}
	}
	refuse := s.Refuse
	if refuse == nil {
		refuse = httpkit.Problems(httpkit.Challenge{Realm: s.Issuer})
	}
	handler := s.probed(r, httpkit.Handle(r.serve, refuse))
	cors := httpkit.CORS(s.CORS, r.leaves)(handler)
	return httpkit.BoundBodies(s.BodyTimeout, o.Wrap(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		s.endConnection(w, req)
		if r.answersPreflight(req) {
			handler.ServeHTTP(w, req)
			return
		}
		cors.ServeHTTP(w, req)
	})))
}

// endConnection makes the answer the last one on its connection while the server stops. A
// connection that is closed for being idle may have the client's next request under way, which
// nobody would answer.
func (s *Server) endConnection(w http.ResponseWriter, r *http.Request) {
	if s.state.stopping.Load() && r.Header.Get("Upgrade") == "" {
		w.Header().Set("Connection", "close")
	}
}

// probed puts the probe in front of a router: it answers at the endpoints of this server,
// and passes requests for anything else to next.
func (s *Server) probed(t *router, next http.Handler) http.Handler {
	if s.Probe == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.asked(t, r) {
			s.Probe.Reached(w)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// asked reports whether a request is the probe's, for an endpoint.
func (s *Server) asked(t *router, r *http.Request) bool {
	for _, asked := range []*http.Request{r, t.within(r)} {
		if asked != nil && s.Probe.Asks(r, asked.URL.Path) && t.endpoint(asked.URL.Path) != "" {
			return true
		}
	}
	return false
}

func newMux(edges []Edge) *http.ServeMux {
	mux := http.NewServeMux()
	for _, e := range edges {
		e.Register(mux)
	}
	return mux
}
