package revocation

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Lease is the permission to accept tokens up to an instant of the boot-time clock. The
// zero value is none. A lease never changes: renewing makes a new one.
type Lease struct {
	end   time.Duration
	clock func() time.Duration
}

// Holds reports whether the lease has not expired.
func (l Lease) Holds() bool { return l.clock != nil && l.HoldsAt(l.clock()) }

// HoldsAt reports whether the lease has not expired at an instant of its clock, for
// callers that have just read the clock.
func (l Lease) HoldsAt(instant time.Duration) bool { return instant < l.end }

// Permit returns the lease while it holds. Otherwise it asks the store, and the lease
// that it returns is good for the caller's own request alone: that request was under way
// before the question was put, so nobody who revokes has to wait for it. As with Lease,
// look up afterwards and then ask whether it still holds.
//
// Where nodes always confirm, an answer alone permits nothing: a primary that was
// replaced but not fenced still answers, and knows nothing of what the new one commits.
// Only a confirmation proves that this one still commits: one that began after the call
// and was committed. One confirmation serves all requests that came before it began.
func (f *Follower) Permit(ctx context.Context) (Lease, error) {
	if lease := f.ledger.Lease(); lease.Holds() {
		return lease, nil
	}
	f.counts.permits.Add(1)
	a, err := f.share(ctx)
	switch {
	case err != nil:
		return Lease{}, err
	case f.cfg.ConfirmAlways && !a.confirmed:
		return Lease{}, errUnconfirmed
	}
	return f.ledger.Permit(a.started, f.cfg.Staleness), nil
}

var errUnconfirmed = errors.New("the revocation log answers, but commits nothing")

// Fresh reports whether the node holds a lease now.
func (f *Follower) Fresh() bool { return f.ledger.Lease().Holds() }

// Applied returns the sequence up to which every entry counts here. It never goes back.
func (f *Follower) Applied() Seq { return f.ledger.Applied() }

// renewLease follows a complete answer: it confirms what is new, renews the lease, and
// reports whether the node must ask again to get one.
//
// A waiter drops a node that hasn't confirmed an entry L after that was committed. The
// entries of this answer were committed after the previous complete question started
// (membership.since), or that one would have had them. So a confirmation that is
// committed within L of that start was in time, and the node is on the list. After that
// it may have been dropped: then a revocation that this answer doesn't have may not have
// waited for it. So what it knows makes no lease, and only a question that starts now,
// when it is on the list again, does. The same goes for a node that was never on it.
func (f *Follower) renewLease(ctx context.Context, started time.Duration) (again bool, err error) {
	f.ledger.forget()
	f.report.memory(f.ledger.Set())
	p := &f.membership
	if p.left {
		if f.cfg.ConfirmAlways { // for the requests that are still under way without a lease
			return false, f.membership.confirm(ctx, 0)
		}
		return false, nil
	}
	if f.cfg.ConfirmAlways || !p.isListed() || p.confirmed != f.Applied() {
		if err := p.confirmAgain(ctx); err != nil {
			return false, err
		}
	}
	inTime := p.isListed() // judged after the confirmation was committed
	p.since, p.listed = started, true
	if !inTime {
		return true, nil
	}
	f.ledger.renew(started, f.cfg.Staleness)
	// The answer is Known from here on. One that could not be confirmed never is: it may
	// come from a primary that was replaced, and others would accept tokens on it.
	// Watchers are notified of an answer without new entries too, because a later start
	// extends leases outside; but not at every question, because without a lease each
	// request asks one.
	f.known.Store(&Known{Seq: f.Applied(), Started: started, Purged: f.purged})
	f.ledger.asOf.Store(int64(started)) // the lease is not renewed here: it has more conditions
	if f.Applied() != f.notified || started-f.notifiedAt >= f.cfg.Staleness/8 {
		f.notified, f.notifiedAt = f.Applied(), started
		f.ledger.notify()
	}
	return f.ledger.pausedSince(started), nil
}

// ConfirmAgain writes to the list what external verifiers have confirmed, between two
// questions, where the node is on the list.
func (f *Follower) ConfirmAgain(ctx context.Context) error {
	select {
	case f.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("waiting to confirm the revocation log: %w", ctx.Err())
	}
	defer func() { <-f.turn }()
	if f.membership.left || !f.membership.isListed() {
		return nil
	}
	return f.membership.confirm(ctx, f.cfg.Staleness)
}

// leave ends the lease and then takes the node off the list, so that nobody waits for it.
// In the other order a revocation might not wait for a lease that holds. Each request
// that is still under way asks the store.
func (f *Follower) leave(ctx context.Context) {
	f.turn <- struct{}{}
	defer func() { <-f.turn }()
	f.ledger.endLease()
	listed := f.membership.listed
	f.membership.left, f.membership.listed, f.membership.origin = true, false, ""
	if listed {
		f.report.question(f.membership.confirm(context.WithoutCancel(ctx), 0), f.Applied())
	}
}
