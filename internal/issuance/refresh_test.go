package issuance_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/verification"
)

var appClient = identity.NewClient{
	ID: "app", Secret: nodetest.ClientSecret, Grants: nodetest.AllGrants(), Scopes: []string{"read", "write", "offline_access"},
	Audiences: []string{"https://files.example"},
}

// offline returns a pair, traded for an API token that never ends.
func offline(t *testing.T, f *nodetest.Fixture, owner, app *caller.Caller, x issuance.Exchange) issuance.Pair {
	t.Helper()
	x.Subject = f.APIToken(t, owner, credentials.NewCredential{Scope: []string{"read", "write"}}).Value.Reveal()
	x.Client, x.Scope = app, []string{"read", "write", "offline_access"}
	pair, err := f.Exchange(t.Context(), x)
	nodetest.Must(t, err)
	if pair.Refresh == nil {
		t.Fatal("no refresh token")
	}
	return pair
}

func refresh(t *testing.T, f *nodetest.Fixture, app *caller.Caller, pair issuance.Pair) (issuance.Pair, error) {
	t.Helper()
	return f.Refresh(t.Context(), issuance.Refresh{Token: pair.Refresh.Value.Reveal(), Client: app})
}

func TestRefreshTokenIsGoodForOneUse(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: withoutGrace})
	first := offline(t, f, f.Person(t, "ada"), nil, issuance.Exchange{})
	second, err := refresh(t, f, nil, first)
	nodetest.Must(t, err)
	third, err := refresh(t, f, nil, second)
	nodetest.Must(t, err)
	for name, issued := range map[string]*issuance.Issued{
		"the first access token": first.Access, "the second": second.Access, "the third": third.Access, "the last refresh token": third.Refresh,
	} {
		f.WantAlive(t, name, issued)
	}
	if diff := cmp.Diff([]string{"read", "write", "offline_access"}, third.Access.Scope, cmpopts.SortSlices(func(a, b string) bool { return a < b })); diff != "" {
		t.Errorf("the scope (-want +got):\n%s", diff)
	}
	before := f.Ledger.Applied()
	for _, why := range []string{"used before", "", ""} {
		_, err = refresh(t, f, nil, first)
		nodetest.WantFault(t, "a second use", err, fault.InvalidGrant, why)
		for name, issued := range map[string]*issuance.Issued{
			"the first access token": first.Access, "the second": second.Access, "the third": third.Access, "the last refresh token": third.Refresh,
		} {
			f.WantDead(t, name, issued)
		}
	}
	if got := f.Ledger.Applied() - before; got != 1 {
		t.Errorf("%d entries, want 1: a family is revoked once", got)
	}
	_, err = refresh(t, f, nil, third)
	nodetest.WantFault(t, "the successor", err, fault.InvalidGrant, "revoked")
	if events := f.Events(t, audit.Filter{Action: audit.TokenReuse}); len(events) != 1 || events[0].TokenID == "" {
		t.Errorf("%+v", events)
	}
}

func TestSecondUseIsNoticedOnAnotherNode(t *testing.T) {
	t.Parallel()
	here, there := nodetest.Two(t, nodetest.Options{Settings: withoutGrace})
	first := offline(t, here, here.Person(t, "ada"), nil, issuance.Exchange{})
	next, err := refresh(t, here, nil, first)
	nodetest.Must(t, err)
	_, err = refresh(t, there, nil, first)
	nodetest.WantFault(t, "a second use", err, fault.InvalidGrant, "used before")
	for _, f := range []*nodetest.Fixture{here, there} {
		f.WantDead(t, "the new access token", next.Access)
		f.WantDead(t, "the new refresh token", next.Refresh)
	}
}

