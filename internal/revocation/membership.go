package revocation

import (
	"context"
	"fmt"
	"time"
)

// minConfirmTimeout is the least time that confirming may take; it has a quarter of L.
// A store that takes reads but no writes must not keep the next question waiting.
const minConfirmTimeout = 250 * time.Millisecond

// membership is the node's place on the list of nodes, for whom acknowledgements wait.
// The holder of the follower's turn owns it.
type membership struct {
	cfg    *Config
	counts *counts

	confirmed Seq           // what the list says
	origin    string        // of the last answer: where it is confirmed; "": anywhere
	since     time.Duration // start of the last complete question that the node was on the list for
	listed    bool          // whether since is set
	left      bool          // the node takes no lease any more
	failed    time.Duration // when confirming last failed
	err       error         // how
}

// isListed reports whether the node is on the list for certain: nobody can have waited
// for it in vain for L.
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
		m.err = nil // the caller's end is no failure
	}
	m.failed = m.cfg.Ledger.Clock()
	return err
}

// confirm writes to the list how far this node is.
func (m *membership) confirm(ctx context.Context, lease time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, max(m.cfg.Staleness/4, minConfirmTimeout))
	defer cancel()
	seq := m.cfg.Ledger.Applied()
	if err := m.cfg.Log.Confirm(ctx, Confirmation{Node: m.cfg.Node, Seq: seq, Lease: lease, Origin: m.origin}); err != nil {
		m.counts.unconfirmed.Add(1)
		return unconfirmed{fmt.Errorf("confirming the revocation log up to %d: %w", seq, err)}
	}
	m.confirmed = seq
	return nil
}

// List returns a reader of the list of nodes, for Await and a NodeWatcher: each time as
// the database has it that answered this node last.
//
// A former primary that nobody has fenced has a list as well, without the nodes that have
// joined since and with confirmations that are too old to be waited for. Once a node has
// applied an entry, every answer that it takes is of a database that has the entry. So
// after that the list is of no earlier database than the one that the entry was committed
// on.
func (f *Follower) List(nodes func(ctx context.Context, origin string) ([]Confirmation, error)) func(context.Context) ([]Confirmation, error) {
	return func(ctx context.Context) ([]Confirmation, error) {
		return nodes(ctx, f.Origin())
	}
}

// Origin returns which database answered last; "" before the first answer, and where
// there is but one.
func (f *Follower) Origin() string {
	if o := f.origin.Load(); o != nil {
		return *o
	}
	return ""
}

// unconfirmed is the error of a confirmation: the store was read and took no write.
type unconfirmed struct{ error }

// Unwrap returns what the store said.
func (u unconfirmed) Unwrap() error { return u.error }
