package keyring

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/token"
)

// The policy of these tests: a key signs for 30 days, is shown for 6 minutes (the
// cache time of 5 and a lag of 1) before it does, and its tokens live for a day.
const (
	hour = time.Hour
	day  = 24 * hour
	show = 6 * time.Minute
	lag  = time.Minute
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func testPolicy() policy {
	return policy{algorithm: token.EdDSA, every: 30 * day, shown: show, longest: day, lag: lag}
}

// maker makes keys that are called new1, new2 and so on.
func maker() func() (Key, error) {
	n := 0
	return func() (Key, error) {
		n++
		return Key{KID: fmt.Sprintf("new%d", n), Algorithm: token.EdDSA, Sealed: []byte("sealed")}, nil
	}
}

func draftAt(now time.Time) draft { return draft{policy: testPolicy(), now: now, fresh: maker()} }

// at returns the time since the epoch.
func at(d time.Duration) time.Time { return epoch.Add(d) }

// newKey, activeKey, … return stored keys; the numbers are since the epoch.
func nextKey(kid string, created time.Duration) Key {
	return Key{KID: kid, Algorithm: token.EdDSA, State: Next, CreatedAt: at(created), ActiveAt: at(created + show), Sealed: []byte("sealed")}
}

func activeKey(kid string, active time.Duration) Key {
	k := nextKey(kid, active-show)
	k.State, k.ActiveAt, k.GoneAt = Active, at(active), at(active+day)
	return k
}

func retiredKey(kid string, active, retired time.Duration) Key {
	k := activeKey(kid, active)
	k.State, k.RetiredAt, k.GoneAt = Retired, at(retired), at(retired+lag+day)
	return k
}

func revokedKey(kid string, active, retired time.Duration) Key {
	k := retiredKey(kid, active, retired)
	k.GoneAt = k.RetiredAt
	return k
}

func goneKey(k Key) Key {
	k.State, k.Sealed = Gone, nil
	return k
}

func madeKey(kid string, s State, now time.Duration) Key {
	k := nextKey(kid, now)
	if s == Active {
		k.State, k.ActiveAt, k.GoneAt = Active, at(now), at(now+day)
	}
	return k
}

// planCase is a ring, what is done to it at a time, and what is then written.
type planCase struct {
	name string
	now  time.Duration
	keys []Key
	want []Key
}

func runPlans(t *testing.T, op func(*draft) error, cases []planCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			before := slices.Clone(c.keys)
			p := plan(draftAt(at(c.now)), op)
			got, err := p(c.keys)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("writes (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, c.keys); diff != "" {
				t.Errorf("the plan changed what it was given:\n%s", diff)
			}
			// A change that is made isn't made again, by any node.
			after := apply(c.keys, got)
			mustBeSound(t, after)
		})
	}
}

// apply writes changed keys as a store does.
func apply(keys, changed []Key) []Key {
	out := slices.Clone(keys)
	for _, k := range changed {
		if i := slices.IndexFunc(out, func(o Key) bool { return o.KID == k.KID }); i >= 0 {
			out[i] = k
		} else {
			out = append(out, k)
		}
	}
	return out
}

// soundness reports what is wrong with a ring.
func soundness(keys []Key) error {
	count := map[State]int{}
	for _, k := range keys {
		count[k.State]++
		if (k.State == Gone) != (k.Sealed == nil) {
			return fmt.Errorf("key %s is %s and sealed is %q", k.KID, k.State, k.Sealed)
		}
	}
	if count[Active] != 1 || count[Next] > 1 {
		return fmt.Errorf("%d active keys and %d next ones", count[Active], count[Next])
	}
	return nil
}

func mustBeSound(t *testing.T, keys []Key) {
	t.Helper()
	if err := soundness(keys); err != nil {
		t.Error(err)
	}
}

