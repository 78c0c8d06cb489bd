package revoking

import (
	"context"
	"slices"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/source"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// RevokeSelf revokes a token for its holder, who has to prove only that they hold it. It
// works for a token that is no longer accepted too. Whether it has expired doesn't
// matter, and revoking twice is success. If it is already revoked, nothing is written;
// the receipt is returned when the revocation holds, as the caller's Wait requires. The
// error is InvalidToken for a value that is not a token of this server, that was signed
// by a revoked key, or that is of a kind which may not revoke itself, and Limited as for
// Revoke.
func (r *Holders) RevokeSelf(ctx context.Context, raw string, wait revocation.Wait) (revocation.Receipt, error) {
	return r.revokeHeld(ctx, raw, caller.SelfRevokingKinds(), wait)
}

// RevokeHeld is RevokeSelf for refresh tokens too: for a protocol in which the holder of
// any token may revoke it.
func (r *Holders) RevokeHeld(ctx context.Context, raw string, wait revocation.Wait) (revocation.Receipt, error) {
	return r.revokeHeld(ctx, raw, append(caller.SelfRevokingKinds(), token.KindRefresh), wait)
}

// revokeHeld revokes a token for its holder, if it is of one of these kinds.
func (r *Holders) revokeHeld(ctx context.Context, raw string, kinds []token.Kind, wait revocation.Wait) (revocation.Receipt, error) {
	t, err := r.verifier.Genuine(ctx, raw)
	if err != nil {
		return revocation.Receipt{}, err
	}
	if !slices.Contains(kinds, t.Kind) {
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
			if err := r.quota.Again(t.Subject); err != nil {
				return revocation.Receipt{}, err
			}
			return r.journal.Settled(ctx, read, wait)
		}
	}
	e := r.journal.Event(ctx, t.Subject, audit.TokenRevoke)
	e.Target, e.TokenID, e.Reason = t.Subject, t.ID, token.ReasonRevoked
	return r.kill(ctx, t, e, terms{wait: wait})
}

// Leaked revokes every value that is a token of this server, for any caller, and records
// it for the owners. The result doesn't show which values were tokens.
func (r *Holders) Leaked(ctx context.Context, values []string) error {
	read := r.journal.Reading()
	found, err := r.genuine(ctx, values)
	if err != nil {
		return err
	}
	var all op.Batch
	anyEnded := false
	seen := map[string]bool{}
	for _, t := range found {
		if seen[t.ID] {
			continue
		}
		ended, err := r.ended(ctx, t)
		if err != nil {
			return err
		}
		if ended {
			anyEnded = true
			continue
		}
		seen[t.ID] = true
		e := r.journal.Event(ctx, "", audit.LeakedReport)
		e.Target, e.TokenID = t.Subject, t.ID
		ops, entries := r.journal.Kill(killOf(t, "reported as leaked"))
		all.Ops, all.Log, all.Audit = append(all.Ops, ops...), append(all.Log, entries...), append(all.Audit, e)
	}
	if len(all.Log) == 0 && !anyEnded {
		return nil
	}
	_, err = r.journal.RevokeRest(ctx, all, read, revocation.WaitDefault)
	return err
}

// ended reports whether a token has ended, expired, or been revoked by the log in the
// store.
func (r *Holders) ended(ctx context.Context, t *verification.Token) (bool, error) {
	expired := !t.Expiry.IsZero() && !r.now().Before(t.Expiry)
	if expired || !r.verifier.Void(t) {
		return expired, nil
	}
	return r.inLog(ctx, t)
}

// genuine returns those of the values that are tokens of this server, ended ones
// included. Opaque ones are looked up together: random values with a right checksum are
// cheap to make, and a report may have a thousand.
func (r *Holders) genuine(ctx context.Context, values []string) ([]*verification.Token, error) {
	var found []*verification.Token
	var digests [][32]byte
	var foreign [][]byte
	for _, value := range values {
		if r.forms.Opaque(value) {
			switch o, err := r.forms.Parse(value); {
			case err != nil:
			case o.Foreign:
				foreign = append(foreign, token.ForeignDigests(value)...)
			default:
				digests = append(digests, o.Digest)
			}
			continue
		}
		t, err := r.verifier.Genuine(ctx, value)
		if err == nil {
			found = append(found, t)
		} else if !fault.Is(err, fault.InvalidToken) {
			return nil, err
		}
	}
	own, err := lookUp(ctx, digests, r.store.TokensByDigest)
	if err != nil {
		return nil, err
	}
	imported, err := lookUp(ctx, foreign, r.store.ImportedTokens)
	return slices.Concat(found, own, imported), err
}

// lookUp finds the tokens of all digests, as many at a time as the store takes.
func lookUp[D any](ctx context.Context, digests []D,
	find func(context.Context, []D) ([]records.StoredToken, revocation.Seq, error),
) (found []*verification.Token, err error) {
	for chunk := range slices.Chunk(digests, records.MaxDigests) {
		rows, seq, err := find(ctx, chunk)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			found = append(found, source.TokenOf(row, seq))
		}
	}
	return found, nil
}
