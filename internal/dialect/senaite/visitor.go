package senaite

import (
	"net/http"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/signin"
)

// Where tokens are found other than in the Authorization header.
const (
	tokenCookie = "token"
	tokenHeader = "X-Jwt-Auth-Token" //nolint:gosec // a name
)

// credentials are those of a request; the zero value is none.
type credentials struct {
	basic    *httpkit.BasicPair
	token    string
	inCookie bool // the token, or the session: a browser sends it by itself
}

// find returns the first credentials that a request has: Authorization, the cookie, the
// header X-JWT-Auth-Token. Further ones are not used, so that a request whose first token
// is invalid is refused.
func find(r *http.Request) (c credentials, err error) {
	raw, found, err := httpkit.Bearer(r)
	if found || err != nil {
		return credentials{token: raw}, err
	}
	pair, found, err := httpkit.Basic(r)
	if err != nil {
		return c, err
	}
	if found {
		return credentials{basic: &pair}, nil
	}
	credential, err := findToken(r)
	return credentials{token: credential.Token, inCookie: credential.Ambient}, err
}

// visitor is who makes a request; the zero value is an anonymous visitor.
type visitor struct {
	*caller.Caller
	credentials
}

// visitor returns who makes a request. A request without credentials is anonymous; one
// with invalid credentials is refused.
func (s site) visitor(r *http.Request) (v visitor, err error) {
	if v.credentials, err = find(r); err != nil {
		return v, err
	}
	switch {
	case v.basic != nil:
		v.Caller, err = s.signIn.Login(r.Context(), signin.Credentials{Username: v.basic.Name, Password: v.basic.Password})
	case v.token != "":
		v.Caller, err = s.signIn.DialectBearer(r.Context(), v.token)
	}
	if v.inCookie && fault.Is(err, fault.InvalidToken) {
		err = cookieError{err}
	}
	httpkit.Note(r, v.Caller)
	return v, err
}

// ofSession returns who is signed in to bearerd's own pages. With an invalid session the
// visitor is anonymous.
func (s site) ofSession(r *http.Request) (visitor, error) {
	c, found, err := httpkit.Session(r, s.sessionCookies, s.signIn.Session)
	if !found || fault.Is(err, fault.InvalidToken) {
		return visitor{}, nil
	}
	return visitor{c, credentials{inCookie: true}}, err
}

// cookieError is the error for an invalid token in a cookie. No script can remove the
// cookie, so the refusal does.
type cookieError struct{ error }

func (e cookieError) Unwrap() error { return e.error }

// mayChange must return nil before a request changes something, whatever its method: what
// a browser sends by itself, a cookie or a remembered password, authenticates only
// requests from this site.
func (s site) mayChange(r *http.Request, v visitor) error {
	if !v.inCookie && v.basic == nil {
		return nil
	}
	return s.sameOrigin(r)
}

// sameOrigin refuses requests that another site made a browser send.
func (s site) sameOrigin(r *http.Request) error {
	if s.crossOrigin == nil {
		return fault.New(fault.Forbidden, "a cookie or Basic can't be used to change anything here")
	}
	judged := *r
	judged.Method = http.MethodPost
	return s.crossOrigin.Check(&judged)
}
