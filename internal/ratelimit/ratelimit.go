// Package ratelimit limits how often something is done: by keys, in bounded memory, as a
// pure function of what was done and the time.
//
// It is the generic cell rate algorithm: each key has one instant, at which its allowance
// will be full again. A key may take Burst acts at once and then one Every. While the
// memory is full of keys that have taken something recently, all new keys share one
// allowance: a flood of keys is limited as a whole.
package ratelimit

import (
	"sync"
	"time"
)

// Config configures a limiter. All fields must be positive.
type Config struct {
	Burst   int           // acts at once
	Every   time.Duration // after which one more act is allowed
	MaxKeys int           // kept at once; a key takes about 100 bytes
}

// Limiter limits. Make one with New.
type Limiter[K comparable] struct {
	every, burst time.Duration
	maxKeys      int

	mu     sync.Mutex
	until  map[K]time.Time
	shared time.Time // the allowance of keys that found no room
	swept  time.Time
}

// New returns an unused limiter.
func New[K comparable](c Config) *Limiter[K] {
	return &Limiter[K]{
		every: c.Every, burst: time.Duration(c.Burst) * c.Every, maxKeys: c.MaxKeys, until: map[K]time.Time{},
	}
}

// Take counts one act of a key, and returns 0. If that is one too many, it counts nothing
// and returns how long to wait.
func (l *Limiter[K]) Take(key K, now time.Time) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	until, known := l.until[key]
	if !known && len(l.until) >= l.maxKeys {
		l.sweep(now)
	}
	if !known && len(l.until) >= l.maxKeys {
		l.shared, wait = l.next(l.shared, now)
		return wait
	}
	l.until[key], wait = l.next(until, now)
	return wait
}

// Wait returns how long a key must wait until Take allows it an act; 0 when it does so
// now. It counts nothing.
func (l *Limiter[K]) Wait(key K, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	until, known := l.until[key]
	if !known && len(l.until) >= l.maxKeys {
		l.sweep(now)
		if len(l.until) >= l.maxKeys {
			until = l.shared
		}
	}
	_, wait := l.next(until, now)
	return wait
}

// next returns the instant after one more act, or the same one and how long to wait.
func (l *Limiter[K]) next(until, now time.Time) (time.Time, time.Duration) {
	full := now.Add(l.burst)
	if until.Before(now) {
		until = now
	}
	if until.After(full) {
		until = full // the clock was set back
	}
	next := until.Add(l.every)
	if next.After(full) {
		return until, next.Sub(full)
	}
	return next, 0
}

// sweep drops the keys whose allowance is full. It visits all keys, and so runs at most
// once in the time in which the limit allows one more act.
func (l *Limiter[K]) sweep(now time.Time) {
	if since := now.Sub(l.swept); since >= 0 && since < l.every {
		return
	}
	l.swept = now
	for key, until := range l.until {
		if !until.After(now) {
			delete(l.until, key)
		}
	}
}
