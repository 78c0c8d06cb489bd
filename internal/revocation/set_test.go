package revocation_test

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/bearerd/bearerd/internal/revocation"
)

const day = 24 * time.Hour

// slack is for how long a kill may stay beyond its end.
func slack(e revocation.Entry) time.Duration {
	switch reach := e.Until.Sub(e.At); {
	case reach <= 2*day:
		return day
	case reach <= 35*day:
		return 14 * day
	case reach <= 400*day:
		return 182 * day
	}
	return 4 * 365 * day
}

// thing is what an entry names; a few of each kind, so that entries meet.
type thing struct {
	what revocation.What
	id   string
}

func things() []thing {
	var all []thing
	for _, w := range []revocation.What{
		revocation.Token, revocation.Subject, revocation.Client, revocation.SigningKey,
		revocation.Access, revocation.Role, revocation.Group, revocation.Collection,
	} {
		for i := range 4 {
			all = append(all, thing{w, fmt.Sprintf("%08x-0000-4000-8000-00000000000%d", i+1, i)})
		}
	}
	return all
}

// seen is all that can be asked of a set about the things.
type seen struct {
	Killed  map[thing]bool
	CutOffs map[thing]revocation.Seq
	Decided revocation.Seq
	Len     int
}

func observe(s *revocation.Set) seen {
	out := seen{map[thing]bool{}, map[thing]revocation.Seq{}, s.Decided(), s.Len()}
	for _, th := range things() {
		out.Killed[th] = s.Killed(revocation.KeyOf(th.what, th.id))
		out.CutOffs[th] = s.CutOff(revocation.KeyOf(th.what, th.id))
	}
	return out
}

func drawEntry(t *rapid.T, seq revocation.Seq, at time.Time) revocation.Entry {
	th := rapid.SampledFrom(things()).Draw(t, "thing")
	e := revocation.Entry{Seq: seq, What: th.what, ID: th.id, At: at}
	if !rapid.Bool().Draw(t, "for ever") {
		hours := rapid.OneOf(rapid.IntRange(1, 50), rapid.IntRange(1, 1000), rapid.IntRange(1, 50000)).Draw(t, "hours")
		e.Until = at.Add(time.Duration(hours)*time.Hour + 17*time.Millisecond)
	}
	return e
}

func TestSetAgreesWithANaiveModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var (
			set revocation.Set
			log []revocation.Entry
			now = base
		)
		t.Repeat(map[string]func(*rapid.T){
			"apply": func(t *rapid.T) {
				n := rapid.IntRange(1, 5).Draw(t, "n")
				for range n {
					log = append(log, drawEntry(t, revocation.Seq(len(log)+1), now))
				}
				set.Apply(log[len(log)-n:])
			},
			"apply again": func(t *rapid.T) {
				live := slices.DeleteFunc(slices.Clone(log), func(e revocation.Entry) bool { return e.RunOut(now) })
				if len(live) == 0 {
					return
				}
				before := observe(&set)
				from := rapid.IntRange(0, len(live)-1).Draw(t, "from")
				set.Apply(live[from:])
				if diff := cmp.Diff(before, observe(&set)); diff != "" {
					t.Fatalf("applying again changed (-before +after):\n%s", diff)
				}
			},
			"wait": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.OneOf(rapid.IntRange(1, 30), rapid.IntRange(1, 5000)).Draw(t, "hours")) * time.Hour)
				set.Forget(now)
			},
			"": func(t *rapid.T) { compareWithLog(t, &set, log, now) },
		})
	})
}

// compareWithLog reads the whole log for each thing, as the set must not.
func compareWithLog(t *rapid.T, set *revocation.Set, log []revocation.Entry, now time.Time) {
	got := observe(set)
	var decided revocation.Seq
	for _, th := range things() {
		var latest revocation.Seq
		live, gone := false, true
		for _, e := range log {
			if e.What != th.what || e.ID != th.id {
				continue
			}
			latest = e.Seq
			live = live || !e.RunOut(now)
			end := slack(e)
			if th.what != revocation.Token {
				end = day
			}
			gone = gone && !e.Until.IsZero() && now.After(e.Until.Add(end))
		}
		if th.what == revocation.Role || th.what == revocation.Group {
			decided = max(decided, latest)
		}
		if th.what == revocation.Token {
			if live && !got.Killed[th] || gone && got.Killed[th] {
				t.Fatalf("at %v, %v: killed %v, live %v, gone %v", now, th, got.Killed[th], live, gone)
			}
			latest = 0
		}
		if live && got.CutOffs[th] != latest || gone && got.CutOffs[th] != 0 {
			t.Fatalf("at %v, %v: cut-off %d, latest %d, live %v, gone %v", now, th, got.CutOffs[th], latest, live, gone)
		}
	}
	if got.Decided != decided {
		t.Fatalf("decided %d, want %d", got.Decided, decided)
	}
}

