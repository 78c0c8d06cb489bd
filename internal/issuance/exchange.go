package issuance

import (
	"context"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// Exchange trades a token for another one that speaks for the same user, with no
// more than it has (RFC 8693).
type Exchange struct {
	Subject  string         // the value of the token to be traded
	Kinds    []token.Kind   // that it may be; nil: exchange key, access token, API token
	Client   *caller.Caller // the client that asks; nil: none
	Audience string         // or resource; a task token type asks for a task token
	TaskType string         // asks for a task token, where the protocol names it apart
	Scope    []string       // nil: none asked for
	Lifetime int64          // seconds; 0: none asked for
	Cap      bool           // a lifetime above the ceiling becomes the ceiling
}

var exchangeable = []token.Kind{token.KindExchangeKey, token.KindAccess, token.KindAPIToken}

// Exchange makes the trade. The error is InvalidToken when the subject token is
// not good, InvalidClient, UnauthorizedClient or InvalidGrant when the client may
// not, and otherwise that of Issue.
func (i *Issuer) Exchange(ctx context.Context, x Exchange) (Pair, error) {
	kinds := x.Kinds
	if kinds == nil {
		kinds = exchangeable
	}
	who, err := i.cfg.Verifier.Identify(ctx, x.Subject, verification.Requirements{Kinds: kinds})
	if err != nil {
		return Pair{}, err
	}
	c := caller.ByToken(who)
	r := &Request{
		Kind: token.KindAccess, Parent: c.Token, Audience: x.Audience, Scope: x.Scope, Lifetime: x.Lifetime, Cap: x.Cap,
		TaskType: x.TaskType,
	}
	if err := checkTrader(x.Client, c.Token, identity.GrantTypeTokenExchange); err != nil {
		return Pair{}, i.refuse(ctx, c, r, err)
	}
	if x.Client != nil {
		r.Client = x.Client.Principal
	}
	if _, task := i.cfg.Policy.TaskMax[x.Audience]; task && r.TaskType == "" {
		r.TaskType, r.Audience = x.Audience, ""
	}
	if r.TaskType != "" {
		r.Kind = token.KindTask
	}
	return i.issuePair(ctx, c, r)
}
