// Package assertion judges JWTs that other issuers signed: the assertion of an
// application's own session, the ID tokens and logout tokens of OpenID providers, and the
// tokens of issuers that an operator trusts.
//
// A [Verifier] knows one issuer and its [Keys]: a shared secret of HS256 ([SecretFile]),
// or a JWK Set from a file ([SetFile]) or an address ([SetURL]). [Verifier.Verify] takes an
// [Expect], whose zero value refuses everything, and returns [Claims].
//
// The order is fixed, and nothing that a token says is read before its signature is
// checked: size and syntax, the header, the algorithm against the kind of keys that the
// issuer has, the key, the signature, the payload, and then typ, iss, aud, the times and
// the nonce. A key checks only the algorithms that its own type and its JWK allow; no
// header can choose another key than one of the issuer's, or bring its own.
//
// Whether an assertion was used before is not decided here: the caller remembers
// [Claims.ID] until [Claims.Expiry].
package assertion

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/strictjson"
	"github.com/bearerd/bearerd/internal/token"
)

// skew is how far the issuer's clock may be ahead.
const skew = 30 * time.Second

// Keys are the keys of one issuer: made by Secret, SecretFile, SetFile or SetURL.
type Keys interface {
	// find returns the key for the alg and kid of a header. The error is
	// token.ErrUnknownKey, or a fault of kind Unavailable.
	find(ctx context.Context, alg token.Algorithm, kid string) (token.VerificationKey, error)
}

// Verifier judges the assertions of one issuer. Its methods may be called from any number
// of goroutines.
type Verifier struct {
	issuer string
	keys   Keys
	now    func() time.Time
}

// Config configures a Verifier. All fields must be set.
type Config struct {
	Issuer string // iss, compared exactly
	Keys   Keys
	Now    func() time.Time
}

// New returns a Verifier.
func New(cfg Config) (*Verifier, error) {
	if cfg.Issuer == "" || cfg.Keys == nil || cfg.Now == nil {
		return nil, errors.New("assertion: issuer, keys and now must be set")
	}
	return &Verifier{issuer: cfg.Issuer, keys: cfg.Keys, now: cfg.Now}, nil
}

// Expect is what an assertion must be. The zero value refuses everything.
type Expect struct {
	// Types are the values of typ that are accepted, compared exactly; "" stands for a
	// header without typ. Empty: every assertion is refused.
	Types []string
	// Audience are the names of the audience, one of which must be in aud. Empty: every
	// assertion is refused.
	Audience []string
	// SoleAudience refuses an assertion that is also for an audience which is not in
	// Audience.
	SoleAudience bool
	// OneAudience refuses an aud that is a list, even one with a single name.
	OneAudience bool

	// Exactly one of the three is set; with none, every assertion is refused.
	Nonce    string // nonce must be there and equal
	NoNonce  bool   // nonce must be absent
	AnyNonce bool   // nonce isn't judged

	Leeway      time.Duration // for exp; zero: none
	MaxAge      time.Duration // iat at most so long ago; zero: exp alone bounds the age
	MaxLifetime time.Duration // from iat to exp; zero: any
	MaxAhead    time.Duration // from now to exp, and 30 seconds where clocks differ; zero: any

	NeedID    bool // jti must be there
	NoSubject bool // sub may be absent
	NoExpiry  bool // exp may be absent, where MaxAge is set
	// NoIssuedAt says that iat may be absent; nbf is then used in its place, and must be
	// there, unless MaxAhead bounds the age.
	NoIssuedAt bool
}

// refuse returns the fault of an assertion that isn't accepted. The reason is a constant:
// nothing of the assertion is in it.
func refuse(reason string) error { return fault.New(fault.InvalidToken, "%s", reason) }

