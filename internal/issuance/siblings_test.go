package issuance_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

// withoutGrace turns the grace of refresh tokens off.
func withoutGrace(s *node.Settings) { s.Policy.RefreshGrace = 0 }

// wantReused wants a use to be refused as one too many.
func wantReused(t *testing.T, what string, err error) {
	t.Helper()
	nodetest.WantFault(t, what, err, fault.InvalidGrant, "used before")
}

// A client that lost the answer asks again and goes on. Of the two answers one counts in
// the end: whichever is used first.
func TestALostAnswerToARefreshIsAskedForAgain(t *testing.T) {
	t.Parallel()
	here, there := nodetest.Two(t, nodetest.Options{})
	first := offline(t, here, here.Person(t, "ada"), nil, issuance.Exchange{})
	lost, err := refresh(t, here, nil, first)
	nodetest.Must(t, err)
	second, err := refresh(t, there, nil, first)
	nodetest.Must(t, err)
	third, err := refresh(t, here, nil, first)
	nodetest.Must(t, err)
	for name, pair := range map[string]issuance.Pair{"lost": lost, "second": second, "third": third} {
		here.WantAlive(t, name, pair.Access)
		there.WantAlive(t, name, pair.Refresh)
	}
	next, err := refresh(t, there, nil, second)
	nodetest.Must(t, err)
	for name, pair := range map[string]issuance.Pair{"lost": lost, "third": third} {
		here.WantAlive(t, "the access token of the sibling "+name, pair.Access)
		here.WantRowDead(t, "the sibling "+name, pair.Refresh)
	}
	here.WantAlive(t, "the next refresh token", next.Refresh)
	if n := len(here.Events(t, audit.Filter{Action: audit.TokenReuse})); n != 0 {
		t.Errorf("%d uses were taken for one too many", n)
	}
	again := 0
	for _, e := range here.Events(t, audit.Filter{Action: audit.TokenExchange}) {
		if strings.Contains(e.Reason, "used again within its grace") {
			again++
		}
	}
	if again != 2 {
		t.Errorf("%d events say that a refresh token was used again, want 2", again)
	}
}

// A refresh token that should no longer be in use was used: it may have been stolen, so
// the family ends.
func TestAUseTooManyRevokesTheFamilyDespiteTheGrace(t *testing.T) {
	t.Parallel()
	for name, use := range map[string]func(f *nodetest.Fixture, first, second, sibling issuance.Pair) issuance.Pair{
		"an ended sibling":                func(_ *nodetest.Fixture, _, _, sibling issuance.Pair) issuance.Pair { return sibling },
		"the first after a sibling's use": func(_ *nodetest.Fixture, first, _, _ issuance.Pair) issuance.Pair { return first },
		"the used sibling after its grace": func(f *nodetest.Fixture, _, second, _ issuance.Pair) issuance.Pair {
			f.Advance(31 * time.Second)
			return second
		},
		"an ended sibling much later": func(f *nodetest.Fixture, _, _, sibling issuance.Pair) issuance.Pair {
			f.Advance(20 * time.Minute)
			return sibling
		},
		"the first one, long after the grace": func(f *nodetest.Fixture, first, _, _ issuance.Pair) issuance.Pair {
			f.Advance(20 * time.Minute)
			return first
		},
	} {
		f := nodetest.New(t, nodetest.Options{})
		f.Freeze()
		first := offline(t, f, f.Person(t, "ada"), nil, issuance.Exchange{})
		second, err := refresh(t, f, nil, first)
		nodetest.Must(t, err)
		sibling, err := refresh(t, f, nil, first)
		nodetest.Must(t, err)
		next, err := refresh(t, f, nil, second)
		nodetest.Must(t, err)
		f.WantAlive(t, name, next.Refresh)
		_, err = refresh(t, f, nil, use(f, first, second, sibling))
		wantReused(t, name, err)
		for _, pair := range []issuance.Pair{first, second, sibling, next} {
			f.WantDead(t, name, pair.Access)
		}
		f.WantRowDead(t, name, next.Refresh)
		if n := len(f.Events(t, audit.Filter{Action: audit.TokenReuse})); n != 1 {
			t.Errorf("%s: %d events, want 1", name, n)
		}
	}
}

func TestTheGraceEndsToTheSecond(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Freeze()
	first := offline(t, f, f.Person(t, "ada"), nil, issuance.Exchange{})
	second, err := refresh(t, f, nil, first)
	nodetest.Must(t, err)
	f.Advance(30*time.Second - time.Microsecond)
	sibling, err := refresh(t, f, nil, first)
	nodetest.Must(t, err)
	f.Advance(2 * time.Microsecond) // from the first use on, not from the last
	_, err = refresh(t, f, nil, first)
	wantReused(t, "after the grace", err)
	f.WantDead(t, "the family", second.Access)
	f.WantDead(t, "the family", sibling.Access)
}

