package authority_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/authority"
	"github.com/bearerd/bearerd/internal/authority/authoritytest"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/revocation"
)

// cutLog is a log that can't be read, or not be written, when a test says so.
type cutLog struct {
	revocation.Log
	reads, writes atomic.Bool // fail
}

var errCut = errors.New("the store is away")

func (l *cutLog) Entries(ctx context.Context, after revocation.Seq, limit int) (revocation.Page, error) {
	if l.reads.Load() {
		return revocation.Page{}, errCut
	}
	return l.Log.Entries(ctx, after, limit)
}

func (l *cutLog) Confirm(ctx context.Context, c revocation.Confirmation) error {
	if l.writes.Load() {
		return errCut
	}
	return l.Log.Confirm(ctx, c)
}

// still is a node that learns of the log only when it asks, by a clock of its own.
type still struct {
	*authoritytest.Fixture
	log   *cutLog
	clock atomic.Int64
}

func newStill(t *testing.T, dir string) *still {
	t.Helper()
	n := &still{log: &cutLog{}}
	n.clock.Store(int64(time.Hour))
	n.Fixture = authoritytest.New(t, authoritytest.Options{
		Dir: dir, Still: true, Clock: func() time.Duration { return time.Duration(n.clock.Load()) },
		Log: func(l revocation.Log) revocation.Log { n.log.Log = l; return n.log },
	})
	return n
}

const staleness = 2 * time.Second // of the fixtures

func TestAcknowledgedRevocationIsHonouredByEveryNode(t *testing.T) {
	t.Parallel()
	here, there := twoNodes(t)
	person(t, here, "ada")
	for name, take := range map[string]func(*authority.Issued) error{
		"by value": func(i *authority.Issued) error {
			return second(here.Revoke(t.Context(), operator, authority.Revocation{Token: i.Value.Reveal(), Wait: true}))
		},
		"by id":      func(i *authority.Issued) error { return second(here.RevokeID(t.Context(), operator, i.ID, true)) },
		"as leaked":  func(i *authority.Issued) error { return here.Leaked(t.Context(), []string{i.Value.Reveal()}) },
		"all of her": func(*authority.Issued) error { return second(here.RevokeAllOf(t.Context(), operator, "ada", true)) },
	} {
		for kind, issue := range map[string]func() *authority.Issued{
			"an access token": func() *authority.Issued { return accessToken(t, here, signedIn(t, here, "ada")) },
			"an API token": func() *authority.Issued {
				return apiToken(t, here, signedIn(t, here, "ada"), authority.NewCredential{})
			},
		} {
			issued := issue()
			wantAlive(t, there, kind+" "+name, issued)
			must(t, take(issued))
			wantDead(t, there, kind+" "+name, issued)
			wantDead(t, here, kind+" "+name, issued)
		}
	}
}

