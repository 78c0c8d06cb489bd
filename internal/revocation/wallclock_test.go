package revocation

import (
	"sync"
	"testing"
	"time"
)

func TestWallClockNeverGoesBack(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	c := newWallClock(func() time.Time { return noon }, func(time.Duration) {})
	passed := time.Duration(0)
	for _, step := range []struct {
		name        string
		passed, set time.Duration // what passes, and by how much the wall clock is wrong
		want        time.Duration // after noon
	}{
		{"at first", 0, 0, 0},
		{"time passes", time.Minute, 0, time.Minute},
		{"set back by an hour", 0, -time.Hour, time.Minute},
		{"and time passes", time.Minute, -time.Hour, 2 * time.Minute},
		{"set right again", time.Minute, 0, 3 * time.Minute},
		{"set forward by an hour", 0, time.Hour, time.Hour + 3*time.Minute},
		{"and back to right", time.Minute, 0, time.Hour + 4*time.Minute},
		{"a virtual machine slept", 0, 2 * time.Hour, 2*time.Hour + 4*time.Minute},
	} {
		passed += step.passed
		wall := noon.Add(passed + step.set)
		if got := time.Duration(c.forward(wall.UnixNano(), int64(passed)) - noon.UnixNano()); got != step.want {
			t.Errorf("%s: %v after noon, not %v", step.name, got, step.want)
		}
	}
}

func TestWallClockShowsTheTime(t *testing.T) {
	t.Parallel()
	now := NewWallClock(time.Now)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			last := time.Time{}
			for range 10_000 {
				before, shown, after := time.Now().Round(0), now(), time.Now().Round(0)
				if shown.Before(last) {
					t.Errorf("it goes back from %v to %v", last, shown)
					return
				}
				if shown.Before(before.Add(-time.Millisecond)) || shown.After(after.Add(time.Millisecond)) {
					t.Errorf("it shows %v between %v and %v", shown, before, after)
					return
				}
				last = shown
			}
		})
	}
	all.Wait()
}

func BenchmarkWallClock(b *testing.B) {
	now := NewWallClock(time.Now)
	for b.Loop() {
		now()
	}
}