func TestTendDoesWhatIsDue(t *testing.T) {
	t.Parallel()
	active := activeKey("a", 0)
	other := active
	other.Algorithm = token.ES256
	longer := active
	longer.GoneAt = at(10 * day)
	shorter := active
	shorter.GoneAt = at(hour)
	stretched := shorter
	stretched.GoneAt = at(day)
	old := retiredKey("o", -30*day, 0)
	longLived := retiredKey("a", 0, 30*day)
	longLived.GoneAt = at(40*day + lag)
	runPlans(t, (*draft).tend, []planCase{
		{"an empty ring gets a key that signs at once", 0, nil, []Key{madeKey("new1", Active, 0)}},
		{"a ring of one key is left alone", hour, []Key{active}, nil},
		{"no next key a moment too early", 30*day - show - 1, []Key{active}, nil},
		{"a next key in time to be shown", 30*day - show, []Key{active}, []Key{madeKey("new1", Next, 30*day-show)}},
		{"a next key late is better than never", 90 * day, []Key{active}, []Key{madeKey("new1", Next, 90*day)}},
		{"one next key is enough", 30*day - 1, []Key{active, nextKey("n", 30*day-show)}, nil},
		{
			"the next key follows when it was shown",
			30 * day,
			[]Key{active, nextKey("n", 30*day-show)},
			[]Key{retiredKey("a", 0, 30*day), activeKey("n", 30*day)},
		},
		{"not before, though it was asked for long ago", hour + show - 1, []Key{active, nextKey("n", hour)}, nil},
		{
			"a next key that was asked for early follows early",
			hour + show,
			[]Key{active, nextKey("n", hour)},
			[]Key{retiredKey("a", 0, hour+show), activeKey("n", hour+show)},
		},
		{
			"without an active key the next one signs at once",
			hour,
			[]Key{nextKey("n", hour-1)},
			[]Key{func() Key {
				k := madeKey("n", Active, hour)
				k.CreatedAt = at(hour - 1)
				return k
			}()},
		},
		{"another algorithm is a reason for a next key", hour, []Key{other}, []Key{madeKey("new1", Next, hour)}},
		{"a retired key stays until its last token has expired", day + lag - 1, []Key{active, old}, nil},
		{"and is gone then, with its private half", day + lag, []Key{active, old}, []Key{goneKey(old)}},
		{
			"a revoked key stays as long, for the reason of refusals",
			day - 1,
			[]Key{active, revokedKey("r", -day, 0)},
			nil,
		},
		{
			"and is gone then",
			day,
			[]Key{active, revokedKey("r", -day, 0)},
			[]Key{goneKey(revokedKey("r", -day, 0))},
		},
		{"tokens that may live longer are noted", hour, []Key{shorter}, []Key{stretched}},
		{"tokens that lived longer are remembered", hour, []Key{longer}, nil},
		{
			"and keep the retired key in the set",
			30 * day,
			[]Key{longer, nextKey("n", 30*day-show)},
			[]Key{longLived, activeKey("n", 30*day)},
		},
		{"a gone key stays as it is", 90 * day, []Key{activeKey("a", 89*day), goneKey(old)}, nil},
	})
}

func TestTendNeverRotatesWhenToldNotTo(t *testing.T) {
	t.Parallel()
	d := draftAt(at(3650 * day))
	d.every = 0
	if got, err := plan(d, (*draft).tend)([]Key{activeKey("a", 0)}); err != nil || got != nil {
		t.Errorf("writes %v, %v", got, err)
	}
}

func TestTendShowsAKeyForLongerWhenTheCacheTimeGrew(t *testing.T) {
	t.Parallel()
	keys := []Key{activeKey("a", 0), nextKey("n", hour)}
	d := draftAt(at(hour + show))
	d.shown = hour
	if got, err := plan(d, (*draft).tend)(keys); err != nil || got != nil {
		t.Errorf("writes %v, %v before the longer cache time is over", got, err)
	}
}

