package verify

import (
	"context"
	"strings"
	"sync"
	"time"
)

// pool bounds how often something is done, and how often at once.
type pool struct {
	rate  float64 // a second
	clock func() time.Duration

	slots chan struct{} // who holds a place is under way

	mu   sync.Mutex
	left float64
	last time.Duration
}

func newPool(rate int, clock func() time.Duration) pool {
	return pool{
		rate: float64(rate), clock: clock, left: float64(max(rate, 1)), last: clock(),
		slots: make(chan struct{}, askersAtOnce),
	}
}

// enter waits for a place among those under way; leave gives it back.
func (p *pool) enter(ctx context.Context) bool {
	select {
	case p.slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (p *pool) leave() { <-p.slots }

// allow reports whether it may be done once more by now.
func (p *pool) allow() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock()
	if now > p.last {
		p.left = min(p.left+p.rate*(now-p.last).Seconds(), max(p.rate, 1))
		p.last = now
	}
	if p.left < 1 {
		return false
	}
	p.left--
	return true
}

// splitScope gives the names of a scope (RFC 6749 §3.3).
func splitScope(scope string) []string {
	if scope == "" {
		return nil
	}
	return strings.Fields(scope)
}
