package authority

import (
	"context"

	"github.com/bearerd/bearerd/internal/records"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// reasonUsed marks a refresh token that was traded for the next of its family.
const reasonUsed = "used"

var refreshOnly = []token.Kind{token.KindRefresh}

// Refresh is a use of a refresh token (RFC 6749 §6).
type Refresh struct {
	Token    string
	Client   *Caller // the client that asks; nil: none
	Scope    []string
	Audience string
	Lifetime int64
}

// Refresh trades a refresh token for a new pair. It is good for one use. The first
// use always gets its answer; a second use is refused and takes back the whole
// family, the new pair included: one of the two users is not who they should be
// (RFC 9700 §4.14). A request that is refused for another reason uses nothing up.
func (a *Authority) Refresh(ctx context.Context, x Refresh) (Pair, error) {
	asOf := a.Follower.Applied()
	t, err := a.examine(ctx, x.Token, &Demand{Kinds: refreshOnly, AnyAudience: true})
	if t != nil && t.Kind == token.KindRefresh && t.dead == reasonUsed {
		return Pair{}, a.reused(ctx, x.Client, t)
	}
	if r, refused := refusalOf(err); refused {
		a.Meter.VerifyRefused(r.Check)
		return Pair{}, fault.New(fault.InvalidGrant, "%s", r.Reason)
	}
	if err != nil {
		return Pair{}, err
	}
	p, err := a.PrincipalOf(ctx, t)
	if fault.Is(err, fault.NotFound) {
		return Pair{}, fault.New(fault.InvalidGrant, token.ReasonRevoked)
	}
	if err != nil {
		return Pair{}, err
	}
	c := &Caller{Principal: p, Token: t, asOf: asOf}
	r := &Request{
		Kind: token.KindAccess, Parent: t, Scope: x.Scope, Audience: x.Audience, Lifetime: x.Lifetime,
		spend: []records.Op{records.SpendToken{ID: t.ID, At: a.Now(), Reason: reasonUsed}},
	}
	if err := checkTrader(x.Client, t, identity.GrantTypeRefreshToken); err != nil {
		return Pair{}, a.refuseIssue(ctx, c, r, err)
	}
	if x.Client != nil {
		r.Client = x.Client.Principal
	}
	pair, err := a.issuePair(ctx, c, r)
	if fault.Is(err, fault.Conflict) {
		return Pair{}, a.spent(ctx, x.Client, t)
	}
	return pair, err
}

// spent answers a use that came too late: after another one, or after the token
// was taken back, which is nobody's second use.
func (a *Authority) spent(ctx context.Context, client *Caller, t *Token) error {
	row, _, err := a.Store.TokenByID(ctx, t.ID)
	switch {
	case err != nil:
		return err
	case row.Reason != reasonUsed:
		return fault.New(fault.InvalidGrant, token.ReasonRevoked)
	}
	return a.reused(ctx, client, t)
}

// reused takes back the family of a refresh token that was used twice.
func (a *Authority) reused(ctx context.Context, client *Caller, t *Token) error {
	used := fault.New(fault.InvalidGrant, "the refresh token was used before; all that came of it is revoked")
	if a.ledger.Killed(revocation.KeyOf(revocation.Token, t.family)) {
		return used
	}
	if checkTrader(client, t, identity.GrantTypeRefreshToken) != nil {
		return fault.New(fault.InvalidGrant, "the refresh token was used before")
	}
	e := a.event(ctx, client, audit.TokenReuse)
	e.Target, e.TokenID = t.Subject, t.ID
	_, err := a.takeBack(ctx, records.Batch{
		Ops:   []records.Op{records.KillTokens{IDs: []string{t.family}, At: a.Now(), Reason: "a refresh token of its family was used twice"}},
		Log:   []revocation.Entry{a.killEntry(t.family, a.horizon())},
		Audit: []audit.Event{e},
	}, a.Policy.Wait)
	if err != nil {
		return err
	}
	return used
}
