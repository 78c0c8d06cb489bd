package verification

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// judge makes the checks that follow the signature, in the order of token.Checks, which is
// the order of this file. It decides by facts and the log, asks for readings where access
// needs them, and keeps nothing.
type judge struct {
	cfg   *Config
	log   *revocation.Set
	facts *facts
}

// check makes every check on a token as of r.at, and stops at the first that fails. A
// verifier without revocation makes those of the claims and the network only.
func (j *judge) check(ctx context.Context, raw string, t *Token, r *Requirements) error {
	// The key is looked up once: whether it is known is a check of the signature, whether it
	// was revoked is judged with the other revocations, after what the claims say.
	revoked := t.Ended != "" && t.Ended != r.Despite
	if t.jwt != nil {
		key, known := j.cfg.Source.Key(t.KID)
		if !known && !r.onlyRevocation {
			return token.CheckSignature.Refuse()
		}
		revoked = key.Revoked || j.log.CutOff(t.names.SigningKey) > 0
	}
	if !r.onlyRevocation {
		if err := j.checkClaims(t, r); err != nil {
			return err
		}
	}
	// The answer to the token itself, its chain, subject, client and key; to every token that
	// was issued before a moment; and to what the source has refused before, so that no later
	// answer accepts it again.
	if !j.cfg.InsecureWithoutRevocation {
		if revoked || j.log.Revokes(&t.names, t.Seq) || j.log.Ended(&t.names, r.at) || j.facts.wasRefused(t) {
			return token.CheckRevoked.Refuse()
		}
		if r.onlyRevocation {
			return nil
		}
	}
	if t.Networks != nil {
		if err := j.checkNetwork(ctx, t, r); err != nil {
			return err
		}
	}
	if j.cfg.InsecureWithoutRevocation {
		return nil
	}
	for _, name := range r.Scope {
		if t.Kind != token.KindSession && !slices.Contains(t.Scope, name) { // a session has every scope
			return token.Refuse(token.CheckScope, "the scope "+name+" is needed")
		}
	}
	// A reading of the user may be older than a change that the log already has. It is read
	// again, a few times: a decision from it could allow what was taken away.
	for attempt := range attempts {
		if err := j.checkAccess(ctx, raw, t, r); !errors.Is(err, errBehind) {
			return err
		}
		if err := pauseBehind(ctx, attempt); err != nil {
			return err
		}
	}
	return errBehind
}

// checkClaims checks type, issuer, times and audience. The issuer of an opaque token is
// the source, which has said what it is.
func (j *judge) checkClaims(t *Token, r *Requirements) error {
	kinds, audience := r.Kinds, r.Audience
	if kinds == nil {
		kinds = apiKinds
	}
	if audience == "" {
		audience = j.cfg.DefaultAudience
	}
	switch {
	case !slices.Contains(kinds, t.Kind):
		return token.CheckType.Refuse()
	case t.jwt != nil:
		if err := t.jwt.Validate(token.Expectation{
			Type: typeOf(t.Kind), Issuer: j.cfg.Issuer, Audience: audience, Now: r.at, AnyAudience: r.AnyAudience,
		}); err != nil {
			return err
		}
	case !t.Expiry.IsZero() && !r.at.Before(t.Expiry):
		return token.CheckTime.Refuse()
	}
	if len(t.Audience) == 0 || !r.AnyAudience && !token.HasAudience(t.Audience, audience) {
		return token.CheckAudience.Refuse() // it may have no audience at all
	}
	return nil
}

// typeOf returns the `typ` that a JWT of a kind must have (RFC 9068 §2.1).
func typeOf(k token.Kind) string {
	if k == token.KindExchangeKey {
		return token.TypeExchangeKey
	}
	return token.TypeAccess
}

// checkNetwork checks the address that a token is used from. Where it is not known, a
// token that is limited to networks is refused.
func (j *judge) checkNetwork(ctx context.Context, t *Token, r *Requirements) error {
	if r.AnyNetwork {
		return nil
	}
	return token.JudgeNetwork(t.Networks, j.from(ctx, r))
}

// from returns the address that a token is used from; zero when it is not known.
func (j *judge) from(ctx context.Context, r *Requirements) netip.Addr {
	if r.From.IsValid() || j.cfg.AddressOf == nil {
		return r.From
	}
	return j.cfg.AddressOf(ctx)
}

// checkAccess checks the collection and the permission. The collection of a session is
// what the user last chose, and limits nothing unless that is asked for.
func (j *judge) checkAccess(ctx context.Context, raw string, t *Token, asked *Requirements) error {
	collection := asked.Collection
	if t.BindsCollection() || asked.SessionCollection && t.Collection != nil {
		collection = t.Collection
	}
	if collection != nil {
		ok, err := j.hasAccess(ctx, raw, t, *collection)
		switch {
		case err != nil:
			return err
		case !ok:
			return token.CheckAccess.Refuse()
		case asked.Collection != nil && *asked.Collection != *collection:
			return token.Refuse(token.CheckAccess, "the token is for another collection")
		}
	}
	if asked.Action == "" {
		return nil
	}
	s, err := j.facts.subject(ctx, raw, t)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	if err != nil || !s.May(asked.Action, asked.Path).Allowed {
		return token.Refuse(token.CheckAccess, "no permission to "+asked.Action+" "+string(asked.Path))
	}
	return nil
}

// hasAccess decides whether the token's user has access to a collection. For the
// collection that a JWT was issued for, that was decided as of the token's sequence, and
// needs no look-up until the log says that something about it changed. The same is true
// of a reading about this token alone.
func (j *judge) hasAccess(ctx context.Context, raw string, t *Token, collection int64) (bool, error) {
	own := t.Collection != nil && *t.Collection == collection
	if own && t.jwt != nil && !j.accessChanged(t, t.Seq) {
		return true, nil
	}
	if s := t.subject.Load(); own && s != nil && !j.accessChanged(t, s.Seq) {
		return true, nil
	}
	exists, err := j.facts.collectionExists(ctx, raw, t, collection)
	if err != nil || !exists {
		return false, err
	}
	if s := t.subject.Load(); own && s != nil {
		if j.accessChanged(t, s.Seq) {
			return false, errBehind
		}
		return true, nil
	}
	s, err := j.facts.subject(ctx, raw, t)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return s.May(access.ActionAccess, access.CollectionPath(collection)).Allowed, nil
}

// accessChanged reports whether the log has had an entry since a sequence by which access
// to the token's collection must be decided again: its user's bindings or groups, any
// role or group, or the collection itself changed.
func (j *judge) accessChanged(t *Token, since revocation.Seq) bool {
	return j.log.CutOff(t.names.Access) > since || j.log.Decided() > since || j.log.CutOff(t.names.Collection) > since
}

// signedByRevoked reports whether the key that signed a token was revoked, at any time: a
// thief of the private key can write any sequence into a token. The key ring of the node
// that retired the key knows it first, then the log.
func (j *judge) signedByRevoked(t *Token) bool {
	if t.jwt == nil {
		return false
	}
	key, _ := j.cfg.Source.Key(t.KID)
	return key.Revoked || j.log.CutOff(t.names.SigningKey) > 0
}
