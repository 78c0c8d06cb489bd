package keyring_test

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/token"
)

// TestAKeyLivesItsWholeLife is the story of one rotation, driven by time alone.
func TestAKeyLivesItsWholeLife(t *testing.T) {
	t.Parallel()
	store, c := &memory{}, newClock()
	r := open(t, config(t, store, c))
	tend := func() { t.Helper(); do(t, r.Tend(t.Context())) }
	first := signing(t, r).KID

	c.pass(30*day - show)
	tend()
	if n := len(published(t, r)); n != 2 || signing(t, r).KID != first {
		t.Fatalf("%d keys shown before the rotation, and %s signs", n, signing(t, r))
	}
	c.pass(show - 1)
	tend()
	if signing(t, r).KID != first {
		t.Fatal("the next key signs before it was shown for the cache time")
	}
	last := issue(t, r, c.now())
	c.pass(1)
	tend()
	second := signing(t, r).KID
	if second == first || len(published(t, r)) != 2 {
		t.Fatalf("%s signs after the rotation; shown: %v", second, published(t, r))
	}
	c.pass(day - 1)
	tend()
	if err := verify(r, last); err != nil {
		t.Errorf("the last token of the retired key, in its last moment: %v", err)
	}
	c.pass(time.Minute + 1)
	tend()
	if diff := cmp.Diff([]string{second}, published(t, r)); diff != "" {
		t.Errorf("shown when the last token has expired (-want +got):\n%s", diff)
	}
	if err := verify(r, last); err == nil {
		t.Error("a key that is gone still verifies")
	}
	if got := states(r)[first]; got != keyring.Gone {
		t.Errorf("the first key is %s", got)
	}
	for _, k := range store.keys {
		if k.State == keyring.Gone && k.Sealed != nil {
			t.Error("the private half of a key that is gone is still there")
		}
	}
}

func TestRotateTwiceInARowIsOneRotation(t *testing.T) {
	t.Parallel()
	store, c := &memory{}, newClock()
	r := open(t, config(t, store, c))
	first := signing(t, r).KID
	do(t, r.Rotate(t.Context(), false))
	do(t, r.Rotate(t.Context(), false))
	if got := published(t, r); len(got) != 2 || signing(t, r).KID != first {
		t.Errorf("shown after two rotations: %v, %s signs", got, signing(t, r))
	}
	c.pass(show)
	do(t, r.Tend(t.Context()))
	if signing(t, r).KID == first || len(published(t, r)) != 2 {
		t.Errorf("%s signs after the cache time; shown: %v", signing(t, r), published(t, r))
	}
}

func TestRotateNowKeepsTheTokensAlive(t *testing.T) {
	t.Parallel()
	store, c := &memory{}, newClock()
	r := open(t, config(t, store, c))
	raw := issue(t, r, c.now())
	first := signing(t, r).KID
	do(t, r.Rotate(t.Context(), true))
	do(t, r.Rotate(t.Context(), true))
	if signing(t, r).KID == first || states(r)[first] != keyring.Retired {
		t.Errorf("%s signs; the states are %v", signing(t, r), states(r))
	}
	do(t, verify(r, raw))
	do(t, verify(r, issue(t, r, c.now())))
}

func TestRetireKillsTheTokensOfAKey(t *testing.T) {
	t.Parallel()
	store, c := &memory{}, newClock()
	cfg := config(t, store, c)
	r, other := open(t, cfg), open(t, cfg)
	raw := issue(t, r, c.now())
	first := signing(t, r).KID
	do(t, r.Retire(t.Context(), first))
	do(t, r.Retire(t.Context(), first)) // again is success
	do(t, other.Refresh(t.Context()))
	do(t, r.Tend(t.Context()))
	for _, r := range []*keyring.Ring{r, other, open(t, cfg)} {
		var refusal *token.Refusal
		if err := verify(r, raw); !errors.As(err, &refusal) || refusal.Check != token.CheckRevoked {
			t.Errorf("a token of a key that was revoked: %v", err)
		}
		if slices.Contains(published(t, r), first) || states(r)[first] != keyring.Retired {
			t.Errorf("the key is %s and the set shows %v", states(r)[first], published(t, r))
		}
		if signing(t, r).KID == first {
			t.Error("the key still signs")
		}
		do(t, verify(r, issue(t, r, c.now())))
	}
	if err := r.Retire(t.Context(), "nothing"); !fault.Is(err, fault.NotFound) {
		t.Errorf("an unknown key: %v", err)
	}
}

