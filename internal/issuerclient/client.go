package issuerclient

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bearerd/bearerd/internal/sleep"

	"github.com/bearerd/bearerd/internal/machine"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/verification"
)

// furtherPrefixes are the prefixes of API tokens in addition to the issuer's own: those
// of its dialects.
var furtherPrefixes = []string{"6879-"}

// Client verifies tokens of one issuer. New returns one; Start or Begin lets it follow the
// issuer. It is safe for use by many goroutines, and must be closed.
type Client struct {
	cfg    Config
	web    *web
	site   atomic.Pointer[site]
	keys   *keys
	ledger *revocation.Ledger
	stream *follower // nil: without revocation
	asker  *asker    // nil: without a client

	settings atomic.Pointer[settings] // nil: an edge has not learned them yet
	decision *verification.Verifier

	ctx     context.Context //nolint:containedctx // ends what runs in the background, with Close
	end     context.CancelFunc
	mu      sync.Mutex // guards closed, and so running against Wait
	closed  bool
	running sync.WaitGroup
}

// New returns a client that has asked nothing yet: it refuses every token. The error is that
// of the configuration. The context is for New only, and not for what runs after it.
func New(ctx context.Context, c Config) (*Client, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	shared, err := c.sharedKey()
	if err != nil {
		return nil, err
	}
	if c.Clock == nil {
		c.Clock = machine.Clock(ctx, revocation.BootClock)
	}
	v := &Client{cfg: c, web: newWeb(c.HTTPClient)}
	if c.Edge == nil {
		known, err := newSettings(c.APITokenPrefix, c.ForeignTokens)
		if err != nil {
			return nil, err
		}
		v.settings.Store(known)
	}
	v.ctx, v.end = context.WithCancel(machine.From(ctx))
	v.ledger = revocation.NewLedger(c.Clock, c.Now)
	v.keys = newKeys(c, v.web, shared)
	v.keys.onSwap = func() { v.decision.Flush() }
	v.keys.takenBack = func(kid string) bool {
		return v.ledger.Set().CutOff(revocation.KeyOf(revocation.SigningKey, kid)) > 0
	}
	v.keys.address = func() string {
		if s := v.site.Load(); s != nil {
			return s.jwks
		}
		return ""
	}
	if c.hasClient() {
		v.asker = newAsker(c, v.web, v.ledger)
		v.asker.site, v.asker.spawn = v.site.Load, v.spawn
	}
	if !c.InsecureWithoutRevocation {
		v.stream = &follower{
			cfg: c, web: v.web, ledger: v.ledger, onKey: v.keys.soon, discover: v.discover, failed: make(chan error, 1),
			own: &credentials{cfg: c, web: v.web, clock: c.Clock},
		}
		if c.Edge != nil {
			v.stream.learn = v.learn
		}
	}
	return v, v.decide()
}

// Decision returns what decides.
func (v *Client) Decision() *verification.Verifier { return v.decision }

// Ledger returns what is known of the issuer's log.
func (v *Client) Ledger() *revocation.Ledger { return v.ledger }

// Staleness returns the issuer's L; 0 while it is not known.
func (v *Client) Staleness() time.Duration {
	if s := v.site.Load(); s != nil {
		return s.staleness
	}
	return 0
}

// decide returns the decision on top of the issuer's answers.
func (v *Client) decide() (err error) {
	src := &source{
		cfg: v.cfg, settings: v.settings.Load, keys: v.keys, asker: v.asker, ledger: v.ledger, closed: v.ctx.Done(), news: &accessNews{},
		health: func() error { return nil },
	}
	if v.stream != nil {
		src.health = v.stream.health
	}
	cfg := verification.Config{
		Source: src, Ledger: v.ledger, Issuer: v.cfg.Issuer, DefaultAudience: v.cfg.Audience,
		CacheBytes: v.cfg.CacheBytes, MaxFactAge: maxFindingAge, InsecureWithoutRevocation: v.cfg.InsecureWithoutRevocation,
	}
	if e := v.cfg.Edge; e != nil {
		cfg.AddressOf, cfg.Meter, cfg.MaxFactAge = e.AddressOf, e.Meter, maxEdgeFactAge
	}
	src.news.watch(v.ledger)
	if v.asker != nil {
		v.asker.news = src.news.latest
	}
	v.decision, err = verification.New(cfg)
	return err
}

