package revoking

import (
	"context"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revocation"
)

// Everything is the outcome of RevokeEverything.
type Everything struct {
	revocation.Receipt

	Keys []string // the ids of the signing keys that were revoked; none with HS256
}

// RevokeEverything revokes everything issued to anybody until now: access and task
// tokens, API keys and tokens, sessions, refresh tokens, and pending device codes. It is
// for the operator, after restoring a backup. Tokens that were issued after the backup
// have no rows and perhaps no users any more: the log's entry about everything revokes
// them because their sequence is lower than that of the restored log. The signing keys
// are revoked too, for verifiers that don't follow the log, and a new one signs at once.
// The error is Forbidden for other callers.
func (r *Revoker) RevokeEverything(ctx context.Context, c *caller.Caller) (Everything, error) {
	if !c.IsOperator() {
		return Everything{}, fault.New(fault.Forbidden, "only the operator may revoke all tokens of all users")
	}
	if err := r.ring.Refresh(ctx); err != nil {
		return Everything{}, err
	}
	e := r.journal.Event(ctx, c.Actor(), audit.RevokeAll)
	e.Target, e.Reason = revocation.EverythingID, "everything of everybody"
	b := r.journal.EndEverything("everything revoked", e)
	var out Everything
	for _, k := range r.ring.Keys() {
		if k.State != keyring.Gone && !k.Revoked() {
			out.Keys = append(out.Keys, k.KID)
			b.Log = append(b.Log, r.journal.CutOff(revocation.SigningKey, k.KID))
		}
	}
	if len(out.Keys) > 0 {
		b.Ops = append(b.Ops, records.ChangeKeys{Plan: r.ring.PlanRetireAll()})
	}
	var err error
	if out.Receipt, err = r.journal.Revoke(ctx, b, c.Wait); err != nil {
		return Everything{}, err
	}
	return out, r.ring.Refresh(ctx)
}
