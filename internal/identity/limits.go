package identity

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"
)

// Limits is how many wrong passwords are too many. Every field must be positive; the zero
// value refuses every attempt.
type Limits struct {
	Account      int           // failures of one account from one address in a window
	AccountTotal int           // failures of one account from everywhere
	Address      int           // failures from one address, whatever the accounts
	Window       time.Duration // counted from the first failure in it
}

// KnownAddress is how long an address that an account signed in from counts as known.
const KnownAddress = 30 * 24 * time.Hour

// Validate returns an error for limits with which nobody could sign in.
func (l Limits) Validate() error {
	if l.Account <= 0 || l.AccountTotal <= 0 || l.Address <= 0 || l.Window <= 0 {
		return errors.New("account_failures, account_failures_total, address_failures and window must be greater than 0")
	}
	return nil
}

// Failures counts wrong passwords since the first of them. The zero value is none.
type Failures struct {
	Count int
	Since time.Time
}

// Attempts are the counts that are compared with the limits at a sign-in.
type Attempts struct {
	Account Failures // of the account from this address
	Total   Failures // of the account from everywhere
	Address Failures // from this address, whatever the accounts
	// Known is set when the account signed in from this address within KnownAddress. Then
	// only the first count matters: others can't lock an owner out at a known address.
	Known bool
}

// Exceeded is a limit that was reached.
type Exceeded uint8

// The limits.
const (
	WithinLimits         Exceeded = iota
	ExceededAccount               // of the account from this address
	ExceededAccountTotal          // of the account from everywhere
	ExceededAddress               // of this address
)

// Exceeded returns the limit that forbids another attempt, the one that does so for
// longest, and for how long, in whole seconds. The answer must be the same for a right
// and a wrong password, so call it before the password is checked. Concurrent attempts
// see each other only when it is called again after the check.
func (l Limits) Exceeded(a Attempts, now time.Time) (which Exceeded, wait time.Duration) {
	which, wait = ExceededAccount, l.wait(a.Account, l.Account, now)
	if !a.Known {
		if more := l.wait(a.Total, l.AccountTotal, now); more > wait {
			which, wait = ExceededAccountTotal, more
		}
		if more := l.wait(a.Address, l.Address, now); more > wait {
			which, wait = ExceededAddress, more
		}
	}
	if wait <= 0 {
		return WithinLimits, 0
	}
	return which, (wait + time.Second - 1).Truncate(time.Second)
}

// Over reports whether counts, of which this failure is one, are beyond a limit.
func (l Limits) Over(a Attempts) bool {
	return a.Account.Count > l.Account ||
		!a.Known && (a.Total.Count > l.AccountTotal || a.Address.Count > l.Address)
}

// wait returns for how long this count forbids another attempt.
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

// AccountKey returns the key under which the failures of an account are counted and its
// known addresses are kept. It is the same for every spelling with the same FoldName. The
// account need not exist.
func AccountKey(username string) string {
	name := FoldName(username)
	if name == "" {
		name = username
	}
	sum := sha256.Sum256([]byte(name))
	return "account:" + hex.EncodeToString(sum[:16])
}