// maxFindingAge is how long the issuer's answer about an opaque token is kept.
const maxFindingAge = 5 * time.Minute

// discover returns the metadata. With again it is read again; when that fails, the
// previous one is kept.
func (v *Client) discover(ctx context.Context, again bool) (*site, error) {
	before := v.site.Load()
	if before != nil && !again {
		return before, nil
	}
	s, err := v.web.discover(ctx, v.cfg)
	switch {
	case err == nil:
	case before == nil:
		return nil, err
	default:
		v.cfg.Logger.WarnContext(ctx, "reading the issuer's metadata; the previous one is kept", slog.Any("error", err))
		return before, nil
	}
	v.site.Store(s)
	return s, nil
}

// startTimeout is how long Start waits for the issuer.
const startTimeout = 30 * time.Second

// Start follows the issuer, and waits until tokens can be accepted, for 30 seconds at most.
// The error says why the issuer can't be used; the client must then be closed.
func (v *Client) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return v.start(ctx)
}

// start makes the client ready, or returns the first error.
func (v *Client) start(ctx context.Context) error {
	if _, err := v.discover(ctx, true); err != nil {
		return err
	}
	if err := v.keys.fetch(ctx); err != nil {
		return err
	}
	v.spawn(v.keys.tend)
	if v.stream == nil {
		return nil
	}
	v.spawn(v.stream.run)
	select {
	case <-v.ledger.Ready():
		return nil
	case err := <-v.stream.failed:
		return err
	case <-ctx.Done():
		return fmt.Errorf("waiting for its revocations: %w", ctx.Err())
	}
}

// Begin follows the issuer in the background. Until it was reached, every token is refused
// with 503.
func (v *Client) Begin() { v.spawn(v.begin) }

// begin tries to reach the issuer until it succeeds.
func (v *Client) begin(ctx context.Context) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		_, err := v.discover(ctx, true)
		if err == nil {
			err = v.keys.fetch(ctx)
		}
		if err == nil {
			break
		}
		v.keys.note(err)
		if !sleep.For(ctx, pause) {
			return
		}
	}
	v.spawn(v.keys.tend)
	if v.stream != nil {
		v.stream.run(ctx)
	}
}

// spawn runs f until Close, which waits for it; it reports false after Close.
func (v *Client) spawn(f func(context.Context)) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.closed {
		return false
	}
	v.running.Go(func() { f(v.ctx) })
	return true
}

// Close ends what runs in the background and waits for it. The client refuses everything
// from then on. With Config.Confirm it says goodbye to the issuer, which then no longer waits
// for it; if the issuer doesn't answer, Close returns after two seconds.
func (v *Client) Close() {
	v.mu.Lock()
	v.closed = true
	v.mu.Unlock()
	v.end()
	v.running.Wait()
	v.ledger.Distrust()
	if v.stream != nil {
		v.stream.leave()
	}
	v.web.client.CloseIdleConnections()
}

// Health is the state of a client.
type Health struct {
	Ready             bool          // tokens can be accepted now
	Seq               int64         // the last entry of the revocation log that was applied
	Age               time.Duration // since the log was last known to be complete here; negative: it never was
	Revocations       int           // entries in memory
	RevocationBytes   int64
	CacheBytes        int64 // of facts about tokens
	Keys, IgnoredKeys int   // in use, and of a type that isn't used
	Err               error // of following the log, reading the keys and asking about tokens, joined; nil: none
}

// Health returns the state of the client.
func (v *Client) Health() Health {
	h := Health{
		Seq: v.ledger.Applied(), Age: -1, Keys: v.keys.count(),
		Revocations: v.ledger.Set().Len(), RevocationBytes: v.ledger.Set().Bytes(), CacheBytes: v.decision.CacheBytes(),
	}
	var errKeys, errStream, errAsk error
	h.IgnoredKeys, errKeys = v.keys.health()
	if v.stream != nil {
		errStream = v.stream.health()
		select {
		case <-v.ledger.Ready():
			h.Age = v.ledger.Clock() - v.ledger.AsOf()
		default:
		}
	}
	if v.asker != nil {
		errAsk = v.asker.health()
	}
	h.Ready = h.Keys > 0 && v.ctx.Err() == nil && (v.stream == nil || v.ledger.Lease().Holds())
	h.Err = errors.Join(errStream, errKeys, errAsk)
	return h
}
