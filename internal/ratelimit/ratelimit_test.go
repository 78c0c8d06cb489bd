package ratelimit_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/ratelimit"
)

var start = time.Unix(1_700_000_000, 0)

func perMinute(burst, maxKeys int) *ratelimit.Limiter[int] {
	return ratelimit.New[int](ratelimit.Config{Burst: burst, Every: time.Minute, MaxKeys: maxKeys})
}

// taken takes for a key until it is refused, and counts.
func taken(l *ratelimit.Limiter[int], key int, now time.Time) int {
	for n := range 1000 {
		if l.Take(key, now) > 0 {
			return n
		}
	}
	return 1000
}

func TestABurstIsAllowedAndThenOneAtATime(t *testing.T) {
	t.Parallel()
	l := perMinute(5, 10)
	if n := taken(l, 1, start); n != 5 {
		t.Errorf("a burst of %d", n)
	}
	if wait := l.Take(1, start.Add(20*time.Second)); wait != 40*time.Second {
		t.Errorf("to wait for %s", wait)
	}
	if n := taken(l, 1, start.Add(2*time.Minute)); n != 2 {
		t.Errorf("%d after two minutes", n)
	}
	if n := taken(l, 1, start.Add(time.Hour)); n != 5 {
		t.Errorf("%d after an hour", n)
	}
}

// An act is allowed at the very instant that the refusal named, and not before.
func TestTheWaitIsExact(t *testing.T) {
	t.Parallel()
	l := perMinute(3, 10)
	taken(l, 1, start)
	now := start
	for range 5 {
		wait := l.Take(1, now)
		if wait <= 0 {
			t.Fatal("an act too many is allowed")
		}
		if early := l.Take(1, now.Add(wait-1)); early != 1 {
			t.Errorf("to wait for %s a nanosecond before the end of %s", early, wait)
		}
		if now = now.Add(wait); l.Take(1, now) != 0 {
			t.Error("refused at the instant that was named")
		}
	}
}

// What is refused takes nothing: who goes on asking waits no longer for it.
func TestARefusalCountsNothing(t *testing.T) {
	t.Parallel()
	l := perMinute(2, 10)
	taken(l, 1, start)
	for range 500 {
		l.Take(1, start)
	}
	if wait := l.Take(1, start); wait != time.Minute {
		t.Errorf("to wait for %s after many refusals", wait)
	}
}

func TestKeysAreLimitedEachByItself(t *testing.T) {
	t.Parallel()
	l := perMinute(3, 10)
	for key := range 5 {
		if n := taken(l, key, start); n != 3 {
			t.Errorf("key %d: %d", key, n)
		}
	}
}

func TestAClockSetBackKeepsNobodyOut(t *testing.T) {
	t.Parallel()
	l := perMinute(3, 10)
	taken(l, 1, start)
	past := start.Add(-24 * time.Hour)
	if wait := l.Take(1, past); wait != time.Minute {
		t.Errorf("to wait for %s", wait)
	}
	if n := taken(l, 1, past.Add(time.Hour)); n != 3 {
		t.Errorf("%d an hour later", n)
	}
}

// A flood of keys is limited as a whole once the memory is full of keys that have
// taken something; those that are kept are judged by themselves as before.
func TestAFloodOfKeysSharesOneAllowance(t *testing.T) {
	t.Parallel()
	const maxKeys = 1000
	l := perMinute(3, maxKeys)
	allowed := 0
	for key := range 3 * maxKeys {
		if l.Take(key, start) == 0 {
			allowed++
		}
	}
	if allowed != maxKeys+3 {
		t.Errorf("%d acts are allowed of %d keys, want %d and one allowance of 3", allowed, 3*maxKeys, maxKeys)
	}
	if n := taken(l, 0, start); n != 2 {
		t.Errorf("a key that is kept has %d left, want 2", n)
	}
	if wait := l.Take(5*maxKeys, start.Add(30*time.Second)); wait != 30*time.Second {
		t.Errorf("a new key waits for %s, want as long as the shared allowance", wait)
	}
}

// When those that filled the memory have everything back, new keys have allowances
// of their own again, also while the clock stands before the last time of looking.
func TestRoomIsMadeWhenKeysHaveEverythingBack(t *testing.T) {
	t.Parallel()
	const maxKeys = 100
	for name, later := range map[string]time.Duration{"later": time.Hour, "the clock set back": -time.Hour} {
		l := perMinute(3, maxKeys)
		flood := func(now time.Time) {
			for key := range 2 * maxKeys {
				l.Take(key, now)
			}
		}
		flood(start)
		if later < 0 { // what was kept is from the future: one act of each makes it of now
			for key := range maxKeys {
				l.Take(key, start.Add(later))
			}
		}
		now := start.Add(later).Add(10 * time.Minute)
		for key := 10 * maxKeys; key < 10*maxKeys+5; key++ {
			if n := taken(l, key, now); n != 3 {
				t.Errorf("%s, a new key: %d", name, n)
			}
		}
	}
}

func TestManyAtOnceTakeNoMoreThanTheBurst(t *testing.T) {
	t.Parallel()
	l := perMinute(50, 10)
	var allowed atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				if l.Take(1, start) == 0 {
					allowed.Add(1)
				}
			}
		})
	}
	all.Wait()
	if n := allowed.Load(); n != 50 {
		t.Errorf("%d are allowed at once, want 50", n)
	}
}

func TestWaitCountsNothing(t *testing.T) {
	t.Parallel()
	l := ratelimit.New[string](ratelimit.Config{Burst: 2, Every: time.Minute, MaxKeys: 1})
	now := time.Unix(1_700_000_000, 0)
	for range 5 {
		if wait := l.Wait("a", now); wait != 0 {
			t.Fatalf("wait %s of a key that took nothing", wait)
		}
	}
	l.Take("a", now)
	l.Take("a", now)
	if asked, took := l.Wait("a", now.Add(10*time.Second)), l.Take("a", now.Add(10*time.Second)); asked != took || took != 50*time.Second {
		t.Errorf("asked: wait %s, taking: %s; want 50s", asked, took)
	}
	// Keys that find no room share one allowance, for who asks too.
	l.Take("b", now)
	l.Take("c", now)
	if asked, took := l.Wait("d", now), l.Take("d", now); asked != took || took == 0 {
		t.Errorf("with no room: asked %s, took %s", asked, took)
	}
}
