package revocation_test

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bearerd/bearerd/internal/revocation"
)

const mebibyte = 1 << 20

func tokenKey(e revocation.Entry) revocation.Key { return revocation.KeyOf(e.What, e.ID) }

// model is a set that takes as much memory as it likes.
type model map[string]time.Time // until; zero: for ever

func (m model) apply(e revocation.Entry) {
	until, known := m[e.ID]
	if !known || !until.IsZero() && (e.Until.IsZero() || e.Until.After(until)) {
		m[e.ID] = e.Until
	}
}

func (m model) live(id string, now time.Time) bool {
	until, known := m[id]
	return known && (until.IsZero() || now.Before(until))
}

func TestSetNeverForgetsALiveEntryWhateverItsBudget(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		set := revocation.Set{Budget: rapid.SampledFrom([]int64{1, 4 << 10, 16 << 10, 0}).Draw(t, "budget")}
		ids := make([]string, 600)
		for i := range ids {
			ids[i] = fmt.Sprintf("%08x-0000-4000-8000-%012x", i*2654435761&0xffffffff, i)
		}
		want, now, seq := model{}, base, revocation.Seq(0)
		draw := func(t *rapid.T) revocation.Entry {
			seq++
			e := revocation.Entry{Seq: seq, What: revocation.Token, ID: rapid.SampledFrom(ids).Draw(t, "id"), At: now}
			if rapid.IntRange(0, 9).Draw(t, "for ever") > 0 {
				e.Until = now.Add(time.Duration(rapid.IntRange(1, 5000).Draw(t, "hours")) * time.Hour)
			}
			return e
		}
		t.Repeat(map[string]func(*rapid.T){
			"apply": func(t *rapid.T) {
				page := rapid.SliceOfN(rapid.Custom(draw), 1, 5).Draw(t, "page")
				for _, e := range page {
					want.apply(e)
				}
				set.Apply(rapid.Permutation(page).Draw(t, "in another order"))
			},
			"apply many": func(t *rapid.T) {
				from := rapid.IntRange(0, len(ids)-1).Draw(t, "from")
				until := now.Add(time.Duration(rapid.IntRange(1, 900).Draw(t, "hours")) * time.Hour)
				for _, id := range ids[from:min(len(ids), from+200)] {
					seq++
					e := revocation.Entry{Seq: seq, What: revocation.Token, ID: id, At: now, Until: until}
					want.apply(e)
					set.Apply([]revocation.Entry{e})
				}
			},
			"wait": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 2000).Draw(t, "hours")) * time.Hour)
				set.Forget(now)
			},
			"": func(t *rapid.T) {
				for _, id := range ids {
					if want.live(id, now) && set.Killed(revocation.KeyOf(revocation.Token, id)) == revocation.No {
						t.Fatalf("%s is live until %v and not killed at %v", id, want[id], now)
					}
				}
			},
		})
	})
}

// Whoever was told by the store that there is no kill must hear of one that came
// later, even where the filter seemed to have it before.
func TestSetChangesTheVersionOfWhatItFilters(t *testing.T) {
	t.Parallel()
	set := revocation.Set{Budget: 1}
	set.Apply(kills(1, 200_000)) // one page: the filter is worn out, and says Maybe to all
	for _, e := range kills(1, 1000) {
		key := tokenKey(e)
		if got := set.Killed(key); got != revocation.Maybe {
			t.Fatalf("a filter with 16 keys a byte says %v", got)
		}
		before := set.Version(key)
		if set.Version(key) != before {
			t.Fatal("the version changes by itself")
		}
		set.Apply([]revocation.Entry{e})
		if set.Version(key) == before || set.Killed(key) != revocation.Maybe {
			t.Fatal("a kill that a filter seemed to have leaves the version as it was")
		}
	}
}

func TestSetKeepsCutOffsExactWithoutABudgetForThem(t *testing.T) {
	t.Parallel()
	set := revocation.Set{Budget: 1}
	for i := range 5000 {
		set.Apply([]revocation.Entry{{Seq: revocation.Seq(i + 1), What: revocation.Subject, ID: fmt.Sprint(i), At: base, Until: base.Add(day)}})
	}
	for i := range 5000 {
		if got := set.CutOff(revocation.KeyOf(revocation.Subject, fmt.Sprint(i))); got != revocation.Seq(i+1) {
			t.Fatalf("the cut-off of %d is %d", i, got)
		}
	}
	if got := set.CutOff(revocation.KeyOf(revocation.Subject, "5000")); got != 0 {
		t.Errorf("a subject that nobody cut off has %d", got)
	}
}