// The reasons of refusals, as clients see them. The first covers everything up to the
// payload, so that the answer doesn't reveal which part of a forgery was right.
const (
	reasonMalformed    = "the assertion is malformed, or its signature is not the issuer's"
	reasonType         = "the assertion is of another type"
	reasonIssuer       = "the assertion is of another issuer"
	reasonAudience     = "the assertion is for another audience"
	reasonSoleAudience = "the assertion is for other audiences too"
	reasonOneAudience  = "the aud of the assertion is a list: it must be one string"
	reasonAhead        = "the assertion expires too far ahead"
	reasonNoExpiry     = "the assertion has no exp"
	reasonExpired      = "the assertion has expired"
	reasonNotYetValid  = "the assertion is not valid yet: do the clocks differ?"
	reasonOld          = "the assertion was issued too long ago"
	reasonLifetime     = "the assertion is valid for too long"
	reasonNonce        = "the assertion has another nonce"
	reasonNoNonce      = "the assertion has a nonce"
	reasonID           = "the assertion has no jti"
	reasonSubject      = "the assertion has no sub"
)

// Verify returns the claims of an assertion if it is as expected. A fault of kind
// InvalidToken is a refusal, and of kind Unavailable means that the issuer's keys could
// not be read.
func (v *Verifier) Verify(ctx context.Context, raw string, x Expect) (*Claims, error) {
	signed, err := token.VerifyForeign(raw, func(alg token.Algorithm, kid string) (token.VerificationKey, error) {
		return v.keys.find(ctx, alg, kid)
	})
	if refused, ok := errors.AsType[*token.Refusal](err); ok {
		return nil, fault.Wrap(refused, fault.InvalidToken, "%s", reasonMalformed)
	}
	if err != nil {
		return nil, err
	}
	members, err := strictjson.Parse(signed.Payload)
	if err != nil {
		return nil, fault.Wrap(err, fault.InvalidToken, "%s", reasonMalformed)
	}
	c, err := readClaims(members)
	if err == nil && c.IssuedAt.IsZero() && (!x.NoIssuedAt || c.NotBefore.IsZero() && x.MaxAhead == 0) {
		err = errMissing
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.InvalidToken, "%s", reasonMalformed)
	}
	c.Type = signed.Type
	if !slices.Contains(x.Types, signed.Type) {
		return nil, refuse(reasonType)
	}
	if c.Issuer != v.issuer {
		return nil, refuse(reasonIssuer)
	}
	if err := x.check(c, v.now()); err != nil {
		return nil, err
	}
	return c, nil
}

// check judges what depends on the use of an assertion.
func (x Expect) check(c *Claims, now time.Time) error {
	expected := func(audience string) bool { return slices.Contains(x.Audience, audience) }
	latest := now.Add(skew)
	issuedAt := c.IssuedAt
	if issuedAt.IsZero() {
		issuedAt = c.NotBefore
	}
	switch {
	case !slices.ContainsFunc(c.Audience, expected):
		return refuse(reasonAudience)
	case x.SoleAudience && slices.ContainsFunc(c.Audience, func(a string) bool { return !expected(a) }):
		return refuse(reasonSoleAudience)
	case x.OneAudience && !bytes.HasPrefix(c.Raw("aud"), []byte{'"'}):
		return refuse(reasonOneAudience)
	case c.Expiry.IsZero() && (!x.NoExpiry || x.MaxAge <= 0):
		return refuse(reasonNoExpiry)
	case !c.Expiry.IsZero() && !now.Before(c.Expiry.Add(x.Leeway)):
		return refuse(reasonExpired)
	case c.NotBefore.After(latest), c.IssuedAt.After(latest):
		return refuse(reasonNotYetValid)
	case x.MaxAge > 0 && now.Sub(issuedAt) > x.MaxAge:
		return refuse(reasonOld)
	case x.MaxLifetime > 0 && !c.Expiry.IsZero() && c.Expiry.Sub(issuedAt) > x.MaxLifetime:
		return refuse(reasonLifetime)
	case x.MaxAhead > 0 && c.Expiry.After(latest.Add(x.MaxAhead)):
		return refuse(reasonAhead)
	case x.NeedID && c.ID == "":
		return refuse(reasonID)
	case !x.NoSubject && c.Subject == "":
		return refuse(reasonSubject)
	}
	return x.checkNonce(c)
}

func (x Expect) checkNonce(c *Claims) error {
	switch {
	case x.AnyNonce:
		return nil
	case x.NoNonce:
		if c.Has("nonce") {
			return refuse(reasonNoNonce)
		}
		return nil
	case x.Nonce == "" || subtle.ConstantTimeCompare([]byte(x.Nonce), []byte(c.Nonce)) != 1:
		return refuse(reasonNonce)
	}
	return nil
}
