package issuance

import (
	"context"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/source"
	"github.com/bearerd/bearerd/internal/token"
)

// Tokens creates, lists and regenerates the tokens that are stored.
type Tokens struct {
	cfg    Config
	issuer *Issuer
}

// NewCredential is an API token or an exchange key to be created for its caller.
type NewCredential struct {
	Name        string   // of an API token; required there
	Description string   // of an API token; "": none
	Scope       []string // nil: none asked for
	Collection  *int64
	Lifetime    int64  // seconds; 0: none asked for
	Cap         bool   // a lifetime above the ceiling becomes the ceiling
	Prefix      string // of an API token; "": the operator's
}

// ValidateTokenName reports what is wrong with the name of an API token, as
// fault.Invalid.
func ValidateTokenName(s string) error { return records.ValidateLabel("a token's name", s) }

// MayCreate decides whether the caller may create any API tokens and exchange keys. The
// error is that of CreateAPIToken.
func (s *Tokens) MayCreate(ctx context.Context, c *caller.Caller) error {
	_, err := s.admit(ctx, c, token.KindAPIToken, NewCredential{})
	return err
}

// CreateAPIToken creates an API token for the caller. With a session, it has no parent
// and outlives the session. With a token of the scope credentials, it is made from that
// token, is revoked with it and can't outlive it.
func (s *Tokens) CreateAPIToken(ctx context.Context, c *caller.Caller, n NewCredential) (*Issued, error) {
	r, err := s.admit(ctx, c, token.KindAPIToken, n)
	if err != nil {
		return nil, err
	}
	if err := ValidateTokenName(n.Name); err != nil {
		return nil, err
	}
	if err := records.ValidateDescription(n.Description); err != nil {
		return nil, err
	}
	return s.issuer.Issue(ctx, c, r)
}

// CreateExchangeKey creates an exchange key for the caller, as CreateAPIToken does.
func (s *Tokens) CreateExchangeKey(ctx context.Context, c *caller.Caller, n NewCredential) (*Issued, error) {
	r, err := s.admit(ctx, c, token.KindExchangeKey, n)
	if err != nil {
		return nil, err
	}
	return s.issuer.Issue(ctx, c, r)
}

// admit is the gate of both: it decides whether the caller may create one.
func (s *Tokens) admit(ctx context.Context, c *caller.Caller, kind token.Kind, n NewCredential) (*Request, error) {
	if c == nil || c.Token == nil {
		return nil, caller.ErrSignIn
	}
	r := &Request{
		Kind: kind, Parent: c.Token, Name: n.Name, Description: n.Description, Scope: n.Scope, Collection: n.Collection, Lifetime: n.Lifetime,
		Cap: n.Cap, Prefix: n.Prefix,
	}
	return r, s.issuer.admit(ctx, c, r)
}

// TokenList lists stored tokens: the caller's own or, for administrators, anybody's. A
// Bearer that may not manage its owner's tokens sees only itself.
func (s *Tokens) TokenList(ctx context.Context, c *caller.Caller, q records.TokenQuery) (records.Page[records.StoredToken], error) {
	alone, err := mayList(c, q)
	if err != nil {
		return records.Page[records.StoredToken]{}, err
	}
	q.Now = s.cfg.Now()
	if alone {
		return s.presentedAlone(ctx, c, q)
	}
	return s.cfg.Store.StoredTokens(ctx, q)
}

// TokenTotal counts the tokens that TokenList lists, on all pages, up to
// records.MaxTotal.
func (s *Tokens) TokenTotal(ctx context.Context, c *caller.Caller, q records.TokenQuery) (records.Total, error) {
	alone, err := mayList(c, q)
	if err != nil {
		return records.Total{}, err
	}
	q.Now, q.After = s.cfg.Now(), ""
	if alone {
		page, err := s.presentedAlone(ctx, c, q)
		return records.Total{Count: len(page.Items)}, err
	}
	return s.cfg.Store.TokenTotal(ctx, q)
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
func (s *Tokens) presentedAlone(ctx context.Context, c *caller.Caller, q records.TokenQuery) (page records.Page[records.StoredToken], err error) {
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
func (s *Tokens) presented(ctx context.Context, c *caller.Caller) (records.StoredToken, error) {
	t := c.Token
	if kindRules[t.Kind].stored {
		row, _, err := s.cfg.Store.TokenByID(ctx, t.ID)
		return row, err
	}
	return records.StoredToken{
		ID: t.ID, Kind: t.Kind, Owner: t.Subject, ClientID: t.ClientID, Scope: t.Scope, Collection: t.Collection,
		Chain: t.Chain, Seq: t.Seq, CreatedAt: t.IssuedAt, ExpiresAt: t.Expiry,
	}, nil
}

// StoredToken returns what is kept about a token: one of the caller's own, the presented
// one, or anybody's for a caller who may revoke it. The error is InsufficientScope when a
// Bearer that may not manage its owner's tokens asks for another of them, and NotFound
// for every other token.
func (s *Tokens) StoredToken(ctx context.Context, c *caller.Caller, id string) (records.StoredToken, error) {
	if err := c.RequireSignedIn(); err != nil {
		return records.StoredToken{}, err
	}
	if c.TokenID() == id {
		return s.presented(ctx, c)
	}
	row, seq, err := s.cfg.Store.TokenByID(ctx, id)
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
func (s *Tokens) TokenActivity(ctx context.Context, c *caller.Caller, id string, limit int) ([]audit.Event, error) {
	if _, err := s.StoredToken(ctx, c, id); err != nil {
		return nil, err
	}
	return s.cfg.Store.AuditEvents(ctx, audit.Filter{TokenID: id, Limit: limit})
}
