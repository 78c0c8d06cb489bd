package adminapi_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/adminapi"
	"github.com/bearerd/bearerd/internal/traffic"
)

// counts is a log of steps in which nothing happened but in the last one.
type counts struct{}

func (counts) Traffic(now time.Time, step time.Duration, steps int) ([]traffic.Step, error) {
	list := make([]traffic.Step, steps)
	for i := range list {
		from := now.Truncate(step).Add(time.Duration(i+1-steps) * step)
		none := map[string]int64{}
		list[i] = traffic.Step{
			From: from, Until: from.Add(step), Issued: none, IssueRefused: none, Verified: none, VerifyRefused: none, Logins: none, Revoked: none,
		}
	}
	last := &list[steps-1]
	last.Issued, last.VerifyRefused = map[string]int64{"access": 2}, map[string]int64{"revoked": 1}
	last.IssueRefused, last.Logins, last.Verified = map[string]int64{"invalid_scope": 3}, map[string]int64{"ok": 4}, map[string]int64{"task": 5}
	last.Revoked, last.Acknowledged, last.AcknowledgedIn, last.SlowestBelow = map[string]int64{"token": 6, "user": 1}, 2, 60*time.Millisecond, 50*time.Millisecond
	return list, nil
}

func counted(a *adminapi.API) { a.Traffic = counts{} }

func TestStatsTellAdministratorsWhatTheChartsShow(t *testing.T) {
	t.Parallel()
	s := newSite(t, counted)
	m := s.asAdmin(t, http.StatusOK, "GET", "/stats", "")
	steps := to[[]any](t, m["steps"])
	if m["step"] != 60.0 || len(steps) != 61 {
		t.Fatalf("%v seconds, %d steps", m["step"], len(steps))
	}
	now := s.Time()
	instant := func(at time.Time) string { return at.UTC().Format(time.RFC3339) }
	none := map[string]any{}
	first := map[string]any{
		"from": instant(now.Truncate(time.Minute).Add(-time.Hour)), "until": instant(now.Truncate(time.Minute).Add(-59 * time.Minute)),
		"issued": none, "issue_refused": none, "verified": none, "verify_refused": none, "logins": none,
		"revocations": 0.0, "revoked": none, "revocation_lag": nil,
	}
	last := map[string]any{
		"from": instant(now.Truncate(time.Minute)), "until": instant(now.Truncate(time.Minute).Add(time.Minute)),
		"issued": map[string]any{"access": 2.0}, "issue_refused": map[string]any{"invalid_scope": 3.0},
		"verified": map[string]any{"task": 5.0}, "verify_refused": map[string]any{"revoked": 1.0}, "logins": map[string]any{"ok": 4.0},
		"revocations": 7.0, "revoked": map[string]any{"token": 6.0, "user": 1.0}, "revocation_lag": map[string]any{"count": 2.0, "mean": 0.03, "below": 0.05},
	}
	if diff := cmp.Diff([]any{first, last}, []any{steps[0], steps[60]}); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	node := to[map[string]any](t, m["node"])
	if node["fresh"] != true || node["seq"] != float64(s.Ledger.Applied()) || node["live_revocations"] != float64(s.Ledger.Set().Len()) {
		t.Errorf("the node: %v", node)
	}
}

func TestStatsGoFromSinceUntilNow(t *testing.T) {
	t.Parallel()
	s := newSite(t, counted)
	now := s.Time()
	for _, c := range []struct {
		ago   time.Duration
		step  string
		steps int
	}{
		{0, "60", 1},
		{10 * time.Minute, "60", 11},
		{24*time.Hour - time.Minute, "60", 1440},
		{24*time.Hour - time.Minute, "3600", 24},
		{24*time.Hour - time.Minute, "86400", 1},
		{time.Minute, "86400", 1},
	} {
		q := url.Values{"since": {now.Add(-c.ago).In(time.FixedZone("", 7200)).Format(time.RFC3339Nano)}, "step": {c.step}}
		m := s.asAdmin(t, http.StatusOK, "GET", "/stats?"+q.Encode(), "")
		// A time that lies in the middle of a step takes that step along.
		if got := len(to[[]any](t, m["steps"])); got != c.steps && got != min(c.steps+1, 1440) {
			t.Errorf("since %v, by %s: %d steps, want %d", c.ago, c.step, got, c.steps)
		}
	}
}

func TestStatsAreForAdministratorsAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t, counted)
	s.as(t, s.ada, "GET", "/stats", "").Is(http.StatusForbidden)
	s.as(t, s.AccessToken(t, "root", password).Value.Reveal(), "GET", "/stats", "").Is(http.StatusForbidden)
	s.Do(t, "GET", root+"/stats", "").Is(http.StatusUnauthorized)
	s.Do(t, "GET", root+"/stats", "", session(s.SessionToken(t, "ada", password).Value.Reveal())).Is(http.StatusForbidden)
	s.Do(t, "GET", root+"/stats", "", session(s.SessionToken(t, "root", password).Value.Reveal())).Is(http.StatusOK)
	s.as(t, s.admin, "POST", "/stats", "").Is(http.StatusMethodNotAllowed)
}

func TestStatsRefuseWhatIsNotKept(t *testing.T) {
	t.Parallel()
	s := newSite(t, counted)
	for _, query := range []string{
		"step=0", "step=-60", "step=59", "step=61", "step=60s", "step=%2B60", "step=060", "step=86460", "step=1e2",
		"step=9223372036854775807", "step=99999999999999999999", "step=60&step=60",
		"since=yesterday", "since=1700000000", "since=2026-01-01", "since=2000-01-01T00:00:00Z", "since=9999-12-31T23:59:59Z",
		"since=0000-01-01T00:00:00Z", "until=2026-01-01T00:00:00Z", "range=60",
	} {
		a := s.as(t, s.admin, "GET", "/stats?"+query, "")
		a.Is(http.StatusBadRequest)
		if a.Str("detail") == "" {
			t.Errorf("%s: no reason", query)
		}
	}
}

func TestStatsOfAServerThatCountsNothingAreEmpty(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	m := s.asAdmin(t, http.StatusOK, "GET", "/stats", "")
	if steps := to[[]any](t, m["steps"]); len(steps) != 0 {
		t.Errorf("steps: %v", steps)
	}
}
