package revocation

import (
	"context"
	"errors"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
)

// Status is how a node stands in the revocation log.
type Status struct {
	Applied   Seq           // up to which every entry counts here
	Head      Seq           // where the log ended in the last answer
	LeaseAge  time.Duration // since the last question started that was answered in full
	Fresh     bool          // the node holds a lease now
	Ready     bool          // it has held one
	Unwritten bool          // the last answer could not be confirmed: the store takes no writes
	Live      int           // entries that still matter
	LiveBytes int64         // memory that they take
	Counts    Counts

	OverBudget bool // they take more than the set's budget
}

// Status returns how the node stands.
func (f *Follower) Status() Status {
	set := f.Ledger().Set()
	_, unwritten := errors.AsType[unconfirmed](f.LastError())
	return Status{
		Unwritten: unwritten,
		Applied:   f.Ledger().Applied(), Head: f.Head(), LeaseAge: f.LeaseAge(), Fresh: f.Fresh(), Ready: f.Ready(),
		Live: set.Len(), LiveBytes: set.Bytes(), Counts: f.Counts(),
		OverBudget: set.OverBudget(),
	}
}

// Entries reads a page of the stored log, for who is further behind than this node.
func (f *Follower) Entries(ctx context.Context, after Seq, limit int) (Page, error) {
	return f.cfg.Log.Entries(ctx, after, limit)
}

// LeaseAge returns the time since the last question started that was answered in
// full; before the first of them, since the ledger was made.
func (l *Ledger) LeaseAge() time.Duration { return l.Clock() - l.AsOf() }

// Permit returns a lease for one request alone, from an answer about the request that
// was true as of an instant of the clock.
func (l *Ledger) Permit(asOf, staleness time.Duration) Lease {
	return Lease{end: asOf + staleness, clock: l.clock}
}

// ParseWait reads what a request says of waiting: "true", "false", or "" for what the
// operator configured. The error is fault.Invalid.
func ParseWait(s string) (Wait, error) {
	switch s {
	case "":
		return WaitDefault, nil
	case "true":
		return WaitNodes, nil
	case "false":
		return WaitNone, nil
	}
	return WaitDefault, fault.New(fault.Invalid, "wait must be true or false")
}