func TestOfConcurrentUsesOneIsAnswered(t *testing.T) {
	t.Parallel()
	here, there := nodetest.Two(t, nodetest.Options{Settings: withoutGrace})
	ada := here.Person(t, "ada")
	for range 3 {
		first := offline(t, here, ada, nil, issuance.Exchange{})
		var mu sync.Mutex
		var answers []issuance.Pair
		var wg sync.WaitGroup
		for i := range 6 {
			f := []*nodetest.Fixture{here, there}[i%2]
			wg.Go(func() {
				pair, err := f.Refresh(t.Context(), issuance.Refresh{Token: first.Refresh.Value.Reveal()})
				if err == nil {
					mu.Lock()
					answers = append(answers, pair)
					mu.Unlock()
				} else if !fault.Is(err, fault.InvalidGrant) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if len(answers) != 1 {
			t.Fatalf("%d uses were answered", len(answers))
		}
		for _, f := range []*nodetest.Fixture{here, there} {
			f.WantDead(t, "the answer's access token", answers[0].Access)
			f.WantDead(t, "the answer's refresh token", answers[0].Refresh)
		}
	}
}

func TestRefusedRefreshUsesNothingUp(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Collection(t, 4, "Fish")
	access := nodetest.WithUser("ada", nodetest.May("access", "/collections/4"))
	ada := f.Person(t, "ada")
	nodetest.Must(t, nodetest.Second(f.CreateBinding(t.Context(), caller.Operator(), access)))
	app := f.NewClient(t, appClient)
	other := f.NewClient(t, identity.NewClient{ID: "other", Secret: nodetest.ClientSecret, Grants: nodetest.AllGrants()})
	bound := f.APIToken(t, ada, credentials.NewCredential{Scope: []string{"read"}, Collection: new(int64(4))})
	pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: bound.Value.Reveal(), Client: app, Scope: []string{"read", "offline_access"}})
	nodetest.Must(t, err)
	raw := pair.Refresh.Value.Reveal()
	refused := func(what string, x issuance.Refresh, kind fault.Kind) {
		t.Helper()
		x.Token = raw
		_, err := f.Refresh(t.Context(), x)
		nodetest.WantFault(t, what, err, kind, "")
	}
	refused("no client", issuance.Refresh{}, fault.InvalidClient)
	refused("another client", issuance.Refresh{Client: other}, fault.InvalidGrant)
	refused("more scope", issuance.Refresh{Client: app, Scope: []string{"write"}}, fault.InvalidScope)
	refused("a long life", issuance.Refresh{Client: app, Lifetime: 3601}, fault.Invalid)
	refused("another audience", issuance.Refresh{Client: app, Audience: "https://x.example"}, fault.InvalidTarget)
	_, _, err = f.RemoveAccess(t.Context(), caller.Operator(), "ada", "/collections/4")
	nodetest.Must(t, err)
	refused("no access to its collection", issuance.Refresh{Client: app}, fault.InvalidGrant)
	nodetest.Must(t, nodetest.Second(f.CreateBinding(t.Context(), caller.Operator(), access)))
	f.WantAlive(t, "the access token", pair.Access)

	next, err := refresh(t, f, app, pair)
	nodetest.Must(t, err)
	if next.Access.Collection == nil || *next.Access.Collection != 4 {
		t.Errorf("bound to %v", next.Access.Collection)
	}
	// A client that isn't the right one can't have the family killed by a second use.
	for _, c := range []*caller.Caller{nil, other} {
		if _, err := refresh(t, f, c, pair); !fault.Is(err, fault.InvalidGrant) && !fault.Is(err, fault.InvalidClient) {
			t.Errorf("a second use by somebody else: %v", err)
		}
		f.WantAlive(t, "the family", next.Refresh)
	}
}

// What is revoked while it is being used was not used twice.
func TestRefreshTokenRevokedDuringItsUseIsNoSecondUse(t *testing.T) {
	t.Parallel()
	g, store := nodetest.Hook()
	f := nodetest.New(t, nodetest.Options{Store: store})
	pair := offline(t, f, f.Person(t, "ada"), nil, issuance.Exchange{})
	g.At(nodetest.CommitAsked, func() { f.RevokeAllOfUser(t, "ada") })
	_, err := refresh(t, f, nil, pair)
	nodetest.WantFault(t, "the use", err, fault.InvalidGrant, "revoked")
	if n := len(f.Events(t, audit.Filter{Action: audit.TokenReuse})); n != 0 {
		t.Error("taken for a second use")
	}
}

func TestRefreshMayNarrowAndTheNextIsAsWideAsBefore(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	app := f.NewClient(t, appClient)
	pair := offline(t, f, f.Person(t, "ada"), app, issuance.Exchange{Audience: "https://files.example"})
	narrow, err := f.Refresh(t.Context(), issuance.Refresh{Token: pair.Refresh.Value.Reveal(), Client: app, Scope: []string{"read"}, Lifetime: 60})
	nodetest.Must(t, err)
	if diff := cmp.Diff([]string{"read"}, narrow.Access.Scope); diff != "" || narrow.Access.Lifetime != 60 || narrow.Access.Audience != "https://files.example" {
		t.Errorf("%+v", narrow.Access)
	}
	wide, err := refresh(t, f, app, narrow)
	nodetest.Must(t, err)
	if len(wide.Access.Scope) != 3 || wide.Access.Audience != "https://files.example" {
		t.Errorf("%+v", wide.Access)
	}
	got, err := f.Verify(t.Context(), wide.Access.Value.Reveal(), verification.Requirements{Audience: "https://files.example"})
	nodetest.Must(t, err)
	if got.ClientID != "app" {
		t.Errorf("client_id %q", got.ClientID)
	}
}

func TestRefreshTokenIdlesForSoLong(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Freeze()
	pair := offline(t, f, f.Person(t, "ada"), nil, issuance.Exchange{})
	const idle = 720 * time.Hour
	for range 3 { // each use begins a new idle time
		f.Advance(idle - time.Second - time.Duration(f.Time().Nanosecond()))
		next, err := refresh(t, f, nil, pair)
		nodetest.Must(t, err)
		pair = next
	}
	f.Advance(idle)
	_, err := refresh(t, f, nil, pair)
	nodetest.WantFault(t, "idle for too long", err, fault.InvalidGrant, "expired")
}

func TestRefreshTokenDoesNotOutliveWhatItCameOf(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: func(s *node.Settings) { s.Policy.RefreshIdle = 10 * time.Hour }})
	f.Freeze()
	key := f.ExchangeKey(t, f.Person(t, "ada"), credentials.NewCredential{Lifetime: 16 * 3600})
	pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: key.Value.Reveal(), Scope: []string{"offline_access"}})
	nodetest.Must(t, err)
	if !pair.Refresh.Expiry.Equal(pair.Refresh.Expiry.Truncate(time.Second)) || !pair.Refresh.Expiry.Before(key.Expiry) {
		t.Errorf("ends %v, the key %v", pair.Refresh.Expiry, key.Expiry)
	}
	f.Advance(8 * time.Hour)
	pair, err = refresh(t, f, nil, pair)
	nodetest.Must(t, err)
	if !pair.Refresh.Expiry.Equal(key.Expiry) {
		t.Errorf("ends %v, the key %v", pair.Refresh.Expiry, key.Expiry)
	}
	f.Advance(8*time.Hour - 100*time.Second)
	pair, err = refresh(t, f, nil, pair)
	nodetest.Must(t, err)
	if pair.Access.Lifetime != 100 || !pair.Refresh.Expiry.Equal(key.Expiry) {
		t.Errorf("%d seconds, ends %v, the key %v", pair.Access.Lifetime, pair.Refresh.Expiry, key.Expiry)
	}
	_, err = f.Refresh(t.Context(), issuance.Refresh{Token: pair.Refresh.Value.Reveal(), Lifetime: 101})
	nodetest.WantFault(t, "longer than the key lives on", err, fault.Invalid, "the maximum is 100 seconds")
	f.Advance(100 * time.Second)
	_, err = refresh(t, f, nil, pair)
	nodetest.WantFault(t, "at the key's end", err, fault.InvalidGrant, "expired")
}

