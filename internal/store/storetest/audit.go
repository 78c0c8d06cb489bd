package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
)

func testAudit(t *testing.T, s *Suite) {
	ctx := t.Context()
	var all []audit.Event
	for n := range 20 {
		all = append(all, audit.Event{
			ID: int64(n + 1), At: start.Add(time.Duration(n) * time.Second), Actor: []string{"ann", "bob"}[n%2], Action: []string{audit.Login, audit.TokenIssue, audit.TokenRevoke}[n%3],
			Target: fmt.Sprint("target", n%4), TokenID: fmt.Sprint("token", n%5), Address: []string{"192.0.2.1", "192.0.3.7", "2001:db8::1", "", "unknown"}[n%5],
			RequestID: fmt.Sprint(n), Outcome: []string{audit.OK, audit.OK, audit.Refused}[n/2%3], Reason: "because", Count: 1,
		})
	}
	for i := range all[:6] { // each by itself, as most are written
		must[revocation.Seq](t)(s.store.Commit(ctx, op.Batch{Audit: all[i : i+1]}))
	}
	must[revocation.Seq](t)(s.store.Commit(ctx, op.Batch{Audit: all[6:12]}))
	must[revocation.Seq](t)(s.store.Commit(ctx, op.Batch{Audit: all[12:]}))
	for name, f := range map[string]audit.Filter{
		"all": {}, "actor": {Actor: "ann"}, "action": {Action: audit.Login}, "target": {Target: "target1"}, "token": {TokenID: "token2"},
		"since": {Since: start.Add(7 * time.Second)}, "until": {Until: start.Add(7 * time.Second)}, "cursor": {Cursor: 5},
		"actor and target": {Actor: "bob", Target: "target3"}, "token and actor": {TokenID: "token2", Actor: "ann"},
		"everything": {Actor: "bob", Action: audit.TokenIssue, Target: "target1", TokenID: "token3", Since: start, Until: start.Add(time.Hour), Cursor: 100},
		"refused":    {Outcome: audit.Refused}, "done": {Outcome: audit.OK, Actor: "ann"},
		"address": {Address: "192.0.2.1"}, "address and actor": {Address: "192.0.2.1", Actor: "bob"}, "address of nobody": {Address: "192.0.2.2"},
		"small network": {Address: "192.0.2.0/23", Limit: 5}, "large network": {Address: "192.0.0.0/8"}, "IPv6": {Address: "2001:db8::/32", Cursor: 12},
		"network and target": {Address: "192.0.2.0/23", Target: "target1", Outcome: audit.OK},
		"limit":              {Limit: 3}, "limited actor": {Actor: "ann", Limit: 2, Cursor: 10}, "nobody": {Actor: "ANN"},
	} {
		var want []audit.Event
		for _, e := range slices.Backward(all) {
			if f.Matches(e) && (f.Limit == 0 || len(want) < f.Limit) {
				want = append(want, e)
			}
		}
		same(t, name, must[[]audit.Event](t)(s.store.AuditEvents(ctx, f)), want)
	}
	for _, f := range []audit.Filter{{Limit: -1}, {Limit: audit.MaxLimit + 1}, {Cursor: -1}, {Action: "nothing"}, {Outcome: "maybe"}, {Address: "192.0.2"}} {
		_, err := s.store.AuditEvents(ctx, f)
		wantFault(t, err, fault.Invalid)
	}
}

// testAuditTimes tests that no event is hidden by a filter of time, whatever the clocks of
// those who have written it: of nodes apart, set back, or rows that came years later. What is
// narrowed by time alone is in the order of the times.
func testAuditTimes(t *testing.T, s *Suite) {
	ctx := t.Context()
	clock := []time.Duration{0, time.Minute, -2 * time.Hour, time.Hour, 48 * time.Hour, 50 * time.Hour, -9000 * time.Hour, 2 * time.Minute, 90000 * time.Hour, 3 * time.Minute, 3 * time.Minute, -time.Minute}
	var all []audit.Event
	for n := range 48 {
		e := audit.Event{
			ID: int64(n + 1), At: start.Add(clock[n%len(clock)] + time.Duration(n/24)*time.Second), Actor: []string{"ann", "bob"}[n%2], Action: []string{audit.Login, audit.TokenIssue}[n/2%2],
			Target: fmt.Sprint("target", n%3), Address: []string{"192.0.2.1", "198.51.100.7"}[n/3%2], Outcome: []string{audit.OK, audit.OK, audit.Refused}[n%3], Count: 1,
		}
		all = append(all, e)
		must[revocation.Seq](t)(s.store.Commit(ctx, op.Batch{Audit: []audit.Event{e}}))
	}
	for since := range clock {
		for _, until := range []time.Duration{0, clock[since] + time.Second, clock[since] + time.Hour, 100000 * time.Hour} {
			for _, f := range []audit.Filter{{}, {Actor: "ann"}, {Outcome: audit.OK}, {Outcome: audit.Refused, Action: audit.Login}, {Address: "192.0.2.0/24"}, {Address: "192.0.2.1", Target: "target1"}, {Address: "192.0.0.0/8"}} {
				f.Since, f.Limit = start.Add(clock[since]), 5
				if until != 0 {
					f.Until = start.Add(until)
				}
				if until == clock[since]+time.Hour {
					f.Since = time.Time{}
				}
				var want []int64
				for _, e := range slices.Backward(all) {
					if f.Matches(e) {
						want = append(want, e.ID)
					}
				}
				byTime := f.Actor == "" && f.Action == "" && f.Target == "" && f.Address != "192.0.2.1" && f.Outcome != audit.Refused
				slices.SortFunc(want, func(a, b int64) int {
					if byTime {
						return cmp.Or(all[b-1].At.Compare(all[a-1].At), cmp.Compare(b, a))
					}
					return cmp.Compare(b, a)
				})
				name := fmt.Sprintf("%+v", f)
				var got []int64
				for {
					page := must[audit.Page](t)(s.store.AuditPage(ctx, f))
					for _, e := range page.Events {
						got = append(got, e.ID)
					}
					if f.Cursor = page.Next; page.Next == 0 {
						break
					}
				}
				same(t, name, got, want)
			}
		}
	}
	// An event that is purged, with all before it, has nothing after it.
	gone := must[audit.Page](t)(s.store.AuditPage(ctx, audit.Filter{Since: start, Cursor: 4711}))
	same(t, "after an event that is gone", gone, audit.Page{})
}

