package senaite

import (
	"net/http"

	"github.com/bearerd/bearerd/internal/revoking"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// loggedOut is the response to a logout.
type loggedOut struct {
	URL           string  `json:"url"`
	Authenticated bool    `json:"authenticated"`
	Success       bool    `json:"success"`
	Revoked       bool    `json:"revoked,omitempty"`
	Runtime       float64 `json:"_runtime"`
}

// logout makes a browser delete its token. The token itself is revoked when the request
// asks for it.
func (d *Dialect) logout(w http.ResponseWriter, r *http.Request) error {
	start := d.Now()
	v, err := d.visitor(r)
	if err != nil {
		return err
	}
	revoke, err := readRevoke(r)
	if err != nil {
		return err
	}
	if revoke {
		if err := d.revoke(r, v); err != nil {
			return err
		}
	}
	http.SetCookie(w, d.Cookies.Expire(tokenCookie))
	httpkit.NoStore(w)
	return httpkit.WriteJSON(w, http.StatusOK, loggedOut{
		URL: d.url("/users"), Success: true, Revoked: revoke, Runtime: d.since(start),
	})
}

func readRevoke(r *http.Request) (bool, error) {
	query, err := httpkit.Query(r)
	if err != nil {
		return false, err
	}
	switch query.Get("revoke") {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, fault.New(fault.Invalid, "revoke must be true or false")
}

// revoke revokes the token that the request came with.
func (d *Dialect) revoke(r *http.Request, v visitor) error {
	if v.token == "" {
		return fault.New(fault.Invalid, "there is no token to be revoked")
	}
	if err := d.mayChange(r, v); err != nil {
		return err
	}
	_, err := d.Revoker.Revoke(r.Context(), v.Caller, revoking.Revocation{Token: v.token})
	return err
}
