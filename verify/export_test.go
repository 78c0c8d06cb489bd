package verify

import (
	"context"
	"time"
)

// NewWithClock is New with another boot-time clock.
func NewWithClock(ctx context.Context, c Config, clock func() time.Duration) (*Verifier, error) {
	return newVerifier(ctx, c, clock)
}

// Unknown and Known bounds, for the tests that count questions.
const (
	AskersAtOnce = askersAtOnce
	NegativeFor  = negativeFor
)

// CacheBudget is what the cache of facts may take.
func (v *Verifier) CacheBudget() int64 { return v.cfg.CacheBytes }

// Forget drops what is remembered of tokens.
func (v *Verifier) Forget() { v.decision.Flush() }

// NewWithBudget is New with that many bytes for the revocations.
func NewWithBudget(ctx context.Context, c Config, clock func() time.Duration, bytes int64) (*Verifier, error) {
	v, err := build(ctx, c, clock)
	if err != nil {
		return nil, err
	}
	v.ledger.Set().Budget = bytes
	return v, v.start(ctx)
}
