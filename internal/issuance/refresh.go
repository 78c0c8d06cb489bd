package issuance

import (
	"context"
	"math"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// reasonUsed marks a refresh token that was traded for the next of its family.
const reasonUsed = "used"

var refreshOnly = []token.Kind{token.KindRefresh}

// Refresh is a use of a refresh token (RFC 6749 §6).
type Refresh struct {
	Token    string
	Client   *caller.Caller // the client that asks; nil: none
	Scope    []string
	Audience string
	Lifetime int64
}

// Refresh trades a refresh token for a new pair. It is good for one use. The first
// use always gets its answer; a second use is refused and revokes the whole family,
// the new pair included: one of the two users is not who they should be (RFC 9700
// §4.14). A request that is refused for another reason uses nothing up.
func (i *Issuer) Refresh(ctx context.Context, x Refresh) (Pair, error) {
	asOf := i.cfg.Verifier.Standing().AsOf
	t, err := i.cfg.Verifier.Redeem(ctx, x.Token, verification.Requirements{Kinds: refreshOnly, AnyAudience: true})
	if t != nil && t.Kind == token.KindRefresh && t.Ended == reasonUsed {
		return Pair{}, i.reused(ctx, x.Client, t)
	}
	if r, refused := verification.RefusalOf(err); refused {
		return Pair{}, fault.New(fault.InvalidGrant, "%s", r.Reason)
	}
	if err != nil {
		return Pair{}, err
	}
	subject, err := i.cfg.Verifier.Subject(ctx, t)
	if fault.Is(err, fault.NotFound) {
		return Pair{}, fault.New(fault.InvalidGrant, token.ReasonRevoked)
	}
	if err != nil {
		return Pair{}, err
	}
	c := caller.ByToken(&verification.Identity{Token: t, Subject: subject, AsOf: asOf})
	r := &Request{
		Kind: token.KindAccess, Parent: t, Scope: x.Scope, Audience: x.Audience, Lifetime: x.Lifetime,
		spend: []records.Op{records.SpendToken{ID: t.ID, At: i.cfg.Now(), Reason: reasonUsed}},
	}
	if err := checkTrader(x.Client, t, identity.GrantTypeRefreshToken); err != nil {
		return Pair{}, i.refuse(ctx, c, r, err)
	}
	if x.Client != nil {
		r.Client = x.Client.Principal
	}
	pair, err := i.issuePair(ctx, c, r)
	if fault.Is(err, fault.Conflict) {
		return Pair{}, i.spent(ctx, x.Client, t)
	}
	return pair, err
}

// spent answers a use that came too late: after another one, or after the token
// was revoked, which is nobody's second use.
func (i *Issuer) spent(ctx context.Context, client *caller.Caller, t *verification.Token) error {
	row, _, err := i.cfg.Store.TokenByID(ctx, t.ID)
	switch {
	case err != nil:
		return err
	case row.Reason != reasonUsed:
		return fault.New(fault.InvalidGrant, token.ReasonRevoked)
	}
	return i.reused(ctx, client, t)
}

// reused revokes the family of a refresh token that was used twice.
func (i *Issuer) reused(ctx context.Context, client *caller.Caller, t *verification.Token) error {
	used := fault.New(fault.InvalidGrant, "the refresh token was used before; all that came of it is revoked")
	if i.familyKilled(t.Family) {
		return used
	}
	if checkTrader(client, t, identity.GrantTypeRefreshToken) != nil {
		return fault.New(fault.InvalidGrant, "the refresh token was used before")
	}
	e := i.cfg.Journal.Event(ctx, client.Actor(), audit.TokenReuse)
	e.Target, e.TokenID = t.Subject, t.ID
	ops, entries := i.cfg.Journal.Kill(journal.Kill{
		ID: t.Family, Opaque: true, Reason: "a refresh token of its family was used twice",
	})
	b := records.Batch{Ops: ops, Log: entries, Audit: []audit.Event{e}}
	if _, err := i.cfg.Journal.Revoke(ctx, b, revocation.WaitDefault); err != nil {
		return err
	}
	return used
}

// familyKilled reports whether the log names the family. Its members may be revoked
// for other reasons; the sequence leaves those out.
func (i *Issuer) familyKilled(family string) bool {
	return i.cfg.Verifier.Revoked(verification.Index(&verification.Token{ID: family, Seq: math.MaxInt64}))
}
