package adminapi

import (
	"net/http"

	"github.com/bearerd/bearerd/internal/caller"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// caller finds out who asks: by a Bearer token or, where there is none, by a
// session cookie. A first credential that is bad is never rescued by a second.
func (a *API) caller(r *http.Request) (*caller.Caller, error) {
	c, err := a.identify(r)
	if err != nil {
		return nil, err
	}
	httpkit.Note(r, c)
	return c, nil
}

func (a *API) identify(r *http.Request) (*caller.Caller, error) {
	raw, found, err := httpkit.Bearer(r)
	if err != nil {
		return nil, err
	}
	if found {
		return a.SignIn.Bearer(r.Context(), raw)
	}
	if len(httpkit.SessionCookies(r, a.SessionCookies)) == 0 {
		return nil, httpkit.SignInOrToken()
	}
	if a.CrossOrigin == nil {
		return nil, fault.New(fault.Forbidden, "a session can't be used here")
	}
	if err := a.CrossOrigin.Check(r); err != nil {
		return nil, err
	}
	c, _, err := httpkit.Session(r, a.SessionCookies, a.SignIn.Session)
	return c, err
}
