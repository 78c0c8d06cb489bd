// Package machine keeps in a context what a process takes from its machine and a
// simulation has to choose: the boot clock, and random numbers. Where the context has no
// machine, they are the real ones.
package machine

import (
	"context"
	"math/rand/v2"
	"time"
)

// Machine is what a process runs on.
type Machine struct {
	Clock func() time.Duration // the boot clock
	Below func(n int64) int64  // a random number from 0 to n, which is not included
}

type key struct{}

// With returns a context with a machine.
func With(ctx context.Context, m *Machine) context.Context { return context.WithValue(ctx, key{}, m) }

// From returns a context with the machine of another context and nothing else of it.
func From(ctx context.Context) context.Context {
	if m := of(ctx); m != nil {
		return With(context.Background(), m)
	}
	return context.Background()
}

func of(ctx context.Context) *Machine {
	m, _ := ctx.Value(key{}).(*Machine)
	return m
}

// Clock returns the boot clock: usual where the context has no machine.
func Clock(ctx context.Context, usual func() time.Duration) func() time.Duration {
	if m := of(ctx); m != nil {
		return m.Clock
	}
	return usual
}

// Within returns a random time from 0 to d, which is not included. It spreads what many
// processes do and hides nothing. It panics when d isn't positive.
func Within(ctx context.Context, d time.Duration) time.Duration {
	if m := of(ctx); m != nil {
		return time.Duration(m.Below(int64(d)))
	}
	return rand.N(d) //nolint:gosec // as above
}
