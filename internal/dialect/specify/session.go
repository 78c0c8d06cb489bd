package specify

import (
	"context"
	"net/http"

	"github.com/bearerd/bearerd/internal/caller"

	"github.com/bearerd/bearerd/internal/fault"
)

// judge finds out for whom a token or session speaks.
type judge func(ctx context.Context, raw string) (*caller.Caller, error)

// session gives the caller of a request that carries the cookie of a living
// session; nil for nobody. The first cookie decides.
func (d *Dialect) session(r *http.Request) (*caller.Caller, error) {
	for _, name := range d.SessionCookies {
		cookie, err := r.Cookie(name)
		if err != nil {
			continue
		}
		c, err := d.SignIn.Session(r.Context(), cookie.Value)
		if fault.Is(err, fault.InvalidToken) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		note(r, c)
		return c, nil
	}
	return nil, nil
}
