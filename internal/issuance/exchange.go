package issuance

import (
	"context"
	"slices"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// Exchanger trades bearerd's own tokens.
type Exchanger struct{ *core }

// Exchange trades a token for another one of the same user, with no more rights than it
// has (RFC 8693). With an actor the new token says who acts for the user. It is then
// revoked with either of the two tokens, and when the user or the actor is disabled or
// removed.
type Exchange struct {
	Subject  string         // the value of the token to be traded
	Kinds    []token.Kind   // the accepted kinds of it; nil: exchange key, access token, API token
	Actor    string         // the value of an access token of the actor; "": no delegation
	Client   *caller.Caller // the client that asks; nil: none
	Audience string         // or resource; a task token type asks for a task token
	TaskType string         // asks for a task token, where the protocol has a parameter for it
	Scope    []string       // nil: none asked for
	Lifetime int64          // seconds; 0: none asked for
	Cap      bool           // a lifetime above the ceiling becomes the ceiling
}

var exchangeable = []token.Kind{token.KindExchangeKey, token.KindAccess, token.KindAPIToken}

// Exchange trades the token. The error is InvalidToken when the subject token is not
// valid; InvalidClient, UnauthorizedClient or, for another client's token, Invalid when
// the client may not exchange it; likewise InvalidClient or Invalid for the actor token;
// and otherwise that of Issue.
func (i *Exchanger) Exchange(ctx context.Context, x Exchange) (Pair, error) {
	kinds := x.Kinds
	if kinds == nil {
		kinds = exchangeable
	}
	who, err := i.cfg.Verifier.Identify(ctx, x.Subject, verification.Requirements{Kinds: kinds, AnyAudience: true})
	if err != nil {
		return Pair{}, err
	}
	if err := i.checkAudienceOf(x.Client, who.Token); err != nil {
		return Pair{}, err
	}
	c := caller.ByToken(who)
	r := &Request{
		Kind: token.KindAccess, Parent: c.Token, Audience: x.Audience, Scope: x.Scope, Lifetime: x.Lifetime, Cap: x.Cap,
		TaskType: x.TaskType,
	}
	if err := checkExchange(x.Client, c.Token); err != nil {
		return Pair{}, i.refuse(ctx, c, r, err)
	}
	if x.Client != nil {
		r.Client, r.spend = x.Client.Principal, x.Client.Once()
	}
	if x.Actor != "" {
		if r.actor, err = i.identifyActor(ctx, x, c.Token); err != nil {
			return Pair{}, i.refuse(ctx, c, r, err)
		}
	}
	if _, task := i.cfg.Policy.TaskMax[x.Audience]; task && r.TaskType == "" {
		r.TaskType, r.Audience = x.Audience, ""
	}
	if r.TaskType != "" {
		r.Kind = token.KindTask
	}
	return i.issuePair(ctx, c, r)
}

// checkAudienceOf refuses a token for another audience: its audience must be
// bearerd's own, or the client that exchanges it.
func (i *Exchanger) checkAudienceOf(client *caller.Caller, t *verification.Token) error {
	if token.HasAudience(t.Audience, i.cfg.Policy.DefaultAudience) || meantFor(client, t) {
		return nil
	}
	return fault.Wrap(token.CheckAudience.Refuse(), fault.InvalidToken, "wrong audience")
}

// meantFor reports whether a token's audience is the client.
func meantFor(client *caller.Caller, t *verification.Token) bool {
	return client.Client() != nil && slices.Contains(t.Audience, client.Client().ID)
}
