package verification_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// script is a source that answers what a test wants, and counts the questions.
type script struct {
	forms   token.Forms
	keys    map[string]token.VerificationKey
	refresh func(kid string) error
	opaque  func(known *verification.Token) (*verification.Token, error)
	subject func(collection *int64) (*verification.Subject, error)
	permit  func() (revocation.Lease, error)
	reach   func(seq revocation.Seq) error

	refreshed, read, subjects, permits, reached int
}

var errAway = errors.New("the source is away")

func (s *script) Forms() (token.Forms, error) { return s.forms, nil }

func (s *script) Key(kid string) (token.VerificationKey, bool) {
	k, ok := s.keys[kid]
	return k, ok
}

func (s *script) RefreshKeys(_ context.Context, kid string) error {
	s.refreshed++
	return s.refresh(kid)
}

func (s *script) Opaque(_ context.Context, _ string, known *verification.Token) (*verification.Token, error) {
	s.read++
	return s.opaque(known)
}

func (s *script) Subject(_ context.Context, _ string, _ *verification.Token, collection *int64) (*verification.Subject, error) {
	s.subjects++
	return s.subject(collection)
}

func (s *script) Permit(context.Context, string, *verification.Token) (revocation.Lease, error) {
	s.permits++
	return s.permit()
}

func (s *script) Reach(_ context.Context, seq revocation.Seq) error {
	s.reached++
	return s.reach(seq)
}

// stage is a verifier on a script, whose log and clocks the test moves.
type stage struct {
	*verification.Verifier
	script
	ledger *revocation.Ledger
	boot   time.Duration
	now    time.Time
	key    token.SigningKey
}

const lease = 2 * time.Second

func newStage(t *testing.T, change ...func(*verification.Config)) *stage {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	nodetest.Must(t, err)
	s := &stage{boot: time.Hour, now: time.Unix(1_700_000_000, 0), key: token.SigningKey{KID: "k", Algorithm: token.EdDSA, Key: private}}
	s.script = script{
		keys:    map[string]token.VerificationKey{"k": s.key.Verification()},
		refresh: func(string) error { return nil },
		opaque:  func(*verification.Token) (*verification.Token, error) { return nil, errAway },
		subject: func(*int64) (*verification.Subject, error) { return nil, errAway },
		permit:  func() (revocation.Lease, error) { return revocation.Lease{}, errAway },
		reach:   func(revocation.Seq) error { return errAway },
	}
	s.ledger = revocation.NewLedger(func() time.Duration { return s.boot }, func() time.Time { return s.now })
	s.ledger.Renew(s.boot, lease)
	s.forms, err = token.NewForms(token.PrefixAPIToken)
	nodetest.Must(t, err)
	c := verification.Config{
		Source: &s.script, Ledger: s.ledger, Issuer: nodetest.Issuer, DefaultAudience: nodetest.Issuer,
	}
	for _, f := range change {
		f(&c)
	}
	s.Verifier, err = verification.New(c)
	nodetest.Must(t, err)
	return s
}

// says applies one entry of the log.
func (s *stage) says(what revocation.What, id string) revocation.Seq {
	seq := s.ledger.Applied() + 1
	s.ledger.Apply([]revocation.Entry{{Seq: seq, What: what, ID: id, At: s.now, Until: s.now.Add(24 * time.Hour)}})
	s.ledger.Advance(seq)
	s.ledger.Renew(s.boot, lease)
	return seq
}

// jwt signs a token of ada's, changed as the test wants.
func (s *stage) jwt(t *testing.T, change ...func(*token.Claims)) string {
	t.Helper()
	c := token.Claims{
		Issuer: nodetest.Issuer, Subject: "ada", Audience: []string{nodetest.Issuer}, ClientID: identity.OwnClientID,
		ID: uuid.NewString(), IssuedAt: s.now, Expiry: s.now.Add(time.Hour), Seq: s.ledger.Applied(),
	}
	for _, f := range change {
		f(&c)
	}
	raw, err := token.Sign(s.key, token.TypeAccess, c)
	nodetest.Must(t, err)
	return raw
}

// apiToken is a value of the right form.
var apiToken = opaque(token.PrefixAPIToken, 1)

// answer is what the source says of the API token, as of a sequence.
func (s *stage) answer(asOf revocation.Seq) *verification.Token {
	return &verification.Token{
		Kind: token.KindAPIToken, ID: "api", Subject: "ada", ClientID: identity.OwnClientID, Audience: []string{nodetest.Issuer},
		IssuedAt: s.now, AsOf: asOf,
	}
}

func (s *stage) judge(t *testing.T, raw string) error {
	t.Helper()
	_, err := s.Verify(t.Context(), raw, verification.Requirements{})
	return err
}
