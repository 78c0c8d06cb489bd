package revocation

import (
	"sync/atomic"
	"time"
)

// NewWallClock returns a wall clock that never goes back: when the wall clock below it
// is set back, it goes on from where it was as fast as time passes, or tokens that have
// expired would be accepted again. When the wall clock is set forward, it follows.
//
// What has passed is told by the monotonic part of the readings, as time.Now's have it.
// Readings without that part are returned as they are.
func NewWallClock(now func() time.Time) func() time.Time {
	start := now()
	return forward(func() (time.Time, time.Duration) {
		wall := now()
		return wall, wall.Sub(start)
	})
}

// forward is NewWallClock for any pair of clocks: read returns the wall clock and, read
// no earlier than that, how much time has passed since some instant.
func forward(read func() (wall time.Time, passed time.Duration)) func() time.Time {
	wall, passed := read()
	origin := wall.Round(0).Add(-passed)
	var ahead atomic.Int64 // by how much the wall clock has been ahead of what has passed, at most
	return func() time.Time {
		wall, passed := read()
		shown := wall.Sub(origin)
		lead := int64(shown - passed)
		for {
			most := ahead.Load()
			if lead <= most {
				return origin.Add(passed + time.Duration(most))
			}
			if ahead.CompareAndSwap(most, lead) {
				return origin.Add(shown)
			}
		}
	}
}
