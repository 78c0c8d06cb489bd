package verify

import (
	"context"

	"github.com/bearerd/bearerd/internal/verification"
)

// Verify makes every check on a token, each time. The error is an *Error: 401 for a token
// that is not valid here, 403 for one that has lost the access it was issued for, and 503
// when no decision is possible now. The token is shared and must not be changed.
func (v *Verifier) Verify(ctx context.Context, raw string) (*Token, error) {
	t, err := v.decision.Verify(ctx, raw, verification.Requirements{})
	if err != nil {
		return nil, asError(err)
	}
	return published(t), nil
}

// published returns the public form of a token's facts, created once for each kept token.
func published(t *verification.Token) *Token {
	if view := t.View(); view != nil {
		if p, ok := view.Rendered.(*Token); ok {
			return p
		}
	}
	p := &Token{
		Kind: Kind(t.Kind.String()), ID: t.ID, Subject: t.Subject, Username: t.Username, ClientID: t.ClientID,
		Actors: t.Actors, Audience: t.Audience, Scope: t.Scope, Collection: t.Collection,
		IssuedAt: t.IssuedAt, Expiry: t.Expiry, TaskTokenType: t.TaskTokenType,
	}
	t.SetView(&verification.View{Rendered: p})
	return p
}
