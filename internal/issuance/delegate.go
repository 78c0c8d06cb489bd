package issuance

import (
	"context"
	"slices"
	"strings"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// actorKinds are the kinds of token that prove who acts for a subject.
var actorKinds = []token.Kind{token.KindAccess}

// identifyActor returns who presented the actor token of a delegation (RFC 8693 §2.1). The
// error is InvalidClient without a client, Invalid when the token is not valid or not of a
// client whose tokens this one may use, and Unavailable when that can't be decided now.
func (i *Exchanger) identifyActor(ctx context.Context, x Exchange, subject *verification.Token) (*caller.Caller, error) {
	if x.Client.ID() == "" {
		return nil, fault.New(fault.InvalidClient, "a client must authenticate to name an actor")
	}
	who, err := i.cfg.Verifier.Identify(ctx, x.Actor, verification.Requirements{Kinds: actorKinds, AnyAudience: true})
	if err == nil {
		err = i.checkAudienceOf(x.Client, who.Token)
	}
	if fault.Is(err, fault.InvalidToken) || fault.Is(err, fault.InsufficientScope) {
		return nil, fault.Wrap(err, fault.Invalid, "the actor token is not valid: %s", fault.Message(err)).In("actor_token")
	}
	if err != nil {
		return nil, err
	}
	client, t := x.Client.Principal.Client, who.Token
	switch {
	case t.ClientID != client.ID && !slices.Contains(client.ExchangeFrom, t.ClientID):
		return nil, fault.New(fault.Invalid, "the actor token was issued to the client %s, which is not this client;"+
			" nor is it listed in the exchange_from of this client", t.ClientID).In("actor_token")
	case 1+len(t.Actors)+len(subject.Actors) > token.MaxActors:
		return nil, fault.New(fault.Invalid, "a token names %d actors at most", token.MaxActors).In("actor_token")
	}
	return caller.ByToken(who), nil
}

// actors returns who acts for the subject of the new token, the current actor first: the
// one that is named now and those who act for it, then those that the parent names.
func (r *Request) actors() []string {
	var list []string
	if r.actor != nil {
		list = append([]string{r.actor.Token.Subject}, r.actor.Token.Actors...)
	}
	if r.Parent != nil {
		list = append(list, r.Parent.Actors...)
	}
	return list
}

// delegated reports whether somebody acts for the subject of the new token.
func (r *Request) delegated() bool {
	return r.actor != nil || r.Parent != nil && len(r.Parent.Actors) > 0
}

// linksOf returns the links of the chain of a token that is made from another one, root
// first. After a token that was issued to another client it names that client: the new
// token is revoked with that client too. Before the id of a JWT it has the id of the key
// that signed it: a thief of the key can sign a parent, and what is made from that is
// revoked with the key.
func linksOf(t *verification.Token, clientID string) []string {
	chain := slices.Clone(t.Chain)
	if kid := t.KID; kid != "" && !slices.Contains(chain, kid) {
		chain = append(chain, kid)
	}
	chain = append(chain, t.ID)
	if from := t.ClientID; from != "" && from != identity.OwnClientID && from != clientID {
		chain = append(chain, token.ClientLink(from))
	}
	return chain
}

// actorRemark returns the audit log's description of who acts for the subject; "": nobody.
func (r *Request) actorRemark() string {
	if !r.delegated() {
		return ""
	}
	remark := "for the actor " + strings.Join(r.actors(), ", acting for the actor ")
	if r.actor != nil {
		remark += ", by its token " + r.actor.TokenID()
	}
	return remark
}
