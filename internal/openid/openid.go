// Package openid is the relying party of OpenID Connect: it sends a browser to a
// provider, and finds out who somebody is there from what the browser brings back.
//
// The protocol, by its instants:
//
//	t0  Begin: the caller has made state, nonce and a PKCE verifier, has bound them to this
//	    browser with a cookie, and sends it to the address that Begin returns.
//	t1  The provider authenticates the person and sends the browser back, with code, state
//	    and iss. The caller finds the request of that state in the browser's own cookie, and
//	    uses it up.
//	t2  Finish: the answer is of this provider (RFC 9207); the code is exchanged with the
//	    verifier (RFC 7636), so that it is worth nothing to who only saw it; the ID token is
//	    judged by the package assertion against the provider's keys, this client and the nonce
//	    of t0, so that a code of another browser's request ends here.
//	t3  What the ID token doesn't say and is wanted is asked for at the userinfo endpoint,
//	    whose sub must be the same.
//
// Nothing is fetched before it is needed: a provider that doesn't answer stops only who
// wants to sign in with it.
package openid

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/bearerd/bearerd/internal/assertion"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/remote"
	"github.com/bearerd/bearerd/internal/secretfile"
)

// Config configures a Provider. Name, Issuer, ClientID, RedirectURI, Scopes, Client and
// Now must be set.
type Config struct {
	Name        string // as people know it, for messages
	Issuer      string // exactly as its metadata and ID tokens have it
	ClientID    string
	Secret      *secretfile.Secret // none: a public client, whose codes only PKCE protects
	RedirectURI string
	Scopes      []string
	// Claims are the names of the claims that are wanted: the userinfo endpoint is asked for
	// those that an ID token lacks.
	Claims []string
	Client *http.Client // from remote.NewClient
	Now    func() time.Time
}

// Provider is an OpenID provider at which bearerd is a client. Its methods may be called
// from any number of goroutines.
type Provider struct {
	cfg      Config
	metadata *remote.Value[*metadata]
	previous *metadata // the last that was read; only read and written while one is read
}

// New returns a Provider. Nothing is fetched yet.
func New(cfg Config) (*Provider, error) {
	switch {
	case cfg.Name == "" || cfg.ClientID == "" || cfg.RedirectURI == "" || cfg.Client == nil || cfg.Now == nil:
		return nil, errors.New("openid: name, client id, redirect URI, client and now must be set")
	case !slices.Contains(cfg.Scopes, oidc.ScopeOpenID):
		return nil, errors.New("openid: the scopes must have openid among them")
	}
	if err := remote.CheckAddress(cfg.Issuer); err != nil {
		return nil, fmt.Errorf("openid: the issuer %w", err)
	}
	p := &Provider{cfg: cfg}
	p.metadata = remote.NewValue(remote.Config[*metadata]{What: cfg.Name, Read: p.discover, Now: cfg.Now})
	return p, nil
}

// Away reports whether the provider did not answer when it was last asked.
func (p *Provider) Away() bool { return p.metadata.Away() }

// Load asks the provider for its metadata if that is not known, and returns why it can't
// be read.
func (p *Provider) Load(ctx context.Context) error { return p.metadata.Load(ctx) }

// Request is one sign-in under way. State, Nonce and Verifier are random, and known only
// to the browser that began it.
type Request struct {
	State, Nonce string
	Verifier     string        // PKCE's
	MaxAge       time.Duration // how long ago the person may have authenticated; zero: any
}

// NewVerifier returns a PKCE verifier (RFC 7636 §4.1).
func NewVerifier() string { return oauth2.GenerateVerifier() }

// Begin returns the address at which the person authenticates. The error is a fault of
// kind Unavailable: the provider doesn't answer.
func (p *Provider) Begin(ctx context.Context, r Request) (string, error) {
	m, err := p.metadata.Get(ctx, nil)
	if err != nil {
		return "", err
	}
	opts := []oauth2.AuthCodeOption{oidc.Nonce(r.Nonce), oauth2.S256ChallengeOption(r.Verifier)}
	if r.MaxAge > 0 {
		opts = append(opts, oauth2.SetAuthURLParam("max_age", strconv.FormatInt(int64(r.MaxAge/time.Second), 10)))
	}
	return p.oauth(m).AuthCodeURL(r.State, opts...), nil
}

func (p *Provider) oauth(m *metadata) *oauth2.Config {
	return &oauth2.Config{
		ClientID: p.cfg.ClientID, ClientSecret: string(p.cfg.Secret.Bytes()), Endpoint: m.endpoint,
		RedirectURL: p.cfg.RedirectURI, Scopes: p.cfg.Scopes,
	}
}

// ID tokens come without typ, or with that of any JWT. Other kinds of JWT that the same
// provider signs have types of their own.
var idTokenTypes = []string{"", "JWT"}