func TestRotateShowsTheNextKeyFirst(t *testing.T) {
	t.Parallel()
	active, next := activeKey("a", 0), nextKey("n", hour-1)
	runPlans(t, func(d *draft) error { return d.rotate(false) }, []planCase{
		{"a next key is made", hour, []Key{active}, []Key{madeKey("new1", Next, hour)}},
		{"twice in a row changes nothing more", hour, []Key{active, next}, nil},
		{"not even when it is due", day, []Key{active, next}, nil},
		{"an empty ring gets a key that signs", hour, nil, []Key{madeKey("new1", Active, hour)}},
	})
}

func TestRotateAtOnceShowsNothingFirst(t *testing.T) {
	t.Parallel()
	active, next := activeKey("a", 0), nextKey("n", hour-1)
	promoted := madeKey("n", Active, hour)
	promoted.CreatedAt = next.CreatedAt
	runPlans(t, func(d *draft) error { return d.rotate(true) }, []planCase{
		{"a new key signs", hour, []Key{active}, []Key{retiredKey("a", 0, hour), madeKey("new1", Active, hour)}},
		{"the next key signs", hour, []Key{active, next}, []Key{retiredKey("a", 0, hour), promoted}},
		{"an empty ring gets a key", hour, nil, []Key{madeKey("new1", Active, hour)}},
	})
}

func TestRetireTakesAKeyBack(t *testing.T) {
	t.Parallel()
	next := nextKey("n", hour-1)
	promoted := madeKey("n", Active, hour)
	promoted.CreatedAt = next.CreatedAt
	unborn := nextKey("k", hour-1)
	unborn.State, unborn.RetiredAt, unborn.GoneAt = Retired, at(hour), at(hour)
	runPlans(t, func(d *draft) error { return d.retire("k") }, []planCase{
		{"the active one, and the next signs at once", hour, []Key{activeKey("k", 0), next}, []Key{revokedKey("k", 0, hour), promoted}},
		{"the only one, and a new one signs at once", hour, []Key{activeKey("k", 0)}, []Key{revokedKey("k", 0, hour), madeKey("new1", Active, hour)}},
		{"one that is retired", hour, []Key{activeKey("a", 0), retiredKey("k", -day, 0)}, []Key{revokedKey("k", -day, hour)}},
		{"one that never signed", hour, []Key{activeKey("a", 0), unbornKey(unborn)}, []Key{unborn}},
		{"twice is no error", hour, []Key{activeKey("a", 0), revokedKey("k", -day, 0)}, nil},
		{"nor is one that is gone", hour, []Key{activeKey("a", 0), goneKey(retiredKey("k", -9*day, -8*day))}, nil},
	})
}

func TestRetireAllTakesEveryKeyBackAndMakesANewOne(t *testing.T) {
	t.Parallel()
	unborn := nextKey("n", hour-1)
	unborn.State, unborn.RetiredAt, unborn.GoneAt = Retired, at(hour), at(hour)
	runPlans(t, (*draft).retireAll, []planCase{
		{
			"every one that has signed or could", hour,
			[]Key{activeKey("a", 0), unbornKey(unborn), retiredKey("r", -day, 0), revokedKey("v", -day, 0), goneKey(retiredKey("g", -9*day, -8*day))},
			[]Key{revokedKey("a", 0, hour), unborn, revokedKey("r", -day, hour), madeKey("new1", Active, hour)},
		},
	})
}

func unbornKey(k Key) Key { return nextKey(k.KID, k.CreatedAt.Sub(epoch)) }

func TestRetireOfAnUnknownKeyIsNotFound(t *testing.T) {
	t.Parallel()
	p := plan(draftAt(at(hour)), func(d *draft) error { return d.retire("K") })
	if got, err := p([]Key{activeKey("k", 0)}); !fault.Is(err, fault.NotFound) || got != nil {
		t.Errorf("writes %v, %v", got, err)
	}
}

