package senaite

import (
	"net/http"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/revoking"
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
func (e logins) logout(w http.ResponseWriter, r *http.Request) error {
	start := e.now()
	v, err := e.visitor(r)
	if err != nil {
		return err
	}
	revoke, err := readRevoke(r)
	if err != nil {
		return err
	}
	if revoke {
		if err := e.revoke(r, v); err != nil {
			return err
		}
	}
	http.SetCookie(w, e.cookies.Expire(tokenCookie))
	httpkit.NoStore(w)
	return httpkit.WriteJSON(w, http.StatusOK, loggedOut{
		URL: e.url("/users"), Success: true, Revoked: revoke, Runtime: e.since(start),
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
func (e logins) revoke(r *http.Request, v visitor) error {
	if v.token == "" {
		return fault.New(fault.Invalid, "there is no token to be revoked")
	}
	if err := e.mayChange(r, v); err != nil {
		return err
	}
	_, err := e.revoker.Revoke(r.Context(), v.Caller, revoking.Revocation{Token: v.token})
	return err
}
