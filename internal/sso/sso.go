// Package sso speaks to the sources that identify people: an application with sessions of
// its own, an OpenID provider, a proxy. It verifies that a statement comes from the
// source, is meant for this server, answers a request of this browser, is recent, and is
// used only once; package signin decides what the source may say of whom.
//
// By its instants:
//
//	t0  A browser asks to sign in by a source. A request with a fresh nonce is noted in a
//	    sealed cookie of that browser, and the browser is sent to the source.
//	t1  The source answers by way of the browser, with the nonce. The request of that nonce
//	    must be in the cookie of the browser that brings the answer, for at most five
//	    minutes: an answer to somebody else's request ends here.
//	t2  What signs the answer is judged: by package assertion for an application, by package
//	    openid for a provider. A proxy answers at t0, by a secret and from its address.
//	t3  The nonce, and the assertion's id, are used up in the transaction that records the
//	    sign-in: a copy of everything that the browser sent is refused.
package sso

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/openid"
	"github.com/bearerd/bearerd/internal/signin"
)

// Source is one way to sign in. Exactly one of App, Provider and Header is set.
type Source struct {
	Name, Title string
	MaxAge      time.Duration // how long ago a person may have authenticated there; 0: any time

	App      *App
	Provider *Provider
	Header   *Header
}

// Provider is an OpenID provider with the claims that are read of it.
type Provider struct {
	*openid.Provider

	Claims    Claims
	LogoutAll bool // a back-channel logout revokes everything of the user
}

// Sources are the ways to sign in, in the order of the configuration.
type Sources []Source

// Find returns the source of that name. The error is NotFound.
func (s Sources) Find(name string) (Source, error) {
	i := slices.IndexFunc(s, func(one Source) bool { return one.Name == name })
	if i < 0 {
		return Source{}, fault.New(fault.NotFound, "there is no such way to sign in")
	}
	return s[i], nil
}

// Begin returns the address that the browser is sent to for a request. The error is
// Unavailable when the source can't be reached.
func (s Source) Begin(ctx context.Context, r Request) (string, error) {
	switch {
	case s.App != nil:
		return s.App.Begin(ctx, r)
	case s.Provider != nil:
		return s.Provider.Begin(ctx, openid.Request{State: r.Nonce, Nonce: r.IDNonce, Verifier: r.Verifier, MaxAge: r.MaxAge})
	}
	return "", fault.New(fault.NotFound, "this way to sign in has no page of its own")
}

// Finish returns what a provider says in the query that it sent a browser back with.
func (p *Provider) Finish(ctx context.Context, source string, answer url.Values, r Request) (st signin.Statement, err error) {
	who, err := p.Provider.Finish(ctx, answer, openid.Request{State: r.Nonce, Nonce: r.IDNonce, Verifier: r.Verifier, MaxAge: r.MaxAge})
	if err != nil {
		return st, err
	}
	if st, err = p.Claims.read(who, who.Raw); err != nil {
		return st, err
	}
	if who.Unverified() {
		st.Email = "" // it may be somebody else's
	}
	st.Source, st.ExternalID, st.Session = source, who.Subject, who.Session
	st.AuthenticatedAt, st.SaidAt = who.AuthTime, who.IssuedAt
	return st, nil
}

// FromSource reports whether a request that a source's page made may have come from there:
// its Origin is that of the source, or null, as a page that sends no referrer has it.
// Nothing else makes a browser send it; the request's cookie and nonce decide.
func (a *App) FromSource(r *http.Request) bool {
	origins := r.Header.Values("Origin")
	return len(origins) == 0 || len(origins) == 1 && (origins[0] == a.Origin || origins[0] == "null")
}

// Away reports whether the source did not answer when it was last asked.
func (s Source) Away() bool { return s.Provider != nil && s.Provider.Away() }
