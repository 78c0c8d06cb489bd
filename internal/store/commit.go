package store

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
)

// Commit carries out a batch: its operations in their order, its audit events and its log
// entries, all of it durably or nothing. It returns the sequence of its last log entry, 0
// when it has none. An invalid event makes it fail.
//
// The error is a fault when an operation can't be done: NotFound when what it changes is
// missing, Conflict when what it adds exists, Invalid when something else that it names
// is missing.
func (s *Store) Commit(ctx context.Context, b op.Batch) (revocation.Seq, error) {
	return s.engine.commit(ctx, b)
}

// carryOutBatch does everything that a batch asks for, within a transaction, and puts the
// sequence of its last entry into seq. The log comes last, because appends wait for each
// other.
func carryOutBatch(ctx context.Context, c conn, b op.Batch, seq *revocation.Seq) error {
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
func carryOutOps(ctx context.Context, c conn, b op.Batch) error {
	for _, o := range b.Ops {
		if err := carryOut(ctx, c, o); err != nil {
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
func locksFor(ops []op.Op) []lock {
	needed := map[lock]bool{}
	for _, o := range ops {
		switch o.(type) {
		case op.ChangeKeys:
			needed[lockKeys] = true
		case op.KillTokens, op.KillEverything, op.ShortenToken, op.EndSourced:
			needed[lockKill] = true
		case op.AddToken, op.StageTokens:
			needed[lockTokens] = true
		}
	}
	if needed[lockKill] {
		delete(needed, lockTokens)
	}
	return slices.Sorted(maps.Keys(needed))
}

// lockFor takes the locks that the operations need.
func lockFor(ctx context.Context, c conn, ops []op.Op) error {
	for _, l := range locksFor(ops) {
		if err := c.lock(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

func carryOut(ctx context.Context, c conn, o op.Op) error {
	switch o := o.(type) {
	case op.CreateUser:
		return createUser(ctx, c, o.User)
	case op.UpdateUser:
		return updateUser(ctx, c, o)
	case op.Rehash:
		_, err := c.exec(ctx, rehash, o.ID, o.Old.Reveal(), o.New.Reveal(), o.Old.Fingerprint())
		return err
	case op.RemoveUser:
		return change(ctx, c, noSuchUser, deleteUser, o.ID)
	case op.Spend:
		return spend(ctx, c, o)
	case op.CreateCollection:
		if err := nameFree(ctx, c, o.Collection); err != nil {
			return err
		}
		return taken("id", unlessConflict(ctx, c, collectionExists, insertCollection, o.Collection.ID, o.Collection.Name, o.Collection.Owner))
	case op.UpdateCollection:
		if err := nameFree(ctx, c, o.Collection); err != nil {
			return err
		}
		return change(ctx, c, "no such collection", renameCollection, o.Collection.ID, o.Collection.Name)
	case op.RemoveCollection:
		return removeCollection(ctx, c, o)
	case op.CreateRole:
		return taken("name", unlessConflict(ctx, c, "a role of that name exists already",
			insertRole, o.Role.Name, listOf(&o.Role.Permissions), o.Role.Owner))
	case op.UpdateRole:
		return change(ctx, c, "no such role", setPermissions, o.Role.Name, listOf(&o.Role.Permissions))
	case op.RemoveRole:
		return change(ctx, c, "no such role", deleteRole, o.Name)
	case op.AddBinding:
		return addBinding(ctx, c, o)
	case op.RemoveBinding:
		return change(ctx, c, "no such binding", deleteBinding, o.ID)
	case op.ChangeKeys:
		return changeKeys(ctx, c, o.Plan)
	}
	if done, err := carryOutForSource(ctx, c, o); done {
		return err
	}
	if done, err := carryOutNotice(ctx, c, o); done {
		return err
	}
	if done, err := carryOutOnClient(ctx, c, o); done {
		return err
	}
	return carryOutOnToken(ctx, c, o)
}

// carryOutOnToken does the operations on stored tokens and device codes.
func carryOutOnToken(ctx context.Context, c conn, o op.Op) error {
	switch o := o.(type) {
	case op.AddToken:
		return addToken(ctx, c, o)
	case op.BeginImport, op.StageTokens, op.PublishImport:
		return carryOutOnImport(ctx, c, o)
	case op.SpendToken:
		return spendToken(ctx, c, o)
	case op.SpendAgain:
		return spendTokenAgain(ctx, c, o)
	case op.ShortenToken:
		err := unlessConflict(ctx, c, "the token is no longer valid, or expires earlier", shortenOne,
			o.ID, micros(o.Now), micros(o.ExpiresAt), o.Reason)
		if err != nil {
			return err
		}
		return c.post(ctx, shortenHeirs, o.ID, micros(o.Now), micros(o.ExpiresAt))
	case op.EndSourced:
		return endSourced(ctx, c, o)
	case op.KillTokens:
		return killTokens(ctx, c, o)
	case op.KillEverything:
		if _, err := c.exec(ctx, killAll, micros(o.At), o.Reason); err != nil {
			return err
		}
		_, err := c.exec(ctx, deleteDevices)
		return err
	case op.ClaimNotice:
		if o.At.IsZero() {
			return c.post(ctx, unclaimNotice, o.ID)
		}
		return unlessConflict(ctx, c, "another node sends the notice for this token", claimNotice, o.ID, micros(o.At))
	case op.AddDevice:
		return addDevice(ctx, c, o)
	case op.DecideDevice:
		d := o.Device
		return unlessConflict(ctx, c, "the device was decided about already, or has run out", decideDevice,
			d.Digest[:], string(d.State), d.Subject, d.Seq, string(records.DevicePending), micros(o.Now))
	case op.SpendDevice:
		return unlessConflict(ctx, c, "the device code was used already", spendDevice, o.Digest[:], string(records.DeviceApproved))
	}
	return carryOutOnSignIn(ctx, c, o)
}

// carryOutOnSignIn does the operations on consent, on failed attempts, and on ways in.
func carryOutOnSignIn(ctx context.Context, c conn, o op.Op) error {
	switch o := o.(type) {
	case op.AddCode:
		return addCode(ctx, c, o.Code)
	case op.SpendCode:
		return useCode(ctx, c, o)
	case op.KnowDocument:
		return knowDocumentKeys(ctx, c, o)
	case op.RememberConsent:
		return remember(ctx, c, o.Consent)
	case op.ForgetConsent:
		return c.post(ctx, forgetConsent, o.UserID, o.ClientID)
	case op.ClearFailures:
		if o.Account != "" {
			return c.post(ctx, deleteAttempts, o.Account)
		}
		return c.post(ctx, deleteAttempt, o.Key)
	case op.KnowAddress:
		if err := c.post(ctx, knowAddress, o.Account, o.Address, micros(o.At)); err != nil {
			return err
		}
		return c.post(ctx, trimAddresses, o.Account)
	case op.ForgetAddresses:
		return c.post(ctx, forgetAddresses, o.Account)
	case op.RequireLink, op.AddPasswordLink, op.SpendPasswordLink:
		return carryOutOnWayIn(ctx, c, o)
	}
	return fmt.Errorf("the store doesn't know the operation %T", o)
}
