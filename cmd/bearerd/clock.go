package main

import (
	"sync/atomic"
	"time"
)

// forwardClock gives a clock that shows what wall shows, but never goes back: when
// somebody sets the wall clock back, it goes on from where it was as fast as time
// passes, or tokens that have expired would come back to life. What sets the wall
// clock forward, it follows.
func forwardClock(wall func() time.Time) func() time.Time {
	start := time.Now()
	return forward(wall, func() time.Duration { return time.Since(start) })
}

// forward is forwardClock with a stopwatch of the caller's.
func forward(wall func() time.Time, elapsed func() time.Duration) func() time.Time {
	origin := wall().Round(0).Add(-elapsed())
	var ahead atomic.Int64 // how far the wall clock has been ahead of the stopwatch
	return func() time.Time {
		shown := wall().Round(0).Sub(origin) // first, so that a pause here puts nothing ahead
		passed := elapsed()
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
