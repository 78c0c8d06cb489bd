package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/records/upkeep"
	"github.com/bearerd/bearerd/internal/token"
)

// testCounts has two nodes count in the same hours. What one of them writes again takes the
// place of what it wrote.
func testCounts(t *testing.T, s *Suite) {
	ctx := t.Context()
	other := s.open()
	hour := start.Truncate(time.Hour)
	count := func(h int, name string, n int64) upkeep.HourCount {
		return upkeep.HourCount{Hour: hour.Add(time.Duration(h) * time.Hour), Name: name, Count: n}
	}
	set := func(store contract.Store, node string, counts ...upkeep.HourCount) {
		t.Helper()
		if err := store.SetCounts(ctx, node, counts); err != nil {
			t.Fatal(err)
		}
	}
	set(s.store, "a", count(0, "x", 3), count(1, "x", 4), count(1, "Y", 1))
	set(other, "b", count(1, "x", 10), count(3, "x", 7))
	set(s.store, "a", count(1, "x", 5))
	set(s.store, "a", count(1, "x", 5)) // not known whether it was written
	set(s.store, "a")
	read := func(what string, from, until int, want ...upkeep.HourCount) {
		t.Helper()
		got := must[[]upkeep.HourCount](t)(other.Counts(ctx, count(from, "", 0).Hour, count(until, "", 0).Hour))
		same(t, what, got, want)
	}
	read("all", 0, 4, count(0, "x", 3), count(1, "Y", 1), count(1, "x", 15), count(3, "x", 7))
	read("some", 1, 3, count(1, "Y", 1), count(1, "x", 15))
	if err := s.store.PurgeCounts(ctx, count(1, "", 0).Hour); err != nil {
		t.Fatal(err)
	}
	read("what is kept", 0, 4, count(1, "Y", 1), count(1, "x", 15), count(3, "x", 7))
}

// testCensus counts users and tokens in parts of every size.
func testCensus(t *testing.T, s *Suite) {
	ctx := t.Context()
	for n := range 5 {
		u := user(n)
		s.do(t, op.CreateUser{User: u})
	}
	n := 10
	add := func(change func(*records.StoredToken)) {
		n++
		one := tok(n)
		one.ID, one.Kind, one.Chain, one.Family = fmt.Sprintf("t%d", 99-n), token.KindAPIToken, nil, ""
		one.CreatedAt = start.Add(time.Duration(n/3) * time.Second) // several at one time
		one.ExpiresAt, one.LastUsedAt = start.Add(30*24*time.Hour), start
		change(&one)
		s.do(t, op.AddToken{Token: one})
	}
	midnight := start.Truncate(24 * time.Hour)
	for _, change := range []func(*records.StoredToken){
		func(*records.StoredToken) {},
		func(one *records.StoredToken) { one.Kind = token.KindExchangeKey },
		func(one *records.StoredToken) { one.Kind = token.KindSession },
		func(one *records.StoredToken) { one.ExpiresAt = start },
		func(one *records.StoredToken) { one.ExpiresAt = start.Add(token.ExpiryNotice) },
		func(one *records.StoredToken) { one.ExpiresAt = start.Add(token.ExpiryNotice + time.Microsecond) },
		func(one *records.StoredToken) { one.ExpiresAt = time.Time{} },
		func(one *records.StoredToken) { one.ExpiresAt, one.LastUsedAt = time.Time{}, time.Time{} },
		func(one *records.StoredToken) { one.LastUsedAt = time.Time{} },
		func(one *records.StoredToken) { one.RevokedAt, one.Reason = midnight, "revoked" },
		func(one *records.StoredToken) { one.RevokedAt, one.Reason = start, "leaked" },
		func(one *records.StoredToken) { one.RevokedAt, one.Reason = start, token.ReasonRegenerated },
		func(one *records.StoredToken) { one.RevokedAt, one.Reason = midnight.Add(-time.Microsecond), "revoked" },
		func(one *records.StoredToken) {
			one.RevokedAt, one.Reason, one.Kind = start, "signed out", token.KindSession
		},
	} {
		add(change)
	}
	want := upkeep.Figures{Users: 5, Live: 7, Expiring: 1, NeverUsed: 2, NeverExpires: 2, RevokedToday: 2}
	for _, limit := range []int{1, 2, 3, 14, 100} {
		var sum upkeep.Figures
		for _, count := range []func(p upkeep.CensusPart) (upkeep.Figures, upkeep.Cursor, error){
			func(p upkeep.CensusPart) (upkeep.Figures, upkeep.Cursor, error) { return s.store.CountUsers(ctx, p) },
			func(p upkeep.CensusPart) (upkeep.Figures, upkeep.Cursor, error) {
				return s.store.CountTokens(ctx, p)
			},
		} {
			for p := (upkeep.CensusPart{Limit: limit, Now: start}); ; {
				some, next, err := count(p)
				if err != nil {
					t.Fatal(err)
				}
				sum = sum.Plus(some)
				if p.After = next; next == (upkeep.Cursor{}) {
					break
				}
			}
		}
		same(t, fmt.Sprintf("in parts of %d", limit), sum, want)
	}
}

// testCensusClaim has one node of two count.
func testCensusClaim(t *testing.T, s *Suite) {
	ctx := t.Context()
	other := s.open()
	claim := func(what string, store contract.Store, want bool) {
		t.Helper()
		c := upkeep.CensusClaim{Now: s.now(), Finished: s.now().Add(-time.Minute), Unfinished: s.now().Add(-time.Hour)}
		if got := must[bool](t)(store.ClaimCensus(ctx, c)); got != want {
			t.Errorf("%s: %t", what, got)
		}
	}
	same(t, "at first", must[upkeep.CountedFigures](t)(s.store.Figures(ctx)), upkeep.CountedFigures{})
	began := s.now()
	claim("the first", s.store, true)
	claim("another", other, false)
	s.pass(59 * time.Minute)
	claim("while it goes on", other, false)
	f := upkeep.CountedFigures{Began: began, Took: 3 * time.Second, Figures: upkeep.Figures{Users: 1, Live: 2, Expiring: 3, NeverUsed: 4, NeverExpires: 5, RevokedToday: 6}}
	if err := s.store.SetFigures(ctx, f); err != nil {
		t.Fatal(err)
	}
	same(t, "what was counted", must[upkeep.CountedFigures](t)(other.Figures(ctx)), f)
	claim("when it is done", other, true)
	s.pass(time.Hour)
	claim("when the other has died", s.store, true)
}
