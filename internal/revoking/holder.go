package revoking

import (
	"context"
	"slices"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// RevokeSelf revokes a token for its holder, who proves nothing but that they hold
// it: for a token that no longer signs anybody in. Whether it has expired doesn't
// matter, and revoking twice is success. If it is revoked already, nothing is
// written; the receipt comes when that holds as wait says, as the first one did. The
// error is InvalidToken for a value that is no token of ours, that was signed by a
// revoked key, or that is of a kind which may not revoke itself.
func (r *Revoker) RevokeSelf(ctx context.Context, raw string, wait revocation.Wait) (revocation.Receipt, error) {
	t, err := r.verifier.Genuine(ctx, raw)
	if err != nil {
		return revocation.Receipt{}, err
	}
	if !slices.Contains(caller.SelfRevokingKinds(), t.Kind) {
		return revocation.Receipt{}, fault.New(fault.InvalidToken, token.ReasonMalformed)
	}
	_, err = r.verifier.Subject(ctx, t)
	removed := fault.Is(err, fault.NotFound) // what was issued to them is revoked
	if err != nil && !removed {
		return revocation.Receipt{}, err
	}
	if removed || r.verifier.Void(t) {
		read := r.journal.Reading()
		switch revoked, err := r.inLog(ctx, t); {
		case err != nil:
			return revocation.Receipt{}, err
		case revoked:
			return r.journal.Settled(ctx, read, wait)
		}
	}
	e := r.journal.Event(ctx, t.Subject, audit.TokenRevoke)
	e.Target, e.TokenID, e.Reason = t.Subject, t.ID, token.ReasonRevoked
	return r.kill(ctx, t, e, wait)
}

// Leaked revokes every value that is a token of ours, whoever reports it, and records
// it for the owners. Nothing in the answer says which ones were.
func (r *Revoker) Leaked(ctx context.Context, values []string) error {
	read := r.journal.Reading()
	var all records.Batch
	anyDead := false
	seen := map[string]bool{}
	for _, value := range values {
		t, err := r.verifier.Genuine(ctx, value)
		if fault.Is(err, fault.InvalidToken) || err == nil && seen[t.ID] {
			continue
		}
		if err != nil {
			return err
		}
		dead, err := r.dead(ctx, t)
		if err != nil {
			return err
		}
		if dead {
			anyDead = true
			continue
		}
		seen[t.ID] = true
		e := r.journal.Event(ctx, "", audit.LeakedReport)
		e.Target, e.TokenID = t.Subject, t.ID
		ops, entries := r.journal.Kill(killOf(t, "reported as leaked"))
		all.Ops, all.Log, all.Audit = append(all.Ops, ops...), append(all.Log, entries...), append(all.Audit, e)
	}
	if len(all.Log) == 0 && !anyDead {
		return nil
	}
	_, err := r.journal.RevokeRest(ctx, all, read, revocation.WaitDefault)
	return err
}

// dead reports whether a token has ended, expired, or been revoked by the log in the
// store.
func (r *Revoker) dead(ctx context.Context, t *verification.Token) (bool, error) {
	expired := !t.Expiry.IsZero() && !r.now().Before(t.Expiry)
	if expired || !r.verifier.Void(t) {
		return !r.verifier.Live(t), nil
	}
	return r.inLog(ctx, t)
}
