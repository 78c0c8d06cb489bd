package authority

import (
	"context"

	"github.com/bearerd/bearerd/internal/token"
)

// ClientCredentials asks for an access token that speaks for a client itself
// (RFC 6749 §4.4).
type ClientCredentials struct {
	Client   *Caller  // authenticated by its secret
	Scope    []string // nil: none
	Audience string   // or resource; "": the default
	Lifetime int64    // seconds; 0: none asked for
}

// ClientCredentials issues the token. The error is InvalidClient for a client that
// did not authenticate, UnauthorizedClient for one that may not use this grant
// type, and otherwise that of Issue.
func (a *Authority) ClientCredentials(ctx context.Context, x ClientCredentials) (*Issued, error) {
	if x.Client.client() == nil {
		return nil, errBadClient
	}
	return a.Issue(ctx, x.Client, &Request{
		Kind: token.KindAccess, Principal: x.Client.Principal, Client: x.Client.Principal,
		Scope: x.Scope, Audience: x.Audience, Lifetime: x.Lifetime,
	})
}
