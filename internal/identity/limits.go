package identity

import (
	"errors"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
)

// Limits says how many wrong passwords are too many. Every field must be
// positive; the zero value lets nobody try.
type Limits struct {
	Account int           // failures of one account in a window
	Address int           // failures of one client address in a window
	Window  time.Duration // counted from the first failure in it
}

// Validate reports limits that would let nobody sign in.
func (l Limits) Validate() error {
	if l.Account <= 0 || l.Address <= 0 || l.Window <= 0 {
		return errors.New("account_failures, address_failures and window must be greater than 0")
	}
	return nil
}

// Failures counts wrong passwords since the first of them. The zero value is
// none. Right passwords are neither counted nor do they make failures forgotten:
// else the owner of one account could try others for ever from one address.
type Failures struct {
	Count int
	Since time.Time
}

// Add counts one more failure, in a new window when that of f has run out.
func (l Limits) Add(f Failures, now time.Time) Failures {
	if l.over(f, now) {
		return Failures{Count: 1, Since: now}
	}
	return Failures{Count: f.Count + 1, Since: f.Since}
}

// Check decides whether another attempt may be made. The error is fault.Limited
// with the time after which one may, in whole seconds; it is the same for a right
// password and a wrong one, so it must come before the password is looked at.
// Attempts that run at the same time see each other only when each is counted as
// a failure before the password is hashed, and taken off again when it was right.
func (l Limits) Check(account, address Failures, now time.Time) error {
	wait := max(l.wait(account, l.Account, now), l.wait(address, l.Address, now))
	if wait <= 0 {
		return nil
	}
	wait = (wait + time.Second - 1).Truncate(time.Second)
	return fault.After(fault.Limited, wait, "too many failed attempts")
}

// wait returns how long this count stands in the way of another attempt.
func (l Limits) wait(f Failures, limit int, now time.Time) time.Duration {
	if limit <= 0 || l.Window <= 0 {
		return max(l.Window, time.Second)
	}
	if f.Count < limit || l.over(f, now) {
		return 0
	}
	// A clock that was set back must not lock anyone out for longer than a window.
	return min(f.Since.Add(l.Window).Sub(now), l.Window)
}

func (l Limits) over(f Failures, now time.Time) bool {
	return f.Count <= 0 || !now.Before(f.Since.Add(l.Window))
}
