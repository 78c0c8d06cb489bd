package server

import (
	"maps"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/quota"
	"github.com/bearerd/bearerd/internal/shadow"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/traffic"
)

// Metrics counts what the authority does and how long requests take. It is the
// authority's Meter: every counter is found before it is needed, so counting is
// one addition. Names begin with bearerd_; labels come from fixed sets.
type Metrics struct {
	registry       *prometheus.Registry
	issued         [lastKind + 1]prometheus.Counter
	issueRefused   [fault.SignInAgain + 1]prometheus.Counter
	verified       [lastKind + 1]prometheus.Counter
	verifyRefused  [token.CheckAccess + 1]prometheus.Counter
	logins         map[string]prometheus.Counter
	revocations    prometheus.Counter
	revoked        map[string]prometheus.Counter
	acknowledgment prometheus.Histogram
	waits          map[string]prometheus.Counter
	limited        map[quota.Limit]prometheus.Counter
	reportOnly     map[string]prometheus.Counter
	notEnforced    prometheus.Gauge
	routes         *prometheus.HistogramVec
	notices        noticeMetrics
	series         []series // what the history is made of
	history        history

	mu    sync.Mutex // writers of byEnd
	byEnd atomic.Pointer[map[end]prometheus.Observer]
}

var (
	_ node.Meter   = (*Metrics)(nil)
	_ shadow.Meter = (*Metrics)(nil)
)

const lastKind = token.KindClientSecret

// loginOutcomes are the outcomes that node.Meter's LoginTried receives; any other one is
// counted as "other".
var loginOutcomes = []string{"ok", "failed", "limited", "disabled", "other"}

// NewMetrics returns metrics in a registry of their own, together with those of the Go
// runtime and the process.
func NewMetrics() *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), logins: map[string]prometheus.Counter{}}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	issued := m.counters("tokens_issued_total", "Tokens issued.", "kind")
	verified := m.counters("tokens_verified_total", "Tokens found valid.", "kind")
	for k := range m.issued {
		m.issued[k] = issued.WithLabelValues(token.Kind(k).String())
		m.verified[k] = verified.WithLabelValues(token.Kind(k).String())
	}
	refused := m.counters("token_issue_refusals_total", "Requests for a token that were refused.", "reason")
	for k := range m.issueRefused {
		m.issueRefused[k] = refused.WithLabelValues(httpkit.Code(fault.Kind(k)))
	}
	failed := m.counters("token_verify_refusals_total", "Tokens refused, by the first check that failed.", "check")
	for _, c := range token.Checks() {
		m.verifyRefused[c] = failed.WithLabelValues(c.String())
	}
	logins := m.counters("logins_total", "Passwords tried.", "outcome")
	for _, outcome := range loginOutcomes {
		m.logins[outcome] = logins.WithLabelValues(outcome)
	}
	limited := m.counters("limited_total", "Requests that were refused because a limit was reached.", "limit")
	m.limited = make(map[quota.Limit]prometheus.Counter, len(quota.Limits()))
	for _, limit := range quota.Limits() {
		m.limited[limit] = limited.WithLabelValues(string(limit))
	}
	m.revocations = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "bearerd_revocations_total", Help: "Entries that this node wrote to the revocation log; changes of access are among them.",
	})
	m.acknowledgment = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "bearerd_revocation_acknowledgement_seconds",
		Help:    "Time from the commit of a revocation until no node accepts what it revoked.",
		Buckets: acknowledgmentBounds,
	})
	m.registry.MustRegister(m.revocations, m.acknowledgment)
	revoked := m.counters("revoked_total", "Revocations, by what they revoked; a user counts once with all tokens.", "what")
	m.revoked = make(map[string]prometheus.Counter, len(revokedWhat))
	for _, what := range revokedWhat {
		m.revoked[what] = revoked.WithLabelValues(what)
	}
	waits := m.counters("revocation_waits_total", "Revocations that were waited for until they held on every node.", "outcome")
	m.waits = map[string]prometheus.Counter{}
	for _, outcome := range []string{journal.WaitConfirmed, journal.WaitExpired, journal.WaitFailed} {
		m.waits[outcome] = waits.WithLabelValues(outcome)
	}
	m.addReportOnly()
	m.routes = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "bearerd_http_request_duration_seconds",
		Help:    "Time that requests took, by the pattern that served them and the status of the answer.",
		Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"route", "code"})
	m.registry.MustRegister(m.routes)
	m.byEnd.Store(&map[end]prometheus.Observer{})
	m.addNotices()
	m.addSeries()
	return m
}

// addReportOnly makes the metrics of routes that aren't enforced.
func (m *Metrics) addReportOnly() {
	seen := m.counters("report_only_requests_total", "Requests on report-only routes: allowed, or refused by both (agreed), by bearerd alone (disagreed), "+
		"or by bearerd where the application's answer isn't known (unknown).", "outcome")
	m.reportOnly = map[string]prometheus.Counter{}
	for _, outcome := range []string{shadow.Allowed, shadow.Agreed, shadow.Disagreed, shadow.Unknown} {
		m.reportOnly[outcome] = seen.WithLabelValues(outcome)
	}
	m.notEnforced = prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "bearerd_report_only_routes", Help: "Routes and requirements of the configuration that are not enforced.",
	})
	m.registry.MustRegister(m.notEnforced)
}

