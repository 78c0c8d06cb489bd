package store

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/bearerd/bearerd/internal/authority"
	"github.com/bearerd/bearerd/internal/revocation"
)

// Commit carries out a batch: its operations in their order, its audit events and
// its log entries, all of it durably or nothing. It returns the sequence of its
// last log entry, 0 when it has none. An event that isn't valid fails it.
//
// An operation that can't be done returns a fault: NotFound for what it changes,
// Conflict for what exists, Invalid for what it names besides.
func (s *Store) Commit(ctx context.Context, b authority.Batch) (revocation.Seq, error) {
	return s.engine.commit(ctx, b)
}

// carryOutBatch does everything that a batch asks for, within a transaction, and
// puts the sequence of its last entry into seq. The log comes last, because appends
// wait for one another.
func carryOutBatch(ctx context.Context, c conn, b authority.Batch, seq *revocation.Seq) error {
	*seq = 0
	if err := lockFor(ctx, c, b.Ops); err != nil {
		return err
	}
	if err := carryOutOps(ctx, c, b); err != nil {
		return err
	}
	return appendLog(ctx, c, b.Log, seq)
}

// carryOutOps does the operations of a batch and records its events.
func carryOutOps(ctx context.Context, c conn, b authority.Batch) error {
	for _, op := range b.Ops {
		if err := carryOut(ctx, c, op); err != nil {
			return err
		}
	}
	return record(ctx, c, b.Audit)
}

// locksFor returns the locks that the operations need, in their order.
func locksFor(ops []authority.Op) []lock {
	needed := map[lock]bool{}
	for _, op := range ops {
		switch op.(type) {
		case authority.ChangeKeys:
			needed[lockKeys] = true
		case authority.KillTokens, authority.ShortenToken:
			needed[lockKill] = true
		case authority.AddToken:
			needed[lockTokens] = true
		}
	}
	if needed[lockKill] {
		delete(needed, lockTokens)
	}
	return slices.Sorted(maps.Keys(needed))
}

// lockFor takes the locks that the operations need.
func lockFor(ctx context.Context, c conn, ops []authority.Op) error {
	for _, l := range locksFor(ops) {
		if err := c.lock(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

func carryOut(ctx context.Context, c conn, op authority.Op) error {
	switch op := op.(type) {
	case authority.CreateUser:
		return createUser(ctx, c, op)
	case authority.UpdateUser:
		return updateUser(ctx, c, op)
	case authority.Rehash:
		_, err := c.exec(ctx, rehash, op.ID, op.Old.Reveal(), op.New.Reveal(), op.Old.Fingerprint())
		return err
	case authority.RemoveUser:
		return change(ctx, c, "no such user", deleteUser, op.ID)
	case authority.CreateCollection:
		return createCollection(ctx, c, op)
	case authority.UpdateCollection:
		return updateCollection(ctx, c, op)
	case authority.RemoveCollection:
		return removeCollection(ctx, c, op)
	case authority.CreateRole:
		return createRole(ctx, c, op)
	case authority.UpdateRole:
		return updateRole(ctx, c, op)
	case authority.RemoveRole:
		return change(ctx, c, "no such role", deleteRole, op.Name)
	case authority.AddBinding:
		return addBinding(ctx, c, op)
	case authority.RemoveBinding:
		return change(ctx, c, "no such binding", deleteBinding, op.ID)
	case authority.CreateClient:
		return createClient(ctx, c, op)
	case authority.UpdateClient:
		return updateClient(ctx, c, op)
	case authority.RemoveClient:
		return change(ctx, c, "no such client", deleteClient, op.ID)
	case authority.ChangeKeys:
		return changeKeys(ctx, c, op.Plan)
	}
	return carryOutOnToken(ctx, c, op)
}

// carryOutOnToken does the operations on stored tokens and device codes.
func carryOutOnToken(ctx context.Context, c conn, op authority.Op) error {
	switch op := op.(type) {
	case authority.AddToken:
		return addToken(ctx, c, op)
	case authority.SpendToken:
		return spendToken(ctx, c, op)
	case authority.ShortenToken:
		return shortenToken(ctx, c, op)
	case authority.KillTokens:
		return killTokens(ctx, c, op)
	case authority.ClaimNotice:
		return claim(ctx, c, op)
	case authority.AddDevice:
		return addDevice(ctx, c, op.Device)
	case authority.PollDevice:
		return c.post(ctx, pollDevice, op.Digest[:], micros(op.At))
	case authority.DecideDevice:
		return decide(ctx, c, op)
	case authority.SpendDevice:
		return spend(ctx, c, op)
	}
	return fmt.Errorf("the store doesn't know the operation %T", op)
}
