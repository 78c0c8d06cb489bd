package specify

import (
	"context"
	"net/http"

	"github.com/bearerd/bearerd/internal/caller"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// judge returns whose a token or session is.
type judge func(ctx context.Context, raw string) (*caller.Caller, error)

// session returns the caller of a request that carries the cookie of a valid session; nil
// when there is none.
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
