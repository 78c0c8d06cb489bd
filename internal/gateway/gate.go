package gateway

import (
	"errors"
	"net/http"
	"strings"

	"github.com/bearerd/bearerd/internal/authority"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/token"
)

// Gate decides whether a request may pass, and whom it speaks for.
type Gate struct {
	Authority *authority.Authority
	// Challenge is the bare one, for a request without a token: its realm, and
	// where the metadata of the protected resource stands.
	Challenge httpkit.Challenge
	// Senaite also accepts a token in the cookie token or the header
	// X-JWT-Auth-Token, as the dialect of that name does.
	Senaite bool
	// CrossOrigin judges unsafe requests whose token came in a cookie; nil
	// refuses them all.
	CrossOrigin *httpkit.CrossOrigin
}

// Where the senaite dialect has tokens besides the Authorization header.
const (
	tokenCookie = "token"
	tokenHeader = "X-Jwt-Auth-Token" //nolint:gosec // the name of a header
)

// maxToken bounds a token, in bytes.
const maxToken = 8 << 10

var errNoToken = fault.New(fault.Unauthenticated, "a bearer token is needed")

// admit decides about a request. It gives nil for one without a token where that
// may pass. The error is a fault: Unauthenticated without a token, Invalid when it
// can't be told which token is meant, and those of [authority.Authority.Admit].
func (g *Gate) admit(r *http.Request, a *ask) (*authority.Caller, error) {
	raw, err := g.find(r)
	switch {
	case err != nil:
		return nil, err
	case raw == "" && a.optional:
		return nil, nil
	case raw == "":
		return nil, errNoToken
	}
	c, err := g.Authority.Admit(r.Context(), raw, a.demand)
	if refusal, ok := errors.AsType[*token.Refusal](err); ok && refusal.Check == token.CheckScope {
		err = &scopeError{err, strings.Join(a.demand.Scope, " ")}
	}
	return c, err
}

// warn tells in the answer that the caller's token ends soon.
func (g *Gate) warn(h http.Header, c *authority.Caller) {
	if c != nil && c.Token.ExpiringSoon(g.Authority.Now()) {
		httpkit.WarnOfExpiry(h, c.Token.Expiry)
	}
}

// scopeError is a refusal for too small a scope, with the one that is needed.
type scopeError struct {
	error
	needed string
}

func (e *scopeError) Unwrap() error { return e.error }

// find gives the token of a request; "" when it has none. The first place that
// holds one decides: a good token further on doesn't rescue a bad one.
func (g *Gate) find(r *http.Request) (string, error) {
	raw, found, err := httpkit.Bearer(r)
	if found || err != nil || !g.Senaite {
		return raw, err
	}
	if raw, err = only(cookies(r), "more than one cookie holds a token"); err != nil {
		return "", err
	}
	if raw != "" {
		return raw, g.checkOrigin(r)
	}
	return only(r.Header[tokenHeader], "more than one "+tokenHeader+" header")
}

func cookies(r *http.Request) []string {
	var values []string
	for _, c := range r.CookiesNamed(tokenCookie) {
		values = append(values, c.Value)
	}
	return values
}

// only gives the one value there is; an empty one counts as none.
func only(values []string, tooMany string) (string, error) {
	switch {
	case len(values) == 0:
		return "", nil
	case len(values) > 1:
		return "", fault.New(fault.Invalid, "%s", tooMany)
	case len(values[0]) > maxToken:
		return "", fault.New(fault.Invalid, "the token is longer than 8 KiB")
	}
	return values[0], nil
}

var errForeignOrigin = fault.New(fault.Forbidden, "cross-origin request refused")

// checkOrigin refuses a token in a cookie that another site made a browser send
// with an unsafe method. A proxy that asks for a decision sends GET, and tells the
// method of the request it asks about in a header.
func (g *Gate) checkOrigin(r *http.Request) error {
	judged := *r
	for _, name := range []string{"X-Forwarded-Method", "X-Original-Method"} {
		for _, method := range r.Header[name] {
			if !safe(method) {
				judged.Method = method
			}
		}
	}
	switch {
	case safe(judged.Method):
		return nil
	case g.CrossOrigin == nil:
		return errForeignOrigin
	}
	return g.CrossOrigin.Check(&judged)
}

func safe(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}

// refuse answers in the words of RFC 6750; unclear is the status where it can't be
// told which token is meant.
func (g *Gate) refuse(w http.ResponseWriter, r *http.Request, err error, unclear int) {
	httpkit.EventOf(r.Context()).Outcome = fault.Message(err)
	c, ok := g.Challenge.For(err)
	if !ok {
		httpkit.BearerErrors(g.Challenge)(w, r, err)
		return
	}
	if s, ok := errors.AsType[*scopeError](err); ok {
		c.Scope = s.needed
	}
	status := httpkit.Status(fault.KindOf(err))
	if fault.Is(err, fault.Invalid) {
		status = unclear
	}
	httpkit.WriteChallenge(w, status, c)
}
