package keyring_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/token"
)

// memory is a store in memory: serialised, and it counts.
type memory struct {
	mu     sync.Mutex
	keys   []keyring.Key
	err    error
	before func() // runs before each reading
	reads  atomic.Int64
	writes atomic.Int64
}

func (m *memory) SigningKeys(ctx context.Context) ([]keyring.Key, error) {
	if m.before != nil {
		m.before()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads.Add(1)
	return slices.Clone(m.keys), errors.Join(m.err, ctx.Err())
}

func (m *memory) ChangeSigningKeys(ctx context.Context, plan func([]keyring.Key) ([]keyring.Key, error)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writes.Add(1)
	changed, err := plan(slices.Clone(m.keys))
	if err := errors.Join(err, m.err, ctx.Err()); err != nil {
		return err
	}
	for _, k := range changed {
		if i := slices.IndexFunc(m.keys, func(o keyring.Key) bool { return o.KID == k.KID }); i >= 0 {
			m.keys[i] = k
		} else {
			m.keys = append(m.keys, k)
		}
	}
	return nil
}

func (m *memory) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

// clock is a clock that tests set.
type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) now() time.Time { return time.Unix(0, c.at.Load()) }

func (c *clock) pass(d time.Duration) { c.at.Add(int64(d)) }

const (
	day  = 24 * time.Hour
	show = 6 * time.Minute
)

func master(t *testing.T) keyring.Master {
	t.Helper()
	m, err := keyring.MakeMaster(filepath.Join(t.TempDir(), "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func config(t *testing.T, s keyring.Store, c *clock) keyring.Config {
	t.Helper()
	return keyring.Config{
		Algorithm: token.EdDSA, RotateEvery: 30 * day, CacheTime: 5 * time.Minute, Lag: time.Minute, LongestToken: day,
		Store: s, Master: master(t), Now: c.now,
	}
}

func open(t *testing.T, cfg keyring.Config) *keyring.Ring {
	t.Helper()
	r, err := keyring.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func do(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func signing(t *testing.T, r *keyring.Ring) token.SigningKey {
	t.Helper()
	k, err := r.Signing()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// issue signs a token that is valid for a day, and verify verifies one.
func issue(t *testing.T, r *keyring.Ring, now time.Time) string {
	t.Helper()
	raw, err := token.Sign(signing(t, r), token.TypeAccess, token.Claims{
		Issuer: "i", Subject: "s", Audience: []string{"a"}, ID: "j", IssuedAt: now, Expiry: now.Add(day),
	})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func verify(r *keyring.Ring, raw string) error {
	_, err := token.Verify(raw, r.Find)
	return err
}

// published returns the ids in the JWK Set, sorted.
func published(t *testing.T, r *keyring.Ring) []string {
	t.Helper()
	keys, err := keyring.ReadJWKS(r.JWKS())
	if err != nil {
		t.Fatal(err)
	}
	var kids []string
	for _, k := range keys {
		kids = append(kids, k.KID)
	}
	return slices.Sorted(slices.Values(kids))
}

func states(r *keyring.Ring) map[string]keyring.State {
	out := map[string]keyring.State{}
	for _, k := range r.Keys() {
		out[k.KID] = k.State
	}
	return out
}
