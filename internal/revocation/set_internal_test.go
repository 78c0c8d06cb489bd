package revocation

import (
	"testing"
	"time"
)

func TestSetBoundsItsBucketsWhateverTheTimes(t *testing.T) {
	t.Parallel()
	var (
		set     Set
		entries []Entry
		start   = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	)
	for i := range 3000 {
		end := start.AddDate(0, 0, i)
		entries = append(entries, Entry{Seq: Seq(i + 1), What: Token, ID: end.String(), At: end.Add(-time.Hour), Until: end})
	}
	set.Apply(entries)
	if n := len(*set.buckets.Load()); n > maxBuckets+1 {
		t.Fatalf("%d buckets", n)
	}
	for days := 0; days < 3000; days += 100 {
		now := start.AddDate(0, 0, days)
		set.Forget(now)
		for _, e := range entries[days+1:] {
			if !set.Killed(KeyOf(e.What, e.ID)) {
				t.Fatalf("what matters until %v is forgotten at %v", e.Until, now)
			}
		}
	}
}

func TestBucketsOfOrdinaryEntriesFitTheBound(t *testing.T) {
	t.Parallel()
	var set Set
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	most := 0
	for hour := range 3 * 365 * 24 {
		at := now.Add(time.Duration(hour) * time.Hour)
		for _, reach := range []time.Duration{24, 25, 48, 7 * 24, 720, 744, 90 * 24, 366 * 24} {
			set.Apply([]Entry{{Seq: 1, What: Token, ID: "t", At: at, Until: at.Add(reach * time.Hour)}})
		}
		set.Apply([]Entry{{Seq: 1, What: Token, ID: "t", At: at}})
		set.Forget(at)
		most = max(most, len(*set.buckets.Load()))
	}
	if most >= maxBuckets {
		t.Errorf("%d buckets at once leave no room for others", most)
	}
	t.Logf("%d buckets at most", most)
}
