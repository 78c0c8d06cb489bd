package issuance

import (
	"context"
	"slices"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/identity"
)

// IssueWithRefresh is Issue with a refresh token beside the token, for a protocol that
// asks for one in another way than by the scope offline_access. Both have that scope.
func (i *Issuer) IssueWithRefresh(ctx context.Context, c *caller.Caller, r *Request) (Pair, error) {
	own := *r
	own.Scope = append(slices.Clone(r.Scope), identity.ScopeOfflineAccess)
	return i.issuePair(ctx, c, &own)
}
