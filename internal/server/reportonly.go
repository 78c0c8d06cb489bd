package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/bearerd/bearerd/internal/shadow"
)

// reportMetrics are about routes that aren't enforced.
type reportMetrics struct {
	reportOnly  map[string]prometheus.Counter
	notEnforced prometheus.Gauge
}

func (m *reportMetrics) register(registry prometheus.Registerer) {
	seen := newCounters(registry, "report_only_requests_total", "Requests on report-only routes: allowed, or refused by both (agreed), by bearerd alone (disagreed), "+
		"or by bearerd where the application's answer isn't known (unknown).", "outcome")
	m.reportOnly = map[string]prometheus.Counter{}
	for _, outcome := range []string{shadow.Allowed, shadow.Agreed, shadow.Disagreed, shadow.Unknown} {
		m.reportOnly[outcome] = seen.WithLabelValues(outcome)
	}
	m.notEnforced = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "bearerd_report_only_routes", Help: "Routes and requirements of the configuration that are not enforced.",
	})
	registry.MustRegister(m.notEnforced)
}

// ReportOnly counts a request on a report-only route.
func (m *reportMetrics) ReportOnly(outcome string) {
	if c := m.reportOnly[outcome]; c != nil {
		c.Inc()
	}
}

// SetReportOnly sets the number of routes and requirements that are not enforced.
func (m *reportMetrics) SetReportOnly(n int) { m.notEnforced.Set(float64(n)) }
