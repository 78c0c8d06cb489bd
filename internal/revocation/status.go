package revocation

import (
	"context"
	"errors"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
)

// Status is how far a node has applied the revocation log.
type Status struct {
	Applied   Seq           // up to which every entry counts here
	Head      Seq           // where the log ended in the last answer: ahead of Applied while there are pages to read
	LeaseAge  time.Duration // since the last question started that was answered in full
	Fresh     bool          // the node holds a lease now
	Ready     bool          // it has held one: it has read the whole log and was on the list of nodes
	Unwritten bool          // the last answer could not be confirmed: the store takes no writes
	Live      int           // entries that still matter
	LiveBytes int64         // memory that they take
	Counts    Counts
	Err       error // of the last question or confirmation; nil when both succeeded

	OverBudget bool // they take more than the set's budget
}

// Status returns how far the node has applied the log.
func (f *Follower) Status() Status {
	set, applied := f.ledger.Set(), f.ledger.Applied()
	s := Status{
		Applied: applied, Head: max(f.head.Load(), applied), LeaseAge: f.ledger.LeaseAge(), Fresh: f.Fresh(),
		Live: set.Len(), LiveBytes: set.Bytes(), OverBudget: set.OverBudget(),
		Counts: Counts{
			Questions: f.questions.Load(), Failed: f.counts.failed.Load(),
			Unconfirmed: f.counts.unconfirmed.Load(), Permits: f.counts.permits.Load(),
		},
	}
	select {
	case <-f.ledger.Ready():
		s.Ready = true
	default:
	}
	s.Err = f.report.last()
	_, s.Unwritten = errors.AsType[unconfirmed](s.Err)
	return s
}

// Entries reads a page of the stored log, for a follower that is further behind than this
// node.
func (f *Follower) Entries(ctx context.Context, after Seq, limit int) (Page, error) {
	return f.cfg.Log.Entries(ctx, after, limit)
}

// LeaseAge returns the time since the last question started that was answered in
// full; before the first of them, since the ledger was made.
func (l *Ledger) LeaseAge() time.Duration { return l.Clock() - l.AsOf() }

// Permit returns a lease for one request only, from an answer about that request which
// was true as of an instant of the clock.
func (l *Ledger) Permit(asOf, staleness time.Duration) Lease {
	return Lease{end: asOf + staleness, clock: l.clock}
}

// ParseWait parses a request's wait parameter: "true", "false", "all", or "" for what the
// operator configured. The error is fault.Invalid.
func ParseWait(s string) (Wait, error) {
	switch s {
	case "":
		return WaitDefault, nil
	case "true":
		return WaitNodes, nil
	case "false":
		return WaitNone, nil
	case "all":
		return WaitAll, nil
	}
	return WaitDefault, fault.New(fault.Invalid, "wait must be true, false or all")
}
