package signin

import (
	"context"
	"time"

	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
)

// Limiter limits failed attempts at what people type: passwords, and the codes of
// devices. It counts them in the store, so on all nodes together, under opaque keys.
// The first key counts against the limit of an account; the second, where there is
// one, against that of an address.
type Limiter struct {
	attempts records.Attempts
	limits   identity.Limits
	now      func() time.Time
}

// Check reports, as fault.Limited, that too many attempts under the keys have failed.
// Attempts that run at the same time see each other only afterwards: check before
// the secret is looked at, and again before a right one is accepted.
func (l *Limiter) Check(ctx context.Context, keys []string) error {
	counts, err := l.attempts.Failures(ctx, keys, l.now())
	if err != nil {
		return err
	}
	return l.check(counts)
}

// Failed counts a failure under the keys. The error is fault.Limited when it was one
// too many, because others failed at the same time: the answer must then say no more
// about the secret than theirs.
func (l *Limiter) Failed(ctx context.Context, keys []string) error {
	counts, err := l.attempts.RecordFailure(ctx, keys, l.now(), l.limits.Window)
	if err != nil {
		return err
	}
	if counts[0].Count > l.limits.Account || len(counts) > 1 && counts[1].Count > l.limits.Address {
		return l.check(counts)
	}
	return nil
}

func (l *Limiter) check(counts []identity.Failures) error {
	var address identity.Failures
	if len(counts) > 1 {
		address = counts[1]
	}
	return l.limits.Check(counts[0], address, l.now())
}
