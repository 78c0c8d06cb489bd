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
		return r.journal.Settled(ctx, wait)
	}
	e := r.journal.Event(ctx, t.Subject, audit.TokenRevoke)
	e.Target, e.TokenID, e.Reason = t.Subject, t.ID, token.ReasonRevoked
	return r.kill(ctx, t, e, wait)
}

// Leaked revokes every value that is a token of ours, whoever reports it, and records
// it for the owners. Nothing in the answer says which ones were.
func (r *Revoker) Leaked(ctx context.Context, values []string) error {
	var all records.Batch
	anyRevoked := false
	seen := map[string]bool{}
	for _, value := range values {
		t, err := r.verifier.Genuine(ctx, value)
		if fault.Is(err, fault.InvalidToken) || err == nil && seen[t.ID] {
			continue
		}
		if err != nil {
			return err
		}
		if !r.verifier.Live(t) {
			anyRevoked = true
			continue
		}
		seen[t.ID] = true
		e := r.journal.Event(ctx, "", audit.LeakedReport)
		e.Target, e.TokenID = t.Subject, t.ID
		ops, entries := r.journal.Kill(killOf(t, "reported as leaked"))
		all.Ops, all.Log, all.Audit = append(all.Ops, ops...), append(all.Log, entries...), append(all.Audit, e)
	}
	var err error
	switch {
	case len(all.Log) > 0:
		_, err = r.journal.Revoke(ctx, all, revocation.WaitDefault)
	case anyRevoked:
		_, err = r.journal.Settled(ctx, revocation.WaitDefault)
	}
	return err
}
