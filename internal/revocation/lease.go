package revocation

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// minConfirm is the least time that confirming is given; it has a quarter of L.
// A store that takes reads but no writes must not keep the next question waiting.
const minConfirm = 250 * time.Millisecond

// Lease is the permission to say yes up to an instant of the boot-time clock. The
// zero value is none.
type Lease struct {
	end   time.Duration
	clock func() time.Duration
}

// Holds reports whether the lease has not run out.
func (l Lease) Holds() bool { return l.clock != nil && l.HoldsAt(l.clock()) }

// HoldsAt reports whether the lease has not run out at an instant of its clock, for
// callers who have just read that.
func (l Lease) HoldsAt(instant time.Duration) bool { return instant < l.end }

// Lease returns the lease as it stands. Take it before looking anything up and ask
// whether it holds afterwards: one renewed in between says nothing of what was
// looked up before.
func (f *Follower) Lease() Lease { return f.ledger.Lease() }

// Permit gives the lease while it holds. Otherwise it asks the store, and what it
// gives is good for the caller's own request alone: that one was under way before
// the question, so nobody who revokes has to wait for it. As with Lease, look up
// afterwards and then ask whether it still holds.
func (f *Follower) Permit(ctx context.Context) (Lease, error) {
	if lease := f.Lease(); lease.Holds() {
		return lease, nil
	}
	f.counts.permits.Add(1)
	started, err := f.share(ctx)
	if err != nil {
		return Lease{}, err
	}
	return Lease{end: started + f.cfg.Staleness, clock: f.ledger.clock}, nil
}

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

// Applied is the sequence up to which every entry counts here. It never goes back.
func (f *Follower) Applied() Seq { return f.ledger.Applied() }

// LeaseAge is the time since the last question started that was answered in full;
// before the first of them, since the ledger was made.
func (f *Follower) LeaseAge() time.Duration { return f.ledger.Clock() - f.ledger.AsOf() }

// LastError is what went wrong with the last question or confirmation, nil when
// nothing did.
func (f *Follower) LastError() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lastErr
}

// settle makes a complete answer count: it confirms what is new, renews the lease,
// and reports whether the node must ask again to get one.
//
// Who waits for an entry drops a node that hasn't confirmed it L after it was
// committed. The entries of this answer were committed after the previous one's
// question started, so a confirmation that is done within L of that start was in
// time. Otherwise the node may have been off the list, and somebody may not have
// waited for it: what it knows gives no lease, and only a question that starts
// now that it is on the list again does.
func (f *Follower) settle(ctx context.Context, started time.Duration) (again bool, err error) {
	f.ledger.forget()
	f.checkMemory()
	p := &f.place
	if p.left {
		return false, nil
	}
	if f.cfg.Beats || !f.standing() || p.confirmed != f.Applied() {
		if err := f.confirmAgain(ctx); err != nil {
			return false, err
		}
	}
	inTime := f.standing()
	p.since, p.listed = started, true
	if !inTime {
		return true, nil
	}
	f.ledger.renew(started, f.cfg.Staleness)
	return false, nil
}

// standing reports whether the node is on the list for certain.
func (f *Follower) standing() bool {
	return f.place.listed && f.ledger.Clock() < f.place.since+f.cfg.Staleness
}

// confirmAgain confirms, but not at once after it failed: while the store takes no
// writes, each request is a question, and none should wait for that too.
func (f *Follower) confirmAgain(ctx context.Context) error {
	p := &f.place
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

// confirm tells the store how far this node is.
func (f *Follower) confirm(ctx context.Context, lease time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, max(f.cfg.Staleness/4, minConfirm))
	defer cancel()
	seq := f.Applied()
	if err := f.cfg.Log.Confirm(ctx, Confirmation{Node: f.cfg.Node, Seq: seq, Lease: lease}); err != nil {
		f.counts.unconfirmed.Add(1)
		return fmt.Errorf("confirming the revocation log up to %d: %w", seq, err)
	}
	f.place.confirmed = seq
	return nil
}

// leave gives the lease up and takes the node off the list, so that nobody waits
// for it. Requests that are still under way ask the store one by one.
func (f *Follower) leave(ctx context.Context) {
	f.turn <- struct{}{}
	defer func() { <-f.turn }()
	f.ledger.endLease()
	listed := f.place.listed
	f.place.left, f.place.listed = true, false
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
		f.cfg.Logger.Warn("the revocations take more memory than revocation.memory", size...)
	} else {
		f.cfg.Logger.Info("the revocations take no more memory than revocation.memory again", size...)
	}
}