func TestSetDoesNotDependOnTheOrderOfEntries(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var log []revocation.Entry
		for i := range rapid.IntRange(1, 40).Draw(t, "entries") {
			log = append(log, drawEntry(t, revocation.Seq(i+1), base))
		}
		var ordered, shuffled revocation.Set
		ordered.Apply(log)
		for _, e := range rapid.Permutation(log).Draw(t, "shuffled") {
			shuffled.Apply([]revocation.Entry{e})
		}
		if diff := cmp.Diff(observe(&ordered), observe(&shuffled)); diff != "" {
			t.Fatalf("in order and shuffled differ:\n%s", diff)
		}
	})
}

func TestSetKeepsAKillAsLongAsTheLatestEntrySays(t *testing.T) {
	t.Parallel()
	var set revocation.Set
	id := uuid.NewString()
	key := revocation.KeyOf(revocation.Token, id)
	set.Apply([]revocation.Entry{{Seq: 1, What: revocation.Token, ID: id, At: base, Until: base.Add(day)}})
	set.Apply([]revocation.Entry{{Seq: 2, What: revocation.Token, ID: id, At: base, Until: base.Add(30 * day)}})
	set.Apply([]revocation.Entry{{Seq: 3, What: revocation.Token, ID: id, At: base, Until: base.Add(day)}})
	if set.Len() != 1 {
		t.Errorf("one id counts as %d", set.Len())
	}
	set.Forget(base.Add(29 * day))
	if !set.Killed(key) || set.Len() != 1 {
		t.Errorf("killed %v, %d held, before the later end", set.Killed(key), set.Len())
	}
	set.Forget(base.Add(44 * day))
	if set.Killed(key) || set.Len() != 0 {
		t.Errorf("killed %v, %d held, after the later end", set.Killed(key), set.Len())
	}
}

func tokenKey(e revocation.Entry) revocation.Key { return revocation.KeyOf(e.What, e.ID) }

// model is a set as a map.
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
					killed := set.Killed(revocation.KeyOf(revocation.Token, id))
					if _, applied := want[id]; want.live(id, now) && !killed || !applied && killed {
						t.Fatalf("%s is live until %v, and killed is %v at %v", id, want[id], killed, now)
					}
				}
			},
		})
	})
}

func TestSetPastItsBudgetStaysExact(t *testing.T) {
	t.Parallel()
	set := revocation.Set{Budget: 64 << 10}
	if set.OverBudget() {
		t.Error("an empty set is over its budget")
	}
	all := kills(1, 100_000)
	set.Apply(all)
	if !set.OverBudget() || set.Len() != len(all) {
		t.Errorf("over budget %v with %d bytes, %d held", set.OverBudget(), set.Bytes(), set.Len())
	}
	for _, e := range all {
		if !set.Killed(tokenKey(e)) {
			t.Fatalf("entry %d is evicted", e.Seq)
		}
	}
	for _, k := range randomKeys(100_000) {
		if set.Killed(k) {
			t.Fatal("a key is killed that nobody revoked")
		}
	}
	set.Forget(base.Add(3 * day))
	if set.OverBudget() {
		t.Errorf("over budget with %d bytes", set.Bytes())
	}
}

func TestSetWithoutABudgetHasTheDefault(t *testing.T) {
	t.Parallel()
	var set revocation.Set
	set.Apply(kills(1, 100_000))
	if set.OverBudget() {
		t.Errorf("over budget with %d bytes", set.Bytes())
	}
}

