package verification_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/verification"
)

// staleness is that of the fixtures.
const staleness = 2 * time.Second

func TestAcknowledgedRevocationIsHonouredByEveryNode(t *testing.T) {
	t.Parallel()
	here, there := nodetest.Two(t, nodetest.Options{})
	here.Person(t, "ada")
	for name, take := range map[string]func(*issuance.Issued) error{
		"by value": func(i *issuance.Issued) error {
			return nodetest.Second(here.Revoke(t.Context(), operator, revoking.Revocation{Token: i.Value.Reveal()}))
		},
		"by id":      func(i *issuance.Issued) error { return nodetest.Second(here.RevokeID(t.Context(), operator, i.ID)) },
		"as leaked":  func(i *issuance.Issued) error { return here.Leaked(t.Context(), []string{i.Value.Reveal()}) },
		"all of her": func(*issuance.Issued) error { return nodetest.Second(here.RevokeAllOf(t.Context(), operator, "ada")) },
	} {
		for kind, issue := range map[string]func() *issuance.Issued{
			"an access token": func() *issuance.Issued { return here.MadeAccess(t, here.SignedIn(t, "ada")) },
			"an API token": func() *issuance.Issued {
				return here.APIToken(t, here.SignedIn(t, "ada"), credentials.NewCredential{})
			},
		} {
			issued := issue()
			there.WantAlive(t, kind+" "+name, issued)
			nodetest.Must(t, take(issued))
			there.WantDead(t, kind+" "+name, issued)
			here.WantDead(t, kind+" "+name, issued)
		}
	}
}

func TestRevocationThatIsNotWaitedForIsHonouredWithinTheStaleness(t *testing.T) {
	t.Parallel()
	here, there := nodetest.Two(t, nodetest.Options{})
	issued := here.MadeAccess(t, here.Person(t, "ada"))
	there.WantAlive(t, "before", issued)
	r, err := here.RevokeID(t.Context(), operator.Waiting(revocation.WaitNone), issued.ID)
	if err != nil || r.Nodes != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	here.WantDead(t, "on the node that acknowledged", issued)
	acknowledged := revocation.BootClock()
	for {
		asked := revocation.BootClock() - acknowledged
		_, err := there.Judge(t, issued)
		if err != nil {
			nodetest.WantFault(t, "on the other node", err, fault.InvalidToken, "revoked")
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
	here, there := nodetest.New(t, nodetest.Options{Dir: dir}), nodetest.NewStill(t, nodetest.Options{Dir: dir})
	issued := here.MadeAccess(t, here.Person(t, "ada"))
	there.WantAlive(t, "before", issued) // asks the store once: it is decided as of later than the node knows
	nodetest.Must(t, nodetest.Second(here.RevokeID(t.Context(), operator.Waiting(revocation.WaitNone), issued.ID)))
	there.WantAlive(t, "within the lease", issued)
	nodetest.Must(t, there.Follower.CatchUp(t.Context()))
	there.WantDead(t, "caught up", issued)
}

func TestNodeWithoutALeaseAsksTheStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	here, there := nodetest.New(t, nodetest.Options{Dir: dir}), nodetest.NewStill(t, nodetest.Options{Dir: dir})
	ada := here.Person(t, "ada")
	issued, opaque, doomed := here.MadeAccess(t, ada), here.APIToken(t, ada, credentials.NewCredential{}), here.MadeAccess(t, ada)
	for _, one := range []*issuance.Issued{issued, opaque, doomed} {
		there.WantAlive(t, "before", one)
	}
	nodetest.Must(t, there.Follower.CatchUp(t.Context()))
	there.Pass(staleness - 1)
	before := there.Store.Queries()
	there.WantAlive(t, "in the lease's last moment", issued)
	if there.Store.Queries() != before {
		t.Error("the store was asked under a lease")
	}
	nodetest.Must(t, nodetest.Second(here.RevokeID(t.Context(), operator.Waiting(revocation.WaitNone), doomed.ID)))
	there.Pass(1)
	if there.Follower.Fresh() {
		t.Fatal("the lease goes on")
	}
	there.WantDead(t, "revoked meanwhile", doomed)
	if there.Store.Queries() == before {
		t.Error("the store was not asked")
	}
	there.WantAlive(t, "after asking", issued)
	there.WantAlive(t, "after asking", opaque)
}

func TestNodeThatCantAskSaysNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	here, there := nodetest.New(t, nodetest.Options{Dir: dir}), nodetest.NewStill(t, nodetest.Options{Dir: dir})
	ada := here.Person(t, "ada")
	issued, session := here.MadeAccess(t, ada), here.SessionOf(t, "ada")
	rs := here.NewClient(t, identity.NewClient{ID: "rs", Secret: nodetest.ClientSecret})
	pair, err := here.Exchange(t.Context(), issuance.Exchange{Subject: here.MadeAccess(t, ada).Value.Reveal(), Scope: []string{"offline_access"}})
	nodetest.Must(t, err)
	there.WantAlive(t, "before", issued)
	there.Log.Reads.Store(true)
	there.Pass(staleness)
	raw := issued.Value.Reveal()
	for name, ask := range map[string]func() error{
		"verifying":     func() error { return nodetest.Second(there.Verify(t.Context(), raw, verification.Requirements{})) },
		"a Bearer":      func() error { return nodetest.Second(there.Bearer(t.Context(), raw)) },
		"a session":     func() error { return nodetest.Second(there.Session(t.Context(), session.Value.Reveal())) },
		"introspecting": func() error { _, _, err := there.Introspect(t.Context(), rs, raw); return err },
		"trading":       func() error { return nodetest.Second(there.Exchange(t.Context(), issuance.Exchange{Subject: raw})) },
		"refreshing": func() error {
			return nodetest.Second(there.Refresh(t.Context(), issuance.Refresh{Token: pair.Refresh.Value.Reveal()}))
		},
		"explaining": func() error {
			return nodetest.Second(there.ExplainToken(t.Context(), ada, raw, verification.Requirements{}))
		},
		"revoking": func() error { return nodetest.Second(there.BearerToRevoke(t.Context(), raw)) },
	} {
		err := ask()
		if !fault.Is(err, fault.Unavailable) || fault.RetryAfter(err) <= 0 {
			t.Errorf("%s: %v, again after %v; want it unavailable", name, err, fault.RetryAfter(err))
		}
	}
	// What is no token is none with a lease or without.
	for _, junk := range []string{"", "junk", "bda_" + strings.Repeat("0", 36), raw[:len(raw)-4] + "AAAA"} {
		_, err := there.Verify(t.Context(), junk, verification.Requirements{})
		nodetest.WantFault(t, "junk", err, fault.InvalidToken, "malformed or unknown token")
	}
	// A revocation is stored and not acknowledged; the others know it.
	_, err = there.RevokeID(t.Context(), operator.Waiting(revocation.WaitNone), issued.ID)
	nodetest.WantFault(t, "revoking", err, fault.Unavailable, "it is stored")
	nodetest.Must(t, here.Follower.CatchUp(t.Context()))
	here.WantDead(t, "on another node", issued)

	there.Log.Reads.Store(false)
	there.WantDead(t, "when the store is back", issued)
	there.WantAlive(t, "when the store is back", session)
	nodetest.Must(t, nodetest.Second(here.Refresh(t.Context(), issuance.Refresh{Token: pair.Refresh.Value.Reveal()}))) // was not used up
}

