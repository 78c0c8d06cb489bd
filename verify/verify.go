package verify

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

const (
	// attempts bounds how often a token is judged again because something came in
	// between; behindPause is the first wait for a node of the issuer that is behind.
	attempts    = 6
	behindPause = 10 * time.Millisecond
	// reachTimeout bounds the wait for what the log said before a token was made.
	reachTimeout = 2 * time.Second
)

const noNews = "this service has no news of the issuer's revocations and may not say yes"

var accessTypes = []string{token.TypeAccess}

// presentation is a token as it was presented.
type presentation struct {
	raw    string
	digest digest
}

// Verify judges a token by every check, each time. The error is an *Error: 401 for a
// token that isn't good here, 403 for one that has lost the access it was made for,
// and 503 when that can't be said now. The token is shared and must not be changed.
func (v *Verifier) Verify(ctx context.Context, raw string) (*Token, error) {
	if len(raw) > token.MaxBytes {
		return nil, asError(token.Malformed())
	}
	f, err := v.examine(ctx, presentation{raw: raw, digest: v.digests.digest(raw)})
	if err != nil {
		return nil, asError(err)
	}
	return &f.token, nil
}

// examine makes every check under a lease that held from before the first look at
// the log until after the last.
func (v *Verifier) examine(ctx context.Context, p presentation) (*facts, error) {
	f, err := v.recall(ctx, p)
	if err != nil {
		return nil, err
	}
	if v.stream == nil {
		return f, v.judgeClaims(f)
	}
	for i := range attempts {
		lease := v.ledger.Lease()
		if err := v.judge(f); err != nil {
			return nil, err
		}
		behind := f.seq > v.ledger.Applied()
		doubtful := f.doubtful(v.ledger)
		now := v.ledger.Clock()
		switch {
		case !lease.HoldsAt(now):
			if !v.ledger.Lease().Holds() {
				return v.withoutLease(ctx, p, f)
			}
		case behind:
			if err := v.reach(ctx, f.seq); err != nil {
				return nil, err
			}
		case doubtful || f.jwt == nil && now-f.read.asked > maxFindingAge:
			if i > 1 && !sleep(ctx, behindPause<<i) {
				return nil, unavailable(ctx.Err(), noNews)
			}
			if f, err = v.again(ctx, p, f); err != nil {
				return nil, err
			}
		default:
			return f, nil
		}
	}
	return nil, unavailable(nil, disagree)
}

// judge makes the checks that need nothing but what is known, in their order.
func (v *Verifier) judge(f *facts) error {
	if err := v.judgeClaims(f); err != nil {
		return err
	}
	if f.revoked(v.ledger) {
		return token.Refuse(token.CheckRevoked, token.ReasonRevoked)
	}
	return nil
}

// judgeClaims checks type, issuer, times and audience. A task token is good for its
// type alone, whatever else its audience names.
func (v *Verifier) judgeClaims(f *facts) error {
	now := v.ledger.Now()
	t := &f.token
	if f.jwt == nil {
		switch {
		case !t.Expiry.IsZero() && !now.Before(t.Expiry):
			return token.Refuse(token.CheckTime, token.ReasonExpired)
		case !slices.Contains(t.Audience, v.cfg.Audience):
			return token.Refuse(token.CheckAudience, token.ReasonWrongAudience)
		}
		return nil
	}
	if _, known := v.keys.find(f.jwt.KID); !known {
		return token.Malformed()
	}
	if err := f.jwt.Validate(token.Expectation{
		Types: accessTypes, Issuer: v.cfg.Issuer, Audience: v.cfg.Audience, Now: now,
	}); err != nil {
		return err
	}
	if t.Kind == KindTask && f.jwt.Claims.TaskTokenType != v.cfg.Audience {
		return token.Refuse(token.CheckAudience, token.ReasonWrongAudience)
	}
	return nil
}

// recall gives the facts about a token: remembered ones, or by reading it. Its kind
// is told by prefix or shape, never by trial.
func (v *Verifier) recall(ctx context.Context, p presentation) (*facts, error) {
	if f, ok := v.seen.get(&p.digest); ok {
		return f, nil
	}
	switch v.forms.Shape(p.raw) {
	case token.ShapeJWT:
		return v.readJWT(ctx, p)
	case token.ShapeOpaque:
		return v.readOpaque(ctx, p)
	case token.ShapeUnknown:
	}
	return nil, token.Malformed()
}

