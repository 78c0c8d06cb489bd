package issuance_test

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// wantSoonDead waits for what a background step does.
func wantSoonDead(t *testing.T, f *nodetest.Fixture, what string, issued *issuance.Issued) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if _, err := f.Verify(t.Context(), issued.Value.Reveal(), verification.Requirements{Kinds: nodetest.EveryKind()}); err != nil {
			break
		}
	}
	f.WantDead(t, what, issued)
}

func TestRegeneratedTokenIsWhatItWasUnderANewValue(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Freeze()
	f.Collection(t, 4, "Fish")
	ada := f.Person(t, "ada", nodetest.May("access", "/collections/4"))
	old := f.APIToken(t, ada, issuance.NewCredential{
		Name: "laptop", Scope: []string{"read", "credentials"}, Collection: new(int64(4)), Lifetime: 1000, Prefix: token.PrefixHypothesis,
	})
	child, err := f.Exchange(t.Context(), issuance.Exchange{Subject: old.Value.Reveal()})
	nodetest.Must(t, err)
	f.WantAlive(t, "the old one before", old)
	f.Advance(600 * time.Second)
	again, err := f.Regenerate(t.Context(), ada, old.ID, 0)
	nodetest.Must(t, err)
	f.WantDead(t, "the old one, at once", old)
	f.WantDead(t, "what was made from it", child.Access)
	f.WantAlive(t, "the new one", again)
	row, _, err := f.Store.TokenByID(t.Context(), again.ID)
	nodetest.Must(t, err)
	if row.Name != "laptop" || len(row.Scope) != 2 || row.Collection == nil || row.Prefix != token.PrefixHypothesis || again.Lifetime != 1000 || again.ID == old.ID {
		t.Errorf("%+v, %d seconds", row, again.Lifetime)
	}
	ended, _, err := f.Store.TokenByID(t.Context(), old.ID)
	nodetest.Must(t, err)
	if _, reason, ok := ended.End(f.Time()); !ok || reason != "regenerated" {
		t.Errorf("the old one's end: %q", reason)
	}
	events := f.Events(t, audit.Filter{Action: audit.TokenRegenerate})
	if len(events) != 1 || events[0].TokenID != old.ID || events[0].Reason != "new token "+again.ID {
		t.Errorf("%+v", events)
	}
	for range 2 {
		_, err := f.Regenerate(t.Context(), ada, old.ID, 0)
		nodetest.WantFault(t, "twice", err, fault.Conflict, "dead already: regenerated")
	}
	nodetest.Must(t, nodetest.Second(f.Regenerate(t.Context(), ada, again.ID, 0)))
}

func TestOldValueIsRevokedWhenTheNewOneIsFirstUsed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	here, there := nodetest.New(t, nodetest.Options{Dir: dir}), nodetest.New(t, nodetest.Options{Dir: dir})
	there.KeepHouse(t)
	ada := here.Person(t, "ada")
	old := here.APIToken(t, ada, issuance.NewCredential{})
	child, err := here.Exchange(t.Context(), issuance.Exchange{Subject: old.Value.Reveal()})
	nodetest.Must(t, err)
	for _, f := range []*nodetest.Fixture{here, there} {
		f.WantAlive(t, "the old one, which is remembered from now on", old)
	}
	again, err := here.Regenerate(t.Context(), ada, old.ID, 3600)
	nodetest.Must(t, err)
	for _, f := range []*nodetest.Fixture{here, there} {
		f.WantAlive(t, "the old one during the overlap", old)
		f.WantAlive(t, "what was made from it", child.Access)
	}
	_, err = here.Regenerate(t.Context(), ada, old.ID, 3600)
	nodetest.WantFault(t, "twice, during the overlap", err, fault.Conflict, "")
	there.WantAlive(t, "the new one", again)
	wantSoonDead(t, there, "the old one", old)
	wantSoonDead(t, here, "the old one on the other node", old)
	here.WantDead(t, "what was made from it", child.Access)
	here.WantAlive(t, "the new one", again)
	row, _, err := here.Store.TokenByID(t.Context(), old.ID)
	nodetest.Must(t, err)
	if _, reason, ok := row.End(here.Time()); !ok || reason != "regenerated" {
		t.Errorf("the old one's end: %q", reason)
	}
	if events := here.Events(t, audit.Filter{Action: audit.TokenRevoke, TokenID: old.ID}); len(events) != 1 || events[0].Actor != audit.ActorSystem {
		t.Errorf("%+v", events)
	}
}

