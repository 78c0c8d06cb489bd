package credentials

import (
	"context"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
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

// TokenList lists stored tokens: the caller's own or, for administrators, anybody's. A
// Bearer that may not manage its owner's tokens sees only itself.
func (s *Lists) TokenList(ctx context.Context, c *caller.Caller, q records.TokenQuery) (records.Page[records.StoredToken], error) {
	alone, err := mayList(c, q)
	if err != nil {
		return records.Page[records.StoredToken]{}, err
	}
	q.Now = s.now()
	if alone {
		return s.presentedAlone(ctx, c, q)
	}
	return s.store.StoredTokens(ctx, q)
}

// TokenTotal counts the tokens that TokenList lists, on all pages, up to
// records.MaxTotal.
func (s *Lists) TokenTotal(ctx context.Context, c *caller.Caller, q records.TokenQuery) (records.Total, error) {
	alone, err := mayList(c, q)
	if err != nil {
		return records.Total{}, err
	}
	q.Now, q.After = s.now(), ""
	if alone {
		page, err := s.presentedAlone(ctx, c, q)
		return records.Total{Count: len(page.Items)}, err
	}
	return s.store.TokenTotal(ctx, q)
}

// mayList is the gate of both: it reports whether the caller sees only the token that
// they presented.
func mayList(c *caller.Caller, q records.TokenQuery) (alone bool, err error) {
	if err := c.RequireSignedIn(); err != nil {
		return false, err
	}
	own := q.Owner != "" && q.Owner == c.ID()
	if own && c.RequireManageTokens() == nil {
		return false, nil
	}
	if err := c.RequireAdministrator(); err != nil && !own {
		return false, err
	} else if err != nil {
		return true, nil
	}
	return false, nil
}

// presentedAlone returns a list with only the token that the caller presented.
func (s *Lists) presentedAlone(ctx context.Context, c *caller.Caller, q records.TokenQuery) (page records.Page[records.StoredToken], err error) {
	if q.After != "" {
		return page, fault.New(fault.Invalid, "the cursor is not one of this list").In("cursor")
	}
	t, err := s.presented(ctx, c)
	if err != nil || !q.Asks(t) {
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

// TokenActivity returns the newest events of the audit log about a token that the caller
// may see with StoredToken.
func (s *Lists) TokenActivity(ctx context.Context, c *caller.Caller, id string, limit int) ([]audit.Event, error) {
	if _, err := s.StoredToken(ctx, c, id); err != nil {
		return nil, err
	}
	return s.store.AuditEvents(ctx, audit.Filter{TokenID: id, Limit: limit})
}