// readJWT checks the signature. An unknown key may be a new one: the set is read
// once more, at a limited rate.
func (v *Verifier) readJWT(ctx context.Context, p presentation) (*facts, error) {
	if v.keys.count() == 0 {
		return nil, unavailable(nil, "the issuer's keys are not known yet")
	}
	unknown, missing := "", false
	find := func(kid string) (token.VerificationKey, bool) {
		key, ok := v.keys.find(kid)
		unknown, missing = kid, !ok
		return key, ok
	}
	j, err := token.Verify(p.raw, find)
	if err != nil && missing && unknown != "" {
		if err := v.keys.look(ctx, unknown); err != nil {
			return nil, unavailable(err, "the issuer's keys can't be read now")
		}
		j, err = token.Verify(p.raw, find)
	}
	if err != nil {
		return nil, err
	}
	f, callsAPIs := factsOfJWT(j)
	if callsAPIs {
		v.seen.put(&p.digest, f, f.cost())
	}
	return f, nil
}

// readOpaque asks the issuer about an API token. What is no API token, or has a wrong
// checksum, costs no question.
func (v *Verifier) readOpaque(ctx context.Context, p presentation) (*facts, error) {
	o, err := v.forms.Parse(p.raw)
	if err != nil {
		return nil, err
	}
	if o.Kind != token.KindAPIToken || v.asker == nil {
		return nil, token.Malformed()
	}
	if v.stream != nil && v.cfg.OnStale == Refuse && !v.ledger.Lease().Holds() {
		return nil, unavailable(nil, noNews)
	}
	found, err := v.asker.ask(ctx, question{presentation: p})
	if err != nil {
		return nil, err
	}
	if !found.active {
		return nil, token.Malformed()
	}
	return v.learn(p, found)
}

// learn makes facts of what the issuer said of an opaque token.
func (v *Verifier) learn(p presentation, found finding) (*facts, error) {
	if found.token.Kind != KindAPIToken {
		return nil, unavailable(errors.New("an introspection of an opaque token tells of a JWT"), cantAsk)
	}
	f := factsOfFinding(found)
	if v.stream != nil {
		v.seen.put(&p.digest, f, f.cost())
	}
	return f, nil
}

// again asks the issuer about a token that was good before.
func (v *Verifier) again(ctx context.Context, p presentation, f *facts) (*facts, error) {
	changed := f.redecide(v.ledger)
	return v.consult(ctx, f, question{presentation: p, known: true}, func() error {
		if f.token.Collection != nil && changed {
			return token.Refuse(token.CheckAccess, "no access to the collection")
		}
		return token.Refuse(token.CheckRevoked, token.ReasonRevoked)
	})
}

// consult asks the issuer and gives the facts with its confirmation; refused is the
// error when it says no.
func (v *Verifier) consult(ctx context.Context, f *facts, q question, refused func() error) (*facts, error) {
	found, err := v.asker.ask(ctx, q)
	switch {
	case err != nil:
		return nil, err
	case !found.active:
		return nil, refused()
	case found.token.ID != f.token.ID || found.token.Subject != f.token.Subject:
		return nil, unavailable(errors.New("an introspection tells of another token"), cantAsk)
	case f.jwt == nil:
		return v.learn(q.presentation, found)
	}
	f.confirmed.Store(&confirm{logSeq: found.logSeq, epoch: found.epoch})
	return f, nil
}

// withoutLease refuses, or asks the issuer where that was chosen; its answer is good
// for this call alone.
func (v *Verifier) withoutLease(ctx context.Context, p presentation, f *facts) (*facts, error) {
	if v.cfg.OnStale != AskIssuer {
		return nil, unavailable(v.stream.health(), noNews)
	}
	f, err := v.consult(ctx, f, question{presentation: p, known: true, fresh: true}, func() error {
		return token.Refuse(token.CheckRevoked, token.ReasonRevoked)
	})
	if err != nil {
		return nil, err
	}
	if f.redecide(v.ledger) {
		return nil, unavailable(nil, disagree)
	}
	return f, v.judge(f)
}

// reach waits for the entries up to the one as of which a token was decided. One
// that the log hadn't reached at a later time than this call is of no log of ours.
func (v *Verifier) reach(ctx context.Context, seq revocation.Seq) error {
	arrived := v.ledger.Clock()
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	for {
		news := v.ledger.Watch()
		asOf := v.ledger.AsOf() // before applied, which it is about
		switch {
		case seq <= v.ledger.Applied():
			return nil
		case asOf > arrived:
			return token.Malformed()
		}
		select {
		case <-news:
		case <-ctx.Done():
			return unavailable(ctx.Err(), noNews)
		case <-v.ctx.Done():
			return errClosed
		}
	}
}

// What a client reads when the issuer's answer is none, or not of one mind.
const (
	cantAsk  = "the issuer can't be asked about the token now"
	disagree = "the issuer's nodes don't agree yet"
)
