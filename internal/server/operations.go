package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/quota"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/traffic"
)

// operationMetrics count what the operations of a node do.
type operationMetrics struct {
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
}

const lastKind = token.KindClientSecret

// loginOutcomes are the outcomes that node.Meter's LoginTried receives; any other one is
// counted as "other".
var loginOutcomes = []string{"ok", "failed", "limited", "disabled", "other"}

func (m *operationMetrics) register(registry prometheus.Registerer) {
	issued := newCounters(registry, "tokens_issued_total", "Tokens issued.", "kind")
	verified := newCounters(registry, "tokens_verified_total", "Tokens found valid.", "kind")
	for k := range m.issued {
		m.issued[k] = issued.WithLabelValues(token.Kind(k).String())
		m.verified[k] = verified.WithLabelValues(token.Kind(k).String())
	}
	refused := newCounters(registry, "token_issue_refusals_total", "Requests for a token that were refused.", "reason")
	for k := range m.issueRefused {
		m.issueRefused[k] = refused.WithLabelValues(httpkit.Code(fault.Kind(k)))
	}
	failed := newCounters(registry, "token_verify_refusals_total", "Tokens refused, by the first check that failed.", "check")
	for _, c := range token.Checks() {
		m.verifyRefused[c] = failed.WithLabelValues(c.String())
	}
	m.logins = map[string]prometheus.Counter{}
	logins := newCounters(registry, "logins_total", "Passwords tried.", "outcome")
	for _, outcome := range loginOutcomes {
		m.logins[outcome] = logins.WithLabelValues(outcome)
	}
	limited := newCounters(registry, "limited_total", "Requests that were refused because a limit was reached.", "limit")
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
	registry.MustRegister(m.revocations, m.acknowledgment)
	revoked := newCounters(registry, "revoked_total", "Revocations, by what they revoked; a user counts once with all tokens.", "what")
	m.revoked = make(map[string]prometheus.Counter, len(revokedWhat))
	for _, what := range revokedWhat {
		m.revoked[what] = revoked.WithLabelValues(what)
	}
	waits := newCounters(registry, "revocation_waits_total", "Revocations that were waited for until they held on every node.", "outcome")
	m.waits = map[string]prometheus.Counter{}
	for _, outcome := range []string{journal.WaitConfirmed, journal.WaitExpired, journal.WaitFailed} {
		m.waits[outcome] = waits.WithLabelValues(outcome)
	}
}

// counted lists the counters whose growth the history records.
func (m *operationMetrics) counted() []series {
	var all []series
	for k := range m.issued {
		kind := token.Kind(k).String()
		all = append(all,
			series{m.issued[k], traffic.GroupIssued, kind, func(t *traffic.Step) map[string]int64 { return t.Issued }},
			series{m.verified[k], traffic.GroupVerified, kind, func(t *traffic.Step) map[string]int64 { return t.Verified }})
	}
	for k := range m.issueRefused {
		code := httpkit.Code(fault.Kind(k))
		all = append(all, series{m.issueRefused[k], traffic.GroupIssueRefused, code, func(t *traffic.Step) map[string]int64 { return t.IssueRefused }})
	}
	for _, c := range token.Checks() {
		all = append(all, series{m.verifyRefused[c], traffic.GroupVerifyRefused, c.String(), func(t *traffic.Step) map[string]int64 { return t.VerifyRefused }})
	}
	for _, outcome := range loginOutcomes {
		all = append(all, series{m.logins[outcome], traffic.GroupLogins, outcome, func(t *traffic.Step) map[string]int64 { return t.Logins }})
	}
	for _, what := range revokedWhat {
		all = append(all, series{m.revoked[what], traffic.GroupRevoked, what, func(t *traffic.Step) map[string]int64 { return t.Revoked }})
	}
	return all
}

// acknowledgmentBounds are in seconds.
var acknowledgmentBounds = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2, 5}

// Issued counts a token that was issued.
func (m *operationMetrics) Issued(kind token.Kind) { m.issued[min(kind, lastKind)].Inc() }

// IssueRefused counts a request for a token that was refused.
func (m *operationMetrics) IssueRefused(kind fault.Kind) {
	m.issueRefused[min(kind, fault.SignInAgain)].Inc()
}

// Verified counts a token that was found good.
func (m *operationMetrics) Verified(kind token.Kind) { m.verified[min(kind, lastKind)].Inc() }

// VerifyRefused counts a token that a check refused.
func (m *operationMetrics) VerifyRefused(check token.Check) {
	if c := m.verifyRefused[min(check, token.CheckAccess)]; c != nil {
		c.Inc()
	}
}

// LoginTried counts a login by its outcome.
func (m *operationMetrics) LoginTried(outcome string) {
	c, ok := m.logins[outcome]
	if !ok {
		c = m.logins["other"]
	}
	c.Inc()
}

// Limited counts a request that a limit refused.
func (m *operationMetrics) Limited(limit quota.Limit) {
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
func (m *operationMetrics) Revoked(r journal.Revocation) {
	m.revocations.Add(float64(r.Entries))
	m.revoked[revokedToken].Add(float64(r.Tokens))
	m.revoked[revokedUser].Add(float64(r.Users))
	m.revoked[revokedClient].Add(float64(r.Clients))
	m.revoked[revokedKey].Add(float64(r.Keys))
	m.revoked[revokedEverything].Add(float64(r.Everything))
}

// Acknowledged records how long a revocation took until it held everywhere.
func (m *operationMetrics) Acknowledged(took time.Duration) { m.acknowledgment.Observe(took.Seconds()) }

// Waited counts a revocation that was waited for, by how that ended.
func (m *operationMetrics) Waited(outcome string) {
	if c := m.waits[outcome]; c != nil {
		c.Inc()
	}
}