func TestSetStaysWithinItsBudget(t *testing.T) {
	for _, c := range []struct {
		budget   int64
		ids      int
		doubtful float64 // at most
	}{
		{mebibyte, manyIDs / 20, 1},
		{10 * manyIDs, manyIDs, 0.01},
	} {
		before := heap()
		set := &revocation.Set{Budget: c.budget}
		fill(set, c.ids)
		taken := int64(heap() - before)
		rate := doubts(set)
		t.Logf("%d ids, budget %.1f MiB: %.1f MiB of heap, %.1f MiB counted, %.2f bytes an id, %.3f %% in doubt", c.ids,
			float64(c.budget)/mebibyte, float64(taken)/mebibyte, float64(set.Bytes())/mebibyte, float64(taken)/float64(c.ids), 100*rate)
		if set.Bytes() > c.budget || taken > c.budget+c.budget/16+mebibyte {
			t.Errorf("%d bytes counted and %d taken, of %d", set.Bytes(), taken, c.budget)
		}
		if rate > c.doubtful {
			t.Errorf("%.2f %% of unknown keys are in doubt with %d bytes", 100*rate, c.budget)
		}
		runtime.KeepAlive(set)
	}
}

// doubts is the part of keys nobody killed about which the set isn't sure.
func doubts(set *revocation.Set) float64 {
	const n = 1 << 17
	maybe := 0
	for _, k := range randomKeys(n) {
		if set.Killed(k) != revocation.No {
			maybe++
		}
	}
	return float64(maybe) / n
}

func TestSetDoubtsFewSequentialIDs(t *testing.T) {
	t.Parallel()
	set := revocation.Set{Budget: mebibyte}
	id := func(i int) string { return fmt.Sprintf("%08x-%04x-7000-8000-000000000000", i>>16, i&0xffff) }
	entries := make([]revocation.Entry, 75_000)
	for i := range entries {
		entries[i] = revocation.Entry{Seq: 1, What: revocation.Token, ID: id(i), At: base, Until: base.Add(day)}
	}
	set.Apply(entries)
	maybe := 0
	for i := 100_000; i < 200_000; i++ {
		if set.Killed(revocation.KeyOf(revocation.Token, id(i))) != revocation.No {
			maybe++
		}
	}
	if maybe > 1000 {
		t.Errorf("%d of 100,000 ids in doubt", maybe)
	}
	t.Logf("%d of 100,000 in doubt, %d bytes", maybe, set.Bytes())
}

func TestSetGivesFiltersBackWhenItForgets(t *testing.T) {
	t.Parallel()
	set := revocation.Set{Budget: 64 << 10}
	all := kills(1, 50_000)
	set.Apply(all)
	set.Forget(base.Add(3 * day))
	if set.Bytes() != 0 || set.Len() != 0 || slices.ContainsFunc(all, func(e revocation.Entry) bool { return set.Killed(tokenKey(e)) != revocation.No }) {
		t.Errorf("%d bytes and %d entries are left", set.Bytes(), set.Len())
	}
}

func TestSetReadersSeeWhatWasAppliedWhileItGoesOverToFilters(t *testing.T) {
	t.Parallel()
	var (
		set     = revocation.Set{Budget: mebibyte}
		entries = kills(1, 60_000)
		applied atomic.Int64
		group   sync.WaitGroup
	)
	for range 3 {
		group.Go(func() {
			for n := int64(0); n < int64(len(entries)); {
				n = applied.Load()
				for _, e := range entries[max(0, n-200):n] {
					if set.Killed(tokenKey(e)) == revocation.No {
						t.Errorf("entry %d was applied and is not killed", e.Seq)
						return
					}
				}
				set.Len()
				set.Bytes()
			}
		})
	}
	for i := 0; i < len(entries); i += 10 {
		set.Apply(entries[i : i+10])
		set.Forget(base.Add(time.Duration(i) * time.Millisecond))
		applied.Store(int64(i + 10))
	}
	group.Wait()
	if set.Len() < len(entries)*9/10 || set.Bytes() > set.Budget {
		t.Errorf("%d of %d held in %d bytes", set.Len(), len(entries), set.Bytes())
	}
}

func TestSetLookupInAFilterAllocatesNothing(t *testing.T) {
	set := revocation.Set{Budget: 1}
	entries := kills(1, 1000)
	set.Apply(entries)
	hit := tokenKey(entries[0])
	if n := testing.AllocsPerRun(100, func() {
		if set.Killed(hit) != revocation.Maybe || set.Version(hit) == 0 {
			t.Error("wrong answer")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