func TestSetKeepsCutOffsExactPastItsBudget(t *testing.T) {
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

func TestSetCountsTheBytesThatItTakes(t *testing.T) {
	before := heap()
	set := &revocation.Set{}
	fill(set, 200_000)
	taken := int64(heap() - before)
	if counted := set.Bytes(); taken > counted+counted/16+1<<20 || counted > taken+1<<20 {
		t.Errorf("%d bytes counted and %d taken", counted, taken)
	}
	runtime.KeepAlive(set)
}

func TestSetReleasesMemoryWhenItForgets(t *testing.T) {
	t.Parallel()
	var set revocation.Set
	set.Apply(kills(1, 100_000))
	if set.Bytes() < 100_000*16 {
		t.Fatalf("%d bytes for 100,000 ids", set.Bytes())
	}
	set.Forget(base.Add(3 * day))
	if set.Bytes() != 0 || set.Len() != 0 {
		t.Errorf("%d bytes and %d entries are left", set.Bytes(), set.Len())
	}
}

// kills makes entries of random tokens that matter for a day.
func kills(first revocation.Seq, n int) []revocation.Entry {
	entries := make([]revocation.Entry, n)
	for i := range entries {
		entries[i] = revocation.Entry{
			Seq: first + revocation.Seq(i), What: revocation.Token, ID: randomUUID(),
			At: base, Until: base.Add(day),
		}
	}
	return entries
}

// The worst moment is right after a growth, wherever that is.
func TestSetTakesAtMost40BytesForAnID(t *testing.T) {
	t.Parallel()
	var set revocation.Set
	for n := 1000; n <= 100_000; n += 1000 {
		set.Apply(kills(revocation.Seq(n-999), 1000))
		if perID := float64(set.Bytes()) / float64(n); n >= 10_000 && perID > 40 {
			t.Fatalf("%d ids take %.1f bytes each", n, perID)
		}
	}
}

func TestSetReadersSeeWhatWasAppliedAndNoMoreWhileItGrows(t *testing.T) {
	t.Parallel()
	var (
		set     revocation.Set
		applied atomic.Int64
		group   sync.WaitGroup
		entries = kills(1, 50_000)
		cutOff  = revocation.KeyOf(revocation.Subject, "u")
	)
	absent := make([]revocation.Key, 1000)
	for i := range absent {
		absent[i] = revocation.KeyOf(revocation.Token, randomUUID())
	}
	group.Go(func() {
		for applied.Load() < int64(len(entries)) {
			if slices.ContainsFunc(absent, func(k revocation.Key) bool { return set.Killed(k) }) {
				t.Error("a key is killed that nobody revoked")
				return
			}
		}
	})
	for range 2 {
		group.Go(func() {
			for n := int64(0); n < int64(len(entries)); {
				n = applied.Load()
				seq := set.CutOff(cutOff)
				for _, e := range entries[max(0, n-50):n] {
					if !set.Killed(revocation.KeyOf(e.What, e.ID)) {
						t.Errorf("entry %d was applied and is not killed", e.Seq)
						return
					}
				}
				if seq < n/100 {
					t.Errorf("the cut-off is %d after %d kills", seq, n)
					return
				}
			}
		})
	}
	for i := range entries {
		if i%100 == 0 {
			n := revocation.Seq(i / 100)
			set.Apply([]revocation.Entry{{Seq: n + 1, What: revocation.Subject, ID: "u", At: base, Until: base.Add(day)}})
			set.Forget(base.Add(time.Duration(i) * time.Millisecond))
		}
		set.Apply(entries[i : i+1])
		applied.Store(int64(i + 1))
	}
	group.Wait()
}

func TestSetLookupAllocatesNothing(t *testing.T) {
	var set revocation.Set
	entries := kills(1, 1000)
	set.Apply(entries)
	set.Apply([]revocation.Entry{{Seq: 1, What: revocation.Role, ID: "r"}})
	hit, miss := revocation.KeyOf(revocation.Token, entries[0].ID), revocation.KeyOf(revocation.Token, uuid.NewString())
	role := revocation.KeyOf(revocation.Role, "r")
	if n := testing.AllocsPerRun(100, func() {
		if !set.Killed(hit) || set.Killed(miss) || set.CutOff(role) != 1 || set.CutOff(miss) != 0 || set.Decided() != 1 {
			t.Error("wrong answer")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestSetWithoutEntriesKnowsNothing(t *testing.T) {
	t.Parallel()
	var set revocation.Set
	set.Forget(base)
	set.Apply(nil)
	if set.Killed(revocation.Key{}) || set.CutOff(revocation.Key{}) != 0 || set.Decided() != 0 || set.Len() != 0 || set.Bytes() != 0 {
		t.Error("an empty set knows something")
	}
}

func TestSetKillsIDsWhoseBytesAreZero(t *testing.T) {
	t.Parallel()
	ids := []string{
		"00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-000000000001",
		"00000000-0000-0000-8000-000000000000", "00000000-0000-0001-0000-000000000000", "",
	}
	var set revocation.Set
	for i, id := range ids {
		if set.Killed(revocation.KeyOf(revocation.Token, id)) {
			t.Errorf("%q is killed by another", id)
		}
		set.Apply([]revocation.Entry{{Seq: revocation.Seq(i + 1), What: revocation.Token, ID: id}})
		if !set.Killed(revocation.KeyOf(revocation.Token, id)) {
			t.Errorf("%q is not killed", id)
		}
	}
	if set.Killed(revocation.Key{}) {
		t.Error("the zero key is killed")
	}
}
