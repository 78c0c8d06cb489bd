package gateway

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// Gate decides whether a request is allowed, and who sent it.
type Gate struct {
	Verifier *verification.Verifier
	Now      func() time.Time
	// Challenge is the bare one, for a request without a token: its realm, and
	// where the metadata of the protected resource stands.
	Challenge httpkit.Challenge
	// Finders look for a token where the Authorization header has none, in their
	// order. A dialect brings its own.
	Finders []httpkit.CredentialFinder
	// CrossOrigin judges unsafe requests whose token a browser sends unasked; nil
	// refuses them all.
	CrossOrigin *httpkit.CrossOrigin
}

var errNoToken = fault.New(fault.Unauthenticated, "a bearer token is needed")

// admit decides about a request, and returns whom its token speaks for and the token. It
// returns nil for one without a token where that is allowed. The error is a fault:
// Unauthenticated without a token, Invalid when it is ambiguous which token is meant, and
// those of [verification.Verifier.Identify].
func (g *Gate) admit(r *http.Request, a *ask) (id *verification.Identity, raw string, err error) {
	raw, err = g.find(r)
	switch {
	case err != nil:
		return nil, "", err
	case raw == "" && a.optional:
		return nil, "", nil
	case raw == "":
		return nil, "", errNoToken
	}
	id, err = g.Verifier.Identify(r.Context(), raw, a.requirements)
	if refusal, ok := errors.AsType[*token.Refusal](err); ok && refusal.Check == token.CheckScope {
		err = &scopeError{err, strings.Join(a.requirements.Scope, " ")}
	}
	return id, raw, err
}

// warn says in the answer that the caller's token ends soon.
func (g *Gate) warn(h http.Header, id *verification.Identity) {
	if id != nil && id.Token.ExpiringSoon(g.Now()) {
		httpkit.WarnOfExpiry(h, id.Token.Expiry)
	}
}

// scopeError is a refusal for too small a scope, with the one that is needed.
type scopeError struct {
	error
	needed string
}

func (e *scopeError) Unwrap() error { return e.error }

// find returns the token of a request; "" when it has none. The first place that
// holds one decides: a good token further on does not rescue a bad one.
func (g *Gate) find(r *http.Request) (string, error) {
	raw, found, err := httpkit.Bearer(r)
	if found || err != nil {
		return raw, err
	}
	for _, finder := range g.Finders {
		c, err := finder.Find(r)
		switch {
		case err != nil:
			return "", err
		case c.Token == "":
		case c.Ambient:
			return c.Token, g.checkOrigin(r)
		default:
			return c.Token, nil
		}
	}
	return "", nil
}

var errForeignOrigin = fault.New(fault.Forbidden, "cross-origin request refused")

// checkOrigin refuses a token in a cookie that another site made a browser send
// with an unsafe method. A proxy that asks for a decision sends GET, and names
// the method of the request it asks about in a header.
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

// refuse answers in the words of RFC 6750; unclear is the status where it is
// ambiguous which token is meant.
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