func TestDistrustWorksBeforeTheStoreIsAsked(t *testing.T) {
	t.Parallel()
	store, c := &memory{}, newClock()
	cfg := config(t, store, c)
	r, other := open(t, cfg), open(t, cfg)
	raw := issue(t, r, c.now())
	first := signing(t, r).KID
	do(t, other.Retire(t.Context(), first))
	store.fail(errors.New("away"))
	do(t, verify(r, raw)) // it can't know yet
	r.Distrust(first)
	var refusal *token.Refusal
	if err := verify(r, raw); !errors.As(err, &refusal) || refusal.Check != token.CheckRevoked {
		t.Errorf("a distrusted key: %v", err)
	}
	if _, err := r.Signing(); !fault.Is(err, fault.Unavailable) {
		t.Errorf("a distrusted key signs: %v", err)
	}
	r.Distrust("another")
	if err := verify(r, raw); err == nil {
		t.Error("trust came back with the next key that lost it")
	}
	store.fail(nil)
	do(t, r.Refresh(t.Context()))
	do(t, verify(r, issue(t, r, c.now())))
	if err := verify(r, raw); err == nil {
		t.Error("trust came back with the store")
	}
}

func TestTwoRingsOnOneStoreAgreeOnOneActiveKey(t *testing.T) {
	t.Parallel()
	store, c := &memory{}, newClock()
	cfg := config(t, store, c)
	rings := make([]*keyring.Ring, 4)
	var opened sync.WaitGroup
	for i := range rings {
		opened.Go(func() {
			r, err := keyring.Open(t.Context(), cfg)
			if err != nil {
				t.Error(err)
			}
			rings[i] = r
		})
	}
	opened.Wait()
	if t.Failed() {
		return
	}
	for round := range 30 {
		c.pass(10 * day)
		var racing sync.WaitGroup
		for i, r := range rings {
			racing.Go(func() {
				err := r.Tend(t.Context())
				switch {
				case round%7 == 3 && i < 2:
					err = errors.Join(err, r.Rotate(t.Context(), i == 0))
				case round%7 == 5 && i == 3:
					err = errors.Join(err, r.Retire(t.Context(), r.Keys()[0].KID))
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		racing.Wait()
		active, next := 0, 0
		for _, k := range store.keys {
			switch k.State {
			case keyring.Active:
				active++
			case keyring.Next:
				next++
			case keyring.Retired, keyring.Gone:
			}
		}
		if active != 1 || next > 1 {
			t.Fatalf("round %d: %d active keys, %d next ones", round, active, next)
		}
		for _, r := range rings {
			do(t, r.Refresh(t.Context()))
			if a, b := signing(t, r).KID, signing(t, rings[0]).KID; a != b {
				t.Fatalf("round %d: two nodes sign with %s and %s", round, a, b)
			}
		}
	}
}

func TestTendWritesOnlyWhenSomethingIsDue(t *testing.T) {
	t.Parallel()
	store, c := &memory{}, newClock()
	r := open(t, config(t, store, c))
	for range 100 {
		c.pass(time.Hour)
		do(t, r.Tend(t.Context()))
	}
	if n := store.writes.Load(); n != 1 {
		t.Errorf("%d writes, want the one of the first key", n)
	}
}

func TestAnotherAlgorithmFollowsAfterTheCacheTime(t *testing.T) {
	t.Parallel()
	store, c := &memory{}, newClock()
	cfg := config(t, store, c)
	raw := issue(t, open(t, cfg), c.now())
	cfg.Algorithm = token.ES256
	r := open(t, cfg)
	if got := signing(t, r).Algorithm; got != token.EdDSA || len(published(t, r)) != 2 {
		t.Errorf("%s signs before the new key was shown", got)
	}
	c.pass(show)
	do(t, r.Tend(t.Context()))
	if got := signing(t, r).Algorithm; got != token.ES256 {
		t.Errorf("%s signs after the cache time", got)
	}
	do(t, verify(r, raw))
	do(t, verify(r, issue(t, r, c.now())))
}

func TestPlanMakesOneKeyHoweverOftenItRuns(t *testing.T) {
	t.Parallel()
	store, c := &memory{}, newClock()
	r := open(t, config(t, store, c))
	p := r.Plans().Rotate(true)
	first, err := p(store.keys)
	do(t, err)
	again, err := p(store.keys) // a transaction that had to be repeated
	do(t, err)
	if diff := cmp.Diff(first, again); diff != "" || len(first) != 2 {
		t.Errorf("writes %d keys; (-first +again):\n%s", len(first), diff)
	}
	do(t, store.ChangeSigningKeys(t.Context(), p))
	do(t, r.Refresh(t.Context()))
	if got := signing(t, r).KID; got != first[1].KID {
		t.Errorf("%s signs, want %s", got, first[1].KID)
	}
}
