package server

import (
	"net/http"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/bearerd/bearerd/internal/httpkit"
)

// state is what /readyz reports.
type state struct {
	stopping atomic.Bool
}

// health is the body of /healthz and /readyz.
type health struct {
	Status string `json:"status"`
	Reason string `json:"reason,omitempty"`
}

// opsHandler serves operators and the machinery around the process. It has no
// authentication: the listener is for them alone.
func (s *Server) opsHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answerHealth(w, "")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		answerHealth(w, s.unready())
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.Metrics.registry, promhttp.HandlerOpts{}))
	return httpkit.BoundBodies(s.BodyTimeout, mux)
}

// unready returns why this node should get no requests; "" when it should.
func (s *Server) unready() string {
	if s.state.stopping.Load() {
		return "stopping"
	}
	if s.Unready != nil {
		return s.Unready()
	}
	return s.Node.Status().Unready()
}

func answerHealth(w http.ResponseWriter, reason string) {
	status, body := http.StatusOK, health{Status: "ok"}
	if reason != "" {
		status, body = http.StatusServiceUnavailable, health{Status: "unavailable", Reason: reason}
	}
	httpkit.NoStore(w)
	_ = httpkit.WriteJSON(w, status, body) // a health can be encoded
}
