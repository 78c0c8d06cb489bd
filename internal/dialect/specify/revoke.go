package specify

import (
	"net/http"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/revoking"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

func (d *Dialect) revoke(w http.ResponseWriter, r *http.Request) error {
	c, err := d.revoker(r)
	if err != nil {
		return err
	}
	values, err := httpkit.FormOrJSON(w, r)
	if err != nil {
		return err
	}
	raw := values.Get("access_token")
	if raw == "" {
		return fault.New(fault.Invalid, "the parameter \"access_token\" is missing")
	}
	_, err = d.Revoker.Revoke(r.Context(), c, revoking.Revocation{Token: raw, RefuseExpired: true})
	if err != nil {
		return err
	}
	httpkit.NoStore(w)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// revoker finds out who revokes a token: by Bearer, or by session with the CSRF
// token.
func (d *Dialect) revoker(r *http.Request) (*caller.Caller, error) {
	c, err := d.bearer(r, d.SignIn.BearerToRevoke)
	if c != nil || err != nil {
		return c, err
	}
	c, err = d.session(r)
	if err != nil {
		return nil, err
	}
	if c == nil {
		return nil, httpkit.SignInFirst()
	}
	return c, d.checkCSRF(r)
}
