package authority

import (
	"context"
	"time"

	"github.com/bearerd/bearerd/internal/records"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/token"
)

// MaxRevocations is how many tokens RevokeTokens takes back in one transaction.
const MaxRevocations = 1000

// Revocable is a token that was found, and that whoever asked for it may take back.
type Revocable struct {
	caller              *Caller
	id, subject, family string
	last                time.Time // when it and all that was made from it have run out
}

// ID is the public id of the token.
func (r Revocable) ID() string { return r.id }

// FindRevocable finds the token that a value or a public id stands for, and
// decides whether the caller may take it back; it writes nothing. The error is
// InvalidToken for a value that is no token of ours and NotFound for an id that is
// none, or is somebody else's. For the operator every UUID is an id: only some
// tokens are stored.
func (a *Authority) FindRevocable(ctx context.Context, c *Caller, ref string) (Revocable, error) {
	if id, err := uuid.Parse(ref); err == nil {
		return a.revocableID(ctx, c, id.String())
	}
	t, err := a.genuine(ctx, ref)
	if err != nil {
		return Revocable{}, err
	}
	if !c.mayRevoke(t) {
		return Revocable{}, fault.New(fault.Forbidden, "this token is somebody else's")
	}
	return a.revocable(c, t), nil
}

func (a *Authority) revocableID(ctx context.Context, c *Caller, id string) (Revocable, error) {
	row, seq, err := a.Store.TokenByID(ctx, id)
	switch {
	case fault.Is(err, fault.NotFound) && c != nil && c.operator:
		return a.revocable(c, &Token{ID: id}), nil
	case fault.Is(err, fault.NotFound):
		return Revocable{}, records.ErrNoToken
	case err != nil:
		return Revocable{}, err
	}
	t := a.fromRow(row, seq)
	if !c.owns(t) && c.requireDelete() != nil {
		return Revocable{}, records.ErrNoToken
	}
	return a.revocable(c, t), nil
}

// revocable keeps little of a token, for there may be many.
func (a *Authority) revocable(c *Caller, t *Token) Revocable {
	return Revocable{caller: c, id: t.ID, subject: t.Subject, family: t.family, last: a.lastExpiry(t)}
}

// RevokeTokens takes back tokens that FindRevocable gave, at most MaxRevocations,
// in one transaction: all of them or none.
func (a *Authority) RevokeTokens(ctx context.Context, tokens []Revocable, wait bool) (Receipt, error) {
	if len(tokens) == 0 || len(tokens) > MaxRevocations {
		return Receipt{}, fault.New(fault.Invalid, "1 to %d tokens are taken back at a time", MaxRevocations)
	}
	var all records.Batch
	seen := make(map[string]bool, len(tokens))
	for _, t := range tokens {
		if seen[t.id] {
			continue
		}
		seen[t.id] = true
		e := a.event(ctx, t.caller, audit.TokenRevoke)
		e.Target, e.TokenID, e.Reason = t.subject, t.id, token.ReasonRevoked
		ops, entries := a.deathOf(t.id, t.family, t.last, token.ReasonRevoked)
		all.Ops, all.Log, all.Audit = append(all.Ops, ops...), append(all.Log, entries...), append(all.Audit, e)
	}
	return a.takeBack(ctx, all, wait)
}
