package authority_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/authority"
	"github.com/bearerd/bearerd/internal/authority/authoritytest"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/revocation"
)

// wornOut makes a set that is unsure of every id there is.
func wornOut(set *revocation.Set) {
	set.Budget = 1
	entries := make([]revocation.Entry, 200_000)
	for i := range entries {
		entries[i] = revocation.Entry{Seq: 1, What: revocation.Token, ID: uuid.NewString()}
	}
	set.Apply(entries)
}

// LogEntry is asked about what the set is unsure of.
func (g *gate) LogEntry(ctx context.Context, what revocation.What, id string) (revocation.Entry, bool, error) {
	g.mu.Lock()
	err := g.fails
	g.mu.Unlock()
	if err != nil {
		return revocation.Entry{}, false, err
	}
	defer g.pass("log entry read")
	return g.Store.LogEntry(ctx, what, id)
}

func (g *gate) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fails = err
}

func unsure(t *testing.T) (*gate, *authoritytest.Fixture) {
	t.Helper()
	g, store := through()
	return g, authoritytest.New(t, authoritytest.Options{Store: store, Set: wornOut})
}

func TestAnUnsureSetAsksTheStoreOnceForAToken(t *testing.T) {
	t.Parallel()
	_, f := unsure(t)
	ada := person(t, f, "ada")
	issued := accessToken(t, f, bearer(t, f, apiToken(t, f, ada, authority.NewCredential{})))
	before := f.Confirmations()
	for range 5 {
		wantAlive(t, f, "a good token", issued)
	}
	facts, err := verify(t, f, issued)
	must(t, err)
	if got, want := f.Confirmations()-before, uint64(1+len(facts.Chain)); got != want || want < 2 {
		t.Errorf("asked %d times about %d ids", got, want)
	}
}

func TestAnUnsureSetRefusesWhatTheStoreKnowsAsRevoked(t *testing.T) {
	t.Parallel()
	_, f := unsure(t)
	ada := person(t, f, "ada")
	parent := apiToken(t, f, ada, authority.NewCredential{})
	child := accessToken(t, f, bearer(t, f, parent))
	other := accessToken(t, f, ada)
	wantAlive(t, f, "the child", child)
	must(t, second(f.Revoke(t.Context(), ada, authority.Revocation{Token: parent.Value.Reveal(), Wait: true})))
	wantDead(t, f, "the parent", parent)
	wantDead(t, f, "the child of a revoked token", child)
	asked := f.Confirmations()
	for range 5 {
		wantDead(t, f, "the child again", child)
	}
	if f.Confirmations() != asked {
		t.Errorf("a kill that the store has confirmed was asked about %d times more", f.Confirmations()-asked)
	}
	wantAlive(t, f, "another token", other)
	must(t, second(f.Revoke(t.Context(), ada, authority.Revocation{Token: other.Value.Reveal(), Wait: true})))
	wantDead(t, f, "another token, revoked after the store had said that it lives", other)
	f.Advance(90 * time.Minute)
	wantDead(t, f, "much later", parent)
}

// The store's answer is older than the revocation, and comes back after it.
func TestAnAnswerUnderWayDuringARevocationCantBringTheTokenBack(t *testing.T) {
	t.Parallel()
	g, f := unsure(t)
	ada := person(t, f, "ada")
	issued := accessToken(t, f, ada)
	g.at("log entry read", func() {
		must(t, second(f.Revoke(t.Context(), ada, authority.Revocation{Token: issued.Value.Reveal(), Wait: true})))
	})
	_, _ = verify(t, f, issued) // began before it was revoked: either answer is right
	for range 3 {
		wantDead(t, f, "the next", issued)
	}
}

func TestAnUnsureSetSaysNothingWhenTheStoreCantTell(t *testing.T) {
	t.Parallel()
	g, f := unsure(t)
	ada := person(t, f, "ada")
	known, unknown := accessToken(t, f, ada), accessToken(t, f, ada)
	wantAlive(t, f, "a token that the store was asked about", known)
	g.fail(errors.New("connection refused"))
	_, err := verify(t, f, unknown)
	wantFault(t, "a token in doubt", err, fault.Unavailable, "can't be told now")
	if fault.RetryAfter(err) <= 0 {
		t.Error("no time to retry after")
	}
	if gone, err := f.Denylisted(t.Context(), unknown.Value.Reveal()); gone || !fault.Is(err, fault.Unavailable) {
		t.Errorf("the denylist says %v, %v", gone, err)
	}
	wantFault(t, "a report of a leak", f.Leaked(t.Context(), []string{unknown.Value.Reveal()}), fault.Unavailable, "")
	wantAlive(t, f, "what the store said before stays true", known)
	g.fail(nil)
	wantAlive(t, f, "once the store answers", unknown)
}

func TestASetWithinItsBudgetAsksTheStoreNothing(t *testing.T) {
	t.Parallel()
	g, store := through()
	f := authoritytest.New(t, authoritytest.Options{Store: store})
	ada := person(t, f, "ada")
	good, bad := accessToken(t, f, ada), accessToken(t, f, ada)
	must(t, second(f.Revoke(t.Context(), ada, authority.Revocation{Token: bad.Value.Reveal(), Wait: true})))
	g.fail(errors.New("connection refused"))
	wantAlive(t, f, "a good token", good)
	wantDead(t, f, "a revoked token", bad)
	if n := f.Confirmations(); n != 0 {
		t.Errorf("the store was asked %d times", n)
	}
}
