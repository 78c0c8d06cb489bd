package authority

import (
	"bytes"
	"context"
	"crypto/sha256"
	"strconv"

	"github.com/bearerd/bearerd/internal/records"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/token"
)

// Sole names an API token of which a user has one and no more: all that have this
// name and this prefix are the same one, made and made anew.
type Sole struct {
	Name   string
	Prefix string // one that Forms reads as an API token's
}

// SoleToken finds the caller's living token that s names; ok is false when there
// is none.
func (a *Authority) SoleToken(ctx context.Context, c *Caller, s Sole) (t records.StoredToken, ok bool, err error) {
	all, err := a.soleTokens(ctx, c, s)
	alive := a.living(all)
	if err != nil || len(alive) == 0 {
		return records.StoredToken{}, false, err
	}
	return alive[0], true, nil
}

// RenewSole makes the caller's token that s names, or gives it a new value, upon
// which the old one is dead. Where several ask at the same time each is either served
// in its turn or told so by a Conflict, and one token is good in the end. The errors
// are those of CreateAPIToken and Regenerate.
func (a *Authority) RenewSole(ctx context.Context, c *Caller, s Sole) (*Issued, error) {
	all, err := a.soleTokens(ctx, c, s)
	if err != nil {
		return nil, err
	}
	alive := a.living(all)
	if len(alive) == 0 {
		return a.createSole(ctx, c, s, all)
	}
	issued, err := a.Regenerate(ctx, c, alive[0].ID, 0)
	if err != nil {
		return nil, err
	}
	for _, other := range alive[1:] { // made by another door, with this name
		if _, err := a.RevokeID(ctx, c, other.ID, a.Policy.Wait); err != nil {
			return nil, err
		}
	}
	return issued, nil
}

// createSole makes the token where none is alive. Its id follows from the tokens that
// there were: of two who find the same ones the store lets one make the next.
func (a *Authority) createSole(ctx context.Context, c *Caller, s Sole, before []records.StoredToken) (*Issued, error) {
	if c == nil || c.Token == nil {
		return nil, fault.New(fault.Unauthenticated, "sign in first")
	}
	var names bytes.Buffer
	for _, name := range []string{c.Subject(), s.Name, s.Prefix} {
		names.WriteString(strconv.Quote(name))
	}
	for _, t := range before {
		names.WriteString(t.ID)
	}
	id := uuid.NewHash(sha256.New(), uuid.Nil, names.Bytes(), 8)
	return a.Issue(ctx, c, &Request{Kind: token.KindAPIToken, Parent: c.Token, Name: s.Name, Prefix: s.Prefix, id: id.String()})
}

// living gives those of the tokens that are alive.
func (a *Authority) living(all []records.StoredToken) []records.StoredToken {
	var alive []records.StoredToken
	for _, t := range all {
		if _, _, dead := t.End(a.Now()); !dead {
			alive = append(alive, t)
		}
	}
	return alive
}

// soleTokens lists the tokens that s names, dead ones included, newest first.
func (a *Authority) soleTokens(ctx context.Context, c *Caller, s Sole) ([]records.StoredToken, error) {
	var all []records.StoredToken
	q := records.TokenQuery{Owner: c.Subject(), Kinds: []token.Kind{token.KindAPIToken}}
	for {
		page, err := a.TokenList(ctx, c, q)
		if err != nil {
			return nil, err
		}
		for _, t := range page.Items {
			if t.Name == s.Name && t.Prefix == s.Prefix {
				all = append(all, t)
			}
		}
		if q.After = page.Next; q.After == "" {
			return all, nil
		}
	}
}
