package issuance

import (
	"context"
	"errors"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/trust"
)

// Assertion asks for an access token for a JWT of an issuer that is trusted.
type Assertion struct {
	Value    string
	Exchange bool           // by token exchange (RFC 8693); else RFC 7523 §2.1
	Client   *caller.Caller // nil: none; the issuer's rule alone decides
	Scope    []string       // nil: that of the rule
	Audience string         // or resource; "": the default
	Lifetime int64          // seconds; 0: none asked for
	Cap      bool           // a lifetime above the ceiling is the ceiling
}

// trusted is the issuer and the rule that a token is issued by.
type trusted struct {
	issuer   string // its name
	rule     records.IssuerRule
	exchange bool
}

// Foreign reports whether a JWT says that it is of another issuer.
func (i *Issuer) Foreign(raw string) bool {
	iss := token.UnverifiedIssuer(raw)
	return iss != "" && iss != i.cfg.Policy.Issuer
}

// IssueForAssertion issues a token by the rule of the issuer that matches. The chain of the
// token holds the version of the rule, so that the token is revoked when the rule is
// removed or changed, however late it is issued. The error is InvalidGrant when the JWT is
// refused, InvalidClient or UnauthorizedClient when the client is, and otherwise that of
// Issue.
func (i *Issuer) IssueForAssertion(ctx context.Context, x Assertion) (*Issued, error) {
	if err := checkAsserter(x); err != nil {
		return nil, i.refuseAssertion(ctx, x, "", err)
	}
	issuer, err := i.findIssuer(ctx, x)
	if err != nil {
		return nil, err
	}
	clientID := ""
	if client := x.Client.Client(); client != nil {
		clientID = client.ID
	}
	said, err := i.cfg.Trust.Judge(ctx, issuer, trust.Asked{Value: x.Value, ClientID: clientID, Grant: !x.Exchange})
	switch {
	case fault.Is(err, fault.InvalidToken): // a forgery is nobody's act
		i.cfg.Quota.NotFound(ctx)
		return nil, fault.Wrap(err, fault.InvalidGrant, "%s", fault.Message(err))
	case fault.Is(err, fault.InvalidGrant), fault.Is(err, fault.InvalidClient):
		return nil, i.refuseAssertion(ctx, x, issuer.Name, err)
	case err != nil:
		return nil, err
	}
	by := &trusted{issuer: issuer.Name, rule: said.Rule, exchange: x.Exchange}
	p, err := i.speaksFor(ctx, said)
	if err == nil {
		err = by.checkClient(clientID)
	}
	if fault.Is(err, fault.InvalidGrant) {
		return nil, i.refuseAssertion(ctx, x, by.String(), err)
	}
	if err != nil {
		return nil, err
	}
	r := &Request{Kind: token.KindAccess, Principal: p, Scope: x.Scope, Audience: x.Audience, Lifetime: x.Lifetime, Cap: x.Cap, alone: true, trusted: by}
	if issuer.Once {
		r.spend = []records.Op{records.Spend{Once: said.Once, Until: said.Until}}
	}
	return i.issueTrusted(ctx, x, r)
}

// checkAsserter decides whether the client that asks, if one does, may use the grant.
func checkAsserter(x Assertion) error {
	grant := identity.GrantTypeJWTBearer
	if x.Exchange {
		grant = identity.GrantTypeTokenExchange
	}
	switch {
	case x.Client == nil:
		return nil
	case x.Client.Principal == nil || x.Client.Principal.Client == nil:
		return caller.ErrBadClient
	case !x.Client.Principal.Client.MayUse(grant):
		return fault.New(fault.UnauthorizedClient, "the client may not use this grant type")
	case x.Client.Client() == nil:
		return caller.ErrBadClient
	}
	return nil
}

// findIssuer returns the issuer that a JWT says it is of. Look-ups that find nothing are
// limited by address.
func (i *Issuer) findIssuer(ctx context.Context, x Assertion) (records.Issuer, error) {
	unknown := fault.New(fault.InvalidGrant, "the assertion is no JWT of an issuer that is trusted here")
	if err := i.cfg.Quota.LookUp(ctx); err != nil {
		return records.Issuer{}, err
	}
	iss := token.UnverifiedIssuer(x.Value)
	if iss == "" {
		return records.Issuer{}, unknown
	}
	issuer, err := i.cfg.Store.IssuerOf(ctx, iss)
	if fault.Is(err, fault.NotFound) {
		i.cfg.Quota.NotFound(ctx)
		return records.Issuer{}, unknown
	}
	return issuer, err
}

