package hypothesis

import (
	"io"
	"net/http"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/issuance"

	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/token"
)

// lifetime is how long the original's JWT is valid, in seconds. It is shorter where the
// session or the operator's ceiling ends it.
const lifetime = 3600

// token issues a JWT to a signed-in page, for calling the API.
func (d *Dialect) token(w http.ResponseWriter, r *http.Request) error {
	c, err := d.session(r)
	if err != nil {
		return err
	}
	httpkit.Note(r, c)
	issued, err := d.Issuance.Issue(r.Context(), c, &issuance.Request{Kind: token.KindAccess, Parent: c.Token, Usual: lifetime})
	if err != nil {
		return err
	}
	httpkit.NoStore(w)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, issued.Value.Reveal()) //nolint:gosec // a JWT, as text
	return nil
}

// session returns who is signed in. A request with a Bearer token is refused, even with a
// session.
func (d *Dialect) session(r *http.Request) (*caller.Caller, error) {
	_, byToken, err := httpkit.Bearer(r)
	if err != nil {
		return nil, err
	}
	if byToken {
		return nil, httpkit.SignInFirst()
	}
	c, found, err := httpkit.Session(r, d.SessionCookies, d.SignIn.Session)
	if err == nil && !found {
		err = httpkit.SignInFirst()
	}
	return c, err
}
