// Package batch carries out a batch within a transaction: it takes the locks that the operations
// need, has the parts of the store do the operations, and records the events. The engines run
// it, alone or for several batches in one transaction.
package batch

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

// CarryOut does everything that a batch asks for, within a transaction, and puts the
// sequence of its last entry into seq. The log comes last, because appends wait for each
// other.
func CarryOut(ctx context.Context, c engine.Conn, b op.Batch, seq *revocation.Seq) error {
	*seq = 0
	if err := engine.SameServer(c, b.Origin); err != nil {
		return err
	}
	if err := TakeLocks(ctx, c, b.Ops); err != nil {
		return err
	}
	if err := CarryOutOps(ctx, c, b); err != nil {
		return err
	}
	if len(b.Log) == 0 {
		return nil
	}
	if err := logs.CheckEntries(b.Log); err != nil {
		return err
	}
	return c.Append(ctx, b.Log, seq)
}

// CarryOutOps does the operations of a batch and records its events.
func CarryOutOps(ctx context.Context, c engine.Conn, b op.Batch) error {
	for _, o := range b.Ops {
		if err := carryOutOp(ctx, c, o); err != nil {
			return err
		}
	}
	return logs.Record(ctx, c, b.Audit)
}

// Locks returns the locks that the operations need, in their order.
func Locks(ops []op.Op) []engine.Lock {
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

// TakeLocks takes the locks that the operations need.
func TakeLocks(ctx context.Context, c engine.Conn, ops []op.Op) error {
	for _, l := range Locks(ops) {
		if err := c.Lock(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// carryOutOp does an operation, whichever part of the store it belongs to.
func carryOutOp(ctx context.Context, c engine.Conn, o op.Op) error {
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
