package verification_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// A reading that is older than what the log says comes from a node of the issuer that
// is behind. It is asked for again, and counts for nothing.
func TestAReadingThatIsBehindIsAskedForAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	seq := s.says(revocation.Access, "ada")
	s.opaque = func(*verification.Token) (*verification.Token, error) { return s.answer(seq - 1), nil }
	err := s.judge(t, apiToken)
	nodetest.WantFault(t, "a source that stays behind", err, fault.Unavailable, "don't agree yet")
	if s.read < 2 || s.read > 10 || fault.RetryAfter(err) <= 0 {
		t.Errorf("read %d times, again after %s", s.read, fault.RetryAfter(err))
	}
	s.Flush()
	s.read = 0
	s.opaque = func(*verification.Token) (*verification.Token, error) {
		if s.read < 3 {
			return s.answer(seq - 1), nil
		}
		return s.answer(seq), nil
	}
	nodetest.Must(t, s.judge(t, apiToken))
	nodetest.Must(t, s.judge(t, apiToken))
	if s.read != 3 {
		t.Errorf("read %d times, want 3", s.read)
	}
}

// Facts are read again once the log has said something of their subject, and a JWT's
// never: it says the same for ever.
func TestFactsAreReadAgainWhenTheLogSpeaksOfThem(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.opaque = func(*verification.Token) (*verification.Token, error) { return s.answer(s.ledger.Applied()), nil }
	raw := s.jwt(t)
	for range 3 {
		nodetest.Must(t, s.judge(t, apiToken))
		nodetest.Must(t, s.judge(t, raw))
	}
	s.says(revocation.Access, "somebody else")
	s.says(revocation.Role, "curator")
	nodetest.Must(t, s.judge(t, apiToken))
	if s.read != 1 {
		t.Errorf("read %d times before the log spoke of it", s.read)
	}
	s.says(revocation.Access, "ada")
	for range 3 {
		nodetest.Must(t, s.judge(t, apiToken))
		nodetest.Must(t, s.judge(t, raw))
	}
	if s.read != 2 {
		t.Errorf("read %d times, want once more", s.read)
	}
	s.says(revocation.Subject, "ada")
	nodetest.WantFault(t, "revoked", s.judge(t, apiToken), fault.InvalidToken, "revoked")
	nodetest.WantFault(t, "revoked", s.judge(t, raw), fault.InvalidToken, "revoked")
	if s.read != 2 {
		t.Errorf("a revoked token is read again")
	}
}

// When entries may have been missed, nothing that was read before is good any more,
// and a reading that was under way is used once and not kept.
func TestNothingIsKeptAcrossAGapInTheLog(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.opaque = func(*verification.Token) (*verification.Token, error) { return s.answer(s.ledger.Applied()), nil }
	other := s.jwt(t)
	nodetest.Must(t, s.judge(t, apiToken))
	s.ledger.Restart()
	nodetest.Must(t, s.judge(t, apiToken))
	if s.read != 2 {
		t.Errorf("read %d times, want again after the gap", s.read)
	}
	s.Flush()
	s.read = 0
	s.opaque = func(*verification.Token) (*verification.Token, error) {
		if s.read == 1 {
			s.ledger.Restart()
			nodetest.Must(t, s.judge(t, other)) // drops what is kept, before this answer comes
		}
		return s.answer(s.ledger.Applied()), nil
	}
	for range 4 {
		nodetest.Must(t, s.judge(t, apiToken))
	}
	if s.read != 2 {
		t.Errorf("read %d times, want the reading from before the gap once more, and then kept", s.read)
	}
	s.subject = func(*int64) (*verification.Subject, error) {
		if s.subjects == 1 {
			s.ledger.Restart()
			nodetest.Must(t, s.judge(t, other))
		}
		return &verification.Subject{ID: "ada", Seq: s.ledger.Applied(), Grants: nodetest.Grants("read", "/x")}, nil
	}
	for range 4 {
		nodetest.Must(t, nodetest.Second(s.Verify(t.Context(), other, verification.Requirements{Action: "read", Path: "/x"})))
	}
	if s.subjects != 2 {
		t.Errorf("the subject is read %d times, want likewise", s.subjects)
	}
}

func TestKeptFactsGrowOld(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(c *verification.Config) { c.MaxFactAge = time.Minute })
	s.opaque = func(*verification.Token) (*verification.Token, error) { return s.answer(s.ledger.Applied()), nil }
	for _, c := range []struct {
		after time.Duration
		read  int
	}{{0, 1}, {59 * time.Second, 1}, {2 * time.Second, 2}, {0, 2}} {
		s.now = s.now.Add(c.after)
		nodetest.Must(t, s.judge(t, apiToken))
		if s.read != c.read {
			t.Errorf("read %d times %s later, want %d", s.read, c.after, c.read)
		}
	}
}

