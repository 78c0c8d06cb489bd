package main

import (
	"sync/atomic"
	"time"
)

// forwardClock gives the wall clock, but one that never goes back: when somebody sets
// the wall clock back, it goes on from where it was as fast as time passes, or tokens
// that have expired would come back to life. What sets the wall clock forward, it
// follows.
func forwardClock() func() time.Time {
	start := time.Now()
	return forward(func() (time.Time, time.Duration) {
		now := time.Now()
		return now, now.Sub(start)
	})
}

// forward is forwardClock with clocks of the caller's: read gives the wall clock and,
// no earlier than that was read, how much time has passed since some instant.
func forward(read func() (wall time.Time, passed time.Duration)) func() time.Time {
	wall, passed := read()
	origin := wall.Round(0).Add(-passed)
	var ahead atomic.Int64 // how far the wall clock has been ahead of what has passed
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