func TestOldValueEndsWithTheOverlap(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	here, there := nodetest.New(t, nodetest.Options{Dir: dir}), nodetest.New(t, nodetest.Options{Dir: dir})
	here.Freeze()
	ada := here.Person(t, "ada")
	old := here.APIToken(t, ada, issuance.NewCredential{})
	there.WantAlive(t, "the old one, which is remembered from now on", old)
	pair, err := here.Exchange(t.Context(), issuance.Exchange{Subject: old.Value.Reveal(), Scope: []string{"offline_access"}})
	nodetest.Must(t, err)
	_, err = here.Regenerate(t.Context(), ada, old.ID, 60)
	nodetest.Must(t, err)
	pair, err = refresh(t, here, nil, pair) // its family goes on for as long as it does
	nodetest.Must(t, err)
	here.Advance(60*time.Second - time.Microsecond)
	there.Advance(50 * time.Second)
	here.WantAlive(t, "the old one in the overlap's last moment", old)
	there.WantAlive(t, "the old one on the other node", old)
	here.Advance(time.Microsecond)
	there.Advance(10 * time.Second)
	for _, f := range []*nodetest.Fixture{here, there} {
		_, err := f.Judge(t, old)
		nodetest.WantFault(t, "the old one", err, fault.InvalidToken, "expired")
		_, err = refresh(t, f, nil, pair)
		nodetest.WantFault(t, "a refresh token that came of it", err, fault.InvalidGrant, "expired")
	}
	row, _, err := here.Store.TokenByID(t.Context(), old.ID)
	nodetest.Must(t, err)
	if _, reason, ok := row.End(here.Time()); !ok || reason != "regenerated" {
		t.Errorf("the old one's end: %q", reason)
	}
	_, err = here.Regenerate(t.Context(), ada, old.ID, 0)
	nodetest.WantFault(t, "afterwards", err, fault.Conflict, "dead already: regenerated")
}

func TestOfConcurrentRegenerationsOneIsAnswered(t *testing.T) {
	t.Parallel()
	here, there := nodetest.Two(t, nodetest.Options{})
	ada := here.Person(t, "ada")
	byThere, err := there.Session(t.Context(), here.SessionOf(t, "ada").Value.Reveal())
	nodetest.Must(t, err)
	for _, overlap := range []int64{0, 3600} {
		old := here.APIToken(t, ada, issuance.NewCredential{})
		var answered atomic.Int64
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				f, c := here, ada
				if i%2 == 1 {
					f, c = there, byThere
				}
				if _, err := f.Regenerate(t.Context(), c, old.ID, overlap); err == nil {
					answered.Add(1)
				} else if !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.Unavailable) { // or the store is busy
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if answered.Load() != 1 {
			t.Errorf("overlap %d: %d regenerations were answered", overlap, answered.Load())
		}
	}
}

