package signin_test

import (
	"testing"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

// A user signs in by every spelling of their name, and is the user of the stored one.
func TestEverySpellingSignsIn(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada := f.User(t, "Ada", "correct horse")
	for _, typed := range []string{"Ada", "ada", "ADA", "ada ", "\tAda\n", "ａｄａ"} {
		if c := f.Login(t, typed, "correct horse"); c.ID() != ada.ID || c.Subject.Username != "Ada" {
			t.Errorf("%q is %+v", typed, c.Subject)
		}
	}
}

// Guesses at an account count together, however its name is spelled.
func TestEverySpellingIsLimitedTogether(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.User(t, "ada", "right horse")
	for n := range 10 { // login.account_failures
		typed := []string{"ADA", "ada", "ada ", "a\u200bda"}[n%4]
		if err := f.TryLogin(t, typed, "wrong", "192.0.2.1"); !fault.Is(err, fault.BadCredentials) {
			t.Fatalf("guess %d: %v", n, err)
		}
	}
	for _, typed := range []string{"ada", "Ada", " ADA"} {
		if err := f.TryLogin(t, typed, "right horse", "192.0.2.1"); !fault.Is(err, fault.Limited) {
			t.Errorf("%q is not limited: %v", typed, err)
		}
	}
	nodetest.Must(t, f.Unlock(t.Context(), operator, "Ada"))
	nodetest.Must(t, f.TryLogin(t, "ADA", "right horse", "192.0.2.1"))
}

// A refused sign-in is found by the user, in whatever spelling it was typed and asked for,
// with what was typed beside it; one of nobody is found by the name that was typed. Those
// of other users at the same address don't hide it.
func TestARefusedSignInIsFoundByItsUser(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada := f.User(t, "Ada", "right horse")
	f.User(t, "bob", "right horse")
	nodetest.Must(t, nodetest.Second(f.CreateUser(t.Context(), operator, identity.NewUser{Username: "nopassword", PasswordHash: ""})))
	for _, typed := range []string{"bob", "ADA ", "nopassword", "Nobody"} {
		if err := f.TryLogin(t, typed, "wrong", "192.0.2.1"); !fault.Is(err, fault.BadCredentials) {
			t.Fatalf("%q: %v", typed, err)
		}
	}
	nodetest.Must(t, f.TryLogin(t, "aDa", "right horse", "192.0.2.1"))
	for ref, want := range map[string][2]string{"ada": {"ADA ", ada.ID}, "Ada": {"ADA ", ada.ID}, ada.ID: {"ADA ", ada.ID}, "NOBODY": {"Nobody", "nobody"}} {
		events := f.Events(t, audit.Filter{Action: audit.Login, Target: ref})
		last := len(events) - 1
		if last < 0 || events[last].Outcome != audit.Refused || events[last].TargetName != want[0] || events[last].Target != want[1] {
			t.Errorf("by %q: %+v", ref, events)
		}
	}
	if events := f.Events(t, audit.Filter{Target: "nopassword", Action: audit.Login}); len(events) != 1 || events[0].TargetName != "nopassword" {
		t.Errorf("who has no password: %+v", events)
	}
	if events := f.Events(t, audit.Filter{Actor: "ada", Action: audit.Login}); len(events) != 1 || events[0].ActorName != "Ada" || events[0].TargetName != "Ada" {
		t.Errorf("by the actor: %+v", events)
	}
	// Before there was such a user the name was nobody's: those events are theirs to see.
	nodetest.Must(t, nodetest.Second(f.CreateUser(t.Context(), operator, identity.NewUser{Username: "noBody", Password: "right horse"})))
	if events := f.Events(t, audit.Filter{Target: "nobody", Action: audit.Login}); len(events) != 1 {
		t.Errorf("from before there was the user: %+v", events)
	}
}
