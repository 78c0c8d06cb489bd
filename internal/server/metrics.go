package server

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/shadow"
)

// Metrics counts what the authority does and how long requests take. It is the
// authority's Meter: every counter is found before it is needed, so counting is
// one addition. Names begin with bearerd_; labels come from fixed sets.
type Metrics struct {
	operationMetrics
	reportMetrics
	requestMetrics
	noticeMetrics
	history

	registry *prometheus.Registry
}

var (
	_ node.Meter   = (*Metrics)(nil)
	_ shadow.Meter = (*Metrics)(nil)
)

// NewMetrics returns metrics in a registry of their own, together with those of the Go
// runtime and the process.
func NewMetrics() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry()}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.operationMetrics.register(m.registry)
	m.reportMetrics.register(m.registry)
	m.requestMetrics.register(m.registry)
	m.noticeMetrics.register(m.registry)
	m.series, m.history.acknowledgment = m.counted(), m.operationMetrics.acknowledgment
	return m
}

// newCounters returns counters in the registry, one for each value of the label.
func newCounters(registry prometheus.Registerer, name, help, label string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bearerd_" + name, Help: help}, []string{label})
	registry.MustRegister(v)
	return v
}
