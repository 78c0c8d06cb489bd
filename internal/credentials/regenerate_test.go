package credentials_test

import (
	"context"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// keepHouse runs a node's housekeeping until the test ends.
func keepHouse(t *testing.T, f *nodetest.Fixture) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := f.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
}

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
	old := f.APIToken(t, ada, credentials.NewCredential{
		Name: "laptop", Scope: []string{"read", "credentials"}, Collection: new(int64(4)), Lifetime: 1000, Prefix: "6879-",
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
	if row.Name != "laptop" || len(row.Scope) != 2 || row.Collection == nil || row.Prefix != "6879-" || again.Lifetime != 1000 || again.ID == old.ID {
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
		nodetest.WantFault(t, "twice", err, fault.Conflict, "no longer valid: regenerated")
	}
	nodetest.Must(t, nodetest.Second(f.Regenerate(t.Context(), ada, again.ID, 0)))
}

func TestOldValueIsRevokedWhenTheNewOneIsFirstUsed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	here, there := nodetest.New(t, nodetest.Options{Dir: dir}), nodetest.New(t, nodetest.Options{Dir: dir})
	keepHouse(t, there)
	ada := here.Person(t, "ada")
	old := here.APIToken(t, ada, credentials.NewCredential{})
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
	old := here.APIToken(t, ada, credentials.NewCredential{})
	there.WantAlive(t, "the old one, which is remembered from now on", old)
	pair, err := here.Exchange(t.Context(), issuance.Exchange{Subject: old.Value.Reveal(), Scope: []string{"offline_access"}})
	nodetest.Must(t, err)
	_, err = here.Regenerate(t.Context(), ada, old.ID, 60)
	nodetest.Must(t, err)
	pair, err = here.Refresh(t.Context(), issuance.Refresh{Token: pair.Refresh.Value.Reveal()}) // its family goes on for as long as it does
	nodetest.Must(t, err)
	const moment = 100 * time.Millisecond // a node may have read the clock just after it was frozen
	here.Advance(60*time.Second - moment)
	there.Advance(50 * time.Second)
	here.WantAlive(t, "the old one in the overlap's last moment", old)
	there.WantAlive(t, "the old one on the other node", old)
	here.Advance(moment)
	there.Advance(10 * time.Second)
	for _, f := range []*nodetest.Fixture{here, there} {
		_, err := f.Verify(t.Context(), old.Value.Reveal(), verification.Requirements{})
		nodetest.WantFault(t, "the old one", err, fault.InvalidToken, "expired")
		_, err = f.Refresh(t.Context(), issuance.Refresh{Token: pair.Refresh.Value.Reveal()})
		nodetest.WantFault(t, "a refresh token that came of it", err, fault.InvalidGrant, "expired")
	}
	row, _, err := here.Store.TokenByID(t.Context(), old.ID)
	nodetest.Must(t, err)
	if _, reason, ok := row.End(here.Time()); !ok || reason != "regenerated" {
		t.Errorf("the old one's end: %q", reason)
	}
	_, err = here.Regenerate(t.Context(), ada, old.ID, 0)
	nodetest.WantFault(t, "afterwards", err, fault.Conflict, "no longer valid: regenerated")
}

