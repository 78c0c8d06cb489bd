package server

import (
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
	r := &router{own: newMux(own), gateway: newMux(gateway)}
	r.ownHandler = httpkit.SecurityHeaders(limitBody(r.own, bodyPatience))
	onError := httpkit.Problems(httpkit.Challenge{Realm: s.Authority.Policy.Issuer})
	return o.Wrap(s.trace(httpkit.CORS(s.CORS)(httpkit.Handle(r.serve, onError))))
}

func newMux(edges []Edge) *http.ServeMux {
	mux := http.NewServeMux()
	for _, e := range edges {
		e.Register(mux)
	}
	return mux
}

// trace tells the authority where a request came from, and the metrics and the log
// which route it took.
func (s *Server) trace(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := s.Authority.Now()
		event := httpkit.EventOf(r.Context())
		ctx := audit.WithOrigin(r.Context(), audit.Origin{Address: event.ClientAddress(), RequestID: event.RequestID})
		traced := r.WithContext(ctx)
		defer func() {
			r.Pattern = traced.Pattern
			s.Metrics.served(traced.Pattern, s.Authority.Now().Sub(start))
		}()
		next.ServeHTTP(w, traced)
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
