// Package credentials manages the tokens that people keep: it creates their API tokens
// and exchange keys, lists and regenerates them, lists their sessions, and reports what
// expires within a week.
package credentials

import (
	"context"
	"errors"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/networks"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// Store is what Tokens reads.
type Store interface {
	records.PrincipalReader
	contract.Tokens
	contract.Lists
	contract.AuditLog
}

// Config configures Tokens. Every field must be set.
type Config struct {
	Store    Store
	Journal  *journal.Journal
	Verifier *verification.Verifier
	Core     *issuance.Core
	Policy   issuance.Policy
	Now      func() time.Time
}

// Tokens creates, lists and regenerates the tokens that are stored. Its methods may be called
// from any number of goroutines.
type Tokens struct {
	*Creator
	*Lists
	*Renewer
	*Soles
}

// New returns a Tokens.
func New(cfg Config) (*Tokens, error) {
	switch {
	case cfg.Store == nil || cfg.Journal == nil || cfg.Verifier == nil:
		return nil, errors.New("credentials: store, journal and verifier must be set")
	case cfg.Core == nil || cfg.Now == nil:
		return nil, errors.New("credentials: core and now must be set")
	}
	t := &Tokens{
		Creator: &Creator{core: cfg.Core}, Lists: &Lists{store: cfg.Store, sessionMax: cfg.Policy.SessionMax, now: cfg.Now},
		Renewer: &Renewer{cfg: cfg},
	}
	t.Soles = &Soles{creator: t.Creator, lists: t.Lists, renewer: t.Renewer, now: cfg.Now}
	return t, nil
}

// Creator creates tokens that people keep.
type Creator struct{ core *issuance.Core }

// NewCredential is an API token or an exchange key to be created for its caller.
type NewCredential struct {
	Name        string   // of an API token; required there
	Description string   // of an API token; "": none
	Scope       []string // nil: none asked for
	Collection  *int64
	Networks    networks.List // that it, and what is made from it, may be used from; nil: any
	Lifetime    int64         // seconds; 0: none asked for
	Cap         bool          // a lifetime above the ceiling becomes the ceiling
	Prefix      string        // of an API token; "": the operator's
}

// ValidateTokenName reports what is wrong with the name of an API token, as
// fault.Invalid.
func ValidateTokenName(s string) error { return records.ValidateLabel("a token's name", s) }

// MayCreate decides whether the caller may create any API tokens and exchange keys. The
// error is that of CreateAPIToken.
func (s *Creator) MayCreate(ctx context.Context, c *caller.Caller) error {
	_, err := s.admit(ctx, c, token.KindAPIToken, NewCredential{})
	return err
}

// CreateAPIToken creates an API token for the caller. With a session, it has no parent
// and outlives the session. With a token of the scope credentials, it is made from that
// token, is revoked with it and can't outlive it.
func (s *Creator) CreateAPIToken(ctx context.Context, c *caller.Caller, n NewCredential) (*issuance.Issued, error) {
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
	return s.issue(ctx, c, r, "")
}

// CreateExchangeKey creates an exchange key for the caller, as CreateAPIToken does.
func (s *Creator) CreateExchangeKey(ctx context.Context, c *caller.Caller, n NewCredential) (*issuance.Issued, error) {
	r, err := s.admit(ctx, c, token.KindExchangeKey, n)
	if err != nil {
		return nil, err
	}
	return s.issue(ctx, c, r, "")
}

// issue issues a token with an id; "": any.
func (s *Creator) issue(ctx context.Context, c *caller.Caller, r *issuance.Request, id string) (*issuance.Issued, error) {
	pair, err := s.core.Issue(ctx, c, r, issuance.Terms{ID: id, Alone: true})
	return pair.Access, err
}

// admit is the gate of both: it decides whether the caller may create one.
func (s *Creator) admit(ctx context.Context, c *caller.Caller, kind token.Kind, n NewCredential) (*issuance.Request, error) {
	if c == nil || c.Token == nil {
		return nil, caller.ErrSignIn
	}
	r := &issuance.Request{
		Kind: kind, Parent: c.Token, Name: n.Name, Description: n.Description, Scope: n.Scope, Collection: n.Collection, Networks: n.Networks, Lifetime: n.Lifetime,
		Cap: n.Cap, Prefix: n.Prefix,
	}
	return r, s.core.Admit(ctx, c, r)
}
