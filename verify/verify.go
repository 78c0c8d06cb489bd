package verify

import (
	"context"
	"net/netip"

	"github.com/bearerd/bearerd/internal/verification"
)

// Verify is VerifyFrom without an address: a token that is limited to networks is refused.
func (v *Verifier) Verify(ctx context.Context, raw string) (*Token, error) {
	return v.VerifyFrom(ctx, raw, netip.Addr{})
}

// VerifyFrom makes every check on a token, each time. The address is that of the client that
// sent the token, or the zero Addr if it is not known: a token that is limited to networks is
// refused from other addresses and from an unknown one. The error is an *Error: 401 for a
// token that is not valid here, 403 for one that has lost the access it was issued for, and
// 503 when no decision is possible now. The token is shared and must not be changed.
func (v *Verifier) VerifyFrom(ctx context.Context, raw string, client netip.Addr) (*Token, error) {
	t, err := v.client.Decision().Verify(ctx, raw, verification.Requirements{From: client})
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
		Actors: t.Actors, Audience: t.Audience, Scope: t.Scope, Collection: t.Collection, Networks: t.Networks,
		IssuedAt: t.IssuedAt, Expiry: t.Expiry, TaskTokenType: t.TaskTokenType,
	}
	t.SetView(&verification.View{Rendered: p})
	return p
}