func TestOfConcurrentRegenerationsOneIsAnswered(t *testing.T) {
	t.Parallel()
	here, there := nodetest.Two(t, nodetest.Options{})
	ada := here.Person(t, "ada")
	byThere, err := there.Session(t.Context(), here.SessionOf(t, "ada").Value.Reveal())
	nodetest.Must(t, err)
	for _, overlap := range []int64{0, 3600} {
		old := here.APIToken(t, ada, credentials.NewCredential{})
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
	old := f.APIToken(t, ada, credentials.NewCredential{Scope: []string{"read"}})
	key := f.ExchangeKey(t, ada, credentials.NewCredential{})
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
	_, err = f.Regenerate(t.Context(), f.ByBearer(t, f.MadeAccess(t, ada, "credentials", "read")), old.ID, 0)
	nodetest.WantFault(t, "a Bearer that it wasn't made from", err, fault.Forbidden, "made from it")
	maker := f.ByBearer(t, f.APIToken(t, ada, credentials.NewCredential{Scope: []string{"credentials"}}))
	child := f.ByBearer(t, f.Made(t, maker, issuance.Request{Kind: token.KindAccess, Scope: []string{"credentials"}}))
	_, err = f.Regenerate(t.Context(), child, maker.Token.ID, 0)
	nodetest.WantFault(t, "what was made from it", err, fault.Forbidden, "made from it")
	_, err = f.Regenerate(t.Context(), f.ByBearer(t, old), old.ID, 0)
	nodetest.WantFault(t, "itself, without credentials", err, fault.InsufficientScope, "credentials")
	for name, c := range map[string]*caller.Caller{"by another of its owner's": maker, "by Bearer, somebody else's": f.ByBearer(t, f.MadeAccess(t, eve, "credentials"))} {
		if err := f.MayRegenerate(t.Context(), c, old.ID); err == nil {
			t.Errorf("%s: may regenerate", name)
		}
	}
	f.WantAlive(t, "after all of that", old)
	nodetest.Must(t, f.MayRegenerate(t.Context(), ada, old.ID))
	again, err := f.Regenerate(t.Context(), ada, old.ID, 0)
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
	old, err := f.CreateAPIToken(t.Context(), c, credentials.NewCredential{Name: "n", Lifetime: 3600})
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
	old, err := f.CreateAPIToken(t.Context(), c, credentials.NewCredential{Name: "n"})
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

// A Bearer can't get more time, or get rid of its parents, by regenerating.
func TestBearerThatRegeneratesKeepsChainAndEnd(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Freeze()
	ada := f.Person(t, "ada")
	scope := []string{"credentials", "read"}
	for name, root := range map[string]credentials.NewCredential{
		"with an end": {Scope: scope, Lifetime: 1000},
		"endless":     {Scope: scope},
	} {
		maker := f.APIToken(t, ada, root)
		one := f.APIToken(t, f.ByBearer(t, maker), credentials.NewCredential{Scope: []string{"read"}, Lifetime: 500})
		endless := f.APIToken(t, f.ByBearer(t, maker), credentials.NewCredential{Scope: scope})
		start := f.Time().Truncate(time.Second) // as tokens count
		f.Advance(100 * time.Second)

		next, err := f.Regenerate(t.Context(), f.ByBearer(t, maker), one.ID, 0)
		nodetest.Must(t, err)
		f.WantDead(t, name+": the old value", one)
		wantChild(t, f, name+": what it made", next, start.Add(500*time.Second), maker.ID)
		itself, err := f.Regenerate(t.Context(), f.ByBearer(t, endless), endless.ID, 0)
		nodetest.Must(t, err)
		f.WantDead(t, name+": itself", endless)
		wantChild(t, f, name+": itself again", itself, maker.Expiry, maker.ID)
		bySession, err := f.Regenerate(t.Context(), ada, next.ID, 0)
		nodetest.Must(t, err)
		wantChild(t, f, name+": by session", bySession, start.Add(500*time.Second), maker.ID)
		own, err := f.Regenerate(t.Context(), f.ByBearer(t, maker), maker.ID, 0)
		nodetest.Must(t, err)
		wantChild(t, f, name+": the maker itself", own, maker.Expiry)
		for _, issued := range []*issuance.Issued{itself, bySession} {
			f.WantDead(t, name+": what was made from the maker's old value", issued)
		}
		f.WantAlive(t, name+": the maker's new value", own)
		renewed, err := f.Regenerate(t.Context(), ada, own.ID, 0)
		nodetest.Must(t, err)
		if root.Lifetime > 0 && renewed.Lifetime != own.Lifetime {
			t.Errorf("%s: by session %d seconds, want the length of life %d", name, renewed.Lifetime, own.Lifetime)
		}
	}
}

// wantChild fails unless the token is valid, ends then, and has these in its chain.
func wantChild(t *testing.T, f *nodetest.Fixture, what string, issued *issuance.Issued, end time.Time, chain ...string) {
	t.Helper()
	f.WantAlive(t, what, issued)
	row, _, err := f.Store.TokenByID(t.Context(), issued.ID)
	nodetest.Must(t, err)
	if !row.ExpiresAt.Equal(end) || !slices.Equal(row.Chain, chain) {
		t.Errorf("%s: ends at %v, made from %v; want %v and %v", what, row.ExpiresAt, row.Chain, end, chain)
	}
}

// overlap is an old value, and what was made from it before and during its overlap of an
// hour: access and task tokens, a family of refresh tokens, an API token and an API key.
type overlap struct {
	options     nodetest.Options // of every node
	here, there *nodetest.Fixture
	old, next   *issuance.Issued
	children    map[string]*issuance.Issued
}

func regeneratedWithOverlap(t *testing.T) *overlap {
	t.Helper()
	o := &overlap{children: map[string]*issuance.Issued{}}
	o.options = nodetest.Options{Dir: t.TempDir(), At: time.Now(), Settings: func(s *node.Settings) {
		nodetest.WithTaskTypes(s)
		s.Policy.AccessTTL, s.Policy.AccessMax = 3*time.Hour, 3*time.Hour // longer than the overlap
	}}
	o.here, o.there = nodetest.New(t, o.options), nodetest.New(t, o.options)
	ada := o.here.Person(t, "ada", nodetest.May("create", "/task-tokens/TES"))
	o.old = o.here.APIToken(t, ada, credentials.NewCredential{Scope: []string{"credentials", "read"}})
	o.make(t, o.here, "before")
	o.alive(t, "before")
	var err error
	o.next, err = o.here.Regenerate(t.Context(), ada, o.old.ID, 3600)
	nodetest.Must(t, err)
	o.make(t, o.there, "during")
	return o
}

func (o *overlap) make(t *testing.T, f *nodetest.Fixture, when string) {
	t.Helper()
	add := func(what string, issued *issuance.Issued, err error) {
		t.Helper()
		nodetest.Must(t, err)
		o.children[what+" "+when] = issued
	}
	pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: o.old.Value.Reveal(), Scope: []string{"offline_access", "read"}})
	nodetest.Must(t, err)
	add("an access token", pair.Access, nil)
	add("a refresh token", pair.Refresh, nil)
	pair, err = f.Exchange(t.Context(), issuance.Exchange{Subject: pair.Access.Value.Reveal()})
	nodetest.Must(t, err)
	add("a grandchild", pair.Access, nil)
	pair, err = f.Exchange(t.Context(), issuance.Exchange{Subject: o.old.Value.Reveal(), TaskType: "TES"})
	nodetest.Must(t, err)
	add("a task token", pair.Access, nil)
	by := f.ByBearer(t, o.old)
	issued, err := f.CreateAPIToken(t.Context(), by, credentials.NewCredential{Name: "x"})
	add("an API token", issued, err)
	issued, err = f.CreateExchangeKey(t.Context(), by, credentials.NewCredential{})
	add("an API key", issued, err)
	pair, err = f.Exchange(t.Context(), issuance.Exchange{Subject: issued.Value.Reveal()})
	nodetest.Must(t, err)
	add("an access token of that key", pair.Access, nil)
}