// A yes counts only if the lease that was taken first holds at the end. What cost more
// than the lease starts again under a permit, and is no yes without one.
func TestALeaseThatEndsDuringADecisionMakesNoYes(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	four := int64(4)
	slow := func(*int64) (*verification.Subject, error) {
		s.boot += lease
		return &verification.Subject{
			ID: "ada", Seq: s.ledger.Applied(), CollectionExists: true, Grants: nodetest.Grants("access", "/collections/4"),
		}, nil
	}
	s.subject = slow
	_, err := s.Verify(t.Context(), s.jwt(t), verification.Requirements{Collection: &four})
	nodetest.WantFault(t, "without a permit", err, fault.Unavailable, "no recent news")
	if s.permits != 1 || fault.RetryAfter(err) <= 0 {
		t.Errorf("%d permits were asked for, again after %s", s.permits, fault.RetryAfter(err))
	}
	s.Flush()
	s.permit = func() (revocation.Lease, error) { return s.ledger.Permit(s.boot, lease), nil }
	s.ledger.Renew(s.boot, lease)
	nodetest.Must(t, nodetest.Second(s.Verify(t.Context(), s.jwt(t), verification.Requirements{Collection: &four})))
	if s.permits != 2 {
		t.Errorf("%d permits, want one more", s.permits)
	}
}

// A permit is one request's: the next asks again.
func TestWithoutALeaseEachRequestAsksForItself(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.boot += lease
	s.permit = func() (revocation.Lease, error) { return s.ledger.Permit(s.boot, lease), nil }
	raw := s.jwt(t)
	for i := range 3 {
		nodetest.Must(t, s.judge(t, raw))
		if s.permits != i+1 {
			t.Errorf("%d permits for %d requests", s.permits, i+1)
		}
	}
	// What the permit brought counts: the token was revoked meanwhile.
	s.permit = func() (revocation.Lease, error) {
		seq := s.ledger.Applied() + 1
		s.ledger.Apply([]revocation.Entry{{Seq: seq, What: revocation.Subject, ID: "ada", At: s.now}})
		s.ledger.Advance(seq)
		return s.ledger.Permit(s.boot, lease), nil
	}
	nodetest.WantFault(t, "revoked meanwhile", s.judge(t, raw), fault.InvalidToken, "revoked")
	// A source that knows of the token itself that it is no longer good says so.
	s.permit = func() (revocation.Lease, error) {
		return revocation.Lease{}, token.Refuse(token.CheckRevoked, token.ReasonRevoked)
	}
	nodetest.WantFault(t, "refused by the source", s.judge(t, s.jwt(t)), fault.InvalidToken, "revoked")
}

// Without a lease and without a source a refusal is given that no news can change; any
// other answer waits for news.
func TestARefusalThatNoNewsCanChangeNeedsNoLease(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.subject = func(*int64) (*verification.Subject, error) {
		return &verification.Subject{ID: "ada", Seq: s.ledger.Applied()}, nil
	}
	revoked := s.jwt(t)
	s.says(revocation.Subject, "ada")
	good := s.jwt(t)
	expired := s.jwt(t, func(c *token.Claims) { c.Expiry = s.now.Add(time.Second) })
	s.now = s.now.Add(time.Minute)
	s.boot += lease
	for name, c := range map[string]struct {
		raw    string
		asks   verification.Requirements
		kind   fault.Kind
		reason string
	}{
		"junk":             {"junk", verification.Requirements{}, fault.InvalidToken, "malformed or unknown token"},
		"a bad signature":  {good[:len(good)-4] + "AAAA", verification.Requirements{}, fault.InvalidToken, "malformed or unknown token"},
		"another issuer":   {s.jwt(t, func(c *token.Claims) { c.Issuer = "https://x.example" }), verification.Requirements{}, fault.InvalidToken, "wrong issuer"},
		"another audience": {good, verification.Requirements{Audience: "https://x.example"}, fault.InvalidToken, "wrong audience"},
		"expired":          {expired, verification.Requirements{}, fault.InvalidToken, "expired"},
		"revoked":          {revoked, verification.Requirements{}, fault.InvalidToken, "revoked"},
		"no scope":         {good, verification.Requirements{Scope: []string{"read"}}, fault.InsufficientScope, "the scope read is needed"},
		"no access":        {good, verification.Requirements{Collection: new(int64(4))}, fault.Unavailable, "no recent news"},
		"no permission":    {good, verification.Requirements{Action: "read", Path: "/x"}, fault.Unavailable, "no recent news"},
		"nothing wrong":    {good, verification.Requirements{}, fault.Unavailable, "no recent news"},
	} {
		_, err := s.Verify(t.Context(), c.raw, c.asks)
		nodetest.WantFault(t, name, err, c.kind, c.reason)
	}
}