// From a store that takes no writes no lease comes, but each request may ask it.
func TestNodeThatCantConfirmAsksForEachRequest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	here, there := nodetest.New(t, nodetest.Options{Dir: dir}), nodetest.NewStill(t, nodetest.Options{Dir: dir})
	ada := here.Person(t, "ada")
	issued, doomed := here.MadeAccess(t, ada), here.APIToken(t, ada, credentials.NewCredential{})
	there.Log.Writes.Store(true)
	there.Pass(staleness)
	for range 3 {
		there.Pass(time.Second)
		there.WantAlive(t, "by asking", issued)
		there.WantAlive(t, "by asking", doomed)
		if there.Follower.Fresh() {
			t.Fatal("a lease of which no other node knows")
		}
	}
	nodetest.Must(t, nodetest.Second(here.RevokeID(t.Context(), operator.Waiting(revocation.WaitNone), doomed.ID)))
	there.WantDead(t, "revoked meanwhile", doomed)
}

// An API token that was given an earlier end on another node is not good until the
// end that this node remembers, however long it had no news.
func TestNodeWithoutNewsLearnsThatATokenEndsEarlier(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	here, there := nodetest.New(t, nodetest.Options{Dir: dir}), nodetest.NewStill(t, nodetest.Options{Dir: dir})
	ada := here.Person(t, "ada")
	old := here.APIToken(t, ada, credentials.NewCredential{})
	there.WantAlive(t, "before", old)
	nodetest.Must(t, nodetest.Second(here.Regenerate(t.Context(), ada, old.ID, 60)))
	there.Pass(10 * time.Minute)
	there.Advance(time.Minute + time.Second)
	_, err := there.Judge(t, old)
	nodetest.WantFault(t, "the first request after the overlap", err, fault.InvalidToken, "expired")
}
