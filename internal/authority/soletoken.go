package authority

import (
	"context"

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
func (a *Authority) SoleToken(ctx context.Context, c *Caller, s Sole) (t StoredToken, ok bool, err error) {
	alive, err := a.soleTokens(ctx, c, s)
	if err != nil || len(alive) == 0 {
		return StoredToken{}, false, err
	}
	return alive[0], true, nil
}

// RenewSole makes the caller's token that s names, or gives it a new value, upon
// which the old one is dead. Where two are made at the same time the later one lives.
// The errors are those of CreateAPIToken and Regenerate.
func (a *Authority) RenewSole(ctx context.Context, c *Caller, s Sole) (*Issued, error) {
	old, ok, err := a.SoleToken(ctx, c, s)
	if err != nil {
		return nil, err
	}
	var issued *Issued
	if ok {
		issued, err = a.Regenerate(ctx, c, old.ID, 0)
	} else {
		issued, err = a.CreateAPIToken(ctx, c, NewCredential{Name: s.Name, Prefix: s.Prefix})
	}
	if err != nil {
		return nil, err
	}
	return issued, a.endOthers(ctx, c, s)
}

// endOthers revokes all but the newest of the tokens that s names: whoever was made
// last sees the others.
func (a *Authority) endOthers(ctx context.Context, c *Caller, s Sole) error {
	alive, err := a.soleTokens(ctx, c, s)
	if err != nil {
		return err
	}
	for i := 1; i < len(alive); i++ {
		if _, err := a.RevokeID(ctx, c, alive[i].ID, a.Policy.Wait); err != nil {
			return err
		}
	}
	return nil
}

// soleTokens lists the living tokens that s names, newest first.
func (a *Authority) soleTokens(ctx context.Context, c *Caller, s Sole) ([]StoredToken, error) {
	var alive []StoredToken
	q := TokenQuery{Owner: c.Subject(), Kinds: []token.Kind{token.KindAPIToken}}
	for {
		page, err := a.TokenList(ctx, c, q)
		if err != nil {
			return nil, err
		}
		for _, t := range page.Items {
			if _, _, dead := t.End(a.Now()); !dead && t.Name == s.Name && t.Prefix == s.Prefix {
				alive = append(alive, t)
			}
		}
		if q.After = page.Next; q.After == "" {
			return alive, nil
		}
	}
}