// A token that was decided as of a sequence beyond what is known here: a cut-off
// between the two must not be missed.
func TestTheLogIsAskedForBeforeATokenFromAheadIsJudged(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ahead := s.ledger.Applied() + 5
	raw := s.jwt(t, func(c *token.Claims) { c.Seq = ahead })
	s.reach = func(seq revocation.Seq) error {
		if seq != ahead {
			t.Errorf("asked for %d, want %d", seq, ahead)
		}
		s.ledger.Apply([]revocation.Entry{{Seq: ahead - 1, What: revocation.Subject, ID: "ada", At: s.now}, {Seq: ahead, What: revocation.Role, ID: "x", At: s.now}})
		s.ledger.Advance(ahead)
		return nil
	}
	nodetest.Must(t, s.judge(t, raw)) // was decided after it
	nodetest.WantFault(t, "one from before it", s.judge(t, s.jwt(t, func(c *token.Claims) { c.Seq = ahead - 2 })), fault.InvalidToken, "revoked")
	if s.reached != 1 {
		t.Errorf("the log was asked for %d times", s.reached)
	}
	beyond := s.jwt(t, func(c *token.Claims) { c.Seq = 1 << 40 })
	s.reach = func(revocation.Seq) error { return token.Malformed() }
	nodetest.WantFault(t, "beyond the log", s.judge(t, beyond), fault.InvalidToken, "malformed or unknown token")
	s.reach = func(revocation.Seq) error { return fault.New(fault.Unavailable, "away") }
	nodetest.WantFault(t, "when the log can't be read", s.judge(t, beyond), fault.Unavailable, "away")
}

// Keys that this process does not know may have been made a moment ago.
func TestAnUnknownKeyIsLookedForOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	raw := s.jwt(t)
	known := s.keys
	s.keys = nil
	nodetest.WantFault(t, "a key that isn't found", s.judge(t, raw), fault.InvalidToken, "malformed or unknown token")
	if s.refreshed != 1 {
		t.Errorf("looked for %d times", s.refreshed)
	}
	s.refresh = func(string) error { return errAway }
	nodetest.WantFault(t, "keys that can't be read", s.judge(t, raw), fault.Unavailable, "signing keys")
	s.refresh = func(kid string) error {
		if kid != "k" {
			t.Errorf("looked for %q", kid)
		}
		s.keys = known
		return nil
	}
	nodetest.Must(t, s.judge(t, raw))
	s.refreshed = 0
	nodetest.Must(t, s.judge(t, raw))
	s.keys = nil // was removed since
	nodetest.WantFault(t, "a key that is gone", s.judge(t, raw), fault.InvalidToken, "malformed or unknown token")
	if s.refreshed != 0 {
		t.Errorf("a kept token has its key looked for %d times", s.refreshed)
	}
}

// What is no token of ours by its form costs no question.
func TestWhatHasNoFormOfOursCostsNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for _, raw := range []string{
		"", "junk", "a.b", apiToken[:len(apiToken)-1], apiToken + "0", strings.Repeat("x", token.MaxBytes+1),
		s.jwt(t) + strings.Repeat("x", token.MaxBytes),
	} {
		nodetest.WantFault(t, "junk", s.judge(t, raw), fault.InvalidToken, "malformed or unknown token")
	}
	if n := s.refreshed + s.read + s.subjects + s.permits + s.reached; n != 0 {
		t.Errorf("%d questions", n)
	}
}

