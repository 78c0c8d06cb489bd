package issuerclient

import (
	"context"
	"errors"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// reachTimeout is how long to wait for the entries before a token was issued.
const reachTimeout = 2 * time.Second

// What a client reads when no decision is possible.
const (
	noNews  = "this service has no recent news of the issuer's revocations and can't accept tokens now"
	cantAsk = "the issuer can't be asked about the token now"
)

var errClosed = unavailable(nil, "the verifier is closed")

// unavailable returns the error when no decision is possible now; the cause is for the
// service's own log.
func unavailable(cause error, description string) error {
	if cause == nil {
		return fault.After(fault.Unavailable, time.Second, "%s", description)
	}
	return fault.Wrap(cause, fault.Unavailable, "%s", description).Retry(time.Second)
}

// source answers package verification by asking the issuer: the JWK Set for keys,
// introspection for opaque tokens and for access that must be decided again. It
// implements verification.Source.
type source struct {
	cfg      Config
	settings func() *settings // nil: not known yet
	keys     *keys
	asker    *asker // nil: without a client
	ledger   *revocation.Ledger
	health   func() error // the error of following the log
	news     *accessNews
	closed   <-chan struct{} // closed when the verifier is closed
}

var _ verification.Source = (*source)(nil)

// Forms returns what the issuer's opaque tokens look like.
func (s *source) Forms() (token.Forms, error) {
	if known := s.settings(); known != nil {
		return known.forms, nil
	}
	return token.Forms{}, unavailable(s.health(), noNews)
}

// Key returns a key of the JWK Set as last read.
func (s *source) Key(kid string) (token.VerificationKey, bool) { return s.keys.find(kid) }

// RefreshKeys reads the JWK Set again, at a limited rate.
func (s *source) RefreshKeys(ctx context.Context, kid string) error {
	if s.keys.count() == 0 {
		return unavailable(nil, "the issuer's keys are not known yet")
	}
	return s.keys.look(ctx, kid)
}

// Opaque asks the issuer about an API token. Other opaque tokens can't call APIs.
func (s *source) Opaque(ctx context.Context, raw string, known *verification.Token) (*verification.Token, error) {
	forms, err := s.Forms()
	if err != nil {
		return nil, err
	}
	o, err := forms.Parse(raw)
	if err != nil {
		return nil, err
	}
	if s.asker == nil || o.Kind != token.KindAPIToken && (o.Kind != token.KindSession || s.cfg.Edge == nil) {
		return nil, token.Malformed()
	}
	if !s.cfg.InsecureWithoutRevocation && !s.cfg.AskOnStale && !s.ledger.Lease().Holds() {
		return nil, unavailable(s.health(), noNews)
	}
	found, err := s.ask(ctx, question{raw: raw, known: known != nil}, known)
	if err != nil {
		return nil, err
	}
	if found.token.Kind != o.Kind {
		return nil, unavailable(errors.New("an introspection of an opaque token is about a JWT"), cantAsk)
	}
	return found.token, nil
}

// ask introspects. An inactive token is refused: as revoked, or for lack of access where
// the access may have changed; one that was never accepted here is refused as unknown.
func (s *source) ask(ctx context.Context, q question, known *verification.Token) (finding, error) {
	if s.cfg.Edge != nil && q.known && !q.fresh {
		s.news.spread(ctx, s.ledger.Clock())
	}
	found, err := s.asker.ask(ctx, q)
	switch {
	case err != nil:
		return finding{}, err
	case !found.active && known == nil:
		return finding{}, token.Malformed()
	case !found.active && known.BindsCollection() && !q.fresh:
		return finding{}, token.CheckAccess.Refuse()
	case !found.active:
		return finding{}, token.CheckRevoked.Refuse()
	case known != nil && (found.token.ID != known.ID || found.token.Subject != known.Subject):
		return finding{}, unavailable(errors.New("an introspection is about another token"), cantAsk)
	}
	return found, nil
}

// Subject asks whether the token's user still has access to the token's own collection:
// the issuer says a token is active only then. About other collections nothing is known
// here.
func (s *source) Subject(ctx context.Context, raw string, t *verification.Token, collection *int64) (*verification.Subject, error) {
	if s.asker != nil && s.cfg.Edge != nil {
		return s.factsOf(ctx, raw, t, collection)
	}
	if s.asker == nil || collection == nil || t.Collection == nil || *collection != *t.Collection {
		return nil, unavailable(errors.New("the issuer's answer has no other permissions"), cantAsk)
	}
	found, err := s.ask(ctx, question{raw: raw, known: true}, t)
	if err != nil {
		return nil, err
	}
	return subjectOf(found), nil
}

// subjectOf returns what an active token says about its user: access to the token's
// collection, where it has one.
func subjectOf(found finding) *verification.Subject {
	return &verification.Subject{
		ID: found.token.Subject, Username: found.token.Username, Seq: found.token.AsOf, CollectionExists: true, Partial: true,
	}
}

// Permit asks the issuer about the token, if OnStale is AskIssuer; the answer is valid
// for this request only.
func (s *source) Permit(ctx context.Context, raw string, t *verification.Token) (revocation.Lease, error) {
	if !s.cfg.AskOnStale || s.asker == nil {
		return revocation.Lease{}, unavailable(s.health(), noNews)
	}
	found, err := s.ask(ctx, question{raw: raw, known: true, fresh: true}, t)
	if err != nil {
		return revocation.Lease{}, err
	}
	return s.ledger.Permit(found.asked, questionTimeout), nil
}

// Reach waits for the entries up to the one as of which a token was decided. A sequence
// that the log has not reached at a later time than this call was not assigned by this
// log.
func (s *source) Reach(ctx context.Context, seq revocation.Seq) error {
	arrived := s.ledger.Clock()
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	for {
		news := s.ledger.Watch()
		asOf := s.ledger.AsOf() // before applied, which it is about
		switch {
		case seq <= s.ledger.Applied():
			return nil
		case asOf > arrived:
			return token.Malformed()
		}
		select {
		case <-news:
		case <-ctx.Done():
			return unavailable(ctx.Err(), noNews)
		case <-s.closed:
			return errClosed
		}
	}
}