func TestPlansPassOnThatNoKeyCouldBeMade(t *testing.T) {
	t.Parallel()
	broken := errors.New("no entropy")
	for name, op := range map[string]func(*draft) error{
		"tend":       (*draft).tend,
		"rotate":     func(d *draft) error { return d.rotate(false) },
		"rotate now": func(d *draft) error { return d.rotate(true) },
		"retire":     func(d *draft) error { return d.retire("a") },
	} {
		d := draftAt(at(90 * day))
		d.fresh = func() (Key, error) { return Key{}, broken }
		if got, err := plan(d, op)([]Key{activeKey("a", 0)}); !errors.Is(err, broken) || got != nil {
			t.Errorf("%s writes %v, %v", name, got, err)
		}
	}
}

func TestRevokedTellsARetiredKeyFromOneTakenBack(t *testing.T) {
	t.Parallel()
	for _, k := range []Key{
		{}, nextKey("k", 0), activeKey("k", 0), retiredKey("k", 0, hour), goneKey(revokedKey("k", 0, hour)),
	} {
		if k.Revoked() {
			t.Errorf("a %s key counts as revoked", k.State)
		}
	}
	if !revokedKey("k", 0, hour).Revoked() {
		t.Error("a key that was revoked doesn't count as such")
	}
}

// TestNoHistoryBreaksThePromises lets whatever may happen to a ring happen in any
// order, and checks after each step what the ring promises to those who verify.
func TestNoHistoryBreaksThePromises(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now, fresh := epoch, maker()
		d := func() draft { return draft{policy: testPolicy(), now: now, fresh: fresh} }
		keys, err := plan(d(), (*draft).tend)(nil)
		if err != nil {
			t.Fatal(err)
		}
		shownSince := map[string]time.Time{keys[0].KID: now.Add(-show)} // the first has nobody to wait for
		goodUntil := map[string]time.Time{}
		revoked := map[string]bool{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			op, atOnce := (*draft).tend, false
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				op = func(d *draft) error { return d.rotate(false) }
			case 1:
				op, atOnce = func(d *draft) error { return d.rotate(true) }, true
			case 2:
				k := rapid.SampledFrom(keys).Draw(t, "key")
				op, atOnce = func(d *draft) error { return d.retire(k.KID) }, true
				revoked[k.KID] = revoked[k.KID] || k.State != Gone
			default:
				now = now.Add(time.Duration(rapid.Int64Range(1, int64(20*day)).Draw(t, "pass")))
			}
			changed, err := plan(d(), op)(keys)
			if err != nil {
				t.Fatal(err)
			}
			for i, k := range changed {
				if k.State == Active && i != len(changed)-1 {
					t.Errorf("the active key isn't written last")
				}
			}
			keys = apply(keys, changed)
			slices.Reverse(keys) // a store has no order
			if err := soundness(keys); err != nil {
				t.Error(err)
			}
			for _, k := range keys {
				if _, known := shownSince[k.KID]; !known {
					shownSince[k.KID] = now
				}
				switch k.State {
				case Active:
					began := slices.ContainsFunc(changed, func(c Key) bool { return c.KID == k.KID })
					if began && k.ActiveAt.Equal(now) && !atOnce && now.Before(shownSince[k.KID].Add(show)) {
						t.Errorf("key %s signs after it was shown for %s", k.KID, now.Sub(shownSince[k.KID]))
					}
					goodUntil[k.KID] = now.Add(day)
				case Retired, Gone:
					if k.State == Gone && !revoked[k.KID] && now.Before(goodUntil[k.KID]) {
						t.Errorf("key %s is gone before its last token", k.KID)
					}
					if k.State == Retired && k.Revoked() != revoked[k.KID] {
						t.Errorf("key %s revoked: %t, want %t", k.KID, k.Revoked(), revoked[k.KID])
					}
				case Next:
				}
			}
		}
	})
}
