package verification

import (
	"context"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// Identity is who presented a token that was accepted.
type Identity struct {
	Token   *Token
	Subject *Subject
	AsOf    revocation.Seq // as of which the token was found good
}

// ID returns the subject; "" for nobody.
func (id *Identity) ID() string {
	if id == nil {
		return ""
	}
	return id.Subject.ID
}

// TokenID returns the public id of the token; "" for nobody.
func (id *Identity) TokenID() string {
	if id == nil {
		return ""
	}
	return id.Token.ID
}

// Identify decides as Verify does and returns whom the token speaks for. What was
// issued to somebody who no longer exists is revoked.
func (v *Verifier) Identify(ctx context.Context, raw string, r Requirements) (*Identity, error) {
	asOf := v.ledger.Applied()
	t, err := v.Verify(ctx, raw, r)
	if err != nil {
		return nil, err
	}
	s, err := v.Subject(ctx, t)
	if err != nil {
		return nil, subjectError(err)
	}
	return &Identity{Token: t, Subject: s, AsOf: asOf}, nil
}

func subjectError(err error) error {
	if fault.Is(err, fault.NotFound) {
		return fault.New(fault.InvalidToken, token.ReasonRevoked)
	}
	return err
}

// StillGood decides again about somebody who was let in, for an answer that goes on:
// by what is known here now, lease or not, for the answer itself is bound to one. It
// is not counted and is no use of the token. The error is that of Identify.
func (v *Verifier) StillGood(ctx context.Context, id *Identity, raw string, r Requirements) (*Identity, error) {
	t := id.Token
	if v.facts.outdated(t) {
		var err error
		if t, err = v.facts.recall(ctx, raw); err != nil {
			return nil, v.refused(err)
		}
	}
	if err := v.judge(ctx, raw, t, &r); err != nil {
		return nil, v.refused(err)
	}
	if t.OfClient() { // needs no look-up: its right to be let in is the token's scope alone
		return &Identity{Token: t, Subject: id.Subject, AsOf: id.AsOf}, nil
	}
	s, err := v.Subject(ctx, t)
	if err != nil {
		return nil, subjectError(err)
	}
	return &Identity{Token: t, Subject: s, AsOf: id.AsOf}, nil
}
