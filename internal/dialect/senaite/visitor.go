package senaite

import (
	"net/http"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/signin"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// Where tokens stand besides the Authorization header.
const (
	tokenCookie = "token"
	tokenHeader = "X-Jwt-Auth-Token" //nolint:gosec // a name
)

// credentials are what a request came with; the zero value is nothing.
type credentials struct {
	basic    *httpkit.BasicPair
	token    string
	inCookie bool // the token, or the session: a browser sends it by itself
}

// find returns the first credentials that a request has: Authorization, the cookie,
// the header X-JWT-Auth-Token. What stands further on is not looked at, so that a
// good token doesn't rescue a bad one.
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

// visitor is who makes a request; the zero value is nobody.
type visitor struct {
	*caller.Caller
	credentials
}

// visitor finds out who makes a request. Whoever comes with no credentials is
// nobody; whoever comes with bad ones is refused.
func (d *Dialect) visitor(r *http.Request) (v visitor, err error) {
	if v.credentials, err = find(r); err != nil {
		return v, err
	}
	switch {
	case v.basic != nil:
		v.Caller, err = d.SignIn.Login(r.Context(), signin.Credentials{Username: v.basic.Name, Password: v.basic.Password})
	case v.token != "":
		v.Caller, err = d.SignIn.DialectBearer(r.Context(), v.token)
	}
	if v.inCookie && fault.Is(err, fault.InvalidToken) {
		err = cookieError{err}
	}
	httpkit.Note(r, v.Caller)
	return v, err
}

// ofSession finds out who is signed in to bearerd's own pages. A session that is not good
// is nobody's.
func (d *Dialect) ofSession(r *http.Request) (visitor, error) {
	c, found, err := httpkit.Session(r, d.SessionCookies, d.SignIn.Session)
	if !found || fault.Is(err, fault.InvalidToken) {
		return visitor{}, nil
	}
	return visitor{c, credentials{inCookie: true}}, err
}

// cookieError is a token in a cookie that is not good. No script can remove the
// cookie, so the refusal does.
type cookieError struct{ error }

func (e cookieError) Unwrap() error { return e.error }

// mayChange must pass before a request changes something, whatever its method: what a
// browser sends by itself, a cookie or a password that it remembers, authenticates
// only what came from here.
func (d *Dialect) mayChange(r *http.Request, v visitor) error {
	if !v.inCookie && v.basic == nil {
		return nil
	}
	return d.sameOrigin(r)
}

// sameOrigin refuses what another site made a browser send.
func (d *Dialect) sameOrigin(r *http.Request) error {
	if d.CrossOrigin == nil {
		return fault.New(fault.Forbidden, "nothing is changed by cookie or Basic here")
	}
	judged := *r
	judged.Method = http.MethodPost
	return d.CrossOrigin.Check(&judged)
}
