package store

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/bearerd/bearerd/internal/records"

	"github.com/bearerd/bearerd/internal/revocation"
)

// Commit carries out a batch: its operations in their order, its audit events and
// its log entries, all of it durably or nothing. It returns the sequence of its
// last log entry, 0 when it has none. An event that isn't valid fails it.
//
// An operation that can't be done returns a fault: NotFound for what it changes,
// Conflict for what exists, Invalid for what it names besides.
func (s *Store) Commit(ctx context.Context, b records.Batch) (revocation.Seq, error) {
	return s.engine.commit(ctx, b)
}

// carryOutBatch does everything that a batch asks for, within a transaction, and
// puts the sequence of its last entry into seq. The log comes last, because appends
// wait for one another.
func carryOutBatch(ctx context.Context, c conn, b records.Batch, seq *revocation.Seq) error {
	*seq = 0
	if err := sameServer(c, b.Origin); err != nil {
		return err
	}
	if err := lockFor(ctx, c, b.Ops); err != nil {
		return err
	}
	if err := carryOutOps(ctx, c, b); err != nil {
		return err
	}
	return appendLog(ctx, c, b.Log, seq)
}

// carryOutOps does the operations of a batch and records its events.
func carryOutOps(ctx context.Context, c conn, b records.Batch) error {
	for _, op := range b.Ops {
		if err := carryOut(ctx, c, op); err != nil {
			return err
		}
	}
	return record(ctx, c, b.Audit)
}

// locksFor returns the locks that the operations need, in their order.
func locksFor(ops []records.Op) []lock {
	needed := map[lock]bool{}
	for _, op := range ops {
		switch op.(type) {
		case records.ChangeKeys:
			needed[lockKeys] = true
		case records.KillTokens, records.KillEverything, records.ShortenToken:
			needed[lockKill] = true
		case records.AddToken:
			needed[lockTokens] = true
		}
	}
	if needed[lockKill] {
		delete(needed, lockTokens)
	}
	return slices.Sorted(maps.Keys(needed))
}

// lockFor takes the locks that the operations need.
func lockFor(ctx context.Context, c conn, ops []records.Op) error {
	for _, l := range locksFor(ops) {
		if err := c.lock(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

func carryOut(ctx context.Context, c conn, op records.Op) error {
	switch op := op.(type) {
	case records.CreateUser:
		return createUser(ctx, c, op)
	case records.UpdateUser:
		return updateUser(ctx, c, op)
	case records.Rehash:
		_, err := c.exec(ctx, rehash, op.ID, op.Old.Reveal(), op.New.Reveal(), op.Old.Fingerprint())
		return err
	case records.RemoveUser:
		return change(ctx, c, "no such user", deleteUser, op.ID)
	case records.CreateCollection:
		return createCollection(ctx, c, op)
	case records.UpdateCollection:
		return updateCollection(ctx, c, op)
	case records.RemoveCollection:
		return removeCollection(ctx, c, op)
	case records.CreateRole:
		return createRole(ctx, c, op)
	case records.UpdateRole:
		return updateRole(ctx, c, op)
	case records.RemoveRole:
		return change(ctx, c, "no such role", deleteRole, op.Name)
	case records.AddBinding:
		return addBinding(ctx, c, op)
	case records.RemoveBinding:
		return change(ctx, c, "no such binding", deleteBinding, op.ID)
	case records.CreateClient:
		return createClient(ctx, c, op)
	case records.UpdateClient:
		return updateClient(ctx, c, op)
	case records.RotateSecret:
		return change(ctx, c, "no such client", rotateSecret, op.ID, op.SecretDigest, micros(op.OldUntil), []byte{})
	case records.RemoveClient:
		return change(ctx, c, "no such client", deleteClient, op.ID)
	case records.ChangeKeys:
		return changeKeys(ctx, c, op.Plan)
	}
	return carryOutOnToken(ctx, c, op)
}

// carryOutOnToken does the operations on stored tokens and device codes.
func carryOutOnToken(ctx context.Context, c conn, op records.Op) error {
	switch op := op.(type) {
	case records.AddToken:
		return addToken(ctx, c, op)
	case records.SpendToken:
		return spendToken(ctx, c, op)
	case records.SpendAgain:
		return spendTokenAgain(ctx, c, op)
	case records.ShortenToken:
		return shortenToken(ctx, c, op)
	case records.KillTokens:
		return killTokens(ctx, c, op)
	case records.KillEverything:
		return killEverything(ctx, c, op)
	case records.ClaimNotice:
		return claim(ctx, c, op)
	case records.AddDevice:
		return addDevice(ctx, c, op)
	case records.DecideDevice:
		return decide(ctx, c, op)
	case records.SpendDevice:
		return spend(ctx, c, op)
	}
	return carryOutOnAttempts(ctx, c, op)
}

// carryOutOnAttempts does the operations on failures and known addresses.
func carryOutOnAttempts(ctx context.Context, c conn, op records.Op) error {
	switch op := op.(type) {
	case records.ClearFailures:
		return clearFailures(ctx, c, op)
	case records.KnowAddress:
		return know(ctx, c, op)
	case records.ForgetAddresses:
		return c.post(ctx, forgetAddresses, op.Account)
	}
	return fmt.Errorf("the store doesn't know the operation %T", op)
}