// A source outside the node knows of a subject no more than that it has access to the
// token's own collection. That is good until the log speaks, and says nothing of
// another collection.
func TestAPartialReadingIsAboutTheTokensOwnCollection(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	four, five := int64(4), int64(5)
	partial := func() *verification.Subject {
		return &verification.Subject{ID: "ada", Seq: s.ledger.Applied(), CollectionExists: true, Partial: true}
	}
	s.opaque = func(*verification.Token) (*verification.Token, error) {
		found := s.answer(s.ledger.Applied())
		found.Collection = &four
		found.SetSubject(partial())
		return found, nil
	}
	s.subject = func(collection *int64) (*verification.Subject, error) {
		if collection == nil || *collection != 4 {
			return nil, errAway
		}
		return partial(), nil
	}
	ask := func(collection *int64) error {
		return nodetest.Second(s.Verify(t.Context(), apiToken, verification.Requirements{Collection: collection}))
	}
	for range 3 {
		nodetest.Must(t, ask(nil))
		nodetest.Must(t, ask(&four))
	}
	if s.read != 1 || s.subjects != 0 {
		t.Errorf("%d readings and %d of the subject, want one question in all", s.read, s.subjects)
	}
	nodetest.WantFault(t, "another collection", ask(&five), fault.InsufficientScope, "another collection")
	s.says(revocation.Group, "staff")
	for range 3 {
		nodetest.Must(t, ask(&four))
	}
	if s.subjects != 1 {
		t.Errorf("asked %d times about access after the log spoke of a group, want once", s.subjects)
	}
	// A JWT has no reading of its own, and none is taken for another token's.
	jwt := s.jwt(t, func(c *token.Claims) { c.Collection = &four })
	s.says(revocation.Role, "curator")
	s.subject = func(*int64) (*verification.Subject, error) {
		return nil, token.Refuse(token.CheckAccess, "no access to the collection")
	}
	_, err := s.Verify(t.Context(), jwt, verification.Requirements{})
	nodetest.WantFault(t, "lost", err, fault.InsufficientScope, "no access to the collection")
}

// One answer may serve all who asked at one time: nobody changes it under the others.
func TestOneAnswerServesAllWhoAskedForIt(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	shared := s.answer(0)
	shared.Chain = []string{"session"}
	verification.Index(shared)
	s.says(revocation.Token, "session")
	asking, answer := make(chan struct{}), make(chan struct{})
	source := &together{script: &s.script, asking: asking, answer: answer, token: shared}
	v, err := verification.New(verification.Config{
		Source: source, Ledger: s.ledger, Issuer: nodetest.Issuer, DefaultAudience: nodetest.Issuer,
	})
	nodetest.Must(t, err)
	const callers = 8
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			_, err := v.Verify(t.Context(), apiToken, verification.Requirements{})
			nodetest.WantFault(t, "what was made from a revoked session", err, fault.InvalidToken, "revoked")
		})
	}
	for range callers {
		<-asking
	}
	close(answer)
	all.Wait()
}

// together is a source that answers all who ask at one time with one token.
type together struct {
	*script
	asking, answer chan struct{}
	token          *verification.Token
}

func (s *together) Opaque(context.Context, string, *verification.Token) (*verification.Token, error) {
	s.asking <- struct{}{}
	<-s.answer
	return s.token, nil
}

// A service that does without revocation judges claims alone, asks for no lease, and
// keeps nothing of what may change.
func TestWithoutRevocationOnlyClaimsAreJudged(t *testing.T) {
	t.Parallel()
	s := newStage(t, func(c *verification.Config) { c.InsecureWithoutRevocation = true })
	s.opaque = func(*verification.Token) (*verification.Token, error) { return s.answer(0), nil }
	raw := s.jwt(t)
	s.says(revocation.Subject, "ada")
	s.boot += time.Hour
	nodetest.Must(t, s.judge(t, raw))
	for i := range 2 {
		nodetest.Must(t, s.judge(t, apiToken))
		if s.read != i+1 {
			t.Errorf("read %d times for %d requests", s.read, i+1)
		}
	}
	nodetest.WantFault(t, "another issuer", s.judge(t, s.jwt(t, func(c *token.Claims) { c.Issuer = "x" })), fault.InvalidToken, "wrong issuer")
	s.now = s.now.Add(2 * time.Hour)
	nodetest.WantFault(t, "expired", s.judge(t, raw), fault.InvalidToken, "expired")
}

func TestNewRefusesAnIncompleteConfig(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	good := verification.Config{Source: &s.script, Ledger: s.ledger, Issuer: "https://x.example", DefaultAudience: "https://x.example"}
	nodetest.Must(t, nodetest.Second(verification.New(good)))
	for name, spoil := range map[string]func(*verification.Config){
		"source":   func(c *verification.Config) { c.Source = nil },
		"ledger":   func(c *verification.Config) { c.Ledger = nil },
		"issuer":   func(c *verification.Config) { c.Issuer = "" },
		"audience": func(c *verification.Config) { c.DefaultAudience = "" },
		"room":     func(c *verification.Config) { c.CacheBytes = verification.MinCacheBytes - 1 },
	} {
		c := good
		spoil(&c)
		if _, err := verification.New(c); err == nil {
			t.Errorf("made without its %s", name)
		}
	}
}
