package store

import (
	"context"
	"fmt"

	"github.com/bearerd/bearerd/internal/authority"
	"github.com/bearerd/bearerd/internal/revocation"
)

// Commit carries out a batch: its operations in their order, then its log entries,
// then its audit events, all of it durably or nothing. It gives the sequence of its
// last log entry, 0 when it has none. An event that isn't valid fails it.
//
// An operation that can't be done gives a fault: NotFound for what it changes,
// Conflict for what exists, Invalid for what it names besides.
func (s *Store) Commit(ctx context.Context, b authority.Batch) (seq revocation.Seq, err error) {
	err = s.write(ctx, func(ctx context.Context, c *conn) error {
		for _, op := range b.Ops {
			if err := carryOut(ctx, c, op); err != nil {
				return err
			}
		}
		var err error
		if seq, err = appendLog(ctx, c, b.Log); err != nil {
			return err
		}
		return record(ctx, c, b.Audit)
	})
	if err != nil {
		return 0, err
	}
	return seq, nil
}

func carryOut(ctx context.Context, c *conn, op authority.Op) error {
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
func carryOutOnToken(ctx context.Context, c *conn, op authority.Op) error {
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
		_, err := c.exec(ctx, pollDevice, op.Digest[:], micros(op.At))
		return err
	case authority.DecideDevice:
		return decide(ctx, c, op)
	case authority.SpendDevice:
		return spend(ctx, c, op)
	}
	return fmt.Errorf("the store doesn't know the operation %T", op)
}
