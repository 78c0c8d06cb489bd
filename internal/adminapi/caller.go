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
	event := httpkit.EventOf(r.Context())
	event.Principal, event.TokenID = c.ID(), c.Token.ID
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
	session, found := a.session(r)
	if !found {
		return nil, fault.New(fault.Unauthenticated, "sign in or send a Bearer token")
	}
	if a.CrossOrigin == nil {
		return nil, fault.New(fault.Forbidden, "a session can't be used here")
	}
	if err := a.CrossOrigin.Check(r); err != nil {
		return nil, err
	}
	return a.SignIn.Session(r.Context(), session)
}

// session gives the first of the session cookies that the request has.
func (a *API) session(r *http.Request) (string, bool) {
	for _, name := range a.SessionCookies {
		if c, err := r.Cookie(name); err == nil {
			return c.Value, true
		}
	}
	return "", false
}
