package keyring

import (
	"sync"
	"time"
)

// Gate limits how often an unknown key id makes a verifier look for new keys, so that
// forged ids cause little work. It remembers only the ids that it let through, so its
// memory is bounded by the rate.
type Gate struct {
	every  time.Duration
	forget time.Duration

	mu    sync.Mutex
	last  time.Time
	asked map[string]time.Time
}

// NewGate returns a gate that lets an id through at most once in every, and the same id
// at most once in forget.
func NewGate(every, forget time.Duration) *Gate {
	return &Gate{every: every, forget: forget, asked: map[string]time.Time{}}
}

// Allow reports whether to look for the key now. When the clock is set back, the gate
// isn't closed for longer than its rate.
func (g *Gate) Allow(kid string, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if within(g.last, now, g.every) {
		return false
	}
	for id, at := range g.asked {
		if !within(at, now, g.forget) {
			delete(g.asked, id)
		}
	}
	if _, asked := g.asked[kid]; asked {
		return false
	}
	g.last, g.asked[kid] = now, now
	return true
}

// Forget lets the same id through again. Call it when looking for the id has failed.
func (g *Gate) Forget(kid string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.asked, kid)
}

// within reports whether now is less than d after at.
func within(at, now time.Time, d time.Duration) bool {
	since := now.Sub(at)
	return since >= 0 && since < d
}
