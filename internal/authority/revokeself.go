package authority

import (
	"context"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/token"
)

// selfRevoking are the kinds of token that may come as a Bearer to revoke themselves.
var selfRevoking = append(slices.Clone(bearerKinds), token.KindAPIKey)

// RevokeSelf takes a token back on behalf of whoever holds it, for one that
// [Authority.BearerToRevoke] lets nobody in with any more: revoking twice is success,
// and expiry doesn't matter. Of one that is revoked already nothing is written; the
// receipt comes when that holds everywhere, as the first one did. The error is
// InvalidToken for what is no token of ours, or signed by a key that was taken back.
func (a *Authority) RevokeSelf(ctx context.Context, raw string, wait bool) (Receipt, error) {
	t, err := a.genuine(ctx, raw)
	if err != nil {
		return Receipt{}, err
	}
	if !slices.Contains(selfRevoking, t.Kind) {
		return Receipt{}, fault.New(fault.InvalidToken, token.ReasonMalformed)
	}
	p, err := a.PrincipalOf(ctx, t)
	gone := fault.Is(err, fault.NotFound) // with its user or client
	if err != nil && !gone {
		return Receipt{}, err
	}
	if gone = gone || a.revoked(t); !gone {
		c := &Caller{Principal: p, Token: t, selfOnly: true}
		return a.kill(ctx, c, t, killing{action: audit.TokenRevoke, reason: "revoked", wait: wait})
	}
	if err := a.Follower.CatchUp(ctx); err != nil {
		return Receipt{}, fault.Wrap(err, fault.Unavailable, "this node could not read the revocation log: ask again").Retry(time.Second)
	}
	return a.acknowledge(ctx, a.Follower.Applied(), wait)
}