func TestWhoMayRegenerate(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada, eve, root := f.Person(t, "ada"), f.Person(t, "eve"), f.Person(t, "root", nodetest.Admin())
	old := f.APIToken(t, ada, issuance.NewCredential{Scope: []string{"read"}})
	key := f.APIKey(t, ada, issuance.NewCredential{})
	for name, c := range map[string]*caller.Caller{"somebody else": eve, "an administrator": root} {
		_, err := f.Regenerate(t.Context(), c, old.ID, 0)
		nodetest.WantFault(t, name, err, fault.NotFound, "")
	}
	for name, c := range map[string]*caller.Caller{"nobody": nil, "a password": f.ByPassword(t, "ada"), "an API key": f.ToRevoke(t, key)} {
		_, err := f.Regenerate(t.Context(), c, old.ID, 0)
		nodetest.WantFault(t, name, err, fault.Unauthenticated, "")
	}
	for name, id := range map[string]string{"an API key": key.ID, "a session": ada.Token.ID, "no id": "x", "an unknown id": eve.Token.ID} {
		_, err := f.Regenerate(t.Context(), ada, id, 0)
		nodetest.WantFault(t, name, err, fault.NotFound, "")
	}
	_, err := f.Regenerate(t.Context(), f.ByBearer(t, f.MadeAccess(t, ada, "read")), old.ID, 0)
	nodetest.WantFault(t, "a Bearer without credentials", err, fault.InsufficientScope, "credentials")
	_, err = f.Regenerate(t.Context(), f.ByBearer(t, f.MadeAccess(t, ada, "credentials")), old.ID, 0)
	nodetest.WantFault(t, "a Bearer with less scope", err, fault.InvalidScope, "read")
	f.WantAlive(t, "after all of that", old)
	again, err := f.Regenerate(t.Context(), f.ByBearer(t, f.MadeAccess(t, ada, "credentials", "read")), old.ID, 0)
	nodetest.Must(t, err)
	f.WantAlive(t, "the new one", again)

	nodetest.Must(t, nodetest.Second(f.RevokeID(t.Context(), ada, again.ID)))
	_, err = f.Regenerate(t.Context(), ada, again.ID, 0)
	nodetest.WantFault(t, "a revoked token", err, fault.Conflict, "revoked")
}

func TestAnOverlapEndsNoLaterThanTheToken(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.User(t, "ada", "correct horse")
	c := session(t, f, "ada", "correct horse")
	old, err := f.CreateAPIToken(t.Context(), c, issuance.NewCredential{Name: "n", Lifetime: 3600})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Regenerate(t.Context(), c, old.ID, 86400); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Verify(t.Context(), old.Value.Reveal(), verification.Requirements{}); err != nil {
		t.Errorf("during the overlap: %v", err)
	}
	if _, err := f.Regenerate(t.Context(), c, old.ID, 86400); !fault.Is(err, fault.Conflict) {
		t.Errorf("the second time: %v", err)
	}
	f.Advance(time.Hour)
	if _, err := f.Verify(t.Context(), old.Value.Reveal(), verification.Requirements{}); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("after its own end: %v", err)
	}
}

func TestAnOverlapIsANumberOfSeconds(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.User(t, "ada", "correct horse")
	c := session(t, f, "ada", "correct horse")
	old, err := f.CreateAPIToken(t.Context(), c, issuance.NewCredential{Name: "n"})
	if err != nil {
		t.Fatal(err)
	}
	for _, overlap := range []int64{-1, math.MinInt64, math.MaxInt64, 999_999_999_999_999_999} {
		if _, err := f.Regenerate(t.Context(), c, old.ID, overlap); !fault.Is(err, fault.Invalid) {
			t.Errorf("%d: %v", overlap, err)
		}
	}
	if _, err := f.Verify(t.Context(), old.Value.Reveal(), verification.Requirements{}); err != nil {
		t.Errorf("the token after that: %v", err)
	}
}

func TestAStoredTokenIsShownToItsOwnerAndWhoMayRevokeIt(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.User(t, "ada", "correct horse")
	f.User(t, "eve", "battery staple")
	f.User(t, "root", "power to root", nodetest.Admin())
	ada := session(t, f, "ada", "correct horse")
	issued, err := f.CreateAPIToken(t.Context(), ada, issuance.NewCredential{Name: "n"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*caller.Caller{ada, session(t, f, "root", "power to root")} {
		if got, err := f.StoredToken(t.Context(), c, issued.ID); err != nil || got.ID != issued.ID {
			t.Errorf("%s: %v %v", c.ID(), got.ID, err)
		}
	}
	if _, err := f.StoredToken(t.Context(), session(t, f, "eve", "battery staple"), issued.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("somebody else: %v", err)
	}
	if _, err := f.StoredToken(t.Context(), nil, issued.ID); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("nobody: %v", err)
	}
	if _, err := f.StoredToken(t.Context(), ada, "no id at all"); !fault.Is(err, fault.NotFound) {
		t.Errorf("an id that is none: %v", err)
	}
}