func (o *overlap) nodes() map[string]*nodetest.Fixture {
	return map[string]*nodetest.Fixture{"here": o.here, "there": o.there}
}

func (o *overlap) alive(t *testing.T, when string) {
	t.Helper()
	for where, f := range o.nodes() {
		f.WantAlive(t, when+" "+where+", the old value", o.old)
		for what, issued := range o.children {
			f.WantAlive(t, when+" "+where+", "+what, issued)
		}
	}
}

func (o *overlap) dead(t *testing.T, when string) {
	t.Helper()
	o.children["the old value"] = o.old
	for where, f := range o.nodes() {
		for what, issued := range o.children {
			_, err := f.Verify(t.Context(), issued.Value.Reveal(), verification.Requirements{Kinds: nodetest.EveryKind(), AnyAudience: true})
			nodetest.WantFault(t, when+" "+where+", "+what, err, fault.InvalidToken, "")
		}
		f.WantAlive(t, when+" "+where+", the new value", o.next)
	}
}

// No process does anything when the overlap ends: the house isn't kept.
func TestWhatWasMadeFromTheOldValueEndsWithTheOverlap(t *testing.T) {
	t.Parallel()
	o := regeneratedWithOverlap(t)
	o.alive(t, "in the overlap")
	for what, issued := range o.children {
		if end := o.here.Time().Add(time.Hour); strings.HasSuffix(what, "during") && (issued.Expiry.IsZero() || issued.Expiry.After(end)) {
			t.Errorf("%s ends at %v, after the overlap at %v", what, issued.Expiry, end)
		}
	}
	for _, f := range o.nodes() {
		f.Advance(time.Hour - time.Second)
	}
	o.alive(t, "in the overlap's last second")
	for _, f := range o.nodes() {
		f.Advance(time.Second)
	}
	o.dead(t, "after the overlap")
	// A third node knows of it only by the log.
	third := nodetest.New(t, o.options)
	third.Advance(time.Hour)
	for what, issued := range o.children {
		_, err := third.Verify(t.Context(), issued.Value.Reveal(), verification.Requirements{Kinds: nodetest.EveryKind(), AnyAudience: true})
		nodetest.WantFault(t, "on a node that starts afterwards, "+what, err, fault.InvalidToken, "")
	}
}

func TestWhatWasMadeFromTheOldValueEndsWhenTheNewOneIsUsed(t *testing.T) {
	t.Parallel()
	o := regeneratedWithOverlap(t)
	keepHouse(t, o.there)
	o.alive(t, "in the overlap")
	o.there.WantAlive(t, "the new value", o.next)
	wantSoonDead(t, o.there, "the old value", o.old)
	wantSoonDead(t, o.here, "the old value", o.old)
	o.dead(t, "after the first use")
}
