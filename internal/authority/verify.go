package authority

import (
	"context"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// Demand is what a resource asks of a token. The zero value asks for a token that
// calls APIs, with the default audience.
type Demand struct {
	Audience    string // "": the default audience
	AnyAudience bool   // the audience is told and not judged (RFC 7662)
	Scope       []string
	Collection  *int64
	Action      string // with Path: a permission that the user must have
	Path        access.Path
	Kinds       []token.Kind // nil: those that call APIs

	fate bool      // nothing is asked but whether it was taken back
	at   time.Time // when it is asked; zero: now
}

// The kinds that are accepted somewhere. A session is presented in a cookie, and
// an API key to be traded; neither calls an API.
var (
	bearerKinds = []token.Kind{token.KindAccess, token.KindTask, token.KindAPIToken}
	sessionOnly = []token.Kind{token.KindSession}
	jwtTypes    = map[token.Kind]string{
		token.KindAccess: token.TypeAccess, token.KindTask: token.TypeAccess, token.KindAPIKey: token.TypeAPIKey,
	}
)

// storePatience is how long a verify without a lease waits for the store.
const storePatience = 900 * time.Millisecond

// Verify judges a token that was presented for something: every check of it, in
// order, on every call; only facts are remembered. The error is a fault of kind
// InvalidToken or InsufficientScope whose message is the reason, or Unavailable
// when this node may not say yes. It never writes.
func (a *Authority) Verify(ctx context.Context, raw string, d Demand) (*Token, error) {
	t, err := a.examine(ctx, raw, &d)
	if err != nil {
		return nil, a.refused(err)
	}
	a.Meter.Verified(t.Kind)
	a.noteUse(ctx, t, d.at)
	return t, nil
}

// examine reads the token, then makes every check under a lease that held from
// before the first look into the log until after the last.
func (a *Authority) examine(ctx context.Context, raw string, d *Demand) (*Token, error) {
	d.at = a.Now()
	t, known := a.remembered(raw, d.at)
	if !known {
		var err error
		if t, err = a.learn(ctx, raw); err != nil {
			return nil, err
		}
		d.at = a.Now() // the store may have kept it waiting
	}
	lease := a.Follower.Lease() // whether it holds is asked once, after the last look
	for range 3 {
		if a.outdated(t) {
			var err error
			if t, err = a.learn(ctx, raw); err != nil {
				return nil, err
			}
		}
		if err := a.reach(ctx, t.Seq); err != nil {
			return nil, err
		}
		if err := a.judge(ctx, t, d); lease.Holds() {
			return t, err
		}
		var err error
		if lease, err = a.permit(ctx); err != nil {
			return nil, err
		}
		d.at = a.Now()
	}
	return nil, errNoLease
}

// reach asks the store when a token was decided as of a sequence that this node
// has not heard of. One that the log has never reached is of no log of ours.
func (a *Authority) reach(ctx context.Context, seq revocation.Seq) error {
	if seq <= a.Follower.Applied() {
		return nil
	}
	if err := a.askStore(ctx); err != nil {
		return err
	}
	if seq > a.Follower.Applied() {
		return token.Malformed()
	}
	return nil
}

var errNoLease = fault.After(fault.Unavailable, time.Second, "this node has no news of the revocation log and may not say yes")

// permit gives the lease, or one for this request alone by asking the store.
func (a *Authority) permit(ctx context.Context) (revocation.Lease, error) {
	if lease := a.Follower.Lease(); lease.Holds() {
		return lease, nil
	}
	ctx, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	lease, err := a.Follower.Permit(ctx)
	if err != nil {
		return lease, fault.Wrap(err, fault.Unavailable, "%s", errNoLease.Message).Retry(time.Second)
	}
	return lease, nil
}

// askStore brings this node up to what the log says now.
func (a *Authority) askStore(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	if err := a.Follower.CatchUp(ctx); err != nil {
		return fault.Wrap(err, fault.Unavailable, "%s", errNoLease.Message).Retry(time.Second)
	}
	return nil
}

// judge makes the checks that follow the signature.
func (a *Authority) judge(ctx context.Context, t *Token, d *Demand) error {
	if d.at.IsZero() {
		d.at = a.Now()
	}
	if !d.fate {
		if err := a.judgeClaims(t, d); err != nil {
			return err
		}
	}
	if a.revoked(t) {
		return token.Refuse(token.CheckRevoked, token.ReasonRevoked)
	}
	if d.fate {
		return nil
	}
	for _, name := range d.Scope {
		if !slices.Contains(t.Scope, name) {
			return token.Refuse(token.CheckScope, "the scope "+name+" is needed")
		}
	}
	return a.judgeAccess(ctx, t, d)
}

// judgeClaims checks type, issuer, times and audience.
func (a *Authority) judgeClaims(t *Token, d *Demand) error {
	kinds := d.Kinds
	if kinds == nil {
		kinds = bearerKinds
	}
	if !slices.Contains(kinds, t.Kind) {
		return token.Refuse(token.CheckType, token.ReasonType)
	}
	audience := d.Audience
	if audience == "" {
		audience = a.Policy.DefaultAudience
	}
	if t.jwt == nil {
		return a.judgeOpaque(t, d, audience)
	}
	typ := [1]string{jwtTypes[t.Kind]}
	return t.jwt.Validate(token.Expectation{
		Types: typ[:], Issuer: a.Policy.Issuer, Audience: audience, Now: d.at, AnyAudience: d.AnyAudience,
	})
}

func (a *Authority) judgeOpaque(t *Token, d *Demand, audience string) error {
	if !t.Expiry.IsZero() && !d.at.Before(t.Expiry) {
		return token.Refuse(token.CheckTime, token.ReasonExpired)
	}
	if !d.AnyAudience && !slices.Contains(t.Audience, audience) {
		return token.Refuse(token.CheckAudience, token.ReasonWrongAudience)
	}
	return nil
}

// judgeAccess checks the collections and the permission. A session's collection
// is what the user last chose, and bounds nothing.
func (a *Authority) judgeAccess(ctx context.Context, t *Token, d *Demand) error {
	if t.bindsCollection() {
		if err := a.judgeCollection(ctx, t, *t.Collection); err != nil {
			return err
		}
		if d.Collection != nil && *d.Collection != *t.Collection {
			return token.Refuse(token.CheckAccess, "the token is for another collection")
		}
	} else if d.Collection != nil {
		if err := a.judgeCollection(ctx, t, *d.Collection); err != nil {
			return err
		}
	}
	if d.Action == "" {
		return nil
	}
	ok, err := a.allowed(ctx, t, d.Action, d.Path)
	if err == nil && !ok {
		err = token.Refuse(token.CheckAccess, "no permission to "+d.Action+" "+string(d.Path))
	}
	return err
}

func (a *Authority) judgeCollection(ctx context.Context, t *Token, id int64) error {
	ok, err := a.hasAccess(ctx, t, id)
	if err == nil && !ok {
		err = token.Refuse(token.CheckAccess, "no access to the collection")
	}
	return err
}

// refused counts a refusal and says it in the words of RFC 6750.
func (a *Authority) refused(err error) error {
	r, ok := refusalOf(err)
	if !ok {
		return err
	}
	a.Meter.VerifyRefused(r.Check)
	if r.Check == token.CheckScope || r.Check == token.CheckAccess {
		return fault.Wrap(r, fault.InsufficientScope, "%s", r.Reason)
	}
	return fault.Wrap(r, fault.InvalidToken, "%s", r.Reason)
}

// Introspect tells a resource server about a token (RFC 7662). The second value
// is false for everything that could not be used as an access token; the error is
// Forbidden for a caller who may not ask, or Unavailable. The audience isn't
// judged; access to the token's collection is.
func (a *Authority) Introspect(ctx context.Context, c *Caller, raw string) (*Token, bool, error) {
	if !c.mayIntrospect() {
		return nil, false, fault.New(fault.InsufficientScope, "the scope introspect is needed")
	}
	t, err := a.examine(ctx, raw, &Demand{AnyAudience: true})
	if r, refused := refusalOf(err); refused {
		a.Meter.VerifyRefused(r.Check)
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	a.Meter.Verified(t.Kind)
	return t, true, nil
}

// genuine tells what a token is, whatever has become of it: for taking it back,
// when its expiry doesn't matter. The error is that of Verify.
func (a *Authority) genuine(ctx context.Context, raw string) (*Token, error) {
	t, err := a.recall(ctx, raw)
	if err == nil && t.jwt != nil {
		typ := [1]string{jwtTypes[t.Kind]}
		err = t.jwt.Validate(token.Expectation{
			Types: typ[:], Issuer: a.Policy.Issuer, Now: a.Now(), AnyAudience: true, ExpiredToo: true,
		})
		if err == nil && a.signedByRevoked(t) {
			err = token.Refuse(token.CheckRevoked, token.ReasonRevoked)
		}
	}
	if err != nil {
		return nil, a.refused(err)
	}
	return t, nil
}

// alive reports whether a token may still be used as of what this node knows.
func (a *Authority) alive(t *Token) bool {
	return (t.Expiry.IsZero() || a.Now().Before(t.Expiry)) && !a.revoked(t)
}
