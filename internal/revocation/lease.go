package revocation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// minConfirmTimeout is the least time that confirming may take; it has a quarter of L.
// A store that takes reads but no writes must not keep the next question waiting.
const minConfirmTimeout = 250 * time.Millisecond

// Lease is the permission to accept tokens up to an instant of the boot-time clock. The
// zero value is none. A lease never grows: renewing makes another one.
type Lease struct {
	end   time.Duration
	clock func() time.Duration
}

// Holds reports whether the lease has not expired.
func (l Lease) Holds() bool { return l.clock != nil && l.HoldsAt(l.clock()) }

// HoldsAt reports whether the lease has not expired at an instant of its clock, for
// callers who have just read that.
func (l Lease) HoldsAt(instant time.Duration) bool { return instant < l.end }

// Lease returns the lease as it stands. Take it before looking anything up and ask
// whether it holds afterwards: one renewed in between says nothing of what was
// looked up before.
func (f *Follower) Lease() Lease { return f.ledger.Lease() }

// Permit returns the lease while it holds. Otherwise it asks the store, and the lease
// that it returns is good for the caller's own request alone: that request was under way
// before the question was put, so nobody who revokes has to wait for it. As with Lease,
// look up afterwards and then ask whether it still holds.
//
// Where nodes always confirm, an answer alone permits nothing: a primary that was
// replaced and that nobody has fenced still answers, and knows nothing of what the new
// one commits. Only a confirmation proves that this one still commits: one that began
// after the call and was committed. One serves all who came before it began.
func (f *Follower) Permit(ctx context.Context) (Lease, error) {
	if lease := f.Lease(); lease.Holds() {
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
func (f *Follower) Fresh() bool { return f.Lease().Holds() }

// Ready reports whether the node has ever held a lease: it has read the whole log
// and is on the list of nodes.
func (f *Follower) Ready() bool {
	select {
	case <-f.ledger.Ready():
		return true
	default:
		return false
	}
}

// Applied returns the sequence up to which every entry counts here. It never goes back.
func (f *Follower) Applied() Seq { return f.ledger.Applied() }

// LeaseAge returns the time since the last question started that was answered in full;
// before the first of them, since the ledger was made.
func (f *Follower) LeaseAge() time.Duration { return f.ledger.Clock() - f.ledger.AsOf() }

// LastError returns what went wrong with the last question or confirmation, nil when
// nothing did.
func (f *Follower) LastError() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lastErr
}

// position is where the follower stands on the list of nodes.
type position struct {
	purged    Seq           // the log's purge mark in the last answer
	confirmed Seq           // what the list says
	since     time.Duration // start of the last complete question that the node was on the list for
	listed    bool          // whether since is set
	left      bool          // the node takes no lease any more
	failed    time.Duration // when confirming last failed
	err       error         // how
}

// renewLease follows a complete answer: it confirms what is new, renews the lease, and
// reports whether the node must ask again to get one.
//
// A waiter drops a node that hasn't confirmed an entry L after that was committed. The
// entries of this answer were committed after the previous complete question started
// (position.since), or that one would have had them. So a confirmation that is committed
// within L of that start was in time, and the node is on the list. After that it may have
// been dropped: then somebody may not have waited for it, with an entry that this answer
// doesn't have. So what it knows makes no lease, and only a question that starts now,
// when it is on the list again, does. The same goes for a node that was never on it.
func (f *Follower) renewLease(ctx context.Context, started time.Duration) (again bool, err error) {
	f.ledger.forget()
	f.checkMemory()
	p := &f.position
	if p.left {
		if f.cfg.ConfirmAlways { // for the requests that are still under way, without a lease
			return false, f.confirm(ctx, 0)
		}
		return false, nil
	}
	if f.cfg.ConfirmAlways || !f.isListed() || p.confirmed != f.Applied() {
		if err := f.confirmAgain(ctx); err != nil {
			return false, err
		}
	}
	inTime := f.isListed() // judged after the confirmation was committed
	p.since, p.listed = started, true
	if !inTime {
		return true, nil
	}
	f.ledger.renew(started, f.cfg.Staleness)
	f.publish(started)
	return f.ledger.pausedSince(started), nil
}

// isListed reports whether the node is on the list for certain: nobody can have waited
// for it in vain for L.
func (f *Follower) isListed() bool {
	return f.position.listed && f.ledger.Clock() < f.position.since+f.cfg.Staleness
}

// confirmAgain confirms, but not at once after it failed: while the store takes no
// writes, each request is a question, and none should wait for that too.
func (f *Follower) confirmAgain(ctx context.Context) error {
	p := &f.position
	if p.err != nil && f.ledger.Clock()-p.failed < f.cfg.Staleness/8 {
		return p.err
	}
	err := f.confirm(ctx, f.cfg.Staleness)
	if p.err = err; ctx.Err() != nil {
		p.err = nil // the caller's end is no failure
	}
	p.failed = f.ledger.Clock()
	return err
}

// confirm writes to the list how far this node is.
func (f *Follower) confirm(ctx context.Context, lease time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, max(f.cfg.Staleness/4, minConfirmTimeout))
	defer cancel()
	seq := f.Applied()
	if err := f.cfg.Log.Confirm(ctx, Confirmation{Node: f.cfg.Node, Seq: seq, Lease: lease}); err != nil {
		f.counts.unconfirmed.Add(1)
		return unconfirmed{fmt.Errorf("confirming the revocation log up to %d: %w", seq, err)}
	}
	f.position.confirmed = seq
	return nil
}

// unconfirmed is the error of a confirmation: the store was read and took no write.
type unconfirmed struct{ error }

func (u unconfirmed) Unwrap() error { return u.error }

// leave ends the lease and then takes the node off the list, so that nobody waits for
// it. The other way round somebody might not wait for a lease that holds. Requests that
// are still under way ask the store one by one.
func (f *Follower) leave(ctx context.Context) {
	f.turn <- struct{}{}
	defer func() { <-f.turn }()
	f.ledger.endLease()
	listed := f.position.listed
	f.position.left, f.position.listed = true, false
	if listed {
		f.report(f.confirm(context.WithoutCancel(ctx), 0))
	}
}

// report remembers how the last question went, and logs when that has changed.
func (f *Follower) report(err error) {
	f.mu.Lock()
	before := f.lastErr
	f.lastErr = err
	f.mu.Unlock()
	switch {
	case err != nil && (before == nil || before.Error() != err.Error()):
		f.cfg.Logger.Warn("following the revocation log", slog.Any("error", err))
	case err == nil && before != nil:
		f.cfg.Logger.Info("following the revocation log again", slog.Int64("seq", f.Applied()))
	}
}

// checkMemory logs when the set goes over its budget, and when it is back under it.
func (f *Follower) checkMemory() {
	set := f.ledger.Set()
	over := set.OverBudget()
	if over == f.overBudget {
		return
	}
	f.overBudget = over
	size := []any{slog.Int("entries", set.Len()), slog.Int64("bytes", set.Bytes()), slog.Int64("budget", set.budget())}
	if over {
		f.cfg.Logger.Warn("revocations take more memory than revocation.memory", size...)
	} else {
		f.cfg.Logger.Info("revocations take less memory than revocation.memory again", size...)
	}
}
