package issuance

import (
	"context"
	"math"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// The reasons why a refresh token ended: it was traded for the next one of its family, or
// a sibling was.
const (
	reasonUsed    = "used"
	reasonSibling = "sibling used"
)

var refreshOnly = []token.Kind{token.KindRefresh}

// Refresher trades refresh tokens.
type Refresher struct{ *core }

// Refresh is a use of a refresh token (RFC 6749 §6).
type Refresh struct {
	Token    string
	Client   *caller.Caller // the client that asks; nil: none
	Scope    []string
	Audience string
	Lifetime int64

	again bool // another use within the grace
}

// Refresh trades a refresh token for a new pair. The first use always gets its answer. A
// second use within Policy.RefreshGrace of the first is answered too: the client may have
// lost the first answer, or two of its tabs asked at once. It gets a sibling of the first
// answer's refresh token, of the same family. Siblings are valid until one of them is
// used; then the others end.
//
// Any other second use, and a use of an ended sibling, is refused and revokes the whole
// family, the newest pair included: one of the two uses may be a thief's (RFC 9700
// §4.14). A request that is refused for another reason uses nothing up.
//
// Whether a second use is in time, and whether a sibling was used, is decided in the
// transaction that stores the answer. It and the transaction of the sibling's use wait
// for each other.
func (i *Refresher) Refresh(ctx context.Context, x Refresh) (Pair, error) {
	asOf := i.cfg.Verifier.Standing().AsOf
	asks := verification.Requirements{Kinds: refreshOnly, AnyAudience: true, Despite: reasonUsed}
	t, err := i.cfg.Verifier.Redeem(ctx, x.Token, asks)
	if t != nil && t.Kind == token.KindRefresh && (t.Ended == reasonUsed || t.Ended == reasonSibling || fromElsewhere(err)) {
		again, reused, err := i.usedBefore(ctx, t)
		switch {
		case err != nil:
			return Pair{}, err
		case reused:
			return Pair{}, i.reused(ctx, x.Client, t)
		}
		x.again = again
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
	return i.refresh(ctx, x, caller.ByToken(&verification.Identity{Token: t, Subject: subject, AsOf: asOf}))
}

// fromElsewhere reports whether a refresh token was refused because of the network that
// it was used from. That doesn't use it up, but a second use counts from any network.
func fromElsewhere(err error) bool {
	r, refused := verification.RefusalOf(err)
	return refused && r.Check == token.CheckNetwork
}

// refresh issues the new pair for a refresh token that was accepted.
func (i *Refresher) refresh(ctx context.Context, x Refresh, c *caller.Caller) (Pair, error) {
	t, now := c.Token, i.cfg.Now()
	r := &Request{
		Kind: token.KindAccess, Parent: t, Scope: x.Scope, Audience: x.Audience, Lifetime: x.Lifetime, again: x.again,
		spend: []op.Op{op.SpendToken{ID: t.ID, At: now, Reason: reasonUsed, Siblings: reasonSibling}},
	}
	if x.again {
		r.spend = []op.Op{op.SpendAgain{ID: t.ID, Since: now.Add(-i.cfg.Policy.RefreshGrace), Reason: reasonUsed}}
	}
	if err := checkTrader(x.Client, t, identity.GrantTypeRefreshToken); err != nil {
		return Pair{}, i.refuse(ctx, c, r, err)
	}
	if x.Client != nil {
		r.Client, r.spend = x.Client.Principal, append(x.Client.Once(), r.spend...)
	}
	pair, err := i.issuePair(ctx, c, r)
	switch {
	case !fault.Is(err, fault.Conflict):
		return pair, err
	case x.again:
		return Pair{}, i.reused(ctx, x.Client, t)
	}
	return i.overtaken(ctx, x, c)
}

// overtaken returns the error for a use that came after another one, or after the token
// was revoked, which is no second use.
func (i *Refresher) overtaken(ctx context.Context, x Refresh, c *caller.Caller) (Pair, error) {
	again, reused, err := i.usedBefore(ctx, c.Token)
	switch {
	case err != nil:
		return Pair{}, err
	case reused:
		return Pair{}, i.reused(ctx, x.Client, c.Token)
	case again:
		x.again = true
		return i.refresh(ctx, x, c)
	}
	return Pair{}, fault.New(fault.InvalidGrant, token.ReasonRevoked)
}

// usedBefore reads how a refresh token ended: whether it was used recently enough to be
// used again, or whether this second use shows that it may have been stolen.
func (i *Refresher) usedBefore(ctx context.Context, t *verification.Token) (again, reused bool, err error) {
	row, _, err := i.cfg.Store.TokenByID(ctx, t.ID)
	if err != nil {
		return false, false, err
	}
	switch row.Reason {
	case reasonSibling:
		return false, true, nil
	case reasonUsed:
		again = i.cfg.Now().Sub(row.RevokedAt) <= i.cfg.Policy.RefreshGrace && i.cfg.Policy.RefreshGrace > 0
		return again, !again, nil
	}
	return false, false, nil
}

// reused revokes the family of a refresh token that was used twice.
func (i *Refresher) reused(ctx context.Context, client *caller.Caller, t *verification.Token) error {
	used := fault.New(fault.InvalidGrant, "the refresh token was used before; all tokens made from it are revoked")
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
	b := op.Batch{Ops: append(client.Once(), ops...), Log: entries, Audit: []audit.Event{e}}
	if _, err := i.cfg.Journal.Revoke(ctx, b, revocation.WaitDefault); err != nil {
		return err
	}
	return used
}

// familyKilled reports whether the log has a kill of the family itself. Cut-offs, which
// may revoke its members too, don't count.
func (i *Refresher) familyKilled(family string) bool {
	return i.cfg.Verifier.Revoked(verification.Index(&verification.Token{ID: family, Seq: math.MaxInt64}))
}
