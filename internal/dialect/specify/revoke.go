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
	values, err := readBody(w, r)
	if err != nil {
		return err
	}
	raw, refresh := values.Get("access_token"), values.Get("refresh_token")
	switch {
	case raw == "" && refresh == "":
		return fault.New(fault.Invalid, "the parameter \"access_token\" is missing").In("access_token")
	case raw != "" && refresh != "":
		return fault.New(fault.Invalid, "send one token, access_token or refresh_token, not both").In("refresh_token")
	case raw == "":
		raw = refresh
	}
	_, err = d.Revoker.Revoke(r.Context(), c, revoking.Revocation{Token: raw, RefuseExpired: true})
	if err != nil {
		return err
	}
	httpkit.NoStore(w)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// revoker returns who revokes a token: by Bearer, or by session with the CSRF token.
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
