package revocation

import (
	"context"
	"fmt"
	"time"
)

// minConfirmTimeout is the least time that confirming may take; it has a quarter of L.
// A store that takes reads but no writes must not keep the next question waiting.
const minConfirmTimeout = 250 * time.Millisecond

// membership is the node's entry on the list of nodes, for which acknowledgements wait.
// The holder of the follower's turn owns it.
type membership struct {
	cfg    *Config
	counts *counts

	confirmed Seq           // what the list says
	origin    string        // of the last answer: where it is confirmed; "": anywhere
	since     time.Duration // start of the last complete question that the node was on the list for
	listed    bool          // whether since is set
	left      bool          // the node takes no more leases
	failed    time.Duration // when confirming last failed
	err       error         // how
}

// isListed reports whether the node is on the list for certain: nobody can have waited
// for it for L and dropped it.
func (m *membership) isListed() bool {
	return m.listed && m.cfg.Ledger.Clock() < m.since+m.cfg.Staleness
}

// confirmAgain confirms, but not at once after it failed: while the store takes no
// writes, each request is a question, and none should wait for that too.
func (m *membership) confirmAgain(ctx context.Context) error {
	if m.err != nil && m.cfg.Ledger.Clock()-m.failed < m.cfg.Staleness/8 {
		return m.err
	}
	err := m.confirm(ctx, m.cfg.Staleness)
	if m.err = err; ctx.Err() != nil {
		m.err = nil // that the caller's ctx ended is no failure
	}
	m.failed = m.cfg.Ledger.Clock()
	return err
}

// confirm writes to the list how far this node has applied the log.
func (m *membership) confirm(ctx context.Context, lease time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, max(m.cfg.Staleness/4, minConfirmTimeout))
	defer cancel()
	seq := m.cfg.Ledger.Applied()
	c := Confirmation{Node: m.cfg.Node, Seq: seq, Lease: lease, Origin: m.origin}
	if m.cfg.Outside != nil {
		c.Outside = m.cfg.Outside(seq, lease <= 0)
	}
	if lease <= 0 && c.Edges.Count+c.Verifiers.Count > 0 {
		// Their leases count from this node's questions, so they are no longer than its own
		// would have been.
		c.Seq, c.Lease = SeqOfLeft, m.cfg.Staleness
	}
	if err := m.cfg.Log.Confirm(ctx, c); err != nil {
		m.counts.unconfirmed.Add(1)
		return unconfirmed{fmt.Errorf("confirming the revocation log up to %d: %w", seq, err)}
	}
	m.confirmed = seq
	return nil
}

// List returns a function that reads the list of nodes, for Await and a NodeWatcher: each
// time from the database that answered this node last.
//
// A former primary that was not fenced has a list as well, without the nodes that have
// joined since and with old confirmations. Once a node has applied an entry, every answer
// that it takes is of a database that has the entry. So from then on the list is never
// read from a database older than the one on which the entry was committed.
func (f *Follower) List(nodes func(ctx context.Context, origin string) ([]Confirmation, error)) func(context.Context) ([]Confirmation, error) {
	return func(ctx context.Context) ([]Confirmation, error) {
		return nodes(ctx, f.Origin())
	}
}

// Origin returns which database answered last; "" before the first answer, and where
// there is only one.
func (f *Follower) Origin() string {
	if o := f.origin.Load(); o != nil {
		return *o
	}
	return ""
}

// unconfirmed is the error of a confirmation: the store could be read but not written.
type unconfirmed struct{ error }

// Unwrap returns the store's error.
func (u unconfirmed) Unwrap() error { return u.error }