// testAuditCounts writes events that count for several, each into the row of its tally.
func testAuditCounts(t *testing.T, s *Suite) {
	ctx := t.Context()
	refused := func(tally, reason string, count int64) audit.Event {
		e := event("ada")
		e.Outcome, e.Reason, e.Tally, e.Count = audit.Refused, reason, tally, count
		return e
	}
	plain := event("bob")
	for _, batch := range [][]audit.Event{
		{refused("one", "wrong", 1), plain},
		{plain, refused("two", "wrong", 0)},
		{refused("one", "wrong; also for others", 56), refused("two", "wrong", 2), refused("one", "wrong; also for others", 3)},
		{refused("three", "wrong", 1000)},
	} {
		must[revocation.Seq](t)(s.store.Commit(ctx, op.Batch{Audit: batch}))
	}
	var got []audit.Event
	for _, e := range must[[]audit.Event](t)(s.store.AuditEvents(ctx, audit.Filter{})) {
		got = append(got, audit.Event{Target: e.Target, Outcome: e.Outcome, Reason: e.Reason, Count: e.Count, Tally: e.Tally})
	}
	same(t, "newest first", got, []audit.Event{
		{Target: "ada", Outcome: audit.Refused, Reason: "wrong", Count: 1000},
		{Target: "ada", Outcome: audit.Refused, Reason: "wrong", Count: 3},
		{Target: "bob", Outcome: audit.OK, Count: 1},
		{Target: "bob", Outcome: audit.OK, Count: 1},
		{Target: "ada", Outcome: audit.Refused, Reason: "wrong; also for others", Count: 60},
	})
	all := make([]audit.Event, 500)
	for n := range all {
		all[n] = refused(fmt.Sprint("many", n), "wrong", 2)
	}
	must[revocation.Seq](t)(s.store.Commit(ctx, op.Batch{Audit: all}))
	same(t, "many at once", len(must[[]audit.Event](t)(s.store.AuditEvents(ctx, audit.Filter{Limit: audit.MaxLimit}))), 505)
}

// testAuditRetention deletes events that are older than the retention, and nothing else.
func testAuditRetention(t *testing.T, s *Suite) {
	ctx := t.Context()
	const year = 365 * 24 * time.Hour
	ahead := must[time.Duration](t)(s.store.ClockOffset(ctx)) // of the database's clock, where it has one
	now := s.now().Add(-ahead).Truncate(time.Microsecond)
	s.set(now)
	at := func(age time.Duration) audit.Event {
		e := event(age.String())
		e.At = now.Add(-age).UTC()
		return e
	}
	var old []audit.Event
	for range 1200 { // more than go in one step
		old = append(old, at(year+time.Second))
	}
	must[revocation.Seq](t)(s.store.Commit(ctx, op.Batch{Audit: old}))
	kept := []audit.Event{at(year - time.Minute), at(time.Hour), at(0)}
	must[revocation.Seq](t)(s.store.Commit(ctx, op.Batch{Audit: kept}))
	purge := func(now time.Time, want int) {
		t.Helper()
		if err := s.store.PurgeAudit(ctx, now, year); err != nil {
			t.Fatal(err)
		}
		same(t, "events left", len(must[[]audit.Event](t)(s.store.AuditEvents(ctx, audit.Filter{Limit: audit.MaxLimit}))), want)
	}
	purge(now, 3)
	// A wall clock that is years ahead deletes nothing that is recent.
	purge(now.Add(10*year), 3)
}
