package oauth

import (
	"net/netip"
	"sync"
	"time"
)

// limiter lets each address do something burst times at once and then once a minute.
// It keeps one instant an address: when all that was taken will have been given back. Its memory is bounded; while it is full of addresses that have taken
// something lately, all new ones share one allowance.
type limiter struct {
	burst time.Duration // the whole allowance, in time

	mu    sync.Mutex
	until map[netip.Addr]time.Time
	swept time.Time // when forget last ran
}

// maxAddresses bounds the memory of a limiter to about 1 MiB.
const maxAddresses = 10_000

// every is the time in which a limiter gives one act back.
const every = time.Minute

func newLimiter(burst int) *limiter {
	return &limiter{burst: time.Duration(burst) * every, until: map[netip.Addr]time.Time{}}
}

// take counts one act of an address, an IPv6 client having its whole /64. When that
// is one too many it counts nothing and gives how long to wait.
func (l *limiter) take(address netip.Addr, now time.Time) (wait time.Duration) {
	if address.Is6() {
		if network, err := address.Prefix(64); err == nil {
			address = network.Addr()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.until[address]; !known && len(l.until) >= maxAddresses {
		l.forget(now)
		if len(l.until) >= maxAddresses {
			address = netip.Addr{}
		}
	}
	full := now.Add(l.burst)
	until := latest(l.until[address], now)
	if until.After(full) {
		until = full // the clock was set back
	}
	next := until.Add(every)
	if next.After(full) {
		l.until[address] = until
		return next.Sub(full)
	}
	l.until[address] = next
	return 0
}

// forget drops the addresses that have everything back. It looks at all of them, and
// so not each time.
func (l *limiter) forget(now time.Time) {
	if since := now.Sub(l.swept); since >= 0 && since < every {
		return
	}
	l.swept = now
	for address, until := range l.until {
		if !until.After(now) {
			delete(l.until, address)
		}
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
