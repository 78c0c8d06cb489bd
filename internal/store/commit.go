package store

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revocation"
)

// Commit carries out a batch: its operations in their order, its audit events and its log
// entries, all of it durably or nothing. It returns the sequence of its last log entry, 0
// when it has none. An invalid event makes it fail.
//
// The error is a fault when an operation can't be done: NotFound when what it changes is
// missing, Conflict when what it adds exists, Invalid when something else that it names
// is missing.
func (s *Store) Commit(ctx context.Context, b records.Batch) (revocation.Seq, error) {
	return s.engine.commit(ctx, b)
}

// carryOutBatch does everything that a batch asks for, within a transaction, and puts the
// sequence of its last entry into seq. The log comes last, because appends wait for each
// other.
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
	// The log comes last, because appends wait for one another.
	if len(b.Log) == 0 {
		return nil
	}
	if err := checkEntries(b.Log); err != nil {
		return err
	}
	return c.append(ctx, b.Log, seq)
}

// carryOutOps does the operations of a batch and records its events.
func carryOutOps(ctx context.Context, c conn, b records.Batch) error {
	for _, op := range b.Ops {
		if err := carryOut(ctx, c, op); err != nil {
			return err
		}
	}
	// What can't be recorded doesn't happen.
	if err := checkEvents(b.Audit); err != nil {
		return err
	}
	for _, e := range b.Audit {
		text, args := insertEvent, []any{
			micros(e.At), e.Actor, e.Action, e.Target, e.TokenID, e.Address, e.RequestID, e.Outcome, e.Reason, e.ActorName, e.TargetName,
			audit.AddressKey(e.Address),
		}
		if counted(e) {
			text, args = countEvent, append(args, max(e.Count, 1), e.Tally)
		}
		if err := c.post(ctx, text, args...); err != nil {
			return err
		}
	}
	return nil
}

// locksFor returns the locks that the operations need, in their order.
func locksFor(ops []records.Op) []lock {
	needed := map[lock]bool{}
	for _, op := range ops {
		switch op.(type) {
		case records.ChangeKeys:
			needed[lockKeys] = true
		case records.KillTokens, records.KillEverything, records.ShortenToken, records.EndSourced:
			needed[lockKill] = true
		case records.AddToken, records.StageTokens:
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
		return createUser(ctx, c, op.User)
	case records.UpdateUser:
		return updateUser(ctx, c, op)
	case records.Rehash:
		_, err := c.exec(ctx, rehash, op.ID, op.Old.Reveal(), op.New.Reveal(), op.Old.Fingerprint())
		return err
	case records.RemoveUser:
		return change(ctx, c, noSuchUser, deleteUser, op.ID)
	case records.Spend:
		return spend(ctx, c, op)
	case records.CreateCollection:
		if err := nameFree(ctx, c, op.Collection); err != nil {
			return err
		}
		return taken("id", unlessConflict(ctx, c, collectionExists, insertCollection, op.Collection.ID, op.Collection.Name, op.Collection.Owner))
	case records.UpdateCollection:
		if err := nameFree(ctx, c, op.Collection); err != nil {
			return err
		}
		return change(ctx, c, "no such collection", renameCollection, op.Collection.ID, op.Collection.Name)
	case records.RemoveCollection:
		return removeCollection(ctx, c, op)
	case records.CreateRole:
		return taken("name", unlessConflict(ctx, c, "a role of that name exists already",
			insertRole, op.Role.Name, listOf(&op.Role.Permissions), op.Role.Owner))
	case records.UpdateRole:
		return change(ctx, c, "no such role", setPermissions, op.Role.Name, listOf(&op.Role.Permissions))
	case records.RemoveRole:
		return change(ctx, c, "no such role", deleteRole, op.Name)
	case records.AddBinding:
		return addBinding(ctx, c, op)
	case records.RemoveBinding:
		return change(ctx, c, "no such binding", deleteBinding, op.ID)
	case records.ChangeKeys:
		return changeKeys(ctx, c, op.Plan)
	}
	if done, err := carryOutForSource(ctx, c, op); done {
		return err
	}
	if done, err := carryOutNotice(ctx, c, op); done {
		return err
	}
	if done, err := carryOutOnClient(ctx, c, op); done {
		return err
	}
	return carryOutOnToken(ctx, c, op)
}

// carryOutOnToken does the operations on stored tokens and device codes.
func carryOutOnToken(ctx context.Context, c conn, op records.Op) error {
	switch op := op.(type) {
	case records.AddToken:
		return addToken(ctx, c, op)
	case records.BeginImport, records.StageTokens, records.PublishImport:
		return carryOutOnImport(ctx, c, op)
	case records.SpendToken:
		return spendToken(ctx, c, op)
	case records.SpendAgain:
		return spendTokenAgain(ctx, c, op)
	case records.ShortenToken:
		err := unlessConflict(ctx, c, "the token is no longer valid, or expires earlier", shortenOne,
			op.ID, micros(op.Now), micros(op.ExpiresAt), op.Reason)
		if err != nil {
			return err
		}
		return c.post(ctx, shortenHeirs, op.ID, micros(op.Now), micros(op.ExpiresAt))
	case records.EndSourced:
		return endSourced(ctx, c, op)
	case records.KillTokens:
		return killTokens(ctx, c, op)
	case records.KillEverything:
		if _, err := c.exec(ctx, killAll, micros(op.At), op.Reason); err != nil {
			return err
		}
		_, err := c.exec(ctx, deleteDevices)
		return err
	case records.ClaimNotice:
		if op.At.IsZero() {
			return c.post(ctx, unclaimNotice, op.ID)
		}
		return unlessConflict(ctx, c, "another node sends the notice for this token", claimNotice, op.ID, micros(op.At))
	case records.AddDevice:
		return addDevice(ctx, c, op)
	case records.DecideDevice:
		d := op.Device
		return unlessConflict(ctx, c, "the device was decided about already, or has run out", decideDevice,
			d.Digest[:], string(d.State), d.Subject, d.Seq, string(records.DevicePending), micros(op.Now))
	case records.SpendDevice:
		return unlessConflict(ctx, c, "the device code was used already", spendDevice, op.Digest[:], string(records.DeviceApproved))
	}
	return carryOutOnSignIn(ctx, c, op)
}

// carryOutOnSignIn does the operations on consent, on failed attempts, and on ways in.
func carryOutOnSignIn(ctx context.Context, c conn, op records.Op) error {
	switch op := op.(type) {
	case records.AddCode:
		return addCode(ctx, c, op.Code)
	case records.SpendCode:
		return useCode(ctx, c, op)
	case records.KnowDocument:
		return knowDocumentKeys(ctx, c, op)
	case records.RememberConsent:
		return remember(ctx, c, op.Consent)
	case records.ForgetConsent:
		return c.post(ctx, forgetConsent, op.UserID, op.ClientID)
	case records.ClearFailures:
		if op.Account != "" {
			return c.post(ctx, deleteAttempts, op.Account)
		}
		return c.post(ctx, deleteAttempt, op.Key)
	case records.KnowAddress:
		if err := c.post(ctx, knowAddress, op.Account, op.Address, micros(op.At)); err != nil {
			return err
		}
		return c.post(ctx, trimAddresses, op.Account)
	case records.ForgetAddresses:
		return c.post(ctx, forgetAddresses, op.Account)
	case records.RequireLink, records.AddPasswordLink, records.SpendPasswordLink:
		return carryOutOnWayIn(ctx, c, op)
	}
	return fmt.Errorf("the store doesn't know the operation %T", op)
}
