package credentials_test

import (
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/verification"
)

var sole = credentials.Sole{Name: "Developer token", Prefix: "6879-"}

// session returns a caller by session.
func session(t *testing.T, f *nodetest.Fixture, username, password string) *caller.Caller {
	t.Helper()
	c, err := f.Session(t.Context(), f.SessionToken(t, username, password).Value.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRenewingASoleTokenEndsTheOldOneAndNoOther(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.User(t, "ada", "correct horse")
	c := session(t, f, "ada", "correct horse")
	other, err := f.CreateAPIToken(t.Context(), c, credentials.NewCredential{Name: "another", Prefix: sole.Prefix})
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

	if _, err := f.Verify(t.Context(), first.Value.Reveal(), verification.Requirements{}); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("the old value: %v", err)
	}
	for _, living := range []*issuance.Issued{second, other} {
		if _, err := f.Verify(t.Context(), living.Value.Reveal(), verification.Requirements{}); err != nil {
			t.Errorf("%s: %v", living.ID, err)
		}
	}
	if got, ok, err := f.SoleToken(t.Context(), c, sole); !ok || err != nil || got.ID != second.ID {
		t.Errorf("found %s %v %v, want %s", got.ID, ok, err, second.ID)
	}
}

func TestASoleTokenIsOneHoweverManyAskAtOnce(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
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
		if _, err := f.Verify(t.Context(), value, verification.Requirements{}); err == nil {
			living++
		}
	}
	if living != 1 {
		t.Errorf("%d values are good, want 1", living)
	}
}

// TestASoleTokenIsCreatedAgainWhenItWasRevoked creates it several times within a second, where
// nothing but the ids shows what is newer.
func TestASoleTokenIsCreatedAgainWhenItWasRevoked(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.User(t, "ada", "correct horse")
	f.User(t, "eve", "battery staple")
	c, eve := session(t, f, "ada", "correct horse"), session(t, f, "eve", "battery staple")
	ids := map[string]bool{}
	for range 5 {
		for _, who := range []*caller.Caller{c, eve} {
			issued, err := f.RenewSole(t.Context(), who, sole)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Verify(t.Context(), issued.Value.Reveal(), verification.Requirements{}); err != nil || ids[issued.ID] {
				t.Errorf("%s: %v", issued.ID, err)
			}
			ids[issued.ID] = true
			if _, err := f.RevokeID(t.Context(), who, issued.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestNobodyHasNoSoleToken(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	if _, err := f.RenewSole(t.Context(), nil, sole); !fault.Is(err, fault.Unauthenticated) {
		t.Errorf("nobody: %v", err)
	}
}

func TestASoleTokenIsOneAmongNodes(t *testing.T) {
	t.Parallel()
	here, there := nodetest.Two(t, nodetest.Options{})
	here.User(t, "ada", "correct horse")
	c := []*caller.Caller{session(t, here, "ada", "correct horse"), session(t, there, "ada", "correct horse")}
	values := make([]string, 8)
	var all sync.WaitGroup
	for i := range values {
		f := []*nodetest.Fixture{here, there}[i%2]
		all.Go(func() {
			issued, err := f.RenewSole(t.Context(), c[i%2], sole)
			if err == nil {
				values[i] = issued.Value.Reveal()
			} else if !fault.Is(err, fault.Conflict) && !fault.Is(err, fault.Unavailable) { // or the store is busy
				t.Error(err)
			}
		})
	}
	all.Wait()
	living := map[string]int{}
	for _, value := range values {
		for name, f := range map[string]*nodetest.Fixture{"here": here, "there": there} {
			if _, err := f.Verify(t.Context(), value, verification.Requirements{}); err == nil {
				living[name]++
			}
		}
	}
	if living["here"] != 1 || living["there"] != 1 {
		t.Errorf("so many values are good: %v", living)
	}
}
