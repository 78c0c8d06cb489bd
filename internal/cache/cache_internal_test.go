package cache

import (
	"fmt"
	"sync"
	"testing"
	"time"
)

var now = time.Unix(1_800_000_000, 0)

// ofStrings is a cache of strings that take what they say.
func ofStrings(budget int64) *Cache[string] {
	return New(Config[string]{
		Budget: budget, MaxAge: time.Hour, Typical: 200 - factOverhead,
		Cost: func(key, value string) int64 { return 200 - factOverhead },
	})
}

func (r *Cache[V]) check(t *testing.T) {
	t.Helper()
	var held int64
	for i := range r.rows {
		tags := r.rows[i].tags.Load()
		for at := range ways {
			f := r.rows[i].places[at].Load()
			if tag := byte(tags >> (at * 8)); (f == nil) != (tag == 0) {
				t.Fatalf("row %d, place %d: tag %x of %v", i, at, tag, f)
			}
			if f != nil {
				held += f.cost
			}
		}
	}
	if got := r.held.Load(); got != held {
		t.Errorf("counts %d bytes and holds %d", got, held)
	}
	if held > r.cfg.Budget {
		t.Errorf("holds %d bytes, more than its budget of %d", held, r.cfg.Budget)
	}
}

func TestCacheFindsWhatItWasGiven(t *testing.T) {
	t.Parallel()
	r := ofStrings(1 << 20)
	for i := range 2000 {
		r.Put(fmt.Sprint("key ", i), fmt.Sprint("value ", i), now)
	}
	r.check(t)
	found := 0
	for i := range 2000 {
		value, ok := r.Get(fmt.Sprint("key ", i), now)
		if ok && value != fmt.Sprint("value ", i) {
			t.Fatalf("key %d has %q", i, value)
		}
		if ok {
			found++
		}
	}
	if found < 1990 { // a row may be full
		t.Errorf("%d of 2000 are remembered where there is room for 5000", found)
	}
	if _, ok := r.Get("key 2000", now); ok {
		t.Error("found what was never put")
	}
	r.Put("key 7", "another", now)
	if value, _ := r.Get("key 7", now); value != "another" {
		t.Errorf("%q stands where another was put", value)
	}
	r.check(t)
	r.Flush()
	r.check(t)
	if _, ok := r.Get("key 7", now); ok || r.held.Load() != 0 {
		t.Error("something outlived the flush")
	}
}

func TestCacheKeepsNothingThatIsOld(t *testing.T) {
	t.Parallel()
	r := ofStrings(1 << 20)
	r.Put("a", "1", now)
	for _, at := range []time.Time{now.Add(-time.Nanosecond), now.Add(time.Hour + 1)} {
		if _, ok := r.Get("a", at); ok {
			t.Errorf("is good at %v", at)
		}
	}
	if _, ok := r.Get("a", now.Add(time.Hour)); !ok {
		t.Error("is not good for as long as it should be")
	}
	r.Put("a", "2", now.Add(2*time.Hour))
	if value, _ := r.Get("a", now.Add(2*time.Hour)); value != "2" {
		t.Error("what was read again is not kept")
	}
}

func TestCacheRefusesWhatIsOutOfAllProportion(t *testing.T) {
	t.Parallel()
	r := New(Config[string]{Budget: 1 << 20, Typical: 100, Cost: func(_, v string) int64 { return int64(len(v)) }})
	r.Put("large", string(make([]byte, 1<<18)), now)
	if _, ok := r.Get("large", now); ok || r.held.Load() != 0 {
		t.Error("one fact takes a quarter of the cache")
	}
}

// Genuine tokens that are used once each, many times as many as there is room for,
// must not cost the tokens that are used again and again their places.
func TestFloodOfGenuineTokensDropsNothingThatIsUsed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ uses, every int }{
		"each used once":  {uses: 1, every: 10}, // a hot token is used once while 5,000 others come
		"each used twice": {uses: 2, every: 4},  // and here while 2,000 come
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := ofStrings(1 << 20) // 5242 facts
			const hot, warm, flood = 500, 6, 100_000
			hits, asked := 0, 0
			for i := range flood {
				for range c.uses {
					if key := fmt.Sprint("flood ", i); !has(r, key) {
						r.Put(key, "", now)
					}
				}
				if i%c.every != 0 {
					continue
				}
				key := fmt.Sprint("hot ", asked%hot)
				if !has(r, key) {
					r.Put(key, "", now)
				} else if asked >= warm*hot {
					hits++
				}
				asked++
			}
			r.check(t)
			rate := float64(hits) / float64(asked-warm*hot)
			t.Logf("%.4f of the uses of hot tokens found them", rate)
			if rate < 0.99 {
				t.Errorf("hot tokens were found %.3f of the time", rate)
			}
		})
	}
}

func has(r *Cache[string], key string) bool {
	_, ok := r.Get(key, now)
	return ok
}

func TestFullCacheTakesInWhatIsUsedAgain(t *testing.T) {
	t.Parallel()
	r := ofStrings(1 << 20)
	for i := range 20_000 {
		r.Put(fmt.Sprint("old ", i), "", now)
	}
	r.Put("new", "", now)
	if has(r, "new") {
		t.Error("a full cache took in what was seen once")
	}
	r.Put("new", "", now)
	if !has(r, "new") {
		t.Error("a full cache didn't take in what was seen twice")
	}
	r.check(t)
}

func TestCacheStaysWholeUnderManyHands(t *testing.T) {
	t.Parallel()
	r := ofStrings(1 << 17)
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for i := range 20_000 {
				key := fmt.Sprint((i*(n+1) + n) % 3000)
				if value, ok := r.Get(key, now); ok && value != key {
					t.Errorf("%s has %s", key, value)
				} else if !ok {
					r.Put(key, key, now)
				}
				if i%10_000 == 9_999 {
					r.Flush()
				}
			}
		})
	}
	all.Wait()
	r.check(t)
}

func TestTagsAreFoundWhereTheyAre(t *testing.T) {
	t.Parallel()
	for at := range ways {
		for tag := 1; tag < 256; tag += 2 {
			tags := uint64(tag) << (at * 8)
			if found := matches(tags, byte(tag)); found>>(at*8)&0x80 == 0 {
				t.Fatalf("tag %x in place %d: %x", tag, at, found)
			}
			if found := matches(tags, byte(tag^2)); found != 0 {
				t.Fatalf("tag %x is taken for %x: %x", tag, tag^2, found)
			}
		}
	}
	if matches(0, 1) != 0 {
		t.Error("an empty row has a tag")
	}
}
