package identity_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bearerd/bearerd/internal/identity"
)

var (
	limits = identity.Limits{Account: 10, AccountTotal: 50, Address: 100, Window: 15 * time.Minute}
	noon   = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
)

func failures(n int, ago time.Duration) identity.Failures {
	return identity.Failures{Count: n, Since: noon.Add(-ago)}
}

func TestExceededLimits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		attempts identity.Attempts
		which    identity.Exceeded
		wait     time.Duration
	}{
		"no failures": {},
		"one below each limit": {attempts: identity.Attempts{
			Account: failures(9, time.Minute), Total: failures(49, time.Minute), Address: failures(99, time.Minute),
		}},
		"the account's limit": {
			identity.Attempts{Account: failures(10, time.Minute)}, identity.ExceededAccount, 14 * time.Minute,
		},
		"beyond it": {identity.Attempts{Account: failures(1000, time.Minute)}, identity.ExceededAccount, 14 * time.Minute},
		"the account's from everywhere": {
			identity.Attempts{Total: failures(50, 2*time.Minute)}, identity.ExceededAccountTotal, 13 * time.Minute,
		},
		"the address's limit": {identity.Attempts{Address: failures(100, 5*time.Minute)}, identity.ExceededAddress, 10 * time.Minute},
		"all: the longest wait": {identity.Attempts{
			Account: failures(10, 10*time.Minute), Total: failures(50, 5*time.Minute), Address: failures(100, time.Minute),
		}, identity.ExceededAddress, 14 * time.Minute},
		"known here: others' failures don't matter": {attempts: identity.Attempts{
			Account: failures(9, time.Minute), Total: failures(1000, time.Minute), Address: failures(1000, time.Minute), Known: true,
		}},
		"known here: one's own do": {
			identity.Attempts{Account: failures(10, time.Minute), Known: true}, identity.ExceededAccount, 14 * time.Minute,
		},
		"the window's last moment": {
			identity.Attempts{Account: failures(10, 15*time.Minute-time.Nanosecond)}, identity.ExceededAccount, time.Second,
		},
		"the window is over": {attempts: identity.Attempts{Account: failures(10, 15*time.Minute)}},
		"rounded up": {
			identity.Attempts{Account: failures(10, time.Minute+time.Millisecond)}, identity.ExceededAccount, 14 * time.Minute,
		},
		"the clock was set back": {identity.Attempts{Account: failures(10, -time.Hour)}, identity.ExceededAccount, 15 * time.Minute},
		"a count that can't be":  {attempts: identity.Attempts{Account: failures(-1, 0)}},
		"the other one has run out": {
			identity.Attempts{Account: failures(10, time.Hour), Address: failures(100, time.Minute)}, identity.ExceededAddress, 14 * time.Minute,
		},
	} {
		if which, wait := limits.Exceeded(c.attempts, noon); which != c.which || wait != c.wait {
			t.Errorf("%s: %d, again after %v; want %d, %v", name, which, wait, c.which, c.wait)
		}
	}
}

func TestOverCountsTheFailureItself(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		attempts identity.Attempts
		over     bool
	}{
		"the last that is answered": {identity.Attempts{Account: failures(10, 0), Total: failures(50, 0), Address: failures(100, 0)}, false},
		"one too many":              {identity.Attempts{Account: failures(11, 0)}, true},
		"from everywhere":           {identity.Attempts{Total: failures(51, 0)}, true},
		"from the address":          {identity.Attempts{Address: failures(101, 0)}, true},
		"others', known here":       {identity.Attempts{Total: failures(51, 0), Address: failures(101, 0), Known: true}, false},
	} {
		if got := limits.Over(c.attempts); got != c.over {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestTheZeroLimitsLetNobodyTry(t *testing.T) {
	t.Parallel()
	for _, l := range []identity.Limits{
		{},
		{Account: 10, AccountTotal: 10, Address: 100},
		{Account: 10, AccountTotal: 10, Window: time.Minute},
		{Account: 10, Address: 100, Window: time.Minute},
		{AccountTotal: 10, Address: 100, Window: time.Minute},
		{Account: -1, AccountTotal: 10, Address: 100, Window: time.Minute},
		{Account: 10, AccountTotal: 10, Address: 100, Window: -time.Minute},
	} {
		if which, wait := l.Exceeded(identity.Attempts{}, noon); which == identity.WithinLimits || wait <= 0 {
			t.Errorf("%+v: %d, %v", l, which, wait)
		}
		if l.Validate() == nil {
			t.Errorf("%+v is valid", l)
		}
	}
	if err := limits.Validate(); err != nil {
		t.Error(err)
	}
}

// However failures and time follow one another, an attempt is admitted at most Account
// times a window, and always again after the time that was returned.
func TestLimitsBoundTheAttemptsOfAWindow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := identity.Limits{
			Account: rapid.IntRange(1, 5).Draw(t, "limit"), AccountTotal: 1000, Address: 1000,
			Window: time.Duration(rapid.IntRange(1, 1000).Draw(t, "window")) * time.Second,
		}
		now, f := noon, identity.Failures{}
		started, made := noon, 0
		for range 50 {
			now = now.Add(time.Duration(rapid.IntRange(0, 400).Draw(t, "pause")) * time.Second)
			if _, wait := l.Exceeded(identity.Attempts{Account: f}, now); wait > 0 {
				if _, still := l.Exceeded(identity.Attempts{Account: f}, now.Add(wait)); still > 0 {
					t.Fatalf("told to come back after %v and refused", wait)
				}
				continue
			}
			if now.Sub(f.Since) >= l.Window { // as the store opens a window
				f = identity.Failures{Since: now}
			}
			f.Count++
			if now.Sub(started) >= l.Window || made == 0 {
				started, made = now, 0
			}
			if made++; made > l.Account {
				t.Fatalf("%d failures in %v", made, now.Sub(started))
			}
		}
	})
}
