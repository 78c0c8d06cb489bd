package revocation

import (
	"sync"
	"sync/atomic"
	"time"
)

// Ledger is what one process knows of the revocation log, and its lease: the
// permission to accept tokens on that knowledge.
//
// One feeder at a time writes it: a Follower that asks the store, or package verify,
// which reads the stream of an issuer. Each of them does, in this order: Purged, where
// entries may be missing; Apply, for entries; Advance, once everything up to a sequence
// was applied; Renew, once that was all that the log held. Where it can't go on from what
// it has read it calls Restart or Distrust first.
//
// All other methods may be called at any time. Those that judge a token take no lock
// and allocate nothing. A judge takes the Lease first, then looks up as much as it
// needs, and asks last whether that lease holds: then all that it saw was true at one
// moment at which the process was permitted to rely on it.
type Ledger struct {
	clocks
	news
	set Set

	applied   atomic.Int64  // every entry up to it counts here; it never goes back
	asOf      atomic.Int64  // on the clock: applied was all that the log held then
	leaseEnd  atomic.Int64  // on the clock; 0: no lease
	epoch     atomic.Uint64 // counts Restart, Distrust and skip
	ready     chan struct{} // closed at the first lease
	readyOnce sync.Once

	mu       sync.Mutex
	hooks    []func(Change)
	position Seq           // where the feeder stands: it has applied what it read up to here
	missed   bool          // the next change is the first after a gap
	purged   time.Time     // until when at most mattered what the log has purged
	advanced time.Duration // on the clock: when applied last advanced
}

// Change is what a hook is called with: entries in order, the sequence that they
// follow, and whether some before them may have been missed, so that nothing that was
// read from the source earlier may be kept. What has expired by PurgedUntil may have been
// revoked by entries that were purged.
type Change struct {
	Entries     []Entry
	After       Seq
	Missed      bool
	PurgedUntil time.Time
}

// NewLedger returns a ledger that knows nothing and has no lease. The clock is
// BootClock: leases are measured on it. The wall clock now decides what has expired, and
// is kept from going back as NewWallClock does. It must be the machine's own: without
// the monotonic part of its readings no pause is noticed. Both must be set.
func NewLedger(clock func() time.Duration, now func() time.Time) *Ledger {
	l := &Ledger{ready: make(chan struct{}), news: news{next: make(chan struct{})}}
	l.clocks = clocks{clock: clock, onPause: l.endLease}
	l.wall = newWallClock(now, l.jumped)
	l.asOf.Store(int64(clock()))
	return l
}

// Set returns the part of the log in force: which tokens are revoked, and which cut-offs
// there are. It has an entry before Applied and the lease include it.
func (l *Ledger) Set() *Set { return &l.set }

// Applied returns the sequence up to which every entry counts here. It never goes back.
func (l *Ledger) Applied() Seq { return l.applied.Load() }

// AsOf returns the latest instant of the clock at which Applied is known to have been
// all that the log held; before the first one, when the ledger was made. Read it
// before Applied.
func (l *Ledger) AsOf() time.Duration { return time.Duration(l.asOf.Load()) }

// Epoch returns a number that grows when what was read from the source earlier may no
// longer be kept, because entries about it may have been missed. Read it before asking
// the source, and keep the answer only while it stays the same.
func (l *Ledger) Epoch() uint64 { return l.epoch.Load() }

// Lease returns the current lease.
func (l *Ledger) Lease() Lease {
	return Lease{end: time.Duration(l.leaseEnd.Load()), clock: l.clock}
}

// Ready returns a channel that is closed once the ledger has held a lease.
func (l *Ledger) Ready() <-chan struct{} { return l.ready }

// OnApply adds a hook that is called for every change, after the set has it and before
// Applied and the lease include it. Hooks are called one after another.
func (l *Ledger) OnApply(hook func(Change)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hooks = append(l.hooks, hook)
}

// KnewBefore reports whether Applied had its value before an instant of the clock. A
// source that was asked at that instant and knows less has lost entries.
func (l *Ledger) KnewBefore(instant time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.advanced < instant
}

// Purged records that the log has lost entries, which mattered until then at most. A
// feeder calls it before it applies what is left. From here on Now shows no earlier time:
// what has expired by then may have been revoked, and a wall clock that is behind must not
// make it unexpired.
func (l *Ledger) Purged(until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until.After(l.purged) {
		l.purged = until
		l.forgotten.Store(max(l.forgotten.Load(), until.UnixNano()))
	}
}

// Apply makes entries count, in the order of the log. From here on tokens that they name
// are refused. Only Advance records that everything before them counts too.
func (l *Ledger) Apply(entries []Entry) {
	l.set.Apply(entries)
	l.mu.Lock()
	change := Change{Entries: entries, After: l.position, Missed: l.missed, PurgedUntil: l.purged}
	l.missed = false
	if n := len(entries); n > 0 {
		l.position = entries[n-1].Seq
	}
	hooks := l.hooks
	l.mu.Unlock()
	if len(entries) == 0 && !change.Missed {
		return
	}
	for _, hook := range hooks {
		hook(change)
	}
}

// Advance records that every entry up to seq was applied.
func (l *Ledger) Advance(seq Seq) {
	if l.advance(seq) {
		l.notify()
	}
}

// advance is Advance for a feeder that notifies by itself. It reports whether that is
// news. After Distrust the position is behind applied until all was read again.
func (l *Ledger) advance(seq Seq) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.position = max(l.position, seq)
	if seq <= l.applied.Load() {
		return false
	}
	l.applied.Store(seq)
	l.advanced = l.clock()
	return true
}

// Renew records that Applied was all that the log held at an instant of the clock, and
// lets the lease run until the staleness after it. An instant before the last one
// changes nothing: answers may overtake one another. It forgets what has expired.
func (l *Ledger) Renew(asOf, staleness time.Duration) {
	l.forget()
	l.renew(asOf, staleness)
	l.notify()
}

// renew is Renew for a feeder that forgets and notifies by itself.
func (l *Ledger) renew(asOf, staleness time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.staleness.Store(int64(staleness))
	if int64(asOf) < l.asOf.Load() && l.leaseEnd.Load() != 0 || l.pausedSince(asOf) {
		return
	}
	l.asOf.Store(int64(asOf))
	l.leaseEnd.Store(int64(asOf + staleness))
	if l.Lease().Holds() {
		l.readyOnce.Do(func() { close(l.ready) })
	}
}

// forget drops what has expired. That time is recorded first, so no reader of Now who
// misses an entry can read an earlier one.
func (l *Ledger) forget() {
	now := l.nanos()
	l.forgotten.Store(now)
	l.set.Forget(time.Unix(0, now))
}

// Restart records that the log is read again from its beginning: what was missed
// meanwhile isn't known. Entries that count stay, and so does the lease, which rests on
// what counted at its instant.
func (l *Ledger) Restart() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch.Add(1)
	l.missed, l.position = true, 0
}

// skip records that entries after the position are missing from the log because they
// were purged, and that what follows is read all the same.
func (l *Ledger) skip() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch.Add(1)
	l.missed = true
}

// Distrust ends the lease at once and has the log read again: it isn't the one that
// was read so far. Sequences that were assigned before may be assigned again, and a
// cut-off with one of those would not reach the tokens that carry a later one.
func (l *Ledger) Distrust() {
	l.Restart()
	l.endLease()
	l.notify()
}

// endLease ends the lease at once. One that was taken before expires at its time.
func (l *Ledger) endLease() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leaseEnd.Store(0)
}

// reached returns where the feeder stands.
func (l *Ledger) reached() Seq {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.position
}
