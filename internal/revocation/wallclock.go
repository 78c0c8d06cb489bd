package revocation

import (
	"sync/atomic"
	"time"
)

// NewWallClock returns a wall clock that never goes back: when the wall clock below it
// is set back, it goes on from where it was as fast as time passes, or tokens that have
// expired would be accepted again. When the wall clock is set forward, it follows.
//
// What has passed is read from the monotonic part of the readings, as time.Now's have
// it. Readings without that part are returned as they are.
func NewWallClock(now func() time.Time) func() time.Time {
	c := newWallClock(now)
	return func() time.Time { return time.Unix(0, c.nanos()) }
}

// wallClock is what NewWallClock returns, in Unix nanoseconds: every verification
// reads it, and Unix nanoseconds are compared and added faster than a time.Time.
type wallClock struct {
	now    func() time.Time
	start  time.Time
	origin int64        // the wall clock at start
	ahead  atomic.Int64 // by how much the wall clock has been ahead of what has passed, at most

	// jumped is called with by how much the wall clock has jumped ahead of what has passed,
	// before any reading shows it; nil: nobody wants to know.
	jumped func(by time.Duration)
}

func newWallClock(now func() time.Time) *wallClock {
	start := now()
	return &wallClock{now: now, start: start, origin: start.UnixNano()}
}

func (c *wallClock) nanos() int64 {
	wall := c.now()
	return c.forward(wall.UnixNano(), int64(wall.Sub(c.start)))
}

// forward returns the wall clock, but no less than what it was ahead at most of what
// has passed since the start. What has passed never goes back, and neither does the
// sum. It must have been read no earlier than the wall clock.
func (c *wallClock) forward(wall, passed int64) int64 {
	for {
		most := c.ahead.Load()
		shown := c.origin + passed + most
		if wall <= shown {
			return shown
		}
		if c.jumped != nil {
			c.jumped(time.Duration(wall - shown))
		}
		if c.ahead.CompareAndSwap(most, wall-c.origin-passed) {
			return wall
		}
	}
}
