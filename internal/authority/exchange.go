package authority

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/token"
)

// Exchange trades a token for another one that speaks for the same user, with no
// more than it has (RFC 8693).
type Exchange struct {
	Subject  string       // the value of the token to be traded
	Kinds    []token.Kind // that it may be; nil: API key, access token, API token
	Client   *Caller      // the client that asks; nil: none
	Audience string       // or resource; a task token type asks for a task token
	TaskType string       // asks for a task token, in a dialect that names it apart
	Scope    []string     // nil: none asked for
	Lifetime int64        // seconds; 0: none asked for
	Cap      bool         // a lifetime above the ceiling becomes the ceiling

	ScopeAsList bool // for a dialect
	Claims      func(*Principal) map[string]any
}

// Pair is an access token and, where it was asked for, the refresh token beside it.
type Pair struct {
	Access  *Issued
	Refresh *Issued // nil: none
}

var exchangeable = []token.Kind{token.KindAPIKey, token.KindAccess, token.KindAPIToken}

// Exchange makes the trade. The error is InvalidToken when the subject token is
// not good, Unauthenticated or UnauthorizedClient when the client may not, and
// otherwise that of Issue.
func (a *Authority) Exchange(ctx context.Context, x Exchange) (Pair, error) {
	kinds := x.Kinds
	if kinds == nil {
		kinds = exchangeable
	}
	c, err := a.caller(ctx, x.Subject, Demand{Kinds: kinds})
	if err != nil {
		return Pair{}, err
	}
	r := &Request{
		Kind: token.KindAccess, Parent: c.Token, Audience: x.Audience, Scope: x.Scope, Lifetime: x.Lifetime, Cap: x.Cap,
		TaskType: x.TaskType, ScopeAsList: x.ScopeAsList,
	}
	if err := checkTrader(x.Client, c.Token, identity.GrantTypeTokenExchange); err != nil {
		return Pair{}, a.refuseIssue(ctx, c, r, err)
	}
	if x.Claims != nil {
		r.Claims = x.Claims(c.Principal)
	}
	if x.Client != nil {
		r.Client = x.Client.Principal
	}
	if _, task := a.Policy.TaskMax[x.Audience]; task && r.TaskType == "" {
		r.TaskType, r.Audience = x.Audience, ""
	}
	if r.TaskType != "" {
		r.Kind = token.KindTask
	}
	return a.issuePair(ctx, c, r)
}

// checkTrader decides who may trade a token: with no client, what was issued to
// none; with one, what was issued to it or to none, if it has the grant.
func checkTrader(client *Caller, t *Token, grantType string) error {
	own := t.ClientID == "" || t.ClientID == OwnClientID
	switch {
	case client == nil && own:
		return nil
	case client == nil:
		return fault.New(fault.InvalidClient, "the token was issued to a client, which must authenticate")
	case !client.Principal.Client.MayUse(grantType):
		return fault.New(fault.UnauthorizedClient, "the client may not use this grant type")
	case !own && t.ClientID != client.Principal.Client.ID:
		return fault.New(fault.InvalidGrant, "the token was issued to another client")
	}
	return nil
}

// issuePair issues a token and, when its scope asks for offline access, a refresh
// token beside it, in one transaction with what the request uses up.
func (a *Authority) issuePair(ctx context.Context, c *Caller, r *Request) (Pair, error) {
	if err := a.ground(ctx, c, r); err != nil {
		return Pair{}, err
	}
	g, err := a.decide(ctx, c, r)
	if err != nil {
		return Pair{}, a.refuseIssue(ctx, c, r, err)
	}
	var refresh []Op
	var pair Pair
	if g.offline {
		pair.Refresh, refresh, err = a.makeRefresh(r, g)
		if err != nil {
			return Pair{}, err
		}
	}
	e := a.event(ctx, c, issueAction(r))
	e.Target, e.TokenID, e.Reason = r.Principal.Subject(), g.id, issueRemark(r, g)
	issued, more, err := a.make(ctx, r, g)
	if err != nil {
		return Pair{}, err
	}
	if _, err := a.commit(ctx, Batch{Ops: slices.Concat(r.spend, refresh, more), Audit: []audit.Event{e}}); err != nil {
		return Pair{}, err
	}
	a.Meter.Issued(r.Kind)
	pair.Access = issued
	return pair, nil
}

// refuseIssue records that somebody known asked for a token and did not get it.
func (a *Authority) refuseIssue(ctx context.Context, c *Caller, r *Request, reason error) error {
	a.Meter.IssueRefused(fault.KindOf(reason))
	e := a.event(ctx, c, issueAction(r))
	e.Target = c.Subject()
	if r.Principal != nil {
		e.Target = r.Principal.Subject()
	}
	return a.refuse(ctx, e, reason)
}

// checkOffline decides whether a refresh token is issued beside the access token.
// The scope offline_access asks for it; only a user's access token can have one,
// and a client needs the grant.
func (r *Request) checkOffline() error {
	client := r.Client
	switch {
	case r.Kind != token.KindAccess || r.Principal.User == nil:
		return fault.New(fault.InvalidScope, "the scope %s is for access tokens of users", identity.ScopeOfflineAccess).In("scope")
	case r.alone:
		return fault.New(fault.InvalidScope, "the scope %s is for devices and for token exchange", identity.ScopeOfflineAccess).In("scope")
	case client != nil && !client.Client.MayUse(identity.GrantTypeRefreshToken):
		return fault.New(fault.InvalidScope, "the client may not have refresh tokens").In("scope")
	}
	return nil
}

// makeRefresh makes the refresh token of a pair. The first of a family gives it
// its name, which then stands in the chain of all that is made from it; each has
// the idle lifetime anew, but none outlives what the first was made from.
func (a *Authority) makeRefresh(r *Request, g *grant) (*Issued, []Op, error) {
	value, o, err := a.Forms.New(token.KindRefresh)
	if err != nil {
		return nil, nil, err
	}
	row := StoredToken{
		ID: uuid.NewString(), Kind: token.KindRefresh, Digest: o.Digest, Prefix: o.Prefix, Last4: o.Last4,
		Owner: r.Principal.Subject(), Name: "refresh token", Scope: g.refreshScope, Collection: g.collection,
		Audience: g.audience, Family: g.family, Chain: g.chain, Seq: r.seq(), CreatedAt: g.issuedAt,
		EndsAt: g.familyEnd,
	}
	row.ExpiresAt = g.issuedAt.Add(a.Policy.RefreshIdle)
	if !row.EndsAt.IsZero() && row.EndsAt.Before(row.ExpiresAt) {
		row.ExpiresAt = row.EndsAt
	}
	if r.Client != nil {
		row.ClientID = r.Client.Client.ID
	}
	return &Issued{Value: value, ID: row.ID, Kind: token.KindRefresh, Scope: row.Scope, Expiry: row.ExpiresAt}, []Op{AddToken{row}}, nil
}
