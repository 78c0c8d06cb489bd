package server

import (
	"github.com/prometheus/client_golang/prometheus"
)

// noticeMetrics count what becomes of notices, by the name of their receiver.
type noticeMetrics struct {
	sent, failed, refused, dropped *prometheus.CounterVec
	waiting                        *prometheus.GaugeVec
}

func (m *Metrics) addNotices() {
	m.notices = noticeMetrics{
		sent:    m.counters("notices_sent_total", "Notices that a receiver has accepted.", "receiver"),
		failed:  m.counters("notices_failed_total", "Attempts to send a notice that failed; they are repeated.", "receiver"),
		refused: m.counters("notices_refused_total", "Notices that a receiver has refused for good.", "receiver"),
		dropped: m.counters("notices_dropped_total", "Notices that were dropped because they waited too long or too many waited.", "receiver"),
		waiting: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "bearerd_notices_waiting", Help: "Notices that wait for a receiver, of all nodes, counted every minute.",
		}, []string{"receiver"}),
	}
	m.registry.MustRegister(m.notices.waiting)
}

// NoticeSent counts a notice that was accepted.
func (m *Metrics) NoticeSent(receiver string) { m.notices.sent.WithLabelValues(receiver).Inc() }

// NoticeFailed counts an attempt that failed.
func (m *Metrics) NoticeFailed(receiver string) { m.notices.failed.WithLabelValues(receiver).Inc() }

// NoticeRefused counts a notice that was refused for good.
func (m *Metrics) NoticeRefused(receiver string) { m.notices.refused.WithLabelValues(receiver).Inc() }

// NoticesDropped counts notices that were dropped.
func (m *Metrics) NoticesDropped(receiver string, n int64) {
	m.notices.dropped.WithLabelValues(receiver).Add(float64(n))
}

// NoticesWaiting notes how many notices wait. The first call is made at the start, so
// that the counters of the receiver exist at 0 and their first increase is seen as one.
func (m *Metrics) NoticesWaiting(receiver string, n int) {
	m.notices.waiting.WithLabelValues(receiver).Set(float64(n))
	for _, counter := range []*prometheus.CounterVec{m.notices.sent, m.notices.failed, m.notices.refused, m.notices.dropped} {
		counter.WithLabelValues(receiver)
	}
}