// A request that is refused uses nothing up, a second one neither.
func TestARefusedSecondUseIsNoUse(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	app := f.NewClient(t, appClient)
	first := offline(t, f, f.Person(t, "ada"), app, issuance.Exchange{})
	second, err := refresh(t, f, app, first)
	nodetest.Must(t, err)
	for what, x := range map[string]issuance.Refresh{
		"more scope": {Client: app, Scope: []string{"admin"}}, "a long life": {Client: app, Lifetime: 3601}, "no client": {},
	} {
		x.Token = first.Refresh.Value.Reveal()
		if _, err := f.Refresh(t.Context(), x); err == nil {
			t.Errorf("%s was answered", what)
		}
	}
	f.WantAlive(t, "the second", second.Refresh)
	sibling, err := refresh(t, f, app, first)
	nodetest.Must(t, err)
	f.WantAlive(t, "the sibling", sibling.Refresh)
}

// The grace is for answers that were lost, and not for tokens that were revoked.
func TestTheGraceRescuesNothingThatWasRevoked(t *testing.T) {
	t.Parallel()
	for name, act := range map[string]func(f *nodetest.Fixture, next issuance.Pair) error{
		"user disabled": func(f *nodetest.Fixture, _ issuance.Pair) error {
			return nodetest.Second(f.UpdateUser(t.Context(), caller.Operator(), "ada", identity.UserPatch{Disabled: new(true)}))
		},
		"revoked all": func(f *nodetest.Fixture, _ issuance.Pair) error {
			return nodetest.Second(f.RevokeAllOf(t.Context(), caller.Operator(), "ada"))
		},
		"the next refresh token revoked": func(f *nodetest.Fixture, next issuance.Pair) error {
			return nodetest.Second(f.RevokeID(t.Context(), caller.Operator(), next.Refresh.ID))
		},
		"client removed": func(f *nodetest.Fixture, _ issuance.Pair) error {
			return nodetest.Second(f.RemoveClient(t.Context(), caller.Operator(), "app"))
		},
	} {
		here, there := nodetest.Two(t, nodetest.Options{})
		app := here.NewClient(t, appClient)
		first := offline(t, here, here.Person(t, "ada"), app, issuance.Exchange{})
		next, err := refresh(t, here, app, first)
		nodetest.Must(t, err)
		nodetest.Must(t, act(here, next))
		for _, f := range []*nodetest.Fixture{here, there} {
			pair, err := refresh(t, f, app, first)
			if !fault.Is(err, fault.InvalidGrant) {
				t.Errorf("%s: %+v %v", name, pair, err)
			}
		}
		if n := len(here.Events(t, audit.Filter{Action: audit.TokenReuse})); n != 0 {
			t.Errorf("%s: taken for a use too many", name)
		}
	}
}

// answersOf has a refresh token used several times at once, on two nodes.
func answersOf(t *testing.T, here, there *nodetest.Fixture, tokens ...*issuance.Issued) (answers []issuance.Pair) {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	for i, one := range tokens {
		f := []*nodetest.Fixture{here, there}[i%2]
		all.Go(func() {
			pair, err := f.Refresh(t.Context(), issuance.Refresh{Token: one.Value.Reveal()})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				answers = append(answers, pair)
			case !fault.Is(err, fault.InvalidGrant):
				t.Error(err)
			}
		})
	}
	all.Wait()
	return answers
}

// Two tabs that ask at once are both answered, and nobody is signed out.
func TestConcurrentUsesAreAllAnsweredWithinTheGrace(t *testing.T) {
	t.Parallel()
	here, there := nodetest.Two(t, nodetest.Options{})
	ada := here.Person(t, "ada")
	for range 3 {
		first := offline(t, here, ada, nil, issuance.Exchange{}).Refresh
		answers := answersOf(t, here, there, first, first, first, first, first, first)
		if len(answers) != 6 {
			t.Fatalf("%d of 6 uses were answered", len(answers))
		}
		for _, pair := range answers {
			here.WantAlive(t, "an access token", pair.Access)
			there.WantAlive(t, "a refresh token", pair.Refresh)
		}
	}
	if n := len(here.Events(t, audit.Filter{Action: audit.TokenReuse})); n != 0 {
		t.Errorf("%d uses were taken for one too many", n)
	}
}

// However uses of siblings and of what they were issued for meet, at most one of them is
// answered without the family being revoked.
func TestOfConcurrentSiblingsOneIsAnswered(t *testing.T) {
	t.Parallel()
	here, there := nodetest.Two(t, nodetest.Options{})
	ada := here.Person(t, "ada")
	for range 3 {
		first := offline(t, here, ada, nil, issuance.Exchange{}).Refresh
		siblings := answersOf(t, here, there, first, first)
		if len(siblings) != 2 {
			t.Fatalf("%d of 2 uses were answered", len(siblings))
		}
		a, b := siblings[0].Refresh, siblings[1].Refresh
		answers := answersOf(t, here, there, a, b, first, first, b, a)
		for _, f := range []*nodetest.Fixture{here, there} {
			for _, pair := range append(answers, siblings...) {
				f.WantDead(t, "an access token of the family", pair.Access)
				f.WantDead(t, "a refresh token of the family", pair.Refresh)
			}
		}
	}
	if n := len(here.Events(t, audit.Filter{Action: audit.TokenReuse})); n < 3 {
		t.Errorf("%d families were revoked, want 3", n)
	}
}
