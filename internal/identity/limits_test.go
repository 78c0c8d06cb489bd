package identity_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
)

var (
	limits = identity.Limits{Account: 10, Address: 100, Window: 15 * time.Minute}
	noon   = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
)

func failures(n int, ago time.Duration) identity.Failures {
	return identity.Failures{Count: n, Since: noon.Add(-ago)}
}

func TestCheckLimits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		account, address identity.Failures
		wait             time.Duration
	}{
		"no failures":                {},
		"one below the limit":        {account: failures(9, time.Minute), address: failures(99, time.Minute)},
		"the account's limit":        {account: failures(10, time.Minute), wait: 14 * time.Minute},
		"beyond it":                  {account: failures(1000, time.Minute), wait: 14 * time.Minute},
		"the address's limit":        {address: failures(100, 5*time.Minute), wait: 10 * time.Minute},
		"both: the longer wait":      {account: failures(10, 10*time.Minute), address: failures(100, time.Minute), wait: 14 * time.Minute},
		"the window's last moment":   {account: failures(10, 15*time.Minute-time.Nanosecond), wait: time.Second},
		"the window is over":         {account: failures(10, 15*time.Minute)},
		"rounded up":                 {account: failures(10, time.Minute+time.Millisecond), wait: 14 * time.Minute},
		"the clock was set back":     {account: failures(10, -time.Hour), wait: 15 * time.Minute},
		"a count that can't be":      {account: failures(-1, 0)},
		"the other one has run out":  {account: failures(10, time.Hour), address: failures(100, time.Minute), wait: 14 * time.Minute},
		"the other one has not many": {account: failures(10, time.Minute), address: failures(1, time.Minute), wait: 14 * time.Minute},
	} {
		err := limits.Check(c.account, c.address, noon)
		if c.wait == 0 {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if !fault.Is(err, fault.Limited) || fault.RetryAfter(err) != c.wait {
			t.Errorf("%s: %v, retry after %v; want Limited, %v", name, err, fault.RetryAfter(err), c.wait)
		}
	}
}

func TestTheZeroLimitsLetNobodyTry(t *testing.T) {
	t.Parallel()
	for _, l := range []identity.Limits{
		{},
		{Account: 10, Address: 100},
		{Account: 10, Window: time.Minute},
		{Address: 100, Window: time.Minute},
		{Account: -1, Address: 100, Window: time.Minute},
		{Account: 10, Address: 100, Window: -time.Minute},
	} {
		err := l.Check(identity.Failures{}, identity.Failures{}, noon)
		if !fault.Is(err, fault.Limited) || fault.RetryAfter(err) <= 0 {
			t.Errorf("%+v: %v", l, err)
		}
		if l.Validate() == nil {
			t.Errorf("%+v is valid", l)
		}
	}
	if err := limits.Validate(); err != nil {
		t.Error(err)
	}
}

// However failures and time follow one another, an attempt is let through at
// most Account times a window, and always again after the time that was told.
func TestLimitsBoundTheAttemptsOfAWindow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := identity.Limits{
			Account: rapid.IntRange(1, 5).Draw(t, "limit"), Address: 1000,
			Window: time.Duration(rapid.IntRange(1, 1000).Draw(t, "window")) * time.Second,
		}
		now, f := noon, identity.Failures{}
		started, made := noon, 0
		for range 50 {
			now = now.Add(time.Duration(rapid.IntRange(0, 400).Draw(t, "pause")) * time.Second)
			err := l.Check(f, identity.Failures{}, now)
			if err != nil {
				if again := now.Add(fault.RetryAfter(err)); l.Check(f, identity.Failures{}, again) != nil {
					t.Fatalf("told to come back at %v and refused", again)
				}
				continue
			}
			f = l.Add(f, now)
			if now.Sub(started) >= l.Window || made == 0 {
				started, made = now, 0
			}
			if made++; made > l.Account {
				t.Fatalf("%d failures in %v", made, now.Sub(started))
			}
		}
	})
}
