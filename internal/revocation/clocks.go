package revocation

import (
	"sync"
	"sync/atomic"
	"time"
)

// clocks are the two clocks of a ledger: the boot clock, on which leases are measured,
// and the wall clock, which decides what has expired. Where the two disagree by more
// than a lease could bear, the machine was stopped, and the lease ends.
type clocks struct {
	clock     func() time.Duration
	wall      *wallClock
	staleness atomic.Int64 // of the last renewal
	paused    atomic.Int64 // on the boot clock: when a pause was last noticed
	forgotten atomic.Int64 // Unix nanoseconds: the latest time as of which entries were forgotten, here or by the log
	onPause   func()       // ends the lease
}

// Clock returns the time on the clock of the leases.
func (c *clocks) Clock() time.Duration { return c.clock() }

// Now returns the wall clock's time. It never returns a time before one as of which
// entries were forgotten, here or by the log, even when the machine's clock is set back:
// a token whose kill was forgotten, because the token had expired, must never be taken
// for unexpired again.
func (c *clocks) Now() time.Time { return time.Unix(0, c.nanos()) }

func (c *clocks) nanos() int64 { return max(c.wall.nanos(), c.forgotten.Load()) }

// ForgottenAfter reports whether entries were forgotten as of a time after t. A caller that
// judged a token's expiry as of t and looked it up in the set afterwards may have missed
// its kill, and must judge again as of now.
func (c *clocks) ForgottenAfter(t time.Time) bool { return c.forgotten.Load() > t.UnixNano() }

// minPause is the least jump of the wall clock that is taken for a pause. It applies
// before the first renewal: even right clocks differ by some nanoseconds at each reading,
// and each difference would discard the answer that makes the first lease.
const minPause = 10 * time.Millisecond

// jumped ends the lease when the wall clock has jumped far ahead of the clocks that count
// elapsed time. That is how a machine that its hypervisor stopped wakes: the boot clock
// has not moved, and a lease by it would hold as long as before the stop. The answer to
// an earlier question makes no lease either.
func (c *clocks) jumped(by time.Duration) {
	if by > max(minPause, time.Duration(c.staleness.Load())/2) {
		c.paused.Store(int64(c.clock()))
		c.onPause()
	}
}

// pausedSince reports whether a pause was noticed after an instant of the clock.
func (c *clocks) pausedSince(instant time.Duration) bool {
	return c.paused.Load() >= int64(instant) && c.paused.Load() > 0
}

// NewWallClock returns a wall clock that never goes back: when the wall clock below it
// is set back, it goes on from where it was as fast as time passes, or tokens that have
// expired would be accepted again. When the wall clock is set forward, it follows.
//
// Elapsed time is read from the monotonic part of the readings, which those of time.Now
// have. Readings without that part are returned as they are.
func NewWallClock(now func() time.Time) func() time.Time {
	c := newWallClock(now, func(time.Duration) {})
	return func() time.Time { return time.Unix(0, c.nanos()) }
}

// wallClock is what NewWallClock returns, in Unix nanoseconds: every verification
// reads it, and Unix nanoseconds are compared and added faster than a time.Time.
type wallClock struct {
	now    func() time.Time
	jumped func(by time.Duration) // called when the wall clock is ahead by more than before
	start  time.Time
	origin int64        // the wall clock at start
	ahead  atomic.Int64 // the most that the wall clock has been ahead of the elapsed time
}

func newWallClock(now func() time.Time, jumped func(time.Duration)) *wallClock {
	start := now()
	return &wallClock{now: now, jumped: jumped, start: start, origin: start.UnixNano()}
}

func (c *wallClock) nanos() int64 {
	wall := c.now()
	return c.forward(wall.UnixNano(), int64(wall.Sub(c.start)))
}

// forward returns the wall clock's time, but no less than the time elapsed since the
// start plus the most that the wall clock has been ahead of it. The elapsed time never
// goes back, and neither does the sum. It must have been read no earlier than the wall
// clock. A jump is reported before anybody can read it: a caller that reads a time after
// the jump sees that the lease has ended.
func (c *wallClock) forward(wall, passed int64) int64 {
	for {
		most := c.ahead.Load()
		shown := c.origin + passed + most
		if wall <= shown {
			return shown
		}
		c.jumped(time.Duration(wall - shown))
		if c.ahead.CompareAndSwap(most, wall-c.origin-passed) {
			return wall
		}
	}
}

// news wakes the goroutines that wait for a ledger to change.
type news struct {
	mu   sync.Mutex
	next chan struct{} // closed and replaced at each change
}

// Watch returns a channel that is closed at the next change: entries, a renewal, or the
// end of the lease by Distrust. All watchers share the channel. Take it before looking at
// what may change.
func (n *news) Watch() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.next
}

// notify wakes the watchers.
func (n *news) notify() {
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.next)
	n.next = make(chan struct{})
}
