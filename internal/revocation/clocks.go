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

// Now returns the wall clock's time. It never goes back behind a time as of which
// entries were forgotten, here or by the log, whatever the clock below does: a token whose kill was
// forgotten, because the token had expired, must never be taken for unexpired again.
func (c *clocks) Now() time.Time { return time.Unix(0, c.nanos()) }

// minPause is the least jump of the wall clock that is taken for a pause. It counts
// while there was no renewal yet: clocks that are kept right differ by some nanoseconds
// at each reading, and each of them would cost the answer that makes the first lease.
const minPause = 10 * time.Millisecond

func (c *clocks) nanos() int64 { return max(c.wall.nanos(), c.forgotten.Load()) }

// jumped notes a pause when the wall clock has jumped far enough. It runs before any
// reading shows the jump: who reads the clock next must not find the lease that another
// reader is about to end.
func (c *clocks) jumped(by time.Duration) {
	if by > max(minPause, time.Duration(c.staleness.Load())/2) {
		c.notePause()
	}
}

// ForgottenAfter reports whether entries were forgotten as of a time after t. A caller that
// judged a token's expiry as of t and looked it up in the set afterwards may have missed
// its kill, and must judge again as of now.
func (c *clocks) ForgottenAfter(t time.Time) bool { return c.forgotten.Load() > t.UnixNano() }

// notePause ends the lease, because the wall clock jumped ahead of the clocks that count
// what passes. A machine that its hypervisor stopped wakes so: the boot clock stands
// where it stood, and a lease by it would hold for as long as it would have held then.
// What an earlier question learned is not relied on either.
func (c *clocks) notePause() {
	c.paused.Store(int64(c.clock()))
	c.onPause()
}

// pausedSince reports whether a pause was noticed after an instant of the clock.
func (c *clocks) pausedSince(instant time.Duration) bool {
	return c.paused.Load() >= int64(instant) && c.paused.Load() > 0
}

// news is what wakes those who wait for a ledger to change.
type news struct {
	mu   sync.Mutex
	next chan struct{} // closed and replaced at news
}

// Watch returns a channel that is closed at the next news: entries, a renewal, or the
// end of the lease by Distrust. All who watch share the channel. Take it before
// looking at what may change.
func (n *news) Watch() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.next
}

// notify wakes those who watch.
func (n *news) notify() {
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.next)
	n.next = make(chan struct{})
}
