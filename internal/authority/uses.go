package authority

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/bearerd/bearerd/internal/records"

	"github.com/bearerd/bearerd/internal/audit"
)

// uses gathers last uses of stored tokens until a batch is written, so that
// verifying never writes. It is bounded: past its limit, further tokens' uses
// are left out of this batch.
type uses struct {
	mu      sync.Mutex
	pending map[string]records.Use
	ended   map[string]bool // ids of tokens whose successors were used
	wake    chan struct{}   // ended has something
}

const (
	maxPendingUses = 10_000
	useGrain       = 30 * time.Second // a token's use is noted this often at most
)

func newUses() *uses {
	return &uses{pending: map[string]records.Use{}, ended: map[string]bool{}, wake: make(chan struct{}, 1)}
}

// end remembers that a token's successor was used.
func (u *uses) end(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.ended) < maxPendingUses {
		u.ended[id] = true
	}
	select {
	case u.wake <- struct{}{}:
	default:
	}
}

func (u *uses) takeEnded() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	ids := slices.Collect(maps.Keys(u.ended))
	clear(u.ended)
	return ids
}

func (u *uses) add(use records.Use) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, known := u.pending[use.ID]; known || len(u.pending) < maxPendingUses {
		u.pending[use.ID] = use
	}
}

func (u *uses) take() []records.Use {
	u.mu.Lock()
	defer u.mu.Unlock()
	batch := make([]records.Use, 0, len(u.pending))
	for _, use := range u.pending {
		batch = append(batch, use)
	}
	u.pending = map[string]records.Use{}
	return batch
}

// noteUse remembers that a stored token was used.
func (a *Authority) noteUse(ctx context.Context, t *Token, now time.Time) {
	if t.jwt != nil {
		return
	}
	last := t.used.Load()
	if now.Unix()-last < int64(useGrain/time.Second) || !t.used.CompareAndSwap(last, now.Unix()) {
		return
	}
	a.uses.add(records.Use{ID: t.ID, Address: audit.OriginOf(ctx).Address, At: now})
	if t.replaces != "" {
		a.uses.end(t.replaces)
	}
}

// FlushUses writes the last uses gathered since the last call. They are lost when
// the store can't take them: a last use is a convenience, not a guarantee.
func (a *Authority) FlushUses(ctx context.Context) error {
	batch := a.uses.take()
	if len(batch) == 0 {
		return nil
	}
	return a.Store.Touch(ctx, batch)
}
