package verify

import (
	"context"
	"fmt"
	"time"

	"github.com/bearerd/bearerd/internal/foreign"
	"github.com/bearerd/bearerd/internal/issuerclient"
	"github.com/bearerd/bearerd/internal/networks"
)

// Verifier verifies tokens. New returns one. It is safe for use by many goroutines, and
// must be closed.
type Verifier struct {
	client  *issuerclient.Client
	realm   string
	proxies networks.Proxies
}

// New returns a verifier and waits until it can accept tokens, for 30 seconds at most.
// The error says what is wrong with the configuration, or why the issuer can't be used.
// With Config.StartRefusing only the configuration can cause an error. The context is for
// New only, and not for what runs after it.
func New(ctx context.Context, c Config) (*Verifier, error) { return newVerifier(ctx, c, nil) }

// newVerifier is New with another boot-time clock, unless that is nil.
func newVerifier(ctx context.Context, c Config, clock func() time.Duration) (*Verifier, error) {
	v, err := build(ctx, c, clock)
	if err != nil {
		return nil, err
	}
	if c.StartRefusing {
		v.client.Begin()
		return v, nil
	}
	if err := v.client.Start(ctx); err != nil {
		v.Close()
		return nil, fmt.Errorf("verify: the issuer %s can't be used: %w", c.Issuer, err)
	}
	return v, nil
}

// build returns a verifier that has asked nothing yet.
func build(ctx context.Context, c Config, clock func() time.Duration) (*Verifier, error) {
	if c.OnStale != Refuse && c.OnStale != AskIssuer {
		return nil, fmt.Errorf("verify: OnStale is %d, which is neither Refuse nor AskIssuer", c.OnStale)
	}
	cfg := c.ofClient()
	cfg.Clock = clock
	client, err := issuerclient.New(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	v := &Verifier{client: client, realm: c.Realm, proxies: c.TrustedProxies}
	if v.realm == "" {
		v.realm = c.Issuer
	}
	return v, nil
}

// ofClient returns the configuration of the client of the issuer.
func (c *Config) ofClient() issuerclient.Config {
	shapes := make([]foreign.Shape, len(c.ForeignTokens))
	for i, t := range c.ForeignTokens {
		shapes[i] = foreign.Shape(t)
	}
	return issuerclient.Config{
		Issuer: c.Issuer, Audience: c.Audience, ClientID: c.ClientID, ClientSecret: c.ClientSecret, ClientSecretFile: c.ClientSecretFile,
		AskOnStale: c.OnStale == AskIssuer, MaxStaleness: c.MaxStaleness, Confirm: c.Confirm,
		InsecureWithoutRevocation: c.InsecureWithoutRevocation, InsecureAllowHTTP: c.InsecureAllowHTTP,
		SharedSecretFile: c.SharedSecretFile, APITokenPrefix: c.APITokenPrefix, ForeignTokens: shapes,
		CacheBytes: c.CacheBytes, NewTokensPerSecond: c.NewTokensPerSecond,
		HTTPClient: c.HTTPClient, Logger: c.Logger, Now: c.Now,
	}
}

// Close ends what runs in the background and waits for it. The verifier refuses
// everything from then on. With Config.Confirm it notifies the issuer, which then no
// longer waits for it; if the issuer doesn't answer, Close returns after two seconds.
func (v *Verifier) Close() { v.client.Close() }

// Health is the state of a verifier, for a readiness check and for metrics.
type Health struct {
	// Ready reports whether tokens can be accepted now: there are keys, and a lease,
	// except with InsecureWithoutRevocation.
	Ready bool
	// Seq is the last entry of the revocation log that was applied.
	Seq int64
	// Age is the time since the log was last known to be complete here; negative: it
	// never was.
	Age time.Duration
	// Revocations is the number of entries in memory, and RevocationBytes their size.
	Revocations     int
	RevocationBytes int64
	// CacheBytes is the memory for facts about tokens.
	CacheBytes int64
	// Keys is the number of keys in use, and IgnoredKeys the number of keys of a type
	// that isn't used.
	Keys, IgnoredKeys int
	// Err has the current errors, joined: of following the log, reading the keys, asking
	// about tokens. Nil: there are none.
	Err error
}

// Health returns the state of the verifier.
func (v *Verifier) Health() Health { return Health(v.client.Health()) }
