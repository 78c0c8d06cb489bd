package credentials

import (
	"context"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/source"
)

// Lists shows the tokens and sessions that are stored.
type Lists struct {
	store      Store
	sessionMax time.Duration
	now        func() time.Time
}

// TokenList lists stored tokens, ended ones included, newest first: the caller's own or,
// for administrators, anybody's. A Bearer that may not manage its owner's tokens sees
// only itself.
func (s *Lists) TokenList(ctx context.Context, c *caller.Caller, q records.TokenQuery) (records.Page[records.StoredToken], error) {
	if err := c.RequireSignedIn(); err != nil {
		return records.Page[records.StoredToken]{}, err
	}
	own := q.Owner != "" && q.Owner == c.ID()
	if own && c.RequireManageTokens() == nil {
		return s.store.StoredTokens(ctx, q)
	}
	err := c.RequireAdministrator()
	switch {
	case err == nil:
		return s.store.StoredTokens(ctx, q)
	case own:
		return s.presentedAlone(ctx, c, q)
	}
	return records.Page[records.StoredToken]{}, err
}

// presentedAlone returns a list with only the token that the caller presented.
func (s *Lists) presentedAlone(ctx context.Context, c *caller.Caller, q records.TokenQuery) (page records.Page[records.StoredToken], err error) {
	if q.After != "" {
		return page, fault.New(fault.Invalid, "the cursor is not one of this list").In("cursor")
	}
	if len(q.Kinds) > 0 && !slices.Contains(q.Kinds, c.Token.Kind) {
		return page, nil
	}
	t, err := s.presented(ctx, c)
	if err != nil {
		return page, err
	}
	page.Items = []records.StoredToken{t}
	return page, nil
}

// presented returns the token that the caller presented as a stored token: its row or,
// for a kind without rows, its claims.
func (s *Lists) presented(ctx context.Context, c *caller.Caller) (records.StoredToken, error) {
	t := c.Token
	if issuance.Stored(t.Kind) {
		row, _, err := s.store.TokenByID(ctx, t.ID)
		return row, err
	}
	return records.StoredToken{
		ID: t.ID, Kind: t.Kind, Owner: t.Subject, ClientID: t.ClientID, Scope: t.Scope, Collection: t.Collection,
		Networks: t.Networks, Chain: t.Chain, Seq: t.Seq, CreatedAt: t.IssuedAt, ExpiresAt: t.Expiry,
	}, nil
}

// StoredToken returns what is kept about a token: one of the caller's own, the presented
// one, or anybody's for a caller who may revoke it. The error is InsufficientScope when a
// Bearer that may not manage its owner's tokens asks for another of them, and NotFound
// for every other token.
func (s *Lists) StoredToken(ctx context.Context, c *caller.Caller, id string) (records.StoredToken, error) {
	if err := c.RequireSignedIn(); err != nil {
		return records.StoredToken{}, err
	}
	if c.TokenID() == id {
		return s.presented(ctx, c)
	}
	row, seq, err := s.store.TokenByID(ctx, id)
	if fault.Is(err, fault.NotFound) {
		return records.StoredToken{}, records.ErrNoToken
	}
	if err == nil {
		err = caller.RequireRevokeID(c, source.TokenOf(row, seq))
	}
	if err != nil {
		return records.StoredToken{}, err
	}
	return row, nil
}