// ReportOnly counts a request on a report-only route.
func (m *Metrics) ReportOnly(outcome string) {
	if c := m.reportOnly[outcome]; c != nil {
		c.Inc()
	}
}

// SetReportOnly sets the number of routes and requirements that are not enforced.
func (m *Metrics) SetReportOnly(n int) { m.notEnforced.Set(float64(n)) }

// addSeries lists the counters whose growth the history records.
func (m *Metrics) addSeries() {
	for k := range m.issued {
		kind := token.Kind(k).String()
		m.series = append(m.series,
			series{m.issued[k], traffic.GroupIssued, kind, func(t *traffic.Step) map[string]int64 { return t.Issued }},
			series{m.verified[k], traffic.GroupVerified, kind, func(t *traffic.Step) map[string]int64 { return t.Verified }})
	}
	for k := range m.issueRefused {
		code := httpkit.Code(fault.Kind(k))
		m.series = append(m.series, series{m.issueRefused[k], traffic.GroupIssueRefused, code, func(t *traffic.Step) map[string]int64 { return t.IssueRefused }})
	}
	for _, c := range token.Checks() {
		m.series = append(m.series, series{m.verifyRefused[c], traffic.GroupVerifyRefused, c.String(), func(t *traffic.Step) map[string]int64 { return t.VerifyRefused }})
	}
	for _, outcome := range loginOutcomes {
		m.series = append(m.series, series{m.logins[outcome], traffic.GroupLogins, outcome, func(t *traffic.Step) map[string]int64 { return t.Logins }})
	}
	for _, what := range revokedWhat {
		m.series = append(m.series, series{m.revoked[what], traffic.GroupRevoked, what, func(t *traffic.Step) map[string]int64 { return t.Revoked }})
	}
}

func (m *Metrics) counters(name, help, label string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "bearerd_" + name, Help: help}, []string{label})
	m.registry.MustRegister(v)
	return v
}

// acknowledgmentBounds are in seconds.
var acknowledgmentBounds = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2, 5}

// Issued counts a token that was issued.
func (m *Metrics) Issued(kind token.Kind) { m.issued[min(kind, lastKind)].Inc() }

// IssueRefused counts a request for a token that was refused.
func (m *Metrics) IssueRefused(kind fault.Kind) {
	m.issueRefused[min(kind, fault.SignInAgain)].Inc()
}

// Verified counts a token that was found good.
func (m *Metrics) Verified(kind token.Kind) { m.verified[min(kind, lastKind)].Inc() }

// VerifyRefused counts a token that a check refused.
func (m *Metrics) VerifyRefused(check token.Check) {
	if c := m.verifyRefused[min(check, token.CheckAccess)]; c != nil {
		c.Inc()
	}
}

// LoginTried counts a login by its outcome.
func (m *Metrics) LoginTried(outcome string) {
	c, ok := m.logins[outcome]
	if !ok {
		c = m.logins["other"]
	}
	c.Inc()
}

// Limited counts a request that a limit refused.
func (m *Metrics) Limited(limit quota.Limit) {
	if c := m.limited[limit]; c != nil {
		c.Inc()
	}
}

// What can be revoked.
const (
	revokedToken      = "token"
	revokedUser       = "user"
	revokedClient     = "client"
	revokedKey        = "key"
	revokedEverything = "everything"
)

var revokedWhat = []string{revokedToken, revokedUser, revokedClient, revokedKey, revokedEverything}

// Revoked counts what a batch revoked.
func (m *Metrics) Revoked(r journal.Revocation) {
	m.revocations.Add(float64(r.Entries))
	m.revoked[revokedToken].Add(float64(r.Tokens))
	m.revoked[revokedUser].Add(float64(r.Users))
	m.revoked[revokedClient].Add(float64(r.Clients))
	m.revoked[revokedKey].Add(float64(r.Keys))
	m.revoked[revokedEverything].Add(float64(r.Everything))
}

// Acknowledged records how long a revocation took until it held everywhere.
func (m *Metrics) Acknowledged(took time.Duration) { m.acknowledgment.Observe(took.Seconds()) }

// Waited counts a revocation that was waited for, by how that ended.
func (m *Metrics) Waited(outcome string) {
	if c := m.waits[outcome]; c != nil {
		c.Inc()
	}
}

// end is how a request ended: who served it, and the status of the answer.
type end struct {
	route  string // a pattern of bearerd's, so there are few
	status int
}

// Ended counts a request that has ended.
func (m *Metrics) Ended(route string, status int, took time.Duration) {
	e := end{route, status}
	o, ok := (*m.byEnd.Load())[e]
	if !ok {
		o = m.observer(e)
	}
	o.Observe(took.Seconds())
}

// observer returns the histogram of an end that was not seen before.
func (m *Metrics) observer(e end) prometheus.Observer {
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
