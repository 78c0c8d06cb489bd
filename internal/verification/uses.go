package verification

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// Uses collects last uses of opaque tokens until a batch of them is written, so that
// verifying never writes. It is bounded: past the limit, the uses of further tokens are
// left out of the batch.
type Uses struct {
	addressOf func(context.Context) string
	replaced  chan struct{} // has a value while TakeReplaced has something

	mu       sync.Mutex
	pending  map[string]Use
	replaces map[string]bool // ids of tokens whose successors were used
}

// Use is one last use of a token.
type Use struct {
	ID, Address string
	At          time.Time
}

const (
	maxPendingUses = 10_000
	useGrain       = 30 * time.Second // a token's use is noted at most this often
)

// NewUses returns an empty collection. addressOf returns the client's address of a
// request; "" when it is not known.
func NewUses(addressOf func(context.Context) string) *Uses {
	return &Uses{
		addressOf: addressOf, replaced: make(chan struct{}, 1),
		pending: map[string]Use{}, replaces: map[string]bool{},
	}
}

// note remembers that an opaque token was used. A nil Uses remembers nothing.
func (u *Uses) note(ctx context.Context, t *Token, now time.Time) {
	if u == nil {
		return
	}
	last := t.used.Load()
	if now.Unix()-last < int64(useGrain/time.Second) || !t.used.CompareAndSwap(last, now.Unix()) {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, known := u.pending[t.ID]; known || len(u.pending) < maxPendingUses {
		u.pending[t.ID] = Use{ID: t.ID, Address: u.addressOf(ctx), At: now}
	}
	if t.Replaces != "" && len(u.replaces) < maxPendingUses {
		u.replaces[t.Replaces] = true
		select {
		case u.replaced <- struct{}{}:
		default:
		}
	}
}

// Take returns the uses noted since the last call.
func (u *Uses) Take() []Use {
	u.mu.Lock()
	defer u.mu.Unlock()
	batch := slices.Collect(maps.Values(u.pending))
	clear(u.pending)
	return batch
}

// Replaced returns a channel that receives when TakeReplaced has something.
func (u *Uses) Replaced() <-chan struct{} { return u.replaced }

// TakeReplaced returns the ids of tokens whose successors were used since the last
// call.
func (u *Uses) TakeReplaced() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	ids := slices.Collect(maps.Keys(u.replaces))
	clear(u.replaces)
	return ids
}
