package authority_test

import (
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/authority"
	"github.com/bearerd/bearerd/internal/authority/authoritytest"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/token"
)

var sole = authority.Sole{Name: "Developer token", Prefix: token.PrefixHypothesis}

// session gives a caller by session.
func session(t *testing.T, f *authoritytest.Fixture, username, password string) *authority.Caller {
	t.Helper()
	c, err := f.Session(t.Context(), f.SessionToken(t, username, password).Value.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRenewingASoleTokenEndsTheOldOneAndNoOther(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	f.User(t, "ada", "correct horse")
	c := session(t, f, "ada", "correct horse")
	other, err := f.CreateAPIToken(t.Context(), c, authority.NewCredential{Name: "another", Prefix: sole.Prefix})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := f.SoleToken(t.Context(), c, sole); ok || err != nil {
		t.Fatalf("before it was made: %v %v", ok, err)
	}

	first, err := f.RenewSole(t.Context(), c, sole)
	if err != nil {
		t.Fatal(err)
	}
	f.Advance(time.Second)
	second, err := f.RenewSole(t.Context(), c, sole)
	if err != nil {
		t.Fatal(err)
	}

	if _, err := f.Verify(t.Context(), first.Value.Reveal(), authority.Demand{}); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("the old value: %v", err)
	}
	for _, living := range []*authority.Issued{second, other} {
		if _, err := f.Verify(t.Context(), living.Value.Reveal(), authority.Demand{}); err != nil {
			t.Errorf("%s: %v", living.ID, err)
		}
	}
	if got, ok, err := f.SoleToken(t.Context(), c, sole); !ok || err != nil || got.ID != second.ID {
		t.Errorf("found %s %v %v, want %s", got.ID, ok, err, second.ID)
	}
}

func TestASoleTokenIsOneHoweverManyAskAtOnce(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	f.User(t, "ada", "correct horse")
	c := session(t, f, "ada", "correct horse")
	values := make([]string, 8)
	var all sync.WaitGroup
	for i := range values {
		all.Go(func() {
			issued, err := f.RenewSole(t.Context(), c, sole)
			if err == nil {
				values[i] = issued.Value.Reveal()
			} else if !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.Unavailable) { // or the store is busy
				t.Error(err)
			}
		})
	}
	all.Wait()
	living := 0
	for _, value := range values {
		if _, err := f.Verify(t.Context(), value, authority.Demand{}); err == nil {
			living++
		}
	}
	if living != 1 {
		t.Errorf("%d values are good, want 1", living)
	}
}

// TestASoleTokenIsMadeAnewWhenItIsDead makes it several times within a second, where
// nothing but the ids tells what is newer.
func TestASoleTokenIsMadeAnewWhenItIsDead(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	f.User(t, "ada", "correct horse")
	f.User(t, "eve", "battery staple")
	c, eve := session(t, f, "ada", "correct horse"), session(t, f, "eve", "battery staple")
	ids := map[string]bool{}
	for range 5 {
		for _, who := range []*authority.Caller{c, eve} {
			issued, err := f.RenewSole(t.Context(), who, sole)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Verify(t.Context(), issued.Value.Reveal(), authority.Demand{}); err != nil || ids[issued.ID] {
				t.Errorf("%s: %v", issued.ID, err)
			}
			ids[issued.ID] = true
			if _, err := f.RevokeID(t.Context(), who, issued.ID, false); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestNobodyHasNoSoleToken(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	if _, err := f.RenewSole(t.Context(), nil, sole); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("nobody: %v", err)
	}
}

func TestUsualLifetimeShrinksToWhatIsAllowed(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		ceiling, age time.Duration
		want         int64
	}{
		"as it is":              {time.Hour, 0, 3600},
		"above the ceiling":     {40 * time.Minute, 0, 2400},
		"session ends sooner":   {time.Hour, 12*time.Hour - 10*time.Minute, 600},
		"ceiling before ending": {40 * time.Minute, 12*time.Hour - 50*time.Minute, 2400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := authoritytest.New(t, authoritytest.Options{Policy: func(p *authority.Policy) { p.AccessMax = tt.ceiling }})
			f.Freeze()
			f.User(t, "ada", "correct horse")
			raw := f.SessionToken(t, "ada", "correct horse").Value.Reveal()
			f.Advance(tt.age)
			c, err := f.Session(t.Context(), raw)
			if err != nil {
				t.Fatal(err)
			}
			issued, err := f.Issue(t.Context(), c, &authority.Request{Kind: token.KindAccess, Parent: c.Token, Usual: 3600})
			if err != nil {
				t.Fatal(err)
			}
			if issued.Lifetime != tt.want {
				t.Errorf("lives %d s, want %d", issued.Lifetime, tt.want)
			}
		})
	}
}

func TestCollectionsOpenToACallerAreThoseWithAccess(t *testing.T) {
	t.Parallel()
	f := authoritytest.New(t, authoritytest.Options{})
	f.Collection(t, 4, "Fish")
	f.Collection(t, 42, "Birds")
	f.User(t, "ada", "correct horse", authoritytest.May(authority.ActionAccess, "/collections/4"))
	got, err := f.CollectionsOpenTo(t.Context(), session(t, f, "ada", "correct horse"))
	if err != nil || len(got) != 1 || got[0].ID != 4 {
		t.Errorf("open: %v %v", got, err)
	}
	if _, err := f.CollectionsOpenTo(t.Context(), nil); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("nobody: %v", err)
	}
}
