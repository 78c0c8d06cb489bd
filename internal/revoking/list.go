package revoking

import (
	"context"
	"math"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/source"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// MaxRevocations is how many tokens RevokeTokens revokes in one transaction.
const MaxRevocations = 1000

// Revocable is a token that FindRevocable found and that its caller may revoke. It keeps
// little of the token, because there may be many.
type Revocable struct {
	kill    journal.Kill
	subject string
	actor   string          // who may revoke it
	revoked bool            // the log in the store revokes it already
	read    journal.Reading // the state of the log at which that was read
}

// ID returns the public id of the token.
func (r Revocable) ID() string { return r.kill.ID }

// FindRevocable finds a token by its value or its public id, and decides whether the
// caller may revoke it; it writes nothing. The error is InvalidToken for a value that is
// not a token of this server, Forbidden for a value that is somebody else's, NotFound for
// an id that does not exist or is somebody else's, and InsufficientScope when a Bearer
// without the scope credentials names another token of its owner. For the operator every
// UUID is an id: only some tokens are stored. A text that has the shape of another
// system's tokens is taken for a value first, so that the value gets into no log or list
// of ids.
func (r *Tokens) FindRevocable(ctx context.Context, c *caller.Caller, ref string) (Revocable, error) {
	id, err := uuid.Parse(ref)
	named := err == nil
	if named && !r.forms.Opaque(ref) {
		return r.findID(ctx, c, id.String())
	}
	t, err := r.verifier.Genuine(ctx, ref)
	if named && len(ref) == len(id.String()) && fault.Is(err, fault.InvalidToken) {
		return r.findID(ctx, c, id.String())
	}
	if err != nil {
		return Revocable{}, err
	}
	if !caller.MayRevoke(c, t) {
		return Revocable{}, errNotYours
	}
	return r.revocable(ctx, c, t)
}

func (r *Tokens) findID(ctx context.Context, c *caller.Caller, id string) (Revocable, error) {
	switch {
	case c == nil:
		return Revocable{}, records.ErrNoToken
	case c.TokenID() == id:
		return r.revocable(ctx, c, c.Token) // access and task tokens have no row
	}
	row, seq, err := r.store.TokenByID(ctx, id)
	switch {
	case fault.Is(err, fault.NotFound) && c.IsOperator():
		return r.revocable(ctx, c, unknown(id))
	case fault.Is(err, fault.NotFound):
		return Revocable{}, records.ErrNoToken
	case err != nil:
		return Revocable{}, err
	}
	t := source.TokenOf(row, seq)
	if err := caller.RequireRevokeID(c, t); err != nil {
		return Revocable{}, err
	}
	return r.revocable(ctx, c, t)
}

// unknown returns a token of which only the id is known: it may be newer than every
// cut-off.
func unknown(id string) *verification.Token {
	return verification.Index(&verification.Token{ID: id, Seq: math.MaxInt64})
}

// FindRevocableIDs is FindRevocable for many ids, in their canonical form and at most
// MaxRevocations. It is for the operator, for whom every UUID is an id; the error is
// Forbidden for anybody else.
func (r *Tokens) FindRevocableIDs(ctx context.Context, c *caller.Caller, ids []string) ([]Revocable, error) {
	if !c.IsOperator() {
		return nil, fault.New(fault.Forbidden, "only the operator may name other users' tokens by id")
	}
	rows, seq, err := r.store.TokensByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	stored := make(map[string]*verification.Token, len(rows))
	for _, row := range rows {
		stored[row.ID] = source.TokenOf(row, seq)
	}
	found := make([]Revocable, len(ids))
	for i, id := range ids {
		t := stored[id]
		if t == nil {
			t = unknown(id)
		}
		if found[i], err = r.revocable(ctx, c, t); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (r *Tokens) revocable(ctx context.Context, c *caller.Caller, t *verification.Token) (Revocable, error) {
	read := r.journal.Reading()
	revoked, err := r.revokedInLog(ctx, t)
	if err != nil {
		return Revocable{}, err
	}
	return Revocable{
		kill: killOf(t, token.ReasonRevoked), subject: t.Subject, actor: c.Actor(), revoked: revoked, read: read,
	}, nil
}

// RevokeTokens revokes tokens that FindRevocable returned to the same caller, at
// most MaxRevocations, in one transaction: all of them or none. The error is
// Forbidden for a token that was found for somebody else, and Invalid for a list
// that is empty or too long.
func (r *Tokens) RevokeTokens(ctx context.Context, c *caller.Caller, tokens []Revocable) (revocation.Receipt, error) {
	for _, t := range tokens {
		if c == nil || t.kill.ID == "" || t.actor != c.Actor() {
			return revocation.Receipt{}, errNotYours
		}
	}
	if len(tokens) == 0 || len(tokens) > MaxRevocations {
		return revocation.Receipt{}, fault.New(fault.Invalid, "a request can revoke 1 to %d tokens", MaxRevocations)
	}
	read := r.journal.Reading()
	var all op.Batch
	seen := make(map[string]bool, len(tokens))
	for _, t := range tokens {
		if seen[t.kill.ID] || t.revoked && t.read == read {
			continue
		}
		seen[t.kill.ID] = true
		e := r.journal.Event(ctx, c.Actor(), audit.TokenRevoke)
		e.Target, e.TokenID, e.Reason = t.subject, t.kill.ID, t.kill.Reason
		ops, entries := r.journal.Kill(t.kill)
		all.Ops, all.Log, all.Audit = append(all.Ops, ops...), append(all.Log, entries...), append(all.Audit, e)
	}
	return r.journal.RevokeRest(ctx, all, read, c.Wait)
}