func TestRefreshIsOverWithItsUserOrWhatItCameOf(t *testing.T) {
	t.Parallel()
	for name, act := range map[string]func(f *nodetest.Fixture, root *issuance.Issued) error{
		"user disabled": func(f *nodetest.Fixture, _ *issuance.Issued) error {
			return nodetest.Second(f.UpdateUser(t.Context(), caller.Operator(), "ada", identity.UserPatch{Disabled: new(true)}))
		},
		"user removed": func(f *nodetest.Fixture, _ *issuance.Issued) error {
			return nodetest.Second(f.RemoveUser(t.Context(), caller.Operator(), "ada"))
		},
		"revoked all": func(f *nodetest.Fixture, _ *issuance.Issued) error {
			return nodetest.Second(f.RevokeAllOf(t.Context(), caller.Operator(), "ada"))
		},
		"its root revoked": func(f *nodetest.Fixture, root *issuance.Issued) error {
			return nodetest.Second(f.RevokeID(t.Context(), caller.Operator(), root.ID))
		},
		"its root regenerated": func(f *nodetest.Fixture, root *issuance.Issued) error {
			return nodetest.Second(f.Regenerate(t.Context(), f.SignedIn(t, "ada"), root.ID, 0))
		},
	} {
		f := nodetest.New(t, nodetest.Options{})
		root := f.APIToken(t, f.Person(t, "ada"), credentials.NewCredential{})
		pair, err := f.Exchange(t.Context(), issuance.Exchange{Subject: root.Value.Reveal(), Scope: []string{"offline_access"}})
		nodetest.Must(t, err)
		nodetest.Must(t, act(f, root))
		_, err = refresh(t, f, nil, pair)
		nodetest.WantFault(t, name, err, fault.InvalidGrant, "revoked")
		f.WantDead(t, name, pair.Access)
		if n := len(f.Events(t, audit.Filter{Action: audit.TokenReuse})); n != 0 {
			t.Errorf("%s: taken for a second use", name)
		}
	}
}
