package credentials

import (
	"bytes"
	"context"
	"crypto/sha256"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/token"
)

// Sole names an API token of which a user has only one: tokens with this name and this
// prefix are successive values of it.
type Sole struct {
	Name   string
	Prefix string // one that Forms reads as an API token's
}

// Soles keeps the tokens of which a user has only one.
type Soles struct {
	creator *Creator
	lists   *Lists
	renewer *Renewer
	now     func() time.Time
}

// SoleToken returns the caller's valid token that s names; ok is false when there is
// none.
func (s *Soles) SoleToken(ctx context.Context, c *caller.Caller, name Sole) (t records.StoredToken, ok bool, err error) {
	all, err := s.soleTokens(ctx, c, name)
	live := s.live(all)
	if err != nil || len(live) == 0 {
		return records.StoredToken{}, false, err
	}
	return live[0], true, nil
}

// RenewSole creates the caller's token that s names, or replaces its value and revokes
// the old one. Of several concurrent calls each returns a token or a Conflict, and one
// token is valid in the end. The errors are those of CreateAPIToken and Regenerate.
func (s *Soles) RenewSole(ctx context.Context, c *caller.Caller, name Sole) (*issuance.Issued, error) {
	if c == nil || c.Token == nil {
		return nil, caller.ErrSignIn
	}
	all, err := s.soleTokens(ctx, c, name)
	if err != nil {
		return nil, err
	}
	live := s.live(all)
	if len(live) == 0 {
		return s.createSole(ctx, c, name, all)
	}
	issued, err := s.renewer.Regenerate(ctx, c, live[0].ID, 0)
	if err != nil {
		return nil, err
	}
	for _, other := range live[1:] { // created in another way, with the same name
		if err := s.renewer.end(ctx, c, other, token.ReasonRevoked); err != nil {
			return nil, err
		}
	}
	return issued, nil
}

// createSole creates the token when none is valid. Its id is derived from the earlier
// tokens: of two calls that find the same ones, the store lets one create the next.
func (s *Soles) createSole(ctx context.Context, c *caller.Caller, name Sole, before []records.StoredToken) (*issuance.Issued, error) {
	var names bytes.Buffer
	for _, part := range []string{c.ID(), name.Name, name.Prefix} {
		names.WriteString(strconv.Quote(part))
	}
	for _, t := range before {
		names.WriteString(t.ID)
	}
	id := uuid.NewHash(sha256.New(), uuid.Nil, names.Bytes(), 8)
	return s.creator.issue(ctx, c, &issuance.Request{Kind: token.KindAPIToken, Parent: c.Token, Name: name.Name, Prefix: name.Prefix}, id.String())
}

// live returns those of the tokens that have not ended.
func (s *Soles) live(all []records.StoredToken) []records.StoredToken {
	var live []records.StoredToken
	for _, t := range all {
		if _, _, ended := t.End(s.now()); !ended {
			live = append(live, t)
		}
	}
	return live
}

// soleTokens returns the tokens that name names, including ended ones, newest first.
func (s *Soles) soleTokens(ctx context.Context, c *caller.Caller, name Sole) ([]records.StoredToken, error) {
	var all []records.StoredToken
	q := records.TokenQuery{Owner: c.ID(), Kinds: []token.Kind{token.KindAPIToken}}
	for {
		page, err := s.lists.TokenList(ctx, c, q)
		if err != nil {
			return nil, err
		}
		for _, t := range page.Items {
			if t.Name == name.Name && t.Prefix == name.Prefix {
				all = append(all, t)
			}
		}
		if q.After = page.Next; q.After == "" {
			return all, nil
		}
	}
}
