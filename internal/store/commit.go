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
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/people"
	"github.com/bearerd/bearerd/internal/store/query"
	"github.com/bearerd/bearerd/internal/store/registry"
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
	if err := checkEntries(b.Log); err != nil {
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
	// What can't be recorded doesn't happen.
	if err := checkEvents(b.Audit); err != nil {
		return err
	}
	for _, e := range b.Audit {
		text, args := insertEvent, []any{
			column.Micros(e.At), e.Actor, e.Action, e.Target, e.TokenID, e.Address, e.RequestID, e.Outcome, e.Reason, e.ActorName, e.TargetName,
			audit.AddressKey(e.Address),
		}
		if counted(e) {
			text, args = countEvent, append(args, max(e.Count, 1), e.Tally)
		}
		if err := c.Post(ctx, text, args...); err != nil {
			return err
		}
	}
	return nil
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

func carryOut(ctx context.Context, c engine.Conn, o op.Op) error {
	switch o := o.(type) {
	case op.Spend:
		return spend(ctx, c, o)
	}
	if done, err := people.CarryOut(ctx, c, o); done {
		return err
	}
	if done, err := carryOutNotice(ctx, c, o); done {
		return err
	}
	if done, err := registry.CarryOut(ctx, c, o); done {
		return err
	}
	return carryOutOnToken(ctx, c, o)
}

// carryOutOnToken does the operations on stored tokens and device codes.
func carryOutOnToken(ctx context.Context, c engine.Conn, o op.Op) error {
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
		err := query.UnlessConflict(ctx, c, "the token is no longer valid, or expires earlier", shortenOne,
			o.ID, column.Micros(o.Now), column.Micros(o.ExpiresAt), o.Reason)
		if err != nil {
			return err
		}
		return c.Post(ctx, shortenHeirs, o.ID, column.Micros(o.Now), column.Micros(o.ExpiresAt))
	case op.EndSourced:
		return endSourced(ctx, c, o)
	case op.KillTokens:
		return killTokens(ctx, c, o)
	case op.KillEverything:
		if _, err := c.Exec(ctx, killAll, column.Micros(o.At), o.Reason); err != nil {
			return err
		}
		_, err := c.Exec(ctx, deleteDevices)
		return err
	case op.ClaimNotice:
		if o.At.IsZero() {
			return c.Post(ctx, unclaimNotice, o.ID)
		}
		return query.UnlessConflict(ctx, c, "another node sends the notice for this token", claimNotice, o.ID, column.Micros(o.At))
	case op.AddDevice:
		return addDevice(ctx, c, o)
	case op.DecideDevice:
		d := o.Device
		return query.UnlessConflict(ctx, c, "the device was decided about already, or has run out", decideDevice,
			d.Digest[:], string(d.State), d.Subject, d.Seq, string(records.DevicePending), column.Micros(o.Now))
	case op.SpendDevice:
		return query.UnlessConflict(ctx, c, "the device code was used already", spendDevice, o.Digest[:], string(records.DeviceApproved))
	}
	return carryOutOnSignIn(ctx, c, o)
}

// carryOutOnSignIn does the operations on consent, on failed attempts, and on ways in.
func carryOutOnSignIn(ctx context.Context, c engine.Conn, o op.Op) error {
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
		return c.Post(ctx, forgetConsent, o.UserID, o.ClientID)
	}
	return fmt.Errorf("the store doesn't know the operation %T", o)
}
