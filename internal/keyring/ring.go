package keyring

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/token"
)

const (
	// How often at most an unknown key id makes the ring read the store, and after what
	// time again for the same id.
	unknownEvery  = time.Second
	unknownForget = time.Minute
	// unknownTimeout is how long a request whose key is unknown waits for the store.
	unknownTimeout = 800 * time.Millisecond
)

var errReplacing = fault.After(fault.Unavailable, time.Second, "the signing key is being replaced")

// Ring is the signing keys as a node knows them. Reading it takes no lock and doesn't use
// the store; Refresh, Tend and every change read the store again.
type Ring struct {
	cfg    Config
	view   atomic.Pointer[view]
	turn   chan struct{} // held while the store is read and the view replaced
	flight singleflight.Group
	gate   *Gate
	missed failure // of the last look for an unknown key; held by one goroutine at a time

	doubts   atomic.Uint64 // how often Doubt was called
	expected atomic.Bool   // the next look for an unknown key is made however recent the last one was

	distrusted distrusted
}

// distrusted is the ids of the keys that the log revokes and the ring has not read yet.
// Reading it takes no lock.
type distrusted struct {
	mu   sync.Mutex
	kids atomic.Pointer[map[string]bool] // replaced whole, under mu
}

// add adds a key.
func (d *distrusted) add(kid string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	set := map[string]bool{kid: true}
	if old := d.kids.Load(); old != nil {
		maps.Copy(set, *old)
	}
	d.kids.Store(&set)
}

// has reports whether a key was added.
func (d *distrusted) has(kid string) bool {
	set := d.kids.Load()
	return set != nil && (*set)[kid]
}

