package server

import (
	"context"
	"net/http"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// mount returns the handler of one listener.
func (s *Server) mount(o *httpkit.Observer, own, gateway []Edge) http.Handler {
	r := newRouter(own, gateway, httpkit.IssuerPath(s.Issuer))
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

// observer returns the observer of every listener: it puts the origin of each request
// into its context for the audit log, and counts it under the route that it took.
func (s *Server) observer() *httpkit.Observer {
	return httpkit.NewObserver(httpkit.ObserverConfig{
		Logger: s.log, Now: s.Now, Proxies: s.Proxies,
		Context: func(ctx context.Context, e *httpkit.Event) context.Context {
			return audit.WithOrigin(ctx, audit.Origin{Address: e.ClientAddress(), RequestID: e.RequestID()})
		},
		Done: func(r *http.Request, _ int, took time.Duration) { s.Metrics.served(r.Pattern, took) },
	})
}
