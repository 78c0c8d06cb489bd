package store

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/logs"
	"github.com/bearerd/bearerd/internal/store/people"
	"github.com/bearerd/bearerd/internal/store/registry"
	"github.com/bearerd/bearerd/internal/store/tokens"
	"github.com/bearerd/bearerd/internal/store/upkeep"
)

// Commit carries out a batch: its operations in their order, its audit events and its log
// entries, all of it durably or nothing. It returns the sequence of its last log entry, 0
// when it has none. An invalid event makes it fail.
//
// The error is a fault when an operation can't be done: NotFound when what it changes is
// missing, Conflict when what it adds exists, Invalid when something else that it names
// is missing.
func (s *Store) Commit(ctx context.Context, b op.Batch) (revocation.Seq, error) {
	return s.db.Commit(ctx, b)
}

// carryOutBatch does everything that a batch asks for, within a transaction, and puts the
// sequence of its last entry into seq. The log comes last, because appends wait for each
// other.
func carryOutBatch(ctx context.Context, c engine.Conn, b op.Batch, seq *revocation.Seq) error {
	*seq = 0
	if err := engine.SameServer(c, b.Origin); err != nil {
		return err
	}
	if err := lockFor(ctx, c, b.Ops); err != nil {
		return err
	}
	if err := carryOutOps(ctx, c, b); err != nil {
		return err
	}
	// The log comes last, because appends wait for one another.
	if len(b.Log) == 0 {
		return nil
	}
	if err := logs.CheckEntries(b.Log); err != nil {
		return err
	}
	return c.Append(ctx, b.Log, seq)
}

// carryOutOps does the operations of a batch and records its events.
func carryOutOps(ctx context.Context, c engine.Conn, b op.Batch) error {
	for _, o := range b.Ops {
		if err := carryOut(ctx, c, o); err != nil {
			return err
		}
	}
	return logs.Record(ctx, c, b.Audit)
}

// locksFor returns the locks that the operations need, in their order.
func locksFor(ops []op.Op) []engine.Lock {
	needed := map[engine.Lock]bool{}
	for _, o := range ops {
		switch o.(type) {
		case op.ChangeKeys:
			needed[engine.LockKeys] = true
		case op.KillTokens, op.KillEverything, op.ShortenToken, op.EndSourced:
			needed[engine.LockKill] = true
		case op.AddToken, op.StageTokens:
			needed[engine.LockTokens] = true
		}
	}
	if needed[engine.LockKill] {
		delete(needed, engine.LockTokens)
	}
	return slices.Sorted(maps.Keys(needed))
}

// lockFor takes the locks that the operations need.
func lockFor(ctx context.Context, c engine.Conn, ops []op.Op) error {
	for _, l := range locksFor(ops) {
		if err := c.Lock(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// carryOut does an operation, whichever part of the store it belongs to.
func carryOut(ctx context.Context, c engine.Conn, o op.Op) error {
	if done, err := tokens.CarryOut(ctx, c, o); done {
		return err
	}
	if done, err := people.CarryOut(ctx, c, o); done {
		return err
	}
	if done, err := registry.CarryOut(ctx, c, o); done {
		return err
	}
	if done, err := upkeep.CarryOut(ctx, c, o); done {
		return err
	}
	return fmt.Errorf("the store doesn't know the operation %T", o)
}