// Open returns the ring, and makes the first key when there is none. When the master key
// doesn't open the ring, the error names its file.
func Open(ctx context.Context, cfg Config) (*Ring, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	r := &Ring{cfg: cfg, turn: make(chan struct{}, 1), gate: NewGate(unknownEvery, unknownForget)}
	if cfg.Algorithm == token.HS256 {
		r.view.Store(sharedView(cfg.Secret))
		return r, nil
	}
	if err := r.Tend(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// Signing returns the active key. The error is Unavailable from when the log revokes the
// active key, or Doubt is called, until the ring has read the keys.
func (r *Ring) Signing() (token.SigningKey, error) {
	v := r.view.Load()
	if r.distrusted.has(v.signing.KID) || v.doubts != r.doubts.Load() {
		return token.SigningKey{}, errReplacing
	}
	return v.signing, nil
}

// Doubt records that the keys may no longer be in the store, because its server was
// replaced: nothing is signed until they are read again. Call Refresh afterwards. With
// HS256, which has no stored keys, it changes nothing.
func (r *Ring) Doubt() {
	if r.cfg.Algorithm != token.HS256 {
		r.doubts.Add(1)
	}
}

// Find returns the key that verifies what kid signed; with a shared secret, the secret
// for its own id and for an empty one. A revoked key is returned too, with Revoked set.
func (r *Ring) Find(kid string) (token.VerificationKey, bool) {
	k, ok := r.view.Load().find[kid]
	if ok && r.distrusted.has(k.KID) {
		k.Revoked = true
	}
	return k, ok
}

// JWKS returns the JWK Set (RFC 7517 §5) of the active and the next key and the retired
// keys whose tokens may be valid; with Config.SameType only those of one type. The bytes
// are shared and must not be changed.
func (r *Ring) JWKS() []byte { return r.view.Load().jwks }

// Public returns the keys of the JWK Set in its order.
func (r *Ring) Public() []token.VerificationKey { return slices.Clone(r.view.Load().public) }

// Algorithms returns the algorithms of the JWK Set's keys in its order, each once; with
// HS256 only HS256.
func (r *Ring) Algorithms() []token.Algorithm {
	var all []token.Algorithm
	for _, k := range r.view.Load().public {
		if !slices.Contains(all, k.Algorithm) {
			all = append(all, k.Algorithm)
		}
	}
	if all == nil {
		return []token.Algorithm{r.cfg.Algorithm}
	}
	return all
}

// Keys returns every key as it is stored, including those that are gone: the active one
// first, then next, retired and gone, newest first. With HS256 there are none.
func (r *Ring) Keys() []Key { return slices.Clone(r.view.Load().keys) }

// LastExpiry returns a time by which every token signed so far has expired: a key
// remembers the longest lifetime of its tokens. With HS256, which has no stored keys, it
// returns the zero time.
func (r *Ring) LastExpiry() (last time.Time) {
	now := r.cfg.Now()
	for _, k := range r.view.Load().keys {
		end := k.GoneAt
		if k.State == Active {
			end = now.Add(k.GoneAt.Sub(k.ActiveAt))
		}
		if end.After(last) {
			last = end
		}
	}
	return last
}

// Distrust makes this node refuse, from now on, what the key signed. Call it when the log
// says that the key was revoked, and call Refresh afterwards: Distrust doesn't read the
// store.
func (r *Ring) Distrust(kid string) { r.distrusted.add(kid) }

// Refresh reads the store again. On return the ring is at least as new as the call; on an
// error it stays as it was.
func (r *Ring) Refresh(ctx context.Context) error {
	if r.cfg.Algorithm == token.HS256 {
		return nil
	}
	return r.inTurn(ctx, func() ([]Key, error) { return r.read(ctx) })
}

// inTurn replaces the view by a new one. One call at a time runs, or an older reading
// could replace a newer one.
func (r *Ring) inTurn(ctx context.Context, read func() ([]Key, error)) error {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	doubts := r.doubts.Load()
	keys, err := read()
	if err != nil {
		return err
	}
	v, err := newView(keys, r.cfg, r.view.Load())
	if err != nil {
		return err
	}
	v.doubts = doubts
	r.view.Store(v)
	return nil
}

func (r *Ring) read(ctx context.Context) ([]Key, error) {
	keys, err := r.cfg.Store.SigningKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the signing keys: %w", err)
	}
	return keys, nil
}

// Expect records that the log has announced new keys: the next look for an unknown key is
// made however recent the last one was.
func (r *Ring) Expect() { r.expected.Store(true) }

// failure is when something failed, and how.
type failure struct {
	at  time.Time
	err error
}

// RefreshUnknown reads the store because a token names a key that Find doesn't know,
// unless that was done a moment ago, or recently for the same id. When it returns nil,
// call Find again. A reading that failed a moment ago is not tried again: the same error
// is returned. Concurrent calls share a reading.
func (r *Ring) RefreshUnknown(ctx context.Context, kid string) error {
	if r.cfg.Algorithm == token.HS256 {
		return nil
	}
	done := r.flight.DoChan("", func() (any, error) { return nil, r.lookFor(ctx, kid) })
	select {
	case res := <-done:
		return res.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Ring) lookFor(ctx context.Context, kid string) error {
	now := r.cfg.Now()
	if _, known := r.Find(kid); known {
		return nil
	}
	if within(r.missed.at, now, unknownEvery) && r.missed.err != nil {
		return r.missed.err // otherwise a valid token would be refused because the store can't be reached
	}
	expected := r.expected.Swap(false)
	if !expected && !r.gate.Allow(kid, now) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), unknownTimeout)
	defer cancel()
	err := r.Refresh(ctx)
	if err != nil {
		r.gate.Forget(kid)
		r.expected.CompareAndSwap(false, expected)
	}
	r.missed = failure{now, err}
	return err
}

// Tend makes the changes that are due: it adds the next key early enough, makes it active
// in time, and changes retired keys to gone when their tokens have expired. It also
// refreshes the ring, and writes only when something has to change.
func (r *Ring) Tend(ctx context.Context) error {
	if r.cfg.Algorithm == token.HS256 {
		return nil
	}
	return r.change(ctx, r.Plans().of((*draft).tend))
}

// Plans returns the plans of changes that are carried out in a transaction of the caller's.
func (r *Ring) Plans() Plans { return Plans{cfg: &r.cfg, view: &r.view} }

// change runs a plan in the store, if there is something to do, and refreshes.
func (r *Ring) change(ctx context.Context, p Plan) error {
	if r.cfg.Algorithm == token.HS256 {
		_, err := p(nil)
		return err
	}
	return r.inTurn(ctx, func() ([]Key, error) {
		keys, err := r.read(ctx)
		if err != nil {
			return nil, err
		}
		changed, err := p(keys)
		if err != nil || len(changed) == 0 {
			return keys, err
		}
		if err := r.cfg.Store.ChangeSigningKeys(ctx, p); err != nil {
			return nil, fmt.Errorf("changing the signing keys: %w", err)
		}
		return r.read(ctx)
	})
}
