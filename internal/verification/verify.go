package verification

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// Requirements are what a resource asks of a token. The zero value asks for a token
// that calls APIs, with the default audience.
type Requirements struct {
	Audience    string // "": the default audience
	AnyAudience bool   // the audience is not judged (RFC 7662: the caller judges it)
	Scope       []string
	Collection  *int64
	Action      string // with Path: a permission that the user must have
	Path        access.Path
	Kinds       []token.Kind // nil: those that call APIs
	Despite     string       // an end for this reason that the source has noted is not judged: the caller judges it

	onlyRevocation bool      // nothing is asked but whether the token was revoked
	at             time.Time // when it is asked; zero: now
}

// The kinds that are accepted where nothing else is asked for. A session is
// presented in a cookie and an exchange key to be traded; neither calls an API.
var apiKinds = []token.Kind{token.KindAccess, token.KindTask, token.KindAPIToken}

// APIKinds returns the kinds of token that call APIs.
func APIKinds() []token.Kind { return slices.Clone(apiKinds) }

const (
	// sourceTimeout is how long a decision without a lease waits for the source.
	sourceTimeout = 900 * time.Millisecond
	// attempts bounds how often a decision starts over because the log moved, or
	// because an issuer's node answered that is behind another.
	attempts   = 6
	firstPause = 10 * time.Millisecond
)

var (
	errNoLease = fault.After(fault.Unavailable, time.Second, "this service has no recent news of the revocation log and can't accept tokens now")
	// errBehind says that a reading is older than what the log says here.
	errBehind = fault.After(fault.Unavailable, time.Second, "the issuer's nodes don't agree yet")
)

// Verify decides whether a token may do what it was presented for, by every check,
// in their order, on every call. The error is a fault of kind InvalidToken or
// InsufficientScope whose message is the reason, or Unavailable when this process
// may not answer. It never writes.
func (v *Verifier) Verify(ctx context.Context, raw string, r Requirements) (*Token, error) {
	t, err := v.examine(ctx, raw, &r)
	if err != nil {
		return nil, v.refused(err)
	}
	v.cfg.Meter.Verified(t.Kind)
	v.cfg.Uses.note(ctx, t, r.at)
	return t, nil
}

// examine makes every check under a lease that held from before the first look into
// the log until after the last (doc.go, "A decision"). Beside the refusal of a token
// whose facts are known it returns them.
func (v *Verifier) examine(ctx context.Context, raw string, r *Requirements) (*Token, error) {
	if len(raw) > token.MaxBytes {
		return nil, token.Malformed()
	}
	r.at = v.ledger.Now()
	t, known := v.facts.kept(raw, r.at)
	if !known {
		var err error
		if t, err = v.facts.read(ctx, raw, nil); err != nil {
			return nil, err
		}
		r.at = v.ledger.Now() // the source may have taken its time
	}
	if v.cfg.InsecureWithoutRevocation {
		return t, v.judgeClaims(t, r)
	}
	lease := v.ledger.Lease()
	for attempt := range attempts {
		if v.facts.outdated(t) && !v.facts.void(t) {
			fresh, err := v.facts.readAgain(ctx, raw, t, attempt)
			if err != nil {
				return t, err
			}
			if t = fresh; v.facts.outdated(t) {
				continue
			}
		}
		if err := v.Reach(ctx, t.Seq); err != nil {
			return t, err
		}
		err := v.judge(ctx, raw, t, r)
		switch {
		case errors.Is(err, errBehind):
			if err := pause(ctx, attempt); err != nil {
				return t, err
			}
			continue
		case final(err):
			return t, err
		case v.ledger.ForgottenAfter(r.at):
			r.at = v.ledger.Now()
			continue
		case lease.Holds():
			return t, err
		}
		if lease, err = v.permit(ctx, raw, t); err != nil {
			return t, err
		}
		r.at = v.ledger.Now()
	}
	return t, errBehind
}

// final reports whether a refusal stands whatever the log says: no news makes a
// token good that was revoked, expired or meant for somebody else. Access may come
// back.
func final(err error) bool {
	r, refused := RefusalOf(err)
	return refused && r.Check != token.CheckAccess
}

// Reach returns when this process has applied the log up to a sequence, which it asks
// for when it has not heard of it. The error is that of Source.Reach.
func (v *Verifier) Reach(ctx context.Context, seq revocation.Seq) error {
	if seq <= v.ledger.Applied() {
		return nil
	}
	return v.cfg.Source.Reach(ctx, seq)
}

// permit returns the lease, or one for this request alone.
func (v *Verifier) permit(ctx context.Context, raw string, t *Token) (revocation.Lease, error) {
	if lease := v.ledger.Lease(); lease.Holds() {
		return lease, nil
	}
	ctx, cancel := context.WithTimeout(ctx, sourceTimeout)
	defer cancel()
	lease, err := v.cfg.Source.Permit(ctx, raw, t)
	if _, refused := RefusalOf(err); err == nil || refused {
		return lease, err
	}
	return lease, unavailable(err, errNoLease)
}

