package signin_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/passhash"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/signin"
	"github.com/bearerd/bearerd/internal/token"
)

func limits(account, address int) func(*node.Settings) {
	return func(s *node.Settings) {
		s.Limits = identity.Limits{Account: account, AccountTotal: 1000, Address: address, Window: 15 * time.Minute}
	}
}

func TestLoginAnswersEveryFailureAlike(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: limits(100, 100)})
	f.User(t, "ada", "correct horse")
	f.User(t, "nopassword", "")
	f.User(t, "gone", "battery staple")
	nodetest.Must(t, nodetest.Second(f.UpdateUser(t.Context(), operator, "gone", identity.UserPatch{Disabled: new(true)})))
	nodetest.Must(t, f.TryLogin(t, "ada", "correct horse", "192.0.2.1"))
	for name, c := range map[string]struct{ username, password string }{
		"a wrong password":                  {"ada", "correct horsE"},
		"no password":                       {"ada", ""},
		"a longer one":                      {"ada", "correct horse "},
		"a huge one":                        {"ada", strings.Repeat("x", 1<<20)},
		"one that is no text":               {"ada", "\xff"},
		"a user without one":                {"nopassword", ""},
		"a user without one, some password": {"nopassword", "x"},
		"an unknown user":                   {"nobody", "correct horse"},
		"an unknown user, nothing":          {"nobody", ""},
		"another spelling, wrongly":         {"Ada ", "battery staple"},
		"the user's id":                     {f.SignedIn(t, "ada").ID(), "correct horse"},
		"no user":                           {"", "correct horse"},
		"a name that can't be one":          {"ada\x00", "correct horse"},
		"a disabled user":                   {"gone", "battery staple"},
		"a disabled user, wrongly":          {"gone", "wrong"},
	} {
		err := f.TryLogin(t, c.username, c.password, "192.0.2.1")
		if !fault.Is(err, fault.BadCredentials) || fault.Message(err) != "wrong username or password" {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, e := range f.Events(t, audit.Filter{Action: audit.Login, Limit: audit.MaxLimit}) {
		if strings.Contains(fmt.Sprintf("%+v", e), "horse") || (e.Outcome == audit.OK) != (e.Actor != "") || e.Address != "192.0.2.1" || e.RequestID != "r" {
			t.Errorf("%+v", e)
		}
	}
}

// An unknown user costs what a known one does: a hash of the same kind.
func TestLoginOfAnUnknownUserTakesAsLong(t *testing.T) {
	f := nodetest.New(t, nodetest.Options{Settings: limits(1000, 1000)})
	f.User(t, "ada", "correct horse")
	took := func(username string) time.Duration {
		start := time.Now()
		nodetest.WantFault(t, username, f.TryLogin(t, username, "wrong", ""), fault.BadCredentials, "")
		return time.Since(start)
	}
	// In turns, and the shortest of each: what else the machine does lengthens some of
	// both. A difference that is there stays, however often one looks.
	known, unknown, ratio := time.Hour, time.Hour, 0.0
	for round := 0; round < 6 || round < 60 && (ratio < 0.6 || ratio > 1.7); round++ {
		known, unknown = min(known, took("ada")), min(unknown, took("nobody"))
		ratio = float64(unknown) / float64(known)
	}
	if ratio < 0.6 || ratio > 1.7 {
		t.Errorf("an unknown user takes %v, a known one %v", unknown, known)
	}
}

func TestConcurrentGuessesGetNoMoreAnswersThanTheLimit(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: limits(5, 1000)})
	_, err := f.CreateUser(t.Context(), operator, identity.NewUser{Username: "ada", PasswordHash: nodetest.CheapHash(t)})
	nodetest.Must(t, err)
	var wrong, limited, in atomic.Int64
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			password := fmt.Sprint(i)
			switch err := f.TryLogin(t, "ada", password, ""); {
			case err == nil:
				in.Add(1)
			case fault.Is(err, fault.BadCredentials):
				wrong.Add(1)
			case fault.Is(err, fault.Limited):
				limited.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if wrong.Load() != 5 || limited.Load() != 35 || in.Load() != 0 {
		t.Errorf("%d guesses were answered as wrong, %d limited, %d accepted; want 5, 35 and 0", wrong.Load(), limited.Load(), in.Load())
	}
	nodetest.WantFault(t, "the right password", f.TryLogin(t, "ada", "right", ""), fault.Limited, "")
}

// The right password that was on its way when the limit was reached reveals no more
// than the wrong ones.
func TestRightPasswordIsLimitedWhenOthersReachedTheLimitMeanwhile(t *testing.T) {
	t.Parallel()
	g, store := nodetest.Hook()
	f := nodetest.New(t, nodetest.Options{Settings: limits(3, 1000), Store: store})
	_, err := f.CreateUser(t.Context(), operator, identity.NewUser{Username: "ada", PasswordHash: nodetest.CheapHash(t)})
	nodetest.Must(t, err)
	g.At(nodetest.PrincipalRead, func() {
		for range 3 {
			nodetest.WantFault(t, "a failure meanwhile", f.TryLogin(t, "ada", "wrong", ""), fault.BadCredentials, "")
		}
	})
	nodetest.WantFault(t, "the right password", f.TryLogin(t, "ada", "right", ""), fault.Limited, "")
}

