package journal

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
)

// Revoke commits a batch whose log entries revoke something. It returns when this node
// refuses what they name and, depending on wait, when every other node has confirmed the
// sequence or its lease has expired. The error is Unavailable when the revocation is
// stored but not known to hold everywhere: it is safe to try again.
func (j *Journal) Revoke(ctx context.Context, b op.Batch, wait revocation.Wait) (revocation.Receipt, error) {
	seq, err := j.Commit(ctx, b)
	if err != nil {
		return revocation.Receipt{}, err
	}
	j.cfg.Meter.Revoked(revocationOf(b))
	return j.acknowledge(ctx, seq, wait)
}

// Reading is the state of the log, as this node follows it, at which something was read.
type Reading struct {
	replaced uint64
	origin   string
}

// Origin returns the database of the log, for a batch that must be committed there.
func (r Reading) Origin() string { return r.origin }

// Reading returns the state of the log as it is followed now. Take it before reading from
// the store whether something is already revoked.
func (j *Journal) Reading() Reading {
	return Reading{replaced: j.cfg.Follower.Replaced(), origin: j.cfg.Follower.Origin()}
}

// Settled acknowledges a revocation that the store already has, as was read after the
// reading was taken, so that nothing is left to write. Reading it is not enough: if the
// wait of the commit that wrote the entry was cut off, the entry may be visible here but
// not be on any standby. So Settled commits something, which makes every entry before it
// as durable as itself, and waits for the head of the log that this transaction saw. The
// error is that of Revoke, and Unavailable when the commit may be in another log than the
// reading: that of a server that has replaced the first one.
func (j *Journal) Settled(ctx context.Context, read Reading, wait revocation.Wait) (revocation.Receipt, error) {
	return j.RevokeRest(ctx, op.Batch{}, read, wait)
}

// RevokeRest revokes what is left of something, and acknowledges all of it: it is Revoke
// and Settled at once.
func (j *Journal) RevokeRest(ctx context.Context, b op.Batch, read Reading, wait revocation.Wait) (revocation.Receipt, error) {
	commit := j.Revoke
	if len(b.Log) == 0 {
		commit = j.settle
	}
	r, err := commit(ctx, b, wait)
	if err != nil {
		return revocation.Receipt{}, err
	}
	if read != j.Reading() {
		return revocation.Receipt{}, fault.After(fault.Unavailable, time.Second, "the revocation log was replaced meanwhile: try again")
	}
	return r, nil
}

// settle acknowledges a batch without entries.
func (j *Journal) settle(ctx context.Context, _ op.Batch, wait revocation.Wait) (revocation.Receipt, error) {
	head, err := j.settler.settle(ctx, j.cfg.Store)
	if err != nil {
		return revocation.Receipt{}, err
	}
	return j.acknowledge(ctx, head, wait)
}

// settler makes one commit serve all requests that came before it began: however many
// requests have nothing left to revoke, one commit at a time is made.
type settler struct {
	turn  chan struct{} // holds the turn, which guards last
	began atomic.Uint64 // commits
	last  settlement
}

// settlement is the outcome of a commit, for the requests that came before it began.
type settlement struct {
	number uint64
	head   revocation.Seq
	err    error
}

func (s *settler) settle(ctx context.Context, store Store) (revocation.Seq, error) {
	arrived := s.began.Load()
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return 0, fault.Wrap(ctx.Err(), fault.Unavailable, "the revocation log is busy: try again").Retry(time.Second)
	}
	defer func() { <-s.turn }()
	if s.last.number > arrived {
		return s.last.head, s.last.err
	}
	number := s.began.Add(1)
	head, err := store.Settle(ctx)
	if err != nil && ctx.Err() != nil {
		return 0, err // only this caller's ctx ended
	}
	s.last = settlement{number: number, head: head, err: err}
	return head, err
}

// CatchUp applies on this node everything that the log has now. The error is Unavailable.
func (j *Journal) CatchUp(ctx context.Context) error {
	if err := j.cfg.Follower.CatchUp(ctx); err != nil {
		return fault.Wrap(err, fault.Unavailable, "this node could not read the revocation log: try again").Retry(time.Second)
	}
	return nil
}

// acknowledge returns when this node has applied what was committed and, depending on
// wait, when every other node, and every verifier outside that it waits for, has applied that
// sequence or its lease has expired.
func (j *Journal) acknowledge(ctx context.Context, seq revocation.Seq, wait revocation.Wait) (revocation.Receipt, error) {
	committed := j.cfg.Clock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*j.cfg.Staleness+time.Second)
	defer cancel()
	if err := j.cfg.Follower.CatchUp(ctx); err != nil {
		return revocation.Receipt{}, fault.Wrap(err, fault.Unavailable,
			"it is stored, but this node could not read the revocation log: try again").Retry(time.Second)
	}
	if j.cfg.Follower.Ledger().Applied() < seq { // the database that answered is behind the one that committed
		return revocation.Receipt{}, fault.After(fault.Unavailable, time.Second,
			"it is stored, but this node has not read it from the revocation log yet: try again")
	}
	r := revocation.Receipt{Revoked: true, Seq: seq}
	if wait == revocation.WaitDefault {
		wait = j.cfg.Wait
	}
	if wait == revocation.WaitNone {
		return r, nil
	}
	a := revocation.AwaitConfig{
		Target: seq, All: wait == revocation.WaitAll, Started: committed, Clock: j.cfg.Clock, Nodes: j.cfg.Follower.List(j.cfg.Store.Nodes), Drop: j.cfg.Store.DropNode,
	}
	if w := j.cfg.Watcher; w != nil {
		a.Nodes, a.LeaseExpired = w.Read, w.LeaseExpired
	}
	ack, err := revocation.Await(ctx, a)
	j.cfg.Meter.Waited(waitOutcome(ack, err))
	if err != nil {
		return revocation.Receipt{}, fault.Wrap(err, fault.Unavailable,
			"it is stored, but the nodes have not all confirmed it: try again").Retry(time.Second)
	}
	r.Nodes = &ack
	j.cfg.Meter.Acknowledged(j.cfg.Clock() - committed)
	return r, nil
}

func waitOutcome(ack revocation.Acknowledgement, err error) string {
	switch {
	case err != nil:
		return WaitFailed
	case ack.Expired > 0 || ack.Verifiers != nil && ack.Verifiers.Expired > 0:
		return WaitExpired
	}
	return WaitConfirmed
}
