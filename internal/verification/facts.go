package verification

import (
	"context"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/token"
)

// read reads a token and checks what makes it genuine. Its kind is decided by
// prefix or shape, never by trial, so that nothing is looked up for a token that is
// none of ours. What is genuine is kept; junk takes no room.
func (v *Verifier) read(ctx context.Context, raw string, known *Token) (*Token, error) {
	epoch := v.ledger.Epoch()
	t, err := v.readOnce(ctx, raw, known)
	if err != nil {
		return nil, err
	}
	if epoch == v.ledger.Epoch() && (t.jwt != nil || !v.cfg.InsecureWithoutRevocation) {
		v.tokens.Put(raw, t, v.ledger.Now())
	}
	return t, nil
}

func (v *Verifier) readOnce(ctx context.Context, raw string, known *Token) (*Token, error) {
	switch v.cfg.Forms.Shape(raw) {
	case token.ShapeJWT:
		return v.readJWT(ctx, raw)
	case token.ShapeOpaque:
		if _, err := v.cfg.Forms.Parse(raw); err != nil {
			return nil, err // a wrong checksum costs no look-up
		}
		t, err := v.cfg.Source.Opaque(ctx, raw, known)
		if err != nil {
			return nil, err
		}
		return t.index(), nil
	case token.ShapeUnknown:
	}
	return nil, token.Malformed()
}

// readJWT checks the form and the signature. The key may have been made by another
// node a moment ago: the keys are read once more, at a limited rate.
func (v *Verifier) readJWT(ctx context.Context, raw string) (*Token, error) {
	missing := ""
	find := func(kid string) (token.VerificationKey, bool) {
		key, ok := v.cfg.Source.Key(kid)
		if !ok {
			missing = kid
		}
		key.Revoked = false // judged each time, as all revocations are
		return key, ok
	}
	j, err := token.Verify(raw, find)
	if err != nil && missing != "" {
		if err := v.cfg.Source.RefreshKeys(ctx, missing); err != nil {
			return nil, fault.Wrap(err, fault.Unavailable, "the signing keys can't be read now")
		}
		j, err = token.Verify(raw, find)
	}
	if err != nil {
		return nil, err
	}
	return ofJWT(j), nil
}

// outdated reports whether the log has said since an opaque token was read that it
// may not be what it was. A JWT says the same for ever.
func (v *Verifier) outdated(t *Token) bool {
	return t.jwt == nil && v.ledger.CutOff(t.names.access) > t.AsOf
}

// readAgain reads an outdated token. A reading that is outdated itself comes from a
// node of the issuer that is behind, which is asked again.
func (v *Verifier) readAgain(ctx context.Context, raw string, t *Token, attempt int) (*Token, error) {
	if err := pause(ctx, attempt); err != nil {
		return nil, err
	}
	return v.read(ctx, raw, t)
}

// Genuine returns the facts about a token whatever has become of it, expired or
// revoked: for revoking it, when neither matters. What a revoked key signed is not
// genuine, for anybody could have signed it. The error is that of Verify.
func (v *Verifier) Genuine(ctx context.Context, raw string) (*Token, error) {
	t, err := v.recall(ctx, raw)
	if err == nil && t.jwt != nil {
		x := v.expectation(t, "", &Requirements{AnyAudience: true, at: v.ledger.Now()})
		x.ExpiredToo = true
		if err = t.jwt.Validate(x); err == nil && v.signedByRevoked(t) {
			err = token.Refuse(token.CheckRevoked, token.ReasonRevoked)
		}
	}
	if err != nil {
		return nil, v.refused(err)
	}
	return t, nil
}

// recall returns the facts about a token: kept ones, or by reading it.
func (v *Verifier) recall(ctx context.Context, raw string) (*Token, error) {
	if len(raw) > token.MaxBytes {
		return nil, token.Malformed()
	}
	if t, ok := v.kept(raw, v.ledger.Now()); ok && !v.outdated(t) {
		return t, nil
	}
	return v.read(ctx, raw, nil)
}

// Live reports whether a token has neither expired nor become void, as far as the log is
// applied here.
func (v *Verifier) Live(t *Token) bool {
	expired := !t.Expiry.IsZero() && !v.ledger.Now().Before(t.Expiry)
	return !expired && !v.Void(t)
}

// Index returns t, ready for Revoked and Live: a token that the caller made from
// what is stored of it. It is for tokens that no Source returned.
func Index(t *Token) *Token { return t.index() }

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
