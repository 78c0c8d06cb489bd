package revocation_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/revocation"
)

// clocks are the two clocks of a ledger, which a test sets.
type clocks struct {
	boot atomic.Int64
	wall atomic.Int64 // since base
}

func (c *clocks) clock() time.Duration { return time.Duration(c.boot.Load()) }

func (c *clocks) now() time.Time { return base.Add(time.Duration(c.wall.Load())) }

func (c *clocks) pass(d time.Duration) {
	c.boot.Add(int64(d))
	c.wall.Add(int64(d))
}

func newLedger() (*revocation.Ledger, *clocks) {
	c := &clocks{}
	c.boot.Store(int64(time.Hour))
	return revocation.NewLedger(c.clock, c.now), c
}

func killOf(seq revocation.Seq, id string, until time.Time) revocation.Entry {
	return revocation.Entry{Seq: seq, What: revocation.Token, ID: id, At: base, Until: until}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestLedgerThatWasFedNothingHasNoLease(t *testing.T) {
	t.Parallel()
	l, c := newLedger()
	if l.Lease().Holds() || l.Applied() != 0 || l.Epoch() != 0 || l.AsOf() != c.clock() || isClosed(l.Ready()) {
		t.Errorf("holds %v, applied %d, epoch %d, as of %v", l.Lease().Holds(), l.Applied(), l.Epoch(), l.AsOf())
	}
	l.Apply([]revocation.Entry{killOf(1, "x", time.Time{})})
	l.Advance(1)
	if l.Lease().Holds() {
		t.Error("entries alone have made a lease")
	}
}

func TestLedgerAnswersWhatItWasFed(t *testing.T) {
	t.Parallel()
	l, _ := newLedger()
	l.Apply([]revocation.Entry{
		killOf(1, "x", time.Time{}),
		{Seq: 2, What: revocation.Subject, ID: "ada", At: base},
		{Seq: 3, What: revocation.Group, ID: "g", At: base},
	})
	if !l.Set().Killed(revocation.KeyOf(revocation.Token, "x")) || l.Set().Killed(revocation.KeyOf(revocation.Token, "y")) {
		t.Error("the kills are wrong")
	}
	if got := l.Set().CutOff(revocation.KeyOf(revocation.Subject, "ada")); got != 2 || l.Set().Decided() != 3 || l.Set().Len() != 3 {
		t.Errorf("cut-off %d, decided %d, %d held", got, l.Set().Decided(), l.Set().Len())
	}
	if l.Applied() != 0 {
		t.Errorf("applied %d before the feeder has said so", l.Applied())
	}
	l.Advance(3)
	l.Advance(2)
	if l.Applied() != 3 {
		t.Errorf("applied %d", l.Applied())
	}
}

func TestLeaseRunsFromTheInstantThatIsKnown(t *testing.T) {
	t.Parallel()
	l, c := newLedger()
	asked := c.clock()
	c.pass(time.Second)
	l.Renew(asked, staleness)
	lease := l.Lease()
	if !lease.Holds() || !isClosed(l.Ready()) || l.AsOf() != asked {
		t.Fatalf("holds %v, as of %v", lease.Holds(), l.AsOf())
	}
	c.pass(staleness - time.Second - 1)
	if !lease.Holds() || !lease.HoldsAt(asked+staleness-1) {
		t.Error("the lease ends too early")
	}
	c.pass(1)
	if lease.Holds() || lease.HoldsAt(asked+staleness) {
		t.Error("the lease counts from the answer")
	}
}

// Answers of two nodes of an issuer may overtake one another.
func TestLeaseIsNotShortenedByAnOlderAnswer(t *testing.T) {
	t.Parallel()
	l, c := newLedger()
	earlier := c.clock()
	c.pass(time.Second)
	l.Renew(c.clock(), staleness)
	l.Renew(earlier, staleness)
	c.pass(staleness - 1)
	if !l.Lease().Holds() || l.AsOf() != earlier+time.Second {
		t.Errorf("holds %v, as of %v", l.Lease().Holds(), l.AsOf())
	}
}

func TestAnAnswerOlderThanTheStalenessMakesNobodyReady(t *testing.T) {
	t.Parallel()
	l, c := newLedger()
	asked := c.clock()
	c.pass(staleness)
	l.Renew(asked, staleness)
	if l.Lease().Holds() || isClosed(l.Ready()) {
		t.Errorf("holds %v, ready %v", l.Lease().Holds(), isClosed(l.Ready()))
	}
}

func TestDistrustEndsTheLeaseUntilTheNextAnswer(t *testing.T) {
	t.Parallel()
	l, c := newLedger()
	l.Apply([]revocation.Entry{killOf(1, "x", time.Time{})})
	l.Advance(1)
	l.Renew(c.clock(), staleness)
	epoch, news := l.Epoch(), l.Watch()
	l.Distrust()
	if l.Lease().Holds() || l.Epoch() <= epoch || !isClosed(news) {
		t.Errorf("holds %v, epoch %d after %d, notified %v", l.Lease().Holds(), l.Epoch(), epoch, isClosed(news))
	}
	if l.Applied() != 1 || !l.Set().Killed(revocation.KeyOf(revocation.Token, "x")) {
		t.Error("what counted counts no more")
	}
	l.Renew(c.clock()-1, staleness) // older than the one before, and of another log
	if !l.Lease().Holds() {
		t.Error("no lease after the next answer")
	}
}

func TestRestartKeepsTheLeaseAndBeginsAnEpoch(t *testing.T) {
	t.Parallel()
	l, c := newLedger()
	l.Renew(c.clock(), staleness)
	epoch := l.Epoch()
	l.Restart()
	if !l.Lease().Holds() || l.Epoch() != epoch+1 {
		t.Errorf("holds %v, epoch %d after %d", l.Lease().Holds(), l.Epoch(), epoch)
	}
}

func TestHooksLearnWhatFollowsWhatAndWhetherSomeWereMissed(t *testing.T) {
	t.Parallel()
	l, _ := newLedger()
	var got []revocation.Change
	l.OnApply(func(c revocation.Change) {
		if n := len(c.Entries); n > 0 && (!l.Set().Killed(tokenKey(c.Entries[n-1])) || l.Applied() >= c.Entries[n-1].Seq) {
			t.Errorf("in the hook: applied %d", l.Applied())
		}
		got = append(got, c)
	})
	one, two := killOf(1, "x", time.Time{}), killOf(5, "y", time.Time{})
	l.Apply(nil) // no change
	l.Apply([]revocation.Entry{one})
	l.Advance(3)
	l.Apply([]revocation.Entry{two})
	l.Advance(5)
	l.Distrust()
	again := killOf(6, "z", time.Time{})
	l.Apply([]revocation.Entry{again})
	l.Advance(6)
	l.Restart()
	l.Apply(nil)
	want := []revocation.Change{
		{Entries: []revocation.Entry{one}},
		{Entries: []revocation.Entry{two}, After: 3},
		{Entries: []revocation.Entry{again}, Missed: true},
		{Missed: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

func TestWatchersHearOfEntriesAndRenewals(t *testing.T) {
	t.Parallel()
	l, c := newLedger()
	news := l.Watch()
	l.Apply([]revocation.Entry{killOf(1, "x", time.Time{})})
	if isClosed(news) {
		t.Error("notified before the entry was known to be the next one")
	}
	l.Advance(1)
	if !isClosed(news) {
		t.Error("not notified of an entry")
	}
	news = l.Watch()
	l.Advance(1)
	if isClosed(news) {
		t.Error("notified of nothing")
	}
	l.Renew(c.clock(), staleness)
	if !isClosed(news) {
		t.Error("not notified of a renewal")
	}
}

func TestKnewBeforeIsAboutTheLastAdvance(t *testing.T) {
	t.Parallel()
	l, c := newLedger()
	l.Advance(1)
	at := c.clock()
	c.pass(time.Second)
	l.Advance(1) // is no news
	if l.KnewBefore(at) || !l.KnewBefore(at+1) {
		t.Errorf("before %v %v, before %v %v", at, l.KnewBefore(at), at+1, l.KnewBefore(at+1))
	}
}

// A kill is forgotten when its token has expired. If the wall clock then went back the
// token would be unexpired again, and its kill unknown.
func TestWallClockStaysAheadOfWhatWasForgotten(t *testing.T) {
	t.Parallel()
	l, c := newLedger()
	x := killOf(1, "x", base.Add(day))
	l.Apply([]revocation.Entry{x})
	l.Advance(1)
	c.pass(3 * day)
	l.Renew(c.clock(), staleness)
	if l.Set().Killed(tokenKey(x)) {
		t.Fatal("it isn't forgotten")
	}
	c.wall.Store(0)
	if now := l.Now(); now.Before(x.Until) {
		t.Errorf("it is %v, and the kill of a token that lives until %v is forgotten", now, x.Until)
	}
	y := killOf(2, "y", base.Add(4*day))
	l.Apply([]revocation.Entry{y})
	l.Renew(c.clock(), staleness)
	if !l.Set().Killed(tokenKey(y)) {
		t.Error("a live entry is forgotten")
	}
}

func TestLedgerNeedsItsClocks(t *testing.T) {
	t.Parallel()
	c := &clocks{}
	for name, do := range map[string]func(){
		"no clock":      func() { revocation.NewLedger(nil, c.now) },
		"no wall clock": func() { revocation.NewLedger(c.clock, nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: accepted", name)
				}
			}()
			do()
		}()
	}
}

// Applied may be read by a judge at any moment: what it says is true of all look-ups
// that follow.
func TestReadersSeeAllThatAppliedSays(t *testing.T) {
	t.Parallel()
	l, c := newLedger()
	const n = 20_000
	entries := kills(1, n)
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			for applied := revocation.Seq(0); applied < n; {
				applied = l.Applied()
				for _, e := range entries[max(0, applied-20):applied] {
					if !l.Set().Killed(tokenKey(e)) {
						t.Errorf("entry %d of %d applied is not killed", e.Seq, applied)
						return
					}
				}
			}
		})
	}
	for i := range entries {
		l.Apply(entries[i : i+1])
		l.Advance(entries[i].Seq)
		if i%100 == 0 {
			l.Renew(c.clock(), staleness)
		}
	}
	group.Wait()
}

func TestLedgerLookUpsAllocateNothing(t *testing.T) {
	l, c := newLedger()
	entries := kills(1, 1000)
	l.Apply(entries)
	l.Advance(1000)
	l.Renew(c.clock(), staleness)
	hit, miss := tokenKey(entries[0]), revocation.KeyOf(revocation.Token, randomUUID())
	if n := testing.AllocsPerRun(100, func() {
		lease := l.Lease()
		if !l.Set().Killed(hit) || l.Set().Killed(miss) || l.Set().CutOff(miss) != 0 || l.Set().Decided() != 0 || l.Applied() != 1000 || l.Now().IsZero() || !lease.Holds() {
			t.Error("wrong answer")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
