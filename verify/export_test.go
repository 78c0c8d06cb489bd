package verify

import (
	"context"
	"net/netip"
	"time"

	"github.com/bearerd/bearerd/internal/issuerclient"
)

// NewWithClock is New with another boot-time clock.
func NewWithClock(ctx context.Context, c Config, clock func() time.Duration) (*Verifier, error) {
	return newVerifier(ctx, c, clock)
}

// NewEdge is New for one of the issuer's own edges.
func NewEdge(ctx context.Context, c Config) (*Verifier, error) {
	cfg := c.ofClient()
	cfg.Edge = &issuerclient.Edge{AddressOf: func(context.Context) netip.Addr { return netip.Addr{} }}
	client, err := issuerclient.New(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &Verifier{client: client}, client.Start(ctx)
}

// Forget drops what is remembered of tokens.
func (v *Verifier) Forget() { v.client.Decision().Flush() }

// NewWithBudget is New with that many bytes for the revocations.
func NewWithBudget(ctx context.Context, c Config, clock func() time.Duration, bytes int64) (*Verifier, error) {
	v, err := build(ctx, c, clock)
	if err != nil {
		return nil, err
	}
	v.client.Ledger().Set().Budget = bytes
	return v, v.client.Start(ctx)
}