// Finish finds out who somebody is from the query that the provider sent the browser back
// with. The caller has found the request by its state, and used it up. A fault of kind
// InvalidToken is an answer that isn't accepted, of kind Forbidden one in which the
// provider or the person refuses, and of kind Unavailable a provider that doesn't answer,
// or doesn't accept bearerd as its client.
func (p *Provider) Finish(ctx context.Context, answer url.Values, r Request) (*Identity, error) {
	m, err := p.metadata.Get(ctx, nil)
	if err != nil {
		return nil, err
	}
	for name, values := range answer {
		if len(values) > 1 {
			return nil, fault.New(fault.InvalidToken, "%s sent an answer with two values of one parameter", p.cfg.Name).In(name)
		}
	}
	iss, named := answer.Get("iss"), answer.Has("iss")
	switch {
	case r.State == "" || answer.Get("state") != r.State:
		return nil, fault.New(fault.InvalidToken, "this answer belongs to another sign-in")
	case (named || m.namesItself) && iss != p.cfg.Issuer:
		return nil, fault.New(fault.InvalidToken, "this answer is not from %s", p.cfg.Name)
	case answer.Has("error"):
		return nil, p.refusal(answer)
	case answer.Get("code") == "":
		return nil, fault.New(fault.InvalidToken, "%s sent an answer without a code", p.cfg.Name)
	}
	tokens, err := p.exchange(ctx, m, answer.Get("code"), r.Verifier)
	if err != nil {
		return nil, err
	}
	who, err := p.judge(ctx, m, tokens, r)
	if err != nil {
		return nil, err
	}
	return who, p.complete(ctx, m, tokens.AccessToken, who)
}

// exchange trades the code for tokens.
func (p *Provider) exchange(ctx context.Context, m *metadata, code, verifier string) (*oauth2.Token, error) {
	ctx = context.WithValue(ctx, oauth2.HTTPClient, p.cfg.Client)
	tokens, err := p.oauth(m).Exchange(ctx, code, oauth2.VerifierOption(verifier))
	refused, ok := errors.AsType[*oauth2.RetrieveError](err)
	switch {
	case err == nil:
		return tokens, nil
	case !ok || refused.Response.StatusCode >= http.StatusInternalServerError:
		return nil, fault.Wrap(p.withoutBody(err), fault.Unavailable, "%s can't be reached now", p.cfg.Name)
	case refused.ErrorCode == "invalid_grant":
		return nil, fault.Wrap(p.withoutBody(err), fault.InvalidToken, "%s no longer knows this sign-in", p.cfg.Name)
	}
	return nil, p.misconfigured(p.withoutBody(err))
}

// withoutBody returns an error of the token endpoint as the log may have it: what the
// provider answered may hold tokens and the client secret.
func (p *Provider) withoutBody(err error) error {
	if e, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		code, description := p.cfg.Secret.HideIn(e.ErrorCode, p.cfg.ClientID), p.cfg.Secret.HideIn(e.ErrorDescription, p.cfg.ClientID)
		return fmt.Errorf("the token endpoint answered %d, error %.64q, %.200q", e.Response.StatusCode, code, description)
	}
	return err
}

// judge verifies the ID token (OpenID Connect Core 1.0 §3.1.3.7).
func (p *Provider) judge(ctx context.Context, m *metadata, tokens *oauth2.Token, r Request) (*Identity, error) {
	raw, _ := tokens.Extra("id_token").(string)
	if raw == "" {
		return nil, fault.New(fault.InvalidToken, "%s sent no ID token", p.cfg.Name)
	}
	c, err := m.verifier.Verify(ctx, raw, assertion.Expect{Types: idTokenTypes, Audience: []string{p.cfg.ClientID}, Nonce: r.Nonce})
	if err != nil {
		return nil, fault.Wrap(err, fault.KindOf(err), "the ID token of %s is not accepted: %s", p.cfg.Name, fault.Message(err))
	}
	party, err := c.Text("azp")
	switch {
	case err != nil, party != "" && party != p.cfg.ClientID, party == "" && len(c.Audience) > 1:
		return nil, fault.Wrap(err, fault.InvalidToken, "the ID token of %s was issued to another client", p.cfg.Name)
	case r.MaxAge > 0 && c.AuthTime.IsZero():
		return nil, fault.New(fault.InvalidToken, "%s doesn't say when you signed in there, which is needed here", p.cfg.Name)
	case r.MaxAge > 0 && p.cfg.Now().Sub(c.AuthTime) > r.MaxAge+skew:
		return nil, fault.New(fault.InvalidToken, "you signed in at %s too long ago", p.cfg.Name)
	}
	session, err := c.Text("sid")
	if err != nil {
		return nil, fault.Wrap(err, fault.InvalidToken, "the ID token of %s names its session in an unknown way", p.cfg.Name)
	}
	return &Identity{Subject: c.Subject, Session: session, AuthTime: c.AuthTime, IssuedAt: c.IssuedAt, token: c}, nil
}

// skew is how far the clocks of the provider and of bearerd may differ.
const skew = 30 * time.Second

// refusal returns the fault of an answer in which the provider says why there is no code
// (RFC 6749 §4.1.2.1, OpenID Connect Core 1.0 §3.1.2.6).
func (p *Provider) refusal(answer url.Values) error {
	cause := fmt.Errorf("the provider answered error %.64q, %.200q", answer.Get("error"), answer.Get("error_description"))
	switch answer.Get("error") {
	case "access_denied":
		return fault.Wrap(cause, fault.Forbidden, "%s did not let you in, or you declined there", p.cfg.Name)
	case "login_required", "interaction_required", "consent_required", "account_selection_required":
		return fault.Wrap(cause, fault.Forbidden, "%s needs you to sign in there first", p.cfg.Name)
	case "temporarily_unavailable", "server_error":
		return fault.Wrap(cause, fault.Unavailable, "%s can't sign anybody in now", p.cfg.Name)
	}
	return p.misconfigured(cause)
}

// misconfigured returns the fault of a provider that doesn't accept bearerd as its
// client, or its requests.
func (p *Provider) misconfigured(cause error) error {
	return fault.Wrap(cause, fault.Unavailable, "%s refused the request of this server. An administrator finds the reason in its log", p.cfg.Name)
}
