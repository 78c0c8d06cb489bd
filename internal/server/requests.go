package server

import (
	"maps"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// requestMetrics are how long requests took, by how they ended.
type requestMetrics struct {
	routes *prometheus.HistogramVec

	mu    sync.Mutex // writers of byEnd
	byEnd atomic.Pointer[map[end]prometheus.Observer]
}

func (m *requestMetrics) register(registry prometheus.Registerer) {
	m.routes = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "bearerd_http_request_duration_seconds",
		Help:    "Time that requests took, by the pattern that served them and the status of the answer.",
		Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"route", "code"})
	registry.MustRegister(m.routes)
	m.byEnd.Store(&map[end]prometheus.Observer{})
}

// end is how a request ended: who served it, and the status of the answer.
type end struct {
	route  string // a pattern of bearerd's, so there are few
	status int
}

// Ended counts a request that has ended.
func (m *requestMetrics) Ended(route string, status int, took time.Duration) {
	e := end{route, status}
	o, ok := (*m.byEnd.Load())[e]
	if !ok {
		o = m.observer(e)
	}
	o.Observe(took.Seconds())
}

// observer returns the histogram of an end that was not seen before.
func (m *requestMetrics) observer(e end) prometheus.Observer {
	m.mu.Lock()
	defer m.mu.Unlock()
	label := e.route
	if label == "" {
		label = "none"
	}
	o := m.routes.WithLabelValues(label, codeLabel(e.status))
	more := map[end]prometheus.Observer{e: o}
	maps.Copy(more, *m.byEnd.Load())
	m.byEnd.Store(&more)
	return o
}

// codeLabel returns the label of a status. An application behind may invent statuses that
// are not registered: they share one label.
func codeLabel(status int) string {
	if http.StatusText(status) == "" {
		return "other"
	}
	return strconv.Itoa(status)
}
