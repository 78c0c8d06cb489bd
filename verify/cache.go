package verify

import (
	"encoding/binary"
	"sync/atomic"
)

// cache is bounded in bytes and keyed by digests of tokens. Reading takes no lock
// and allocates nothing. A digest has a few places where it can stand; when they
// are taken, one that was not used lately gives way, and while there are too many
// bytes, others do.
type cache[V any] struct {
	slots  []atomic.Pointer[cached[V]]
	budget int64
	bytes  atomic.Int64
	hand   atomic.Uint64
}

type cached[V any] struct {
	digest digest
	value  V
	cost   int64
	used   atomic.Bool
}

const (
	ways = 8 // places for a digest; a power of two
	// usualCost is what is reckoned with for one entry: there are about as many
	// places as entries of it fit into the budget. An empty place takes 8 bytes.
	usualCost = 1 << 10
	slotCost  = 64 // an entry beside its value
)

// newCache makes a cache of that many bytes.
func newCache[V any](budget int64) *cache[V] {
	size := int64(ways)
	for size*usualCost < budget {
		size *= 2
	}
	return &cache[V]{slots: make([]atomic.Pointer[cached[V]], size), budget: max(0, budget-8*size)}
}

func (c *cache[V]) places(digest *digest) []atomic.Pointer[cached[V]] {
	mask := uint64(len(c.slots) - 1) //nolint:gosec // there is at least one
	first := binary.LittleEndian.Uint64(digest[:8]) & mask &^ (ways - 1)
	return c.slots[first : first+ways]
}

// get finds what is remembered under the digest.
func (c *cache[V]) get(digest *digest) (value V, ok bool) {
	places := c.places(digest)
	for i := range places {
		if e := places[i].Load(); e != nil && e.digest == *digest {
			if !e.used.Load() {
				e.used.Store(true)
			}
			return e.value, true
		}
	}
	return value, false
}

// put remembers a value that takes about cost bytes.
func (c *cache[V]) put(digest *digest, value V, cost int64) {
	e := &cached[V]{digest: *digest, value: value, cost: cost + slotCost}
	if e.cost > c.budget {
		return
	}
	places := c.places(digest)
	c.swap(c.victim(places, digest), e)
	for i := 0; c.bytes.Load() > c.budget && i < 2*len(c.slots); i++ {
		at := c.hand.Add(1) % uint64(len(c.slots))
		p := &c.slots[at]
		if old := p.Load(); old != nil && old != e && !old.used.Swap(false) && p.CompareAndSwap(old, nil) {
			c.bytes.Add(-old.cost)
		}
	}
}

// swap puts an entry, or nil, into a place.
func (c *cache[V]) swap(p *atomic.Pointer[cached[V]], e *cached[V]) {
	if old := p.Swap(e); old != nil {
		c.bytes.Add(-old.cost)
	}
	if e != nil {
		c.bytes.Add(e.cost)
	}
}

// victim picks the place for a digest: its own, a free one, or one not used since
// the hand last came by.
func (c *cache[V]) victim(places []atomic.Pointer[cached[V]], digest *digest) *atomic.Pointer[cached[V]] {
	var free *atomic.Pointer[cached[V]]
	for i := range places {
		switch e := places[i].Load(); {
		case e == nil:
			free = &places[i]
		case e.digest == *digest:
			return &places[i]
		}
	}
	if free != nil {
		return free
	}
	for range ways {
		p := &places[c.hand.Add(1)%ways]
		if e := p.Load(); e == nil || !e.used.Swap(false) {
			return p
		}
	}
	return &places[c.hand.Load()%ways]
}

// flush forgets everything.
func (c *cache[V]) flush() {
	for i := range c.slots {
		c.swap(&c.slots[i], nil)
	}
}