const maxExternalID = 255

// speaksFor reads whom a token of the statement speaks for.
func (i *Issuer) speaksFor(ctx context.Context, said *trust.Statement) (*records.Principal, error) {
	who := records.Who{ClientID: said.Rule.Client}
	missing := fault.New(fault.InvalidGrant, "the client of the rule doesn't exist")
	if said.Rule.UserClaim != "" {
		who = records.Who{Source: said.Rule.Source, ExternalID: said.ExternalID}
		missing = fault.New(fault.InvalidGrant, "nobody is linked to what the claim %s says", said.Rule.UserClaim)
		if len(said.ExternalID) > maxExternalID || identity.ValidateName(said.ExternalID) != nil { // no store has it
			return nil, missing
		}
	}
	p, err := i.cfg.Store.Principal(ctx, who)
	if fault.Is(err, fault.NotFound) {
		return nil, missing
	}
	return &p, err
}

// checkClient refuses a client other than the one that the rule is for.
func (t *trusted) checkClient(id string) error {
	if t.rule.Client != "" && id != "" && id != t.rule.Client {
		return fault.New(fault.InvalidGrant, "the rule is for another client")
	}
	return nil
}

// issueTrusted issues what a rule allows.
func (i *Issuer) issueTrusted(ctx context.Context, x Assertion, r *Request) (*Issued, error) {
	c := x.Client
	if c == nil {
		c = caller.ByPrincipal(r.Principal)
	}
	switch {
	case x.Client != nil:
		r.Client, r.spend = x.Client.Principal, append(x.Client.Once(), r.spend...)
	case r.Principal.User == nil:
		r.Client = r.Principal
	}
	if len(r.Scope) == 0 {
		r.Scope = r.trusted.rule.Scope
	}
	if r.Principal.User != nil {
		if err := i.cfg.Quota.Exchange(r.Principal.Subject()); err != nil {
			i.cfg.Meter.IssueRefused(fault.KindOf(err))
			return nil, err
		}
	}
	if extra := identity.Subset(r.Scope, r.trusted.rule.Scope); len(extra) > 0 {
		return nil, i.refuse(ctx, c, r, fault.New(fault.InvalidScope, "the rule doesn't allow the scope %s", extra[0]).In("scope"))
	}
	pair, err := i.issuePair(ctx, c, r)
	switch {
	case fault.Is(err, fault.Conflict):
		return nil, i.refuse(ctx, c, r, fault.Wrap(err, fault.InvalidGrant, "the assertion was used before"))
	case fault.Is(err, fault.InvalidToken), fault.Is(err, fault.Forbidden):
		return nil, fault.Wrap(err, fault.InvalidGrant, "%s", fault.Message(err))
	}
	return pair.Access, err
}

// String names the issuer and the rule for the audit log.
func (t *trusted) String() string { return t.issuer + ", rule " + t.rule.Name }

// refuseAssertion records that a JWT of a trusted issuer, or a known client, was refused,
// and returns the reason.
func (i *Issuer) refuseAssertion(ctx context.Context, x Assertion, by string, reason error) error {
	i.cfg.Meter.IssueRefused(fault.KindOf(reason))
	e := i.cfg.Journal.Event(ctx, x.Client.Actor(), audit.TokenIssue)
	if x.Exchange {
		e.Action = audit.TokenExchange
	}
	e.Target = x.Client.ID()
	return i.refuseBy(ctx, e, by, reason)
}

// refuseBy records a refusal with the issuer and the rule, which the answer doesn't name.
func (i *Issuer) refuseBy(ctx context.Context, e audit.Event, by string, reason error) error {
	if by == "" {
		return i.cfg.Journal.Refuse(ctx, e, reason)
	}
	noted := fault.Wrap(reason, fault.KindOf(reason), "issuer %s: %s", by, fault.Message(reason))
	if err := i.cfg.Journal.Refuse(ctx, e, noted); !errors.Is(err, noted) {
		return err
	}
	return reason
}

// audience returns an audience that the rule lets be asked for, as it is written there,
// which is what its verifiers compare.
func (t *trusted) audience(asked string) (string, error) {
	for _, listed := range t.rule.Audiences {
		if token.SameAudience(asked, listed) {
			return listed, nil
		}
	}
	return "", fault.New(fault.InvalidTarget, "this audience may not be asked for").In("audience")
}