func TestRevocationThatIsNotWaitedForIsHonouredWithinTheStaleness(t *testing.T) {
	t.Parallel()
	here, there := twoNodes(t)
	issued := accessToken(t, here, person(t, here, "ada"))
	wantAlive(t, there, "before", issued)
	r, err := here.RevokeID(t.Context(), operator, issued.ID, false)
	if err != nil || r.Nodes != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	wantDead(t, here, "on the node that acknowledged", issued)
	acknowledged := revocation.BootClock()
	for {
		asked := revocation.BootClock() - acknowledged
		_, err := verify(t, there, issued)
		if err != nil {
			wantFault(t, "on the other node", err, fault.InvalidToken, "revoked")
			return
		}
		if asked > staleness {
			t.Fatalf("accepted %v after it was acknowledged", asked)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestNodeHonoursWhatItCaughtUpWith(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	here, there := authoritytest.New(t, authoritytest.Options{Dir: dir}), newStill(t, dir)
	issued := accessToken(t, here, person(t, here, "ada"))
	wantAlive(t, there.Fixture, "before", issued) // asks the store once: it is decided as of later than the node knows
	must(t, second(here.RevokeID(t.Context(), operator, issued.ID, false)))
	wantAlive(t, there.Fixture, "within the lease", issued)
	must(t, there.Follower.CatchUp(t.Context()))
	wantDead(t, there.Fixture, "caught up", issued)
}

func TestNodeWithoutALeaseAsksTheStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	here, there := authoritytest.New(t, authoritytest.Options{Dir: dir}), newStill(t, dir)
	ada := person(t, here, "ada")
	issued, opaque, doomed := accessToken(t, here, ada), apiToken(t, here, ada, authority.NewCredential{}), accessToken(t, here, ada)
	for _, one := range []*authority.Issued{issued, opaque, doomed} {
		wantAlive(t, there.Fixture, "before", one)
	}
	must(t, there.Follower.CatchUp(t.Context()))
	there.clock.Add(int64(staleness) - 1)
	before := there.Store.Queries()
	wantAlive(t, there.Fixture, "in the lease's last moment", issued)
	if there.Store.Queries() != before {
		t.Error("the store was asked under a lease")
	}
	must(t, second(here.RevokeID(t.Context(), operator, doomed.ID, false)))
	there.clock.Add(1)
	if there.Follower.Fresh() {
		t.Fatal("the lease goes on")
	}
	wantDead(t, there.Fixture, "revoked meanwhile", doomed)
	if there.Store.Queries() == before {
		t.Error("the store was not asked")
	}
	wantAlive(t, there.Fixture, "after asking", issued)
	wantAlive(t, there.Fixture, "after asking", opaque)
}

func TestNodeThatCantAskSaysNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	here, there := authoritytest.New(t, authoritytest.Options{Dir: dir}), newStill(t, dir)
	ada := person(t, here, "ada")
	issued, session := accessToken(t, here, ada), sessionOf(t, here, "ada")
	rs := client(t, here, authority.NewClient{ID: "rs", Secret: authoritytest.ClientSecret})
	pair, err := here.Exchange(t.Context(), authority.Exchange{Subject: accessToken(t, here, ada).Value.Reveal(), Scope: []string{"offline_access"}})
	must(t, err)
	wantAlive(t, there.Fixture, "before", issued)
	there.log.reads.Store(true)
	there.clock.Add(int64(staleness))
	raw := issued.Value.Reveal()
	for name, ask := range map[string]func() error{
		"verifying":     func() error { return second(there.Verify(t.Context(), raw, authority.Demand{})) },
		"a Bearer":      func() error { return second(there.Bearer(t.Context(), raw)) },
		"a session":     func() error { return second(there.Session(t.Context(), session.Value.Reveal())) },
		"introspecting": func() error { _, _, err := there.Introspect(t.Context(), rs, raw); return err },
		"trading":       func() error { return second(there.Exchange(t.Context(), authority.Exchange{Subject: raw})) },
		"refreshing": func() error {
			return second(there.Refresh(t.Context(), authority.Refresh{Token: pair.Refresh.Value.Reveal()}))
		},
		"explaining": func() error { return second(there.ExplainToken(t.Context(), ada, raw, authority.Demand{})) },
		"revoking":   func() error { return second(there.BearerToRevoke(t.Context(), raw)) },
	} {
		err := ask()
		if !fault.Is(err, fault.Unavailable) || fault.RetryAfter(err) <= 0 {
			t.Errorf("%s: %v, again after %v; want it unavailable", name, err, fault.RetryAfter(err))
		}
	}
	// What is no token is none with a lease or without.
	for _, junk := range []string{"", "junk", "bda_" + strings.Repeat("0", 36), raw[:len(raw)-4] + "AAAA"} {
		_, err := there.Verify(t.Context(), junk, authority.Demand{})
		wantFault(t, "junk", err, fault.InvalidToken, "malformed or unknown token")
	}
	// A revocation is stored and not acknowledged; the others know it.
	_, err = there.RevokeID(t.Context(), operator, issued.ID, false)
	wantFault(t, "revoking", err, fault.Unavailable, "it is stored")
	must(t, here.Follower.CatchUp(t.Context()))
	wantDead(t, here, "on another node", issued)

	there.log.reads.Store(false)
	wantDead(t, there.Fixture, "when the store is back", issued)
	wantAlive(t, there.Fixture, "when the store is back", session)
	must(t, second(here.Refresh(t.Context(), authority.Refresh{Token: pair.Refresh.Value.Reveal()}))) // was not used up
}

// A store that takes no writes gives no lease, but each request may ask it.
func TestNodeThatCantConfirmAsksForEachRequest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	here, there := authoritytest.New(t, authoritytest.Options{Dir: dir}), newStill(t, dir)
	ada := person(t, here, "ada")
	issued, doomed := accessToken(t, here, ada), apiToken(t, here, ada, authority.NewCredential{})
	there.log.writes.Store(true)
	there.clock.Add(int64(staleness))
	for range 3 {
		there.clock.Add(int64(time.Second))
		wantAlive(t, there.Fixture, "by asking", issued)
		wantAlive(t, there.Fixture, "by asking", doomed)
		if there.Follower.Fresh() {
			t.Fatal("a lease that nobody knows of")
		}
	}
	must(t, second(here.RevokeID(t.Context(), operator, doomed.ID, false)))
	wantDead(t, there.Fixture, "revoked meanwhile", doomed)
}

// An API token that was given an earlier end on another node is not good until the
// end that this node remembers, however long it had no news.
func TestNodeWithoutNewsLearnsThatATokenEndsEarlier(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	here, there := authoritytest.New(t, authoritytest.Options{Dir: dir}), newStill(t, dir)
	ada := person(t, here, "ada")
	old := apiToken(t, here, ada, authority.NewCredential{})
	wantAlive(t, there.Fixture, "before", old)
	must(t, second(here.Regenerate(t.Context(), ada, old.ID, 60)))
	there.clock.Add(int64(10 * time.Minute))
	there.Advance(time.Minute + time.Second)
	_, err := verify(t, there.Fixture, old)
	wantFault(t, "the first request after the overlap", err, fault.InvalidToken, "expired")
}
