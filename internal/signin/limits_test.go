package signin_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/quota"
)

const window = 15 * time.Minute

// locks is a node with users whose password is "right", a clock that stands still, and
// a meter of its limits.
func locks(t *testing.T, l identity.Limits, users ...string) (*nodetest.Fixture, *nodetest.LimitMeter) {
	t.Helper()
	l.Window = window
	meter := &nodetest.LimitMeter{}
	f := nodetest.New(t, nodetest.Options{Meter: meter, Settings: func(s *node.Settings) { s.Limits = l }})
	f.Freeze()
	for _, name := range users {
		_, err := f.CreateUser(t.Context(), operator, identity.NewUser{Username: name, PasswordHash: nodetest.CheapHash(t)})
		nodetest.Must(t, err)
	}
	return f, meter
}

func fails(t *testing.T, f *nodetest.Fixture, n int, username, address string) {
	t.Helper()
	for range n {
		nodetest.WantFault(t, username+" from "+address, f.TryLogin(t, username, "wrong", address), fault.BadCredentials, "")
	}
}

// limited fails unless both the right and a wrong password are refused by a limit.
func limited(t *testing.T, f *nodetest.Fixture, username, address, text string) {
	t.Helper()
	for _, password := range []string{"right", "wrong"} {
		err := f.TryLogin(t, username, password, address)
		nodetest.WantFault(t, fmt.Sprintf("%s from %q, %s", username, address, password), err, fault.Limited, text)
	}
}

func TestFailuresOfAnAccountFromAnAddressAreLimited(t *testing.T) {
	t.Parallel()
	f, meter := locks(t, identity.Limits{Account: 3, AccountTotal: 100, Address: 100}, "ada", "eve")
	fails(t, f, 3, "ada", "192.0.2.1")
	f.Advance(time.Minute)
	limited(t, f, "ada", "192.0.2.1", "this account from this address")
	if err := f.TryLogin(t, "ada", "right", "192.0.2.1"); fault.RetryAfter(err) != 14*time.Minute {
		t.Errorf("again after %v", fault.RetryAfter(err))
	}
	if n := meter.Count(quota.LoginAccountAddress); n != 3 {
		t.Errorf("%d refusals counted", n)
	}
	nodetest.Must(t, f.TryLogin(t, "ada", "right", "192.0.2.2"))
	nodetest.Must(t, f.TryLogin(t, "eve", "right", "192.0.2.1"))
	// An account that isn't there is limited like one that is, and where no address is
	// known too.
	fails(t, f, 3, "nobody", "")
	limited(t, f, "nobody", "", "this account from this address")
	f.Advance(14*time.Minute - time.Second)
	limited(t, f, "ada", "192.0.2.1", "")
	f.Advance(time.Second)
	nodetest.Must(t, f.TryLogin(t, "ada", "right", "192.0.2.1"))
}

func TestFailuresOfAnAddressAreLimited(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ address, same, other string }{
		"IPv4":           {"192.0.2.1", "192.0.2.1", "192.0.2.2"},
		"mapped IPv4":    {"::ffff:192.0.2.1", "192.0.2.1", "::ffff:192.0.2.2"},
		"IPv6, its /64":  {"2001:db8:1:2:3::4", "2001:db8:1:2:ffff::", "2001:db8:1:3:3::4"},
		"IPv6 in a zone": {"fe80::1%eth0", "fe80::2", "2001:db8::1"},
	} {
		f, meter := locks(t, identity.Limits{Account: 1000, AccountTotal: 1000, Address: 3}, "ada")
		for i := range 3 {
			fails(t, f, 1, fmt.Sprintf("user-%d", i), c.address)
		}
		limited(t, f, "ada", c.same, "sign-ins from this address")
		if n := meter.Count(quota.LoginAddress); n != 2 {
			t.Errorf("%s: %d refusals counted", name, n)
		}
		for _, other := range []string{c.other, "", "not an address"} {
			nodetest.Must(t, f.TryLogin(t, "ada", "right", other))
		}
	}
}