// unavailable makes a cause into one of the errors above, unless it says already
// that nothing can be said now.
func unavailable(cause error, e *fault.Error) error {
	if fault.Is(cause, fault.Unavailable) {
		return cause
	}
	return fault.Wrap(cause, fault.Unavailable, "%s", e.Message).Retry(time.Second)
}

// pause waits before another attempt, for longer each time: an issuer's node that
// is behind catches up in milliseconds.
func pause(ctx context.Context, attempt int) error {
	if attempt == 0 {
		return nil
	}
	timer := time.NewTimer(firstPause << attempt)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return unavailable(ctx.Err(), errBehind)
	}
}

// judge makes the checks that follow the signature, in the order of token.Checks.
func (v *Verifier) judge(ctx context.Context, raw string, t *Token, r *Requirements) error {
	if r.at.IsZero() {
		r.at = v.ledger.Now()
	}
	if !r.onlyRevocation {
		if err := v.judgeClaims(t, r); err != nil {
			return err
		}
	}
	if v.facts.revoked(t, r.Despite) {
		return token.Refuse(token.CheckRevoked, token.ReasonRevoked)
	}
	if r.onlyRevocation {
		return nil
	}
	for _, name := range r.Scope {
		if !slices.Contains(t.Scope, name) {
			return token.Refuse(token.CheckScope, "the scope "+name+" is needed")
		}
	}
	return v.judgeAccess(ctx, raw, t, r)
}

// judgeClaims checks type, issuer, times and audience.
func (v *Verifier) judgeClaims(t *Token, r *Requirements) error {
	kinds := r.Kinds
	if kinds == nil {
		kinds = apiKinds
	}
	audience := r.Audience
	if audience == "" {
		audience = v.cfg.DefaultAudience
	}
	if t.jwt != nil {
		if _, known := v.cfg.Source.Key(t.KID); !known {
			return token.Refuse(token.CheckSignature, token.ReasonMalformed)
		}
	}
	if !slices.Contains(kinds, t.Kind) {
		return token.Refuse(token.CheckType, token.ReasonType)
	}
	if t.jwt == nil {
		return judgeOpaque(t, r, audience)
	}
	if err := t.jwt.Validate(expectation(t, v.cfg.Issuer, audience, r)); err != nil {
		return err
	}
	return judgeAudience(t, r, audience)
}

// The `typ` of each kind of JWT (RFC 9068 §2.1), as Validate takes it.
var (
	accessTypes = []string{token.TypeAccess}
	keyTypes    = []string{token.TypeExchangeKey}
)

// expectation returns what the signed claims of a token must say.
func expectation(t *Token, issuer, audience string, r *Requirements) token.Expectation {
	types := accessTypes
	if t.Kind == token.KindExchangeKey {
		types = keyTypes
	}
	return token.Expectation{Types: types, Issuer: issuer, Audience: audience, Now: r.at, AnyAudience: r.AnyAudience}
}

// judgeOpaque checks the times and the audience of a token whose source has said what
// it is; its issuer is the source.
func judgeOpaque(t *Token, r *Requirements, audience string) error {
	if !t.Expiry.IsZero() && !r.at.Before(t.Expiry) {
		return token.Refuse(token.CheckTime, token.ReasonExpired)
	}
	return judgeAudience(t, r, audience)
}

// judgeAudience refuses a token that is not good for an audience, or for none at all.
func judgeAudience(t *Token, r *Requirements, audience string) error {
	if len(t.Audience) == 0 || !r.AnyAudience && !token.HasAudience(t.Audience, audience) {
		return token.Refuse(token.CheckAudience, token.ReasonWrongAudience)
	}
	return nil
}

// judgeAccess checks the collection and the permission. The collection of a session
// is what the user last chose, and bounds nothing.
func (v *Verifier) judgeAccess(ctx context.Context, raw string, t *Token, r *Requirements) error {
	collection := r.Collection
	if t.BindsCollection() {
		collection = t.Collection
	}
	if collection != nil {
		ok, err := v.readings.hasAccess(ctx, raw, t, *collection)
		switch {
		case err != nil:
			return err
		case !ok:
			return token.Refuse(token.CheckAccess, "no access to the collection")
		case r.Collection != nil && *r.Collection != *collection:
			return token.Refuse(token.CheckAccess, "the token is for another collection")
		}
	}
	if r.Action == "" {
		return nil
	}
	s, err := v.readings.subject(ctx, raw, t)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	if err != nil || !s.May(r.Action, r.Path).Allowed {
		return token.Refuse(token.CheckAccess, "no permission to "+r.Action+" "+string(r.Path))
	}
	return nil
}

// refused counts a refusal and puts it into the words of RFC 6750 §3.1.
func (v *Verifier) refused(err error) error {
	r, ok := RefusalOf(err)
	if !ok {
		return err
	}
	v.cfg.Meter.VerifyRefused(r.Check)
	if r.Check == token.CheckScope || r.Check == token.CheckAccess {
		return fault.Wrap(r, fault.InsufficientScope, "%s", r.Reason)
	}
	return fault.Wrap(r, fault.InvalidToken, "%s", r.Reason)
}

// RefusalOf returns the refusal in an error, if it is one.
func RefusalOf(err error) (*token.Refusal, bool) { return errors.AsType[*token.Refusal](err) }
