// Package usage reports what a stored token was used for, and which of its scopes nothing
// required.
package usage

import (
	"context"
	"errors"
	"slices"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/uses"
)

// Tokens finds a stored token that a caller may see.
type Tokens interface {
	StoredToken(ctx context.Context, c *caller.Caller, id string) (records.StoredToken, error)
}

// Config configures a Reader. All fields must be set.
type Config struct {
	Store  contract.Uses
	Tokens Tokens
}

// Reader reads what tokens were used for. Its methods may be called from any number of
// goroutines.
type Reader struct{ cfg Config }

// New returns a Reader.
func New(cfg Config) (*Reader, error) {
	if cfg.Store == nil || cfg.Tokens == nil {
		return nil, errors.New("usage: store and tokens must be set")
	}
	return &Reader{cfg}, nil
}

// Report is what is known of a token's uses within the last 90 days.
type Report struct {
	Token records.StoredToken
	Lines []records.TokenUse // the latest first
	// Unused are the scopes of the token that nothing required.
	Unused []string
	// Unseen is set when the token may have been used where bearerd doesn't see the use:
	// a resource server asked about it, or it was traded for JWTs, which others verify.
	Unseen bool
	// Unasked is set when the token was let in without a required scope: the application
	// may check the scope itself.
	Unasked bool
}

// Smaller returns the scope that the token needed.
func (r *Report) Smaller() []string {
	return slices.DeleteFunc(slices.Clone(r.Token.Scope), func(name string) bool { return slices.Contains(r.Unused, name) })
}

// Of reads the uses of a token. The error is that of Tokens.StoredToken: who may see the
// token may see its uses.
func (r *Reader) Of(ctx context.Context, c *caller.Caller, id string) (*Report, error) {
	row, err := r.cfg.Tokens.StoredToken(ctx, c, id)
	if err != nil {
		return nil, err
	}
	return r.About(ctx, row)
}

// About reads the uses of a token that the caller is known to be allowed to see.
func (r *Reader) About(ctx context.Context, row records.StoredToken) (*Report, error) {
	out := &Report{Token: row, Unseen: row.Kind != token.KindAPIToken}
	if key, ok := uses.IDOf(row.ID); ok {
		var err error
		if out.Lines, err = r.cfg.Store.TokenUses(ctx, key); err != nil {
			return nil, err
		}
	}
	own := false // bearerd's own endpoints, where alone the built-in scopes count
	asked := map[string]bool{}
	for _, u := range out.Lines {
		asked[u.Scope] = true
		switch {
		case u.Route == uses.Own:
			own = true
		case u.Route == uses.Introspection:
			out.Unseen = true
		case u.Scope == "":
			out.Unasked = true
		}
	}
	for _, name := range row.Scope {
		builtin := slices.Contains(identity.BuiltinScopes(), name) || identity.IsSourceScope(name)
		if !asked[uses.ShortScope(name)] && (!builtin || !own) {
			out.Unused = append(out.Unused, name)
		}
	}
	return out, nil
}
