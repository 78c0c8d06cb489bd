package specify

import (
	"context"
	"net/http"

	"github.com/bearerd/bearerd/internal/caller"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// judge finds out for whom a token or session speaks.
type judge func(ctx context.Context, raw string) (*caller.Caller, error)

// session returns the caller of a request that carries the cookie of a valid session;
// nil for nobody.
func (d *Dialect) session(r *http.Request) (*caller.Caller, error) {
	c, found, err := httpkit.Session(r, d.SessionCookies, d.SignIn.Session)
	if !found || fault.Is(err, fault.InvalidToken) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	httpkit.Note(r, c)
	return c, nil
}
