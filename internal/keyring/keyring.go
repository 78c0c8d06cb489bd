// Package keyring keeps the signing keys: it creates them, seals them with the master
// key, rotates them, and publishes the JWK Set.
//
// A new key is in the state next: it is published in the JWK Set for as long as a set may
// be cached. Then it becomes active and signs. When its successor becomes active it is
// retired: it no longer signs, and stays in the set until the last token that it signed
// has expired. Then it is gone: its private half is deleted. A key that was revoked by
// hand ([Plans.Retire]) is removed from the set at once, and what it signed is refused as
// revoked.
//
// Every change is a pure plan over the stored keys that the [Store] runs in one
// serialised transaction, so that several nodes can maintain one ring: the second finds
// nothing left to do. With HS256 there is only the operator's secret, which is neither
// stored nor published.
package keyring

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bearerd/bearerd/internal/token"
)

// State is the state of a key, by the stored name.
type State string

// The states, in their order.
const (
	Next    State = "next"    // shown, doesn't sign yet
	Active  State = "active"  // signs; there is exactly one
	Retired State = "retired" // no longer signs
	Gone    State = "gone"    // its tokens have all expired; only its id is kept
)

// Key is a signing key as it is stored. Times that haven't come yet are when they
// are due, or zero.
type Key struct {
	KID       string // RFC 7638 thumbprint
	Algorithm token.Algorithm
	State     State
	CreatedAt time.Time
	ActiveAt  time.Time // when it began to sign; of a next key, when it is due to
	RetiredAt time.Time // when it ceased to sign; zero before
	// GoneAt is the earliest time at which none of its tokens is valid any more. For an
	// active key it is counted from ActiveAt, and the difference is the longest lifetime
	// of its tokens; for a retired key it is final, and equal to RetiredAt when the key
	// was revoked. It is zero for a next key.
	GoneAt time.Time
	Sealed []byte // the private key, sealed with the master key; nil when gone
}

// Revoked reports whether the key was revoked, with all that it signed.
func (k Key) Revoked() bool { return k.State == Retired && !k.GoneAt.After(k.RetiredAt) }

// Plan is a change of the ring: given all keys, it returns those that are new or changed,
// in the order in which they are to be written (the one that becomes active last, so that
// there are never two); none when there is nothing to do. Apart from making a key it has
// no side effects, and it may be called more than once.
type Plan func(now []Key) ([]Key, error)

// Store keeps the keys.
type Store interface {
	// SigningKeys returns every key, in any order.
	SigningKeys(ctx context.Context) ([]Key, error)
	// ChangeSigningKeys reads every key, runs the plan on them, and writes the keys that
	// it returns, in one transaction that is serialised against every other. A plan's
	// error rolls it back and is returned.
	ChangeSigningKeys(ctx context.Context, plan func(now []Key) ([]Key, error)) error
}

// Config is what a ring needs.
type Config struct {
	// Algorithm is that of new keys. When it differs from the active key's, a next key of
	// this algorithm is made and becomes active after CacheTime.
	Algorithm token.Algorithm
	// SameType limits the JWK Set to keys of Algorithm's type (RFC 7518 §6.1), for
	// verifiers that can't read a set with other types in it. bearerd itself still
	// accepts what the other keys signed.
	SameType bool
	// Secret is the shared secret, for HS256 only. It must pass CheckSecret.
	Secret []byte
	// RotateEvery is how long a key signs; 0: until it is rotated by hand. Otherwise it
	// must be more than CacheTime and Lag together.
	RotateEvery time.Duration
	// CacheTime is the max-age of the JWK Set: a key is shown for at least as long
	// before it signs. Must not be negative.
	CacheTime time.Duration
	// Lag is how long it may take until every node has seen a change in the store:
	// the interval at which Tend is called. A next key waits for CacheTime and Lag,
	// a retired one is kept for Lag longer.
	Lag time.Duration
	// LongestToken is the longest lifetime of any JWT. It must be greater than 0. A key
	// remembers the greatest value that was ever configured for it.
	LongestToken time.Duration
	Store        Store  // required, except for HS256
	Master       Master // required, except for HS256
	Now          func() time.Time
}

func (c Config) check() error {
	if c.Now == nil {
		return errors.New("keyring: Now is missing")
	}
	if c.Algorithm == token.HS256 {
		return CheckSecret(c.Secret)
	}
	if _, err := token.ParseAlgorithm(string(c.Algorithm)); err != nil {
		return fmt.Errorf("signing.algorithm: %w", err)
	}
	switch {
	case len(c.Secret) > 0:
		return fmt.Errorf("signing.secret_file is for HS256 and can't be used with %s", c.Algorithm)
	case c.Store == nil || !c.Master.usable():
		return errors.New("keyring: Store or Master is missing")
	case c.CacheTime < 0 || c.Lag < 0 || c.LongestToken <= 0:
		return errors.New("keyring: CacheTime, Lag and LongestToken must be positive")
	case c.RotateEvery != 0 && c.RotateEvery <= c.CacheTime+c.Lag:
		return fmt.Errorf("signing.rotate_every must be 0 or more than %s, for which a new key is shown before it signs",
			c.CacheTime+c.Lag)
	}
	return nil
}

// shows reports whether keys of an algorithm are in the JWK Set.
func (c Config) shows(a token.Algorithm) bool {
	return !c.SameType || a.KeyType() == c.Algorithm.KeyType()
}
