package verify

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/bearerd/bearerd/internal/revocation"
)

// ledger is what this verifier knows of the revocation log, and its lease. One
// connection at a time feeds it; reading takes no lock.
type ledger struct {
	set   revocation.Set
	clock func() time.Duration // boot time
	now   func() time.Time

	applied   atomic.Int64  // every entry up to it counts here; never goes back
	leaseEnd  atomic.Int64  // on the clock; 0: no lease
	asOf      atomic.Int64  // on the clock: the log went no further than applied then
	epoch     atomic.Uint64 // counts how often the log had to be read anew
	latest    atomic.Int64  // Unix nanoseconds: the wall clock's furthest when something was forgotten
	ready     chan struct{} // closed at the first lease
	readyOnce sync.Once

	mu       sync.Mutex
	advanced time.Duration // on the clock: when applied last advanced
	tick     chan struct{} // closed when applied or asOf have
}

func newLedger(clock func() time.Duration, now func() time.Time) *ledger {
	return &ledger{clock: clock, now: now, ready: make(chan struct{}), tick: make(chan struct{})}
}

// lease is the permission to say yes up to an instant of the boot-time clock.
type lease struct {
	end   time.Duration
	clock func() time.Duration
}

// holds reports whether it has not run out.
func (l lease) holds() bool { return l.clock() < l.end }

// lease gives the lease as it stands: take it before the first look at the set, and
// ask whether it holds after the last.
func (l *ledger) lease() lease {
	return lease{end: time.Duration(l.leaseEnd.Load()), clock: l.clock}
}

// wall gives the time, which doesn't go back behind what was forgotten.
func (l *ledger) wall() time.Time {
	now := l.now()
	if latest := l.latest.Load(); now.UnixNano() < latest {
		return time.Unix(0, latest)
	}
	return now
}

// advance tells that every entry up to seq counts.
func (l *ledger) advance(seq revocation.Seq) {
	if seq <= l.applied.Load() {
		return
	}
	l.applied.Store(seq)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.advanced = l.clock()
	l.wake()
}

// renew tells that applied is all that the log held at an instant of the clock.
func (l *ledger) renew(asOf, staleness time.Duration) {
	now := l.wall()
	l.set.Forget(now)
	l.latest.Store(now.UnixNano())
	l.mu.Lock()
	defer l.mu.Unlock()
	if int64(asOf) > l.asOf.Load() || l.leaseEnd.Load() == 0 {
		l.asOf.Store(int64(asOf))
		l.leaseEnd.Store(int64(asOf + staleness))
	}
	l.wake()
	if l.lease().holds() {
		l.readyOnce.Do(func() { close(l.ready) })
	}
}

// restart tells that the log is read anew: what was missed meanwhile isn't known, so
// nothing that the issuer said before may be kept.
func (l *ledger) restart() { l.epoch.Add(1) }

// distrust ends the lease at once: the log isn't the one that was read.
func (l *ledger) distrust() {
	l.restart()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leaseEnd.Store(0)
	l.wake()
}

// wake tells those who wait; under mu.
func (l *ledger) wake() {
	close(l.tick)
	l.tick = make(chan struct{})
}

// watch gives a channel that is closed at the next news.
func (l *ledger) watch() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tick
}

// knewBefore reports whether applied was known at an instant of the clock already.
func (l *ledger) knewBefore(instant time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.advanced < instant
}
