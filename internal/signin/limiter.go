package signin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/quota"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/records/op"
)

// Limiter limits failed attempts at what people type: passwords, and the codes of
// devices. It counts them in the store, so on all nodes together.
type Limiter struct {
	attempts contract.Attempts
	limits   identity.Limits
	quota    *quota.Quota
	now      func() time.Time
}

// attempt is an attempt to sign in: at an account, whether there is one or not, from an
// address.
type attempt struct {
	account string // identity.AccountKey
	network string // "": the address is not known
}

// keys returns the names under which failures are counted: of the account from this
// address, of the account, and of the address where it is known.
func (a attempt) keys() []string {
	keys := []string{records.AttemptKey(a.account, a.network), a.account}
	if a.network == "" {
		return keys
	}
	return append(keys, "address:"+a.network)
}

// address returns what is kept of an address that an account signed in from: a digest
// that differs for each account.
func (a attempt) address() string {
	sum := sha256.Sum256([]byte(a.account + "@" + a.network))
	return hex.EncodeToString(sum[:16])
}

// place is the network of somebody who waits for their password to be checked.
func (a attempt) place() string {
	if a.network == "" {
		return a.account
	}
	return a.network
}

// read reads the counts that limit an attempt, and when the account last signed in from
// its address; zero for never.
func (l *Limiter) read(ctx context.Context, a attempt) (counts identity.Attempts, last time.Time, err error) {
	now := l.now()
	found, err := l.attempts.Failures(ctx, a.keys(), now)
	if err != nil {
		return counts, last, err
	}
	if a.network != "" {
		if last, err = l.attempts.KnownAddress(ctx, a.account, a.address()); err != nil {
			return counts, last, err
		}
	}
	return countsOf(found, now.Sub(last) < identity.KnownAddress), last, nil
}

// countsOf names counts that are in the order of keys.
func countsOf(found []identity.Failures, known bool) identity.Attempts {
	counts := identity.Attempts{Account: found[0], Total: found[1], Known: known}
	if len(found) > 2 {
		counts.Address = found[2]
	}
	return counts
}

// failed counts a failure. The error is fault.Limited when it was one too many, because
// others failed at the same time: the answer must then say no more about the secret
// than theirs.
func (l *Limiter) failed(ctx context.Context, a attempt, known bool) error {
	found, err := l.attempts.RecordFailure(ctx, a.keys(), l.now(), l.limits.Window)
	if err != nil {
		return err
	}
	counts := countsOf(found, known)
	if !l.limits.Over(counts) {
		return nil
	}
	return l.judge(counts)
}

// knownAgain is how old the last sign-in from an address is when the next is noted.
const knownAgain = 24 * time.Hour

// succeeded returns the operations of a successful sign-in. They clear the failures of
// the account from that address and no others, or the owner of one account could guess at
// other accounts for ever; and they note the address as known.
func (l *Limiter) succeeded(a attempt, counts identity.Attempts, last time.Time) (ops []op.Op) {
	if counts.Account.Count > 0 {
		ops = append(ops, op.ClearFailures{Key: records.AttemptKey(a.account, a.network)})
	}
	if now := l.now(); a.network != "" && now.Sub(last) >= knownAgain {
		ops = append(ops, op.KnowAddress{Account: a.account, Address: a.address(), At: now})
	}
	return ops
}

// judge returns fault.Limited, with what was exceeded and for how long, unless another
// attempt may be made.
func (l *Limiter) judge(counts identity.Attempts) error {
	which, wait := l.limits.Exceeded(counts, l.now())
	switch which {
	case identity.WithinLimits:
		return nil
	case identity.ExceededAccount:
		l.quota.Refused(quota.LoginAccountAddress)
		return fault.After(fault.Limited, wait, "too many failed sign-ins to this account from this address")
	case identity.ExceededAccountTotal:
		l.quota.Refused(quota.LoginAccount)
		return fault.After(fault.Limited, wait, "too many failed sign-ins to this account")
	case identity.ExceededAddress:
	}
	l.quota.Refused(quota.LoginAddress)
	return fault.After(fault.Limited, wait, "too many failed sign-ins from this address")
}

// Check reports, as fault.Limited, that too many guesses under a key have failed; the
// limit is that of an account from one address. Guesses that run at the same time see
// each other only afterwards: check before the secret is looked at, and again before a
// right one is accepted.
func (l *Limiter) Check(ctx context.Context, key string) error {
	found, err := l.attempts.Failures(ctx, []string{key}, l.now())
	if err != nil {
		return err
	}
	return l.judgeGuess(found[0])
}

// Failed counts a wrong guess under a key. The error is fault.Limited when it was one
// too many, because others were made at the same time.
func (l *Limiter) Failed(ctx context.Context, key string) error {
	found, err := l.attempts.RecordFailure(ctx, []string{key}, l.now(), l.limits.Window)
	if err != nil || found[0].Count <= l.limits.Account {
		return err
	}
	return l.judgeGuess(found[0])
}

func (l *Limiter) judgeGuess(f identity.Failures) error {
	which, wait := l.limits.Exceeded(identity.Attempts{Account: f}, l.now())
	if which == identity.WithinLimits {
		return nil
	}
	l.quota.Refused(quota.UserCode)
	return fault.After(fault.Limited, wait, "too many wrong codes")
}
