package server

import (
	"context"
	"net/http"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// bodyPatience is how long the body of a request to bearerd's own endpoints may
// take to arrive; they are small. What is proxied has no such limit.
const bodyPatience = 30 * time.Second

// mount makes the handler of one listener.
func (s *Server) mount(o *httpkit.Observer, own, gateway []Edge) http.Handler {
	r := newRouter(own, gateway)
	onError := httpkit.Problems(httpkit.Challenge{Realm: s.Authority.Policy.Issuer})
	return o.Wrap(httpkit.CORS(s.CORS)(httpkit.Handle(r.serve, onError)))
}

func newMux(edges []Edge) *http.ServeMux {
	mux := http.NewServeMux()
	for _, e := range edges {
		e.Register(mux)
	}
	return mux
}

// observer watches over the requests of every listener: it tells the authority where
// each came from, and the metrics and the log which route it took.
func (s *Server) observer() *httpkit.Observer {
	return httpkit.NewObserver(httpkit.ObserverConfig{
		Logger: s.log, Now: s.Authority.Now, Proxies: s.Proxies,
		Context: func(ctx context.Context, e *httpkit.Event) context.Context {
			return audit.WithOrigin(ctx, audit.Origin{Address: e.ClientAddress(), RequestID: e.RequestID()})
		},
		Done: func(r *http.Request, _ int, took time.Duration) { s.Metrics.served(r.Pattern, took) },
	})
}

// limitBody gives up on a client that sends its body too slowly. The deadline is
// the connection's and ends with the request.
func limitBody(next http.Handler, patience time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			// A writer that can't set one, as in tests, has no slow clients either.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(patience)) //nolint:forbidigo // the network's own clock
		}
		next.ServeHTTP(w, r)
	})
}
