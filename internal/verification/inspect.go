package verification

import (
	"context"

	"github.com/bearerd/bearerd/internal/token"
)

// Genuine returns the facts about a token whatever has become of it, expired or
// revoked: for revoking it, when neither matters. What a revoked key signed is not
// genuine, for anybody could have signed it. The error is that of Verify.
func (v *Verifier) Genuine(ctx context.Context, raw string) (*Token, error) {
	t, err := v.facts.recall(ctx, raw)
	if err == nil && t.jwt != nil {
		err = t.jwt.Validate(token.Expectation{
			Type: typeOf(t.Kind), Issuer: v.cfg.Issuer, Now: v.ledger.Now(), AnyAudience: true, ExpiredToo: true,
		})
		if err == nil && v.signedByRevoked(t) {
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
