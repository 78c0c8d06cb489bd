package issuance

import (
	"errors"
	"slices"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/networks"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// checkOrigin is the gate of every token that is issued: it decides whether this
// caller may have a token of this kind, made from what was presented, before
// anything is read or validated.
func (r *Request) checkOrigin(c *caller.Caller) error {
	if _, known := kindRules[r.Kind]; !known {
		return fault.New(fault.Forbidden, "a token of kind %s can't be requested by itself", r.Kind)
	}
	switch {
	case c == nil:
		return caller.ErrSignIn
	case c.IsOperator(), r.trusted != nil: // an issuer's rule has decided
		return nil
	case c.RequireSignedIn() != nil:
		return fault.New(fault.Forbidden, "the token may only revoke itself")
	}
	subject, ofClient := c.ID(), c.Subject != nil && c.Subject.Client
	if r.Principal != nil {
		subject, ofClient = r.Principal.Subject(), r.Principal.User == nil
	}
	from := token.KindUnknown
	switch {
	case r.Parent != nil:
		from = r.Parent.Kind
	case ofClient:
		from = token.KindClientSecret
	}
	switch {
	case !slices.Contains(kindRules[r.Kind].parents, from):
		return fault.New(fault.Forbidden, "no %s can be made from this", r.Kind)
	case from == token.KindClientSecret:
		return caller.RequireClientCredentials(c)
	case kindRules[r.Kind].credential && r.delegated():
		return fault.New(fault.Forbidden, "a token with an actor creates no credentials")
	case kindRules[r.Kind].credential && from != token.KindSession && !slices.Contains(r.Parent.Scope, identity.ScopeCredentials):
		return fault.New(fault.InsufficientScope, "the scope %s is needed", identity.ScopeCredentials)
	case r.Parent != nil && r.Parent.Subject != subject:
		return fault.New(fault.Forbidden, "the token speaks for somebody else")
	}
	return nil
}

// hasParent reports whether the new token has a parent: it is revoked with the parent and
// can't outlive it. A credential that a person creates in a session has no parent.
func (r *Request) hasParent() bool {
	return r.Parent != nil && (r.Parent.Kind != token.KindSession || !kindRules[r.Kind].credential)
}

// errOthersToken is the cause of a refusal of a token that was issued to another client.
var errOthersToken = errors.New("issuance: the token was issued to another client")

// checkTrader decides who may trade a token: without a client, tokens that were issued to
// no client; with one, tokens that were issued to it or to none, if it has the grant. A
// credential that a user created through a client belongs to the user and may be traded
// by any.
func checkTrader(client *caller.Caller, t *verification.Token, grantType string) error {
	switch {
	case client == nil && ofNoClient(t):
		return nil
	case client == nil:
		return fault.New(fault.InvalidClient, "the token was issued to a client, which must authenticate")
	case client.Principal == nil || client.Principal.Client == nil:
		return caller.ErrBadClient
	case !client.Principal.Client.MayUse(grantType):
		return fault.New(fault.UnauthorizedClient, "the client may not use this grant type")
	case !ofNoClient(t) && t.ClientID != client.Principal.Client.ID:
		return fault.Wrap(errOthersToken, fault.InvalidGrant, "the token was issued to another client")
	}
	return nil
}

// ofNoClient reports whether a token belongs to no client: its user may trade it through
// any client or none.
func ofNoClient(t *verification.Token) bool {
	return t.ClientID == "" || t.ClientID == identity.OwnClientID || kindRules[t.Kind].credential
}

// checkExchange decides who may exchange a token: those who may trade it, a client that
// is its audience, and a client that lists the one to which it was issued.
func checkExchange(client *caller.Caller, t *verification.Token) error {
	err := checkTrader(client, t, identity.GrantTypeTokenExchange)
	switch {
	case !errors.Is(err, errOthersToken):
		return err
	case meantFor(client, t) || slices.Contains(client.Principal.Client.ExchangeFrom, t.ClientID):
		return nil
	}
	return fault.New(fault.Invalid, "the subject token was issued to the client %s, which is not listed in the exchange_from of this client;"+
		" nor is this client the token's audience", t.ClientID)
}

// checkSubject refuses tokens for users who may not get any.
func (r *Request) checkSubject() error {
	if r.Principal.User != nil && r.Principal.User.Disabled {
		return fault.New(fault.Forbidden, "the account is disabled")
	}
	return nil
}

// audience decides the token's audience: the task token type, the resource asked for when
// the client may name it, or the default audience.
func (p Policy) audience(r *Request) (string, error) {
	if r.Kind == token.KindTask {
		return r.TaskType, nil
	}
	asked := r.Audience
	switch {
	case r.granting != nil:
		return r.granting.Resource.Audience, nil
	case r.ofGrant() && (asked == "" || p.IsFor(r.Parent, asked)):
		return r.Parent.Audience[0], nil
	case r.ofGrant():
		return "", fault.New(fault.InvalidTarget, "what was granted is for another resource").In("resource")
	}
	if asked == "" && r.Parent != nil && r.Parent.Kind == token.KindRefresh {
		asked = r.Parent.Audience[0]
	}
	if asked == "" || token.SameAudience(asked, p.DefaultAudience) {
		return p.DefaultAudience, nil
	}
	if _, task := p.TaskMax[asked]; task {
		return "", fault.New(fault.InvalidTarget, "the audience is a task token type").In("audience")
	}
	if r.trusted != nil {
		return r.trusted.audience(asked)
	}
	if r.Client != nil {
		for _, audience := range r.Client.Client.Audiences {
			if token.SameAudience(asked, audience) {
				return audience, nil // as it is listed, which is what its verifiers compare
			}
		}
	}
	return "", fault.New(fault.InvalidTarget, "this audience may not be asked for").In("audience")
}

// ofGrant reports whether the token is issued for a grant, which is for one resource only.
func (r *Request) ofGrant() bool {
	return r.Parent != nil && (r.Parent.Kind == token.KindGrant || r.Parent.Kind == token.KindRefresh && r.Parent.Granted)
}

// collection decides which collection the token is bound to. A token made from
// one that is bound stays bound to the same.
func (r *Request) collection() (*int64, error) {
	asked := r.Collection
	if r.Parent.BindsCollection() {
		if asked != nil && *asked != *r.Parent.Collection {
			return nil, fault.New(fault.Forbidden, "the token it is made from is bound to another collection").In("collection")
		}
		asked = r.Parent.Collection
	}
	switch {
	case asked == nil:
		return nil, nil
	case !r.Principal.CollectionExists:
		return nil, fault.New(fault.Invalid, "there is no such collection").In("collection")
	case !r.Principal.May(access.ActionAccess, access.CollectionPath(*asked)).Allowed:
		return nil, fault.New(fault.Forbidden, "no access to this collection").In("collection")
	}
	return asked, nil
}

// networks decides which networks the token may be used from: those that were asked for
// and from which its parent, and the actor's token, may be used too. A regenerated token
// keeps its networks.
func (r *Request) networks() (networks.List, error) {
	limits := []networks.List{r.Networks}
	if r.Parent != nil && r.renews == nil {
		limits = append(limits, r.Parent.Networks)
	}
	if r.actor != nil {
		limits = append(limits, r.actor.Token.Networks)
	}
	var list networks.List
	for _, limit := range limits {
		both, ok := networks.Common(list, limit)
		if !ok {
			return nil, fault.New(fault.Invalid, "the token could be used from nowhere: %s and %s have no network in common, or more than %d",
				list, limit, networks.Max).In("networks")
		}
		list = both
	}
	return list, nil
}