func TestRightPasswordOfADisabledAccountIsNoFailure(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: limits(3, 3)})
	_, err := f.CreateUser(t.Context(), operator, identity.NewUser{Username: "gone", PasswordHash: nodetest.CheapHash(t), Disabled: true})
	nodetest.Must(t, err)
	for range 10 {
		nodetest.WantFault(t, "the right password", f.TryLogin(t, "gone", "right", "192.0.2.1"), fault.BadCredentials, "")
	}
	nodetest.Must(t, nodetest.Second(f.UpdateUser(t.Context(), operator, "gone", identity.UserPatch{Disabled: new(false)})))
	nodetest.Must(t, f.TryLogin(t, "gone", "right", "192.0.2.1"))
}

func adasHash(t *testing.T, f *nodetest.Fixture) string {
	t.Helper()
	p, err := f.Store.Principal(t.Context(), records.Who{Username: "ada"})
	nodetest.Must(t, err)
	return p.User.PasswordHash.Reveal()
}

func TestForeignHashIsReplacedAtTheFirstLogin(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	_, err := f.CreateUser(t.Context(), operator, identity.NewUser{Username: "ada", PasswordHash: nodetest.CheapHash(t)})
	nodetest.Must(t, err)
	issued := f.MadeAccess(t, f.SignedIn(t, "ada"))
	before := adasHash(t, f)
	nodetest.WantFault(t, "a wrong password", f.TryLogin(t, "ada", "wrong", ""), fault.BadCredentials, "")
	if adasHash(t, f) != before {
		t.Error("a wrong password changed the hash")
	}
	head := f.Ledger.Applied()
	nodetest.Must(t, f.TryLogin(t, "ada", "right", ""))
	after := adasHash(t, f)
	if !strings.HasPrefix(after, "$argon2id$") {
		t.Errorf("the hash is %.12s", after)
	}
	nodetest.Must(t, f.TryLogin(t, "ada", "right", ""))
	if adasHash(t, f) != after {
		t.Error("a hash of our own was replaced")
	}
	nodetest.Must(t, f.Follower.CatchUp(t.Context()))
	if f.Ledger.Applied() != head {
		t.Error("a hash that was replaced is in the log")
	}
	f.WantAlive(t, "a token of before", issued)
}

func TestReplacedHashDoesNotBringAnOldPasswordBack(t *testing.T) {
	t.Parallel()
	g, store := nodetest.Hook()
	f := nodetest.New(t, nodetest.Options{Store: store})
	_, err := f.CreateUser(t.Context(), operator, identity.NewUser{Username: "ada", PasswordHash: nodetest.CheapHash(t)})
	nodetest.Must(t, err)
	g.At(nodetest.CommitAsked, func() {
		nodetest.Must(t, nodetest.Second(f.UpdateUser(t.Context(), operator, "ada", identity.UserPatch{Password: new(token.Secret("changed since"))})))
	})
	nodetest.Must(t, f.TryLogin(t, "ada", "right", "")) // what it is good for is void: the user was read before
	nodetest.WantFault(t, "the old password", f.TryLogin(t, "ada", "right", ""), fault.BadCredentials, "")
	nodetest.Must(t, f.TryLogin(t, "ada", "changed since", ""))
}

func TestLoginThatCantBeHashedNowIsNoFailure(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: limits(1, 1)})
	f.User(t, "ada", "right horse")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 3 {
		if _, err := f.Authenticator.Login(gone, signin.Credentials{Username: "ada", Password: "wrong"}); err == nil || fault.Is(err, fault.BadCredentials) {
			t.Errorf("a request that was given up: %v", err)
		}
	}
	nodetest.Must(t, f.TryLogin(t, "ada", "right horse", ""))
}

// A hash that nobody can check would answer every login with an internal error.
func TestUnusablePasswordHashIsRefused(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.User(t, "ada", "")
	for _, bad := range []passhash.Hash{"plain text", "$argon2id$", "$md5$x", "pbkdf2_sha256$99999999999$salt$x"} {
		_, err := f.CreateUser(t.Context(), operator, identity.NewUser{Username: "x", PasswordHash: bad})
		nodetest.WantFault(t, "a new user's", err, fault.Invalid, "password hash")
		_, err = f.UpdateUser(t.Context(), operator, "ada", identity.UserPatch{PasswordHash: &bad})
		nodetest.WantFault(t, "a user's", err, fault.Invalid, "password hash")
	}
}
