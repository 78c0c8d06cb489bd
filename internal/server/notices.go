package server

import (
	"github.com/prometheus/client_golang/prometheus"
)

// noticeMetrics count what becomes of notices, by the name of their receiver.
type noticeMetrics struct {
	sent, failed, refused, dropped *prometheus.CounterVec
	waiting                        *prometheus.GaugeVec
}

func (m *noticeMetrics) register(registry prometheus.Registerer) {
	*m = noticeMetrics{
		sent:    newCounters(registry, "notices_sent_total", "Notices that a receiver has accepted.", "receiver"),
		failed:  newCounters(registry, "notices_failed_total", "Attempts to send a notice that failed; they are repeated.", "receiver"),
		refused: newCounters(registry, "notices_refused_total", "Notices that a receiver has refused for good.", "receiver"),
		dropped: newCounters(registry, "notices_dropped_total", "Notices that were dropped because they waited too long or too many waited.", "receiver"),
		waiting: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "bearerd_notices_waiting", Help: "Notices that wait for a receiver, of all nodes, counted every minute.",
		}, []string{"receiver"}),
	}
	registry.MustRegister(m.waiting)
}

// NoticeSent counts a notice that was accepted.
func (m *noticeMetrics) NoticeSent(receiver string) { m.sent.WithLabelValues(receiver).Inc() }

// NoticeFailed counts an attempt that failed.
func (m *noticeMetrics) NoticeFailed(receiver string) { m.failed.WithLabelValues(receiver).Inc() }

// NoticeRefused counts a notice that was refused for good.
func (m *noticeMetrics) NoticeRefused(receiver string) { m.refused.WithLabelValues(receiver).Inc() }

// NoticesDropped counts notices that were dropped.
func (m *noticeMetrics) NoticesDropped(receiver string, n int64) {
	m.dropped.WithLabelValues(receiver).Add(float64(n))
}

// NoticesWaiting notes how many notices wait. The first call is made at the start, so
// that the counters of the receiver exist at 0 and their first increase is seen as one.
func (m *noticeMetrics) NoticesWaiting(receiver string, n int) {
	m.waiting.WithLabelValues(receiver).Set(float64(n))
	for _, counter := range []*prometheus.CounterVec{m.sent, m.failed, m.refused, m.dropped} {
		counter.WithLabelValues(receiver)
	}
}
