package verify

import (
	"strings"
	"sync"
	"time"
)

// pool bounds how often something is done, and how often at once.
type pool struct {
	rate  float64 // a second
	clock func() time.Duration

	mu    sync.Mutex
	left  float64
	last  time.Duration
	under int // under way
}

func newPool(rate int, clock func() time.Duration) pool {
	return pool{rate: float64(rate), clock: clock, left: float64(max(rate, 1)), last: clock()}
}

// enter reports whether it may be done now; leave is called after that.
func (p *pool) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock()
	if now > p.last {
		p.left = min(p.left+p.rate*(now-p.last).Seconds(), max(p.rate, 1))
		p.last = now
	}
	if p.under >= askersAtOnce || p.left < 1 {
		return false
	}
	p.left--
	p.under++
	return true
}

func (p *pool) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.under--
}

// splitScope gives the names of a scope (RFC 6749 §3.3).
func splitScope(scope string) []string {
	if scope == "" {
		return nil
	}
	return strings.Fields(scope)
}
