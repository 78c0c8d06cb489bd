package trust

import (
	"context"
	"errors"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/quota"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/token"
)

// Store is what Assertions reads.
type Store interface {
	records.PrincipalReader
	contract.Issuers
}

// IssuingConfig configures Assertions. Every field must be set.
type IssuingConfig struct {
	Store   Store
	Journal *journal.Journal
	Judge   *Judge
	Core    *issuance.Core
	Quota   *quota.Quota // of look-ups
	Issuer  string       // our own
}

// Assertions issues tokens for the JWTs of trusted issuers. Its methods may be called from any
// number of goroutines.
type Assertions struct{ cfg IssuingConfig }

// NewAssertions returns an Assertions.
func NewAssertions(cfg IssuingConfig) (*Assertions, error) {
	if cfg.Store == nil || cfg.Journal == nil || cfg.Judge == nil || cfg.Core == nil || cfg.Quota == nil || cfg.Issuer == "" {
		return nil, errors.New("trust: store, journal, judge, core, quota and issuer must be set")
	}
	return &Assertions{cfg: cfg}, nil
}

// Assertion asks for an access token for a JWT of an issuer that is trusted.
type Assertion struct {
	Value    string
	Exchange bool           // by token exchange (RFC 8693); else RFC 7523 §2.1
	Client   *caller.Caller // nil: none; the issuer's rule alone decides
	Scope    []string       // nil: that of the rule
	Audience string         // or resource; "": the default
	Lifetime int64          // seconds; 0: none asked for
	Cap      bool           // a lifetime above the ceiling becomes the ceiling
}

// Foreign reports whether a JWT claims to be from another issuer.
func (i *Assertions) Foreign(raw string) bool {
	iss := token.UnverifiedIssuer(raw)
	return iss != "" && iss != i.cfg.Issuer
}

// IssueForAssertion issues a token by the rule of the issuer that matches. The chain of the
// token holds the version of the rule, so that the token is revoked when the rule is
// removed or changed, however late it is issued. The error is InvalidGrant when the JWT is
// refused, InvalidClient or UnauthorizedClient when the client is, and otherwise that of
// Issue.
func (i *Assertions) IssueForAssertion(ctx context.Context, x Assertion) (*issuance.Issued, error) {
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
	said, err := i.cfg.Judge.Judge(ctx, issuer, Asked{Value: x.Value, ClientID: clientID, Grant: !x.Exchange})
	switch {
	case fault.Is(err, fault.InvalidToken): // a forgery isn't recorded: it has no author
		i.cfg.Quota.NotFound(ctx)
		return nil, fault.Wrap(err, fault.InvalidGrant, "%s", fault.Message(err))
	case fault.Is(err, fault.InvalidGrant), fault.Is(err, fault.InvalidClient):
		return nil, i.refuseAssertion(ctx, x, issuer.Name, err)
	case err != nil:
		return nil, err
	}
	by := &issuance.Trusted{Issuer: issuer.Name, Rule: said.Rule, Exchange: x.Exchange}
	p, err := i.speaksFor(ctx, said)
	if err == nil {
		err = checkRuleClient(said.Rule, clientID)
	}
	if fault.Is(err, fault.InvalidGrant) {
		return nil, i.refuseAssertion(ctx, x, by.String(), err)
	}
	if err != nil {
		return nil, err
	}
	r := &issuance.Request{Kind: token.KindAccess, Principal: p, Scope: x.Scope, Audience: x.Audience, Lifetime: x.Lifetime, Cap: x.Cap}
	terms := issuance.Terms{Alone: true, Trusted: by}
	if issuer.Once {
		terms.Spend = []op.Op{op.Spend{Once: said.Once, Until: said.Until}}
	}
	return i.issue(ctx, x, r, terms)
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
func (i *Assertions) findIssuer(ctx context.Context, x Assertion) (records.Issuer, error) {
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

// speaksFor reads the user or client that the token is issued for.
func (i *Assertions) speaksFor(ctx context.Context, said *Statement) (*records.Principal, error) {
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

// checkRuleClient refuses a client other than the one that the rule is for.
func checkRuleClient(rule records.IssuerRule, id string) error {
	if rule.Client != "" && id != "" && id != rule.Client {
		return fault.New(fault.InvalidGrant, "the rule is for another client")
	}
	return nil
}

// issue issues what a rule allows.
func (i *Assertions) issue(ctx context.Context, x Assertion, r *issuance.Request, terms issuance.Terms) (*issuance.Issued, error) {
	c := x.Client
	if c == nil {
		c = caller.ByPrincipal(r.Principal)
	}
	switch {
	case x.Client != nil:
		r.Client, terms.Spend = x.Client.Principal, append(x.Client.Once(), terms.Spend...)
	case r.Principal.User == nil:
		r.Client = r.Principal
	}
	if len(r.Scope) == 0 {
		r.Scope = terms.Trusted.Rule.Scope
	}
	if r.Principal.User != nil {
		if err := i.cfg.Core.LimitExchange(r.Principal.Subject()); err != nil {
			return nil, err
		}
	}
	if extra := identity.Subset(r.Scope, terms.Trusted.Rule.Scope); len(extra) > 0 {
		return nil, i.cfg.Core.Refuse(ctx, c, r, terms, fault.New(fault.InvalidScope, "the rule doesn't allow the scope %s", extra[0]).In("scope"))
	}
	pair, err := i.cfg.Core.Issue(ctx, c, r, terms)
	switch {
	case fault.Is(err, fault.Conflict):
		return nil, i.cfg.Core.Refuse(ctx, c, r, terms, fault.Wrap(err, fault.InvalidGrant, "the assertion was used before"))
	case fault.Is(err, fault.InvalidToken), fault.Is(err, fault.Forbidden):
		return nil, fault.Wrap(err, fault.InvalidGrant, "%s", fault.Message(err))
	}
	return pair.Access, err
}

// refuseAssertion records that a JWT of a trusted issuer, or a known client, was refused,
// and returns the reason.
func (i *Assertions) refuseAssertion(ctx context.Context, x Assertion, by string, reason error) error {
	e := i.cfg.Journal.Event(ctx, x.Client.Actor(), audit.TokenIssue)
	if x.Exchange {
		e.Action = audit.TokenExchange
	}
	e.Target = x.Client.ID()
	return i.cfg.Core.RefuseBy(ctx, e, by, reason)
}
