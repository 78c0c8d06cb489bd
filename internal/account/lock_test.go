package account_test

import (
	"slices"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/account"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

const window = 15 * time.Minute

// locks returns a node with users whose password is "right", and a clock that stands still.
func locks(t *testing.T, l identity.Limits, users ...string) *nodetest.Fixture {
	t.Helper()
	l.Window = window
	f := nodetest.New(t, nodetest.Options{Settings: func(s *node.Settings) { s.Limits = l }})
	f.Freeze()
	for _, name := range users {
		_, err := f.CreateUser(t.Context(), operator, identity.NewUser{Username: name, PasswordHash: nodetest.CheapHash(t)})
		nodetest.Must(t, err)
	}
	return f
}

func fails(t *testing.T, f *nodetest.Fixture, n int, username, address string) {
	t.Helper()
	for range n {
		nodetest.WantFault(t, username+" from "+address, f.TryLogin(t, username, "wrong", address), fault.BadCredentials, "")
	}
}

func limited(t *testing.T, f *nodetest.Fixture, username, address string) {
	t.Helper()
	for _, password := range []string{"right", "wrong"} {
		nodetest.WantFault(t, username+" from "+address+", "+password, f.TryLogin(t, username, password, address), fault.Limited, "")
	}
}

func TestUnlockLetsAUserInAgain(t *testing.T) {
	t.Parallel()
	f := locks(t, identity.Limits{Account: 2, AccountTotal: 6, Address: 100}, "ada", "ada2")
	began := f.Time()
	fails(t, f, 2, "ada2", "192.0.2.1")
	fails(t, f, 2, "ada", "192.0.2.1")
	fails(t, f, 1, "ada", "192.0.2.9")
	fails(t, f, 2, "ada", "2001:db8::1")
	fails(t, f, 1, "ada", "")
	limited(t, f, "ada", "192.0.2.8")

	lock, err := f.Lock(t.Context(), operator, "ada")
	nodetest.Must(t, err)
	if !lock.Any() || !lock.Everywhere.Equal(began.Add(window)) || len(lock.Addresses) != 2 ||
		!slices.ContainsFunc(lock.Addresses, func(a account.LockedAddress) bool {
			return a.Address == "2001:db8::/64" && a.Until.Equal(began.Add(window))
		}) {
		t.Errorf("%+v", lock)
	}
	nodetest.Must(t, f.Unlock(t.Context(), operator, "ada"))
	if lock, err := f.Lock(t.Context(), operator, "ada"); err != nil || lock.Any() {
		t.Errorf("%+v, %v", lock, err)
	}
	for _, address := range []string{"192.0.2.1", "192.0.2.8", "2001:db8::1", ""} {
		nodetest.Must(t, f.TryLogin(t, "ada", "right", address))
	}
	limited(t, f, "ada2", "192.0.2.1") // another's is another's
	events := f.Events(t, audit.Filter{Action: audit.UserUnlock})
	if len(events) != 1 || events[0].Actor != audit.ActorCLI || events[0].TargetName != "ada" || events[0].Outcome != audit.OK {
		t.Errorf("%+v", events)
	}
	nodetest.WantFault(t, "nobody", f.Unlock(t.Context(), operator, "nobody"), fault.NotFound, "")
}

func TestUnlockIsForAdministrators(t *testing.T) {
	t.Parallel()
	f := locks(t, identity.Limits{Account: 2, AccountTotal: 6, Address: 100}, "ada")
	fails(t, f, 2, "ada", "192.0.2.1")
	eve := f.Person(t, "eve", nodetest.May("delete", access.PathTokens))
	for name, c := range map[string]struct {
		by   *caller.Caller
		kind fault.Kind
	}{"nobody": {nil, fault.Unauthenticated}, "a user": {eve, fault.Forbidden}} {
		nodetest.WantFault(t, name, f.Unlock(t.Context(), c.by, "ada"), c.kind, "")
		_, err := f.Lock(t.Context(), c.by, "ada")
		nodetest.WantFault(t, name, err, c.kind, "")
	}
	limited(t, f, "ada", "192.0.2.1")
	if n := f.Refusals(t); n != 3 { // two failures, and the user's attempt to unlock
		t.Errorf("%d refusals are recorded", n)
	}
	root := f.Person(t, "root", nodetest.Admin())
	nodetest.Must(t, f.Unlock(t.Context(), root, "ada"))
	nodetest.Must(t, f.TryLogin(t, "ada", "right", "192.0.2.1"))
}
