package issuance

import (
	"context"
	"slices"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/identity"
)

// IssueWithRefresh is Issue for both the token and a refresh token, for a protocol that
// doesn't use the scope offline_access to ask for one. Both tokens have that scope.
func (i *Issuer) IssueWithRefresh(ctx context.Context, c *caller.Caller, r *Request) (Pair, error) {
	own := *r
	own.Scope = append(slices.Clone(r.Scope), identity.ScopeOfflineAccess)
	return i.issuePair(ctx, c, &own)
}
