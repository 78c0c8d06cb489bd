package hypothesis

import (
	"io"
	"net/http"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/issuance"

	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/token"
)

// lifetime is how long the original's JWT lives, in seconds. It is shorter where the
// session or the operator's ceiling ends it.
const lifetime = 3600

// token issues a JWT to a page that is signed in, for calling the API.
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

// session returns who is signed in. The first session cookie decides, and a Bearer
// token is neither one nor helped by one.
func (d *Dialect) session(r *http.Request) (*caller.Caller, error) {
	_, byToken, err := httpkit.Bearer(r)
	if err != nil {
		return nil, err
	}
	if !byToken {
		if cookie, found := httpkit.SessionCookie(r, d.SessionCookies); found {
			return d.SignIn.Session(r.Context(), cookie)
		}
	}
	return nil, httpkit.SignInFirst()
}
