package verification

import (
	"context"
	"errors"

	"github.com/bearerd/bearerd/internal/token"
)

// Genuine returns the facts about a token whatever has become of it, expired or
// revoked: for revoking it, when neither matters. What a revoked key signed is not
// genuine, for anybody could have signed it. The error is that of Verify.
func (v *Verifier) Genuine(ctx context.Context, raw string) (*Token, error) {
	t, err := v.facts.recall(ctx, raw)
	if err == nil && t.jwt != nil {
		x := expectation(t, v.cfg.Issuer, "", &Requirements{AnyAudience: true, at: v.ledger.Now()})
		x.ExpiredToo = true
		if err = t.jwt.Validate(x); err == nil && v.facts.signedByRevoked(t) {
			err = token.Refuse(token.CheckRevoked, token.ReasonRevoked)
		}
	}
	if err != nil {
		return nil, v.refused(err)
	}
	return t, nil
}

// Live reports whether a token has neither expired nor become void, as far as the
// log is applied here.
func (v *Verifier) Live(t *Token) bool {
	expired := !t.Expiry.IsZero() && !v.ledger.Now().Before(t.Expiry)
	return !expired && !v.facts.void(t)
}

// Inspect decides as Verify does, for a resource server that judges the audience
// itself (RFC 7662). live is false for everything that could not be used as an
// access token; the error is that of Verify and Unavailable alone.
func (v *Verifier) Inspect(ctx context.Context, raw string) (t *Token, live bool, err error) {
	t, err = v.examine(ctx, raw, &Requirements{AnyAudience: true})
	if r, refused := RefusalOf(err); refused {
		v.cfg.Meter.VerifyRefused(r.Check)
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	v.cfg.Meter.Verified(t.Kind)
	return t, true, nil
}

// Redeem decides as Verify does of a token that is good for one use, and returns
// its facts beside a refusal, which the caller needs to know a second use. It is
// neither counted as a use nor put into RFC 6750's words.
func (v *Verifier) Redeem(ctx context.Context, raw string, r Requirements) (*Token, error) {
	t, err := v.examine(ctx, raw, &r)
	if refusal, refused := RefusalOf(err); refused {
		v.cfg.Meter.VerifyRefused(refusal.Check)
	}
	return t, err
}

// Denylisted reports whether a token of any kind is one of ours that was revoked, an
// expired one too: for a gateway in front of services that verify tokens by
// themselves. False says nothing good of a token: what is none of ours is not on the
// list. The error is Unavailable when this process may not answer no.
func (v *Verifier) Denylisted(ctx context.Context, raw string) (bool, error) {
	_, err := v.examine(ctx, raw, &Requirements{onlyRevocation: true})
	r, refused := RefusalOf(err)
	if !refused {
		return false, err
	}
	return r.Check == token.CheckRevoked, nil
}

// Index returns t, ready for Revoked and Live and for being shared: a token that the
// caller made from what is known of it.
func Index(t *Token) *Token { return t.index() }

// Subject returns the user or client that a token speaks for, as of no earlier than
// what the log says here: a reading is good until the log says that something about
// it changed. The error is fault.NotFound when the subject no longer exists.
func (v *Verifier) Subject(ctx context.Context, t *Token) (*Subject, error) {
	for attempt := range attempts {
		s, err := v.readings.subject(ctx, "", t)
		if !errors.Is(err, errBehind) {
			return s, err
		}
		if err := pause(ctx, attempt); err != nil {
			return nil, err
		}
	}
	return nil, errBehind
}

// Revoked reports whether a token is revoked, by its source or by what the log has
// said up to the sequence applied here.
func (v *Verifier) Revoked(t *Token) bool { return v.facts.revoked(t, "") }

// Void reports whether a token is revoked whatever the time is, so that there is nothing
// left to revoke: a token whose end was written ahead is revoked at that time, and void
// only once it was killed.
func (v *Verifier) Void(t *Token) bool { return v.facts.void(t) }

// RevokedInLog reports whether the log itself, up to the sequence applied here, revokes
// a token with everything that was made from it, so that there is nothing left to
// append.
func (v *Verifier) RevokedInLog(t *Token) bool { return v.facts.revokedInLog(t) }