// Strangers who guess from many addresses get no more guesses than the total, and lock
// nobody out where the account signed in before.
func TestStrangersCannotLockAnOwnerOutWhereTheOwnerIsKnown(t *testing.T) {
	t.Parallel()
	f, meter := locks(t, identity.Limits{Account: 3, AccountTotal: 10, Address: 5}, "ada", "bob")
	const home, office = "203.0.113.7", "2001:db8:1:2::7"
	nodetest.Must(t, f.TryLogin(t, "ada", "right", home))
	nodetest.Must(t, f.TryLogin(t, "ada", "right", office))
	for n := range 10 {
		fails(t, f, 1, "ada", fmt.Sprintf("198.51.100.%d", n))
	}
	limited(t, f, "ada", "198.51.100.99", "sign-ins to this account")
	if n := meter.Count(quota.LoginAccount); n != 2 {
		t.Errorf("%d refusals counted", n)
	}
	nodetest.Must(t, f.TryLogin(t, "ada", "right", home))
	nodetest.Must(t, f.TryLogin(t, "ada", "right", "2001:db8:1:2:3::4")) // the network of the office
	limited(t, f, "ada", "203.0.113.8", "sign-ins to this account")      // a new one

	// A neighbour behind the same address locks it for others, not for its owner.
	fails(t, f, 3, "eve", home)
	fails(t, f, 2, "mallory", home)
	limited(t, f, "bob", home, "sign-ins from this address")
	nodetest.Must(t, f.TryLogin(t, "ada", "right", home))

	// Where the account is known its own count alone holds, and does hold.
	fails(t, f, 3, "ada", home)
	limited(t, f, "ada", home, "this account from this address")
	nodetest.Must(t, f.TryLogin(t, "ada", "right", office))
}

func TestAnAddressIsKnownForThirtyDays(t *testing.T) {
	t.Parallel()
	const days = 24 * time.Hour
	f, _ := locks(t, identity.Limits{Account: 3, AccountTotal: 4, Address: 100}, "ada")
	flood := func() {
		for n := range 4 {
			fails(t, f, 1, "ada", fmt.Sprintf("198.51.100.%d", n))
		}
	}
	nodetest.Must(t, f.TryLogin(t, "ada", "right", "203.0.113.7"))
	f.Advance(30*days - window)
	flood()
	nodetest.Must(t, f.TryLogin(t, "ada", "right", "203.0.113.7")) // and is known for longer
	f.Advance(29 * days)
	flood()
	f.Advance(10 * time.Minute)
	nodetest.Must(t, f.TryLogin(t, "ada", "right", "203.0.113.7"))
	f.Advance(30 * days)
	flood()
	limited(t, f, "ada", "203.0.113.7", "sign-ins to this account")
}

// A good sign-in forgets the failures of that account from that address, and no others:
// else the owner of one account could try another's password for ever.
func TestGoodSignInClearsItsOwnCountAlone(t *testing.T) {
	t.Parallel()
	f, _ := locks(t, identity.Limits{Account: 3, AccountTotal: 6, Address: 8}, "ada", "eve")
	fails(t, f, 2, "ada", "192.0.2.1")
	nodetest.Must(t, f.TryLogin(t, "ada", "right", "192.0.2.1"))
	fails(t, f, 2, "ada", "192.0.2.1") // 4 of the account in all, 4 of the address
	nodetest.Must(t, f.TryLogin(t, "ada", "right", "192.0.2.1"))

	fails(t, f, 2, "ada", "192.0.2.2") // 6 of the account: a sign-in elsewhere cleared nothing of that
	limited(t, f, "ada", "192.0.2.3", "sign-ins to this account")

	nodetest.Must(t, f.TryLogin(t, "eve", "right", "192.0.2.1"))
	fails(t, f, 2, "nobody", "192.0.2.1")
	fails(t, f, 2, "no one", "192.0.2.1") // 8 of the address
	limited(t, f, "stranger", "192.0.2.1", "sign-ins from this address")
}

// Who gets a name that somebody had is not known where they were.
func TestRemovedUsersAddressesAreForgotten(t *testing.T) {
	t.Parallel()
	f, _ := locks(t, identity.Limits{Account: 3, AccountTotal: 4, Address: 100}, "ada")
	nodetest.Must(t, f.TryLogin(t, "ada", "right", "203.0.113.7"))
	nodetest.Must(t, nodetest.Second(f.RemoveUser(t.Context(), operator, "ada")))
	_, err := f.CreateUser(t.Context(), operator, identity.NewUser{Username: "ada", PasswordHash: nodetest.CheapHash(t)})
	nodetest.Must(t, err)
	for n := range 4 {
		fails(t, f, 1, "ada", fmt.Sprintf("198.51.100.%d", n))
	}
	limited(t, f, "ada", "203.0.113.7", "sign-ins to this account")
}
