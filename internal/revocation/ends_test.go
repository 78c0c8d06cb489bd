package revocation_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bearerd/bearerd/internal/revocation"
)

func endOf(seq revocation.Seq, at, until time.Time) revocation.Entry {
	return revocation.Entry{Seq: seq, What: revocation.End, ID: "x", At: at, Until: until}
}

// ended reports whether the log says by the ledger's clock that the token of an id has
// ended.
func ended(l *revocation.Ledger, id string) bool { return l.Set().Ended(namesOf(id), l.Now()) }

func namesOf(id string) *revocation.Names {
	return &revocation.Names{Kills: []revocation.Key{revocation.KeyOf(revocation.Token, "parent"), revocation.KeyOf(revocation.Token, id)}}
}

func TestEndCountsFromItsTimeOn(t *testing.T) {
	t.Parallel()
	l, c := newLedger()
	named := revocation.KeyOf(revocation.Token, "x")
	l.Apply([]revocation.Entry{endOf(1, base.Add(time.Minute), base.Add(day))})
	c.pass(time.Minute - time.Microsecond)
	if ended(l, "x") || l.Set().Killed(named) || l.Set().CutOff(named) != 0 {
		t.Error("it has ended before its time")
	}
	c.pass(time.Microsecond)
	if !ended(l, "x") {
		t.Error("its time has come and it hasn't ended")
	}
	if ended(l, "y") || l.Set().Killed(named) {
		t.Error("an end is no kill, and names one token")
	}
}

// A clock that is set back must not bring back what was forgotten, and neither does it
// bring back what has ended.
func TestEndIsJudgedByTheClockThatNeverGoesBack(t *testing.T) {
	t.Parallel()
	l, c := newLedger()
	l.Apply([]revocation.Entry{endOf(1, base.Add(time.Minute), base.Add(day))})
	c.pass(time.Hour)
	l.Renew(c.clock(), staleness)
	c.wall.Store(0)
	if !ended(l, "x") {
		t.Error("the clock was set back, and the token lives again")
	}
}

func TestOfSeveralEndsTheEarliestCountsForAsLongAsTheLatestMatters(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		minutes := rapid.SliceOfN(rapid.IntRange(1, 1000), 1, 8).Draw(t, "minutes")
		days := rapid.SliceOfN(rapid.IntRange(2, 50), len(minutes), len(minutes)).Draw(t, "days")
		var log []revocation.Entry
		first, last := base.Add(1000*time.Hour), base
		for i := range minutes {
			e := endOf(revocation.Seq(i+1), base.Add(time.Duration(minutes[i])*time.Minute), base.Add(time.Duration(days[i])*day))
			log = append(log, e)
			if e.At.Before(first) {
				first = e.At
			}
			if e.Until.After(last) {
				last = e.Until
			}
		}
		var set revocation.Set
		for _, e := range rapid.Permutation(log).Draw(t, "order") {
			set.Apply([]revocation.Entry{e})
		}
		set.Apply(log[rapid.IntRange(0, len(log)-1).Draw(t, "again from"):])
		names := namesOf("x")
		if set.Ended(names, first.Add(-time.Microsecond)) || !set.Ended(names, first) || set.Len() != 1 || set.Bytes() == 0 {
			t.Fatalf("it doesn't end at %v; %d held", first, set.Len())
		}
		set.Forget(last.Add(-time.Second))
		if !set.Ended(names, last) {
			t.Fatal("forgotten while it matters")
		}
		set.Forget(last.Add(day))
		if set.Ended(names, last.Add(day)) || set.Len() != 0 {
			t.Fatal("held for more than a day after it matters")
		}
	})
}

func TestLookingUpAnEndAllocatesNothing(t *testing.T) {
	l, _ := newLedger()
	l.Apply([]revocation.Entry{endOf(1, base, base.Add(day))})
	hit, miss := namesOf("x"), namesOf("y")
	if n := testing.AllocsPerRun(100, func() {
		if !l.Set().Ended(hit, l.Now()) || l.Set().Ended(miss, l.Now()) {
			t.Error("wrong answer")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
