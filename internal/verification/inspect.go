package verification

import (
	"context"

	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/uses"
)

// Genuine returns the facts about a token even when it has expired or was revoked: for
// revoking it, when neither matters. A token that a revoked key signed is not genuine,
// because anybody could have signed it. The error is that of Verify.
func (v *Verifier) Genuine(ctx context.Context, raw string) (*Token, error) {
	t, err := v.facts.recall(ctx, raw)
	if err == nil && t.jwt != nil {
		err = t.jwt.Validate(token.Expectation{
			Type: typeOf(t.Kind), Issuer: v.cfg.Issuer, Now: v.ledger.Now(), AnyAudience: true, ExpiredToo: true,
		})
		if err == nil && v.judge.signedByRevoked(t) {
			err = token.CheckRevoked.Refuse()
		}
	}
	if err != nil {
		return nil, v.refused(err)
	}
	return t, nil
}

// Inspect decides as Verify does, for a resource server that judges the audience
// itself (RFC 7662). live is false for everything that could not be used as an
// access token; the error is that of Verify and Unavailable alone. The request comes from
// the resource server, so the token's networks are not judged: they are judged by the
// address of the resource server's client.
// The kinds are those that can be live; none: those that call APIs.
func (v *Verifier) Inspect(ctx context.Context, raw string, kinds ...token.Kind) (t *Token, live bool, err error) {
	r := Requirements{AnyAudience: true, AnyNetwork: true, Route: uses.Introspection, SafeMethod: true, Kinds: kinds}
	t, err = v.examine(ctx, raw, &r)
	if refusal, refused := RefusalOf(err); refused {
		v.cfg.Meter.VerifyRefused(refusal.Check)
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	v.cfg.Meter.Verified(t.Kind)
	if t.lines != nil {
		v.noteUse(t, &r)
	}
	return t, true, nil
}

// Redeem decides as Verify does about a token that may be used once, and returns its
// facts beside a refusal, so that the caller can recognise a second use. It isn't counted
// as a use, and its errors aren't those of RFC 6750.
func (v *Verifier) Redeem(ctx context.Context, raw string, r Requirements) (*Token, error) {
	t, err := v.examine(ctx, raw, &r)
	if refusal, refused := RefusalOf(err); refused {
		v.cfg.Meter.VerifyRefused(refusal.Check)
	}
	return t, err
}

// Denylisted reports whether bearerd issued a token, of any kind, that was revoked, even
// if it has expired: for a gateway in front of services that verify tokens by themselves.
// False doesn't mean that the token is valid: a token that bearerd didn't issue is not on
// the list. The error is Unavailable when this process may not answer no.
func (v *Verifier) Denylisted(ctx context.Context, raw string) (bool, error) {
	_, err := v.examine(ctx, raw, &Requirements{onlyRevocation: true})
	r, refused := RefusalOf(err)
	if !refused {
		return false, err
	}
	return r.Check == token.CheckRevoked, nil
}

// Revoked reports whether a token is revoked: it is void, or the log says that it or what
// it was made from ends, and that time has come by the clock of this process.
func (v *Verifier) Revoked(t *Token) bool { return v.Void(t) || v.log.Ended(&t.names, v.ledger.Now()) }

// Void reports whether a token is revoked whatever the time is, so that there is nothing
// left to revoke: by its source, by the log up to the sequence applied here, or with the
// key that signed it. A token whose end was written ahead is void only once there is a
// kill. No clock is involved: every process that has applied the same entries returns the
// same.
func (v *Verifier) Void(t *Token) bool {
	return t.Ended != "" || v.judge.signedByRevoked(t) || v.RevokedInLog(t)
}

// RevokedInLog reports whether the log itself, up to the sequence applied here, revokes
// a token with everything that was made from it, so that there is nothing left to
// append.
func (v *Verifier) RevokedInLog(t *Token) bool { return v.log.Revokes(&t.names, t.Seq) }
