package authority

import (
	"context"

	"github.com/bearerd/bearerd/internal/token"
)

// Denylisted reports whether a token of any kind is one of ours that was taken
// back, an expired one too: for a gateway in front of services that verify tokens
// by themselves. False says nothing good of a token: whatever is none of ours is
// not on the list. The error is Unavailable when this node may not say no.
func (a *Authority) Denylisted(ctx context.Context, raw string) (bool, error) {
	_, err := a.examine(ctx, raw, &Demand{fate: true})
	r, refused := refusalOf(err)
	if !refused {
		return false, err
	}
	return r.Check == token.CheckRevoked, nil
}
