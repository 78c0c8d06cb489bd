// Package cache is the cache of facts: bounded in bytes, without locks for readers, and
// resistant to floods of new keys. It holds facts and never decisions: a caller judges a
// fact again each time.
package cache

import (
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// Cache holds facts under strings, bounded in bytes. Reading takes no lock, writes
// nothing that all readers share, and allocates nothing.
//
// Each key belongs to one row of a few places. A fact that is used is marked, up to
// maxMark times. When the budget is used up, a clock hand passes over the rows, removes
// one mark from each fact and drops the facts that have none left. From then on a key
// gets a place only when it is seen for the second time: a flood of keys that are each
// used once drops nothing.
type Cache[V any] struct {
	seed maphash.Seed
	rows []row[V]
	mask uint64          // of a hash, for its row: there is a power of two of them
	seen []atomic.Uint32 // keys that found no place when they came last, by their hash
	cfg  Config[V]

	held    atomic.Int64 // bytes of all facts
	hand    atomic.Uint64
	writing [64]sync.Mutex // of a row each 64th
}

// Bytes returns the memory that the facts take, by the same estimate as for the budget.
func (c *Cache[V]) Bytes() int64 { return c.held.Load() }

// row is one cache line: the places of some keys, and a byte of the hash of each
// that is taken, so that a look-up visits hardly any other key.
type row[V any] struct {
	tags   atomic.Uint64
	places [ways]atomic.Pointer[fact[V]]
}

type fact[V any] struct {
	key   string
	value V
	made  time.Time
	cost  int64
	marks atomic.Uint32
}

const (
	ways    = 7
	maxMark = 3

	factOverhead = 128 // bytes of a fact besides key and value, and its share of the rows
	maxSteps     = 32  // rows that one write visits at most before it drops facts with marks too
)

// Config configures a cache. All fields must be set.
type Config[V any] struct {
	Budget  int64                           // bytes
	Typical int64                           // bytes of a typical fact: the number of places depends on it
	MaxAge  time.Duration                   // an older fact is not returned
	Cost    func(key string, value V) int64 // bytes of a fact
}

// New returns an empty cache. Its places take a 20th of the budget in addition.
func New[V any](cfg Config[V]) *Cache[V] {
	facts := max(uint64(cfg.Budget/(cfg.Typical+factOverhead)), ways) //nolint:gosec // a budget is positive
	rows := uint64(1) << bits.Len64(facts/4)                          // half of the places are free
	return &Cache[V]{
		seed: maphash.MakeSeed(), rows: make([]row[V], rows), mask: rows - 1, seen: make([]atomic.Uint32, 8*rows), cfg: cfg,
	}
}

// Get returns the fact under the key, if there is one that is not too old at now.
func (c *Cache[V]) Get(key string, now time.Time) (value V, ok bool) {
	h := maphash.String(c.seed, key)
	row := c.row(h)
	for found := matches(row.tags.Load(), tagOf(h)); found != 0; found &= found - 1 {
		f := row.places[bits.TrailingZeros64(found)/8].Load()
		if f == nil || f.key != key {
			continue
		}
		if age := now.Sub(f.made); age < 0 || age > c.cfg.MaxAge {
			return value, false
		}
		if n := f.marks.Load(); n < maxMark {
			f.marks.Store(n + 1)
		}
		return f.value, true
	}
	return value, false
}

// Put stores a fact as of now, if there is room for it or its key was asked for before.
func (c *Cache[V]) Put(key string, value V, now time.Time) {
	f := &fact[V]{key: key, value: value, made: now.Round(0)}
	f.cost = c.cfg.Cost(key, value) + factOverhead
	if f.cost > c.cfg.Budget/8 {
		return
	}
	h := maphash.String(c.seed, key)
	full := c.held.Load()+f.cost > c.cfg.Budget
	if c.place(h, f, full) && full {
		c.shrink()
	}
}

// place puts a fact into its row: over its own key, into a free place, or, when it was
// asked for before, over the fact with the fewest marks. A full cache stores only keys
// that were asked for before.
func (c *Cache[V]) place(h uint64, f *fact[V], full bool) bool {
	row, lock := c.row(h), c.lock(h)
	lock.Lock()
	defer lock.Unlock()
	at, own := row.victim(f.key)
	old := row.places[at].Load()
	if !own && (full || old != nil) {
		if !c.again(h) {
			return false
		}
		f.marks.Store(1)
	}
	if old != nil {
		c.held.Add(-old.cost)
	}
	c.held.Add(f.cost)
	row.set(at, tagOf(h), f)
	return true
}

// again reports whether a key found no place the last time, and notes this time.
func (c *Cache[V]) again(h uint64) bool {
	mark := uint32(h>>8) | 1 //nolint:gosec // a part of the hash
	return c.seen[h>>40%uint64(len(c.seen))].Swap(mark) == mark
}

// shrink drops facts until what is held fits the budget: those without a mark, and after
// maxSteps rows the next ones, marked or not, so that no write takes long.
func (c *Cache[V]) shrink() {
	for step := 0; c.held.Load() > c.cfg.Budget && step < len(c.rows)+maxSteps; step++ {
		at := c.hand.Add(1) % uint64(len(c.rows))
		lock := c.lock(at)
		lock.Lock()
		c.held.Add(-c.rows[at].sweep(step >= maxSteps))
		lock.Unlock()
	}
}

// Flush drops every fact.
func (c *Cache[V]) Flush() {
	for i := range c.rows {
		lock := c.lock(uint64(i))
		lock.Lock()
		for at := range ways {
			if f := c.rows[i].places[at].Load(); f != nil {
				c.held.Add(-f.cost)
				c.rows[i].set(at, 0, nil)
			}
		}
		lock.Unlock()
	}
}

func (c *Cache[V]) row(h uint64) *row[V] { return &c.rows[h&c.mask] }

// lock returns the lock of the row that a hash belongs to.
func (c *Cache[V]) lock(h uint64) *sync.Mutex {
	return &c.writing[h&c.mask%uint64(len(c.writing))]
}

// victim picks the place for a key and reports whether it is the key's own.
// Otherwise it is a free one, or the one with the fewest marks.
func (w *row[V]) victim(key string) (at int, own bool) {
	fewest := uint32(maxMark + 1)
	for i := range w.places {
		f := w.places[i].Load()
		switch {
		case f == nil:
			at, fewest = i, 0
		case f.key == key:
			return i, true
		case fewest > 0 && f.marks.Load() < fewest:
			at, fewest = i, f.marks.Load()
		}
	}
	return at, false
}

// sweep removes a mark from each fact and drops those that had none, or drops all; it
// returns the bytes that were dropped.
func (w *row[V]) sweep(all bool) (dropped int64) {
	for i := range w.places {
		f := w.places[i].Load()
		switch {
		case f == nil:
		case all || f.marks.Load() == 0:
			dropped += f.cost
			w.set(i, 0, nil)
		default:
			f.marks.Store(f.marks.Load() - 1)
		}
	}
	return dropped
}

// set fills a place, or with nil frees it. A reader that comes in between finds
// another key there, or none, and treats the fact as dropped.
func (w *row[V]) set(at int, tag byte, f *fact[V]) {
	shift := at * 8
	w.places[at].Store(f)
	w.tags.Store(w.tags.Load()&^(0xff<<shift) | uint64(tag)<<shift)
}

// tagOf returns a byte of a hash that is never 0, because 0 marks a free place.
func tagOf(h uint64) byte { return byte(h>>56) | 1 }

// matches returns a bit in the byte of each place whose tag is the one sought, and
// seldom in another.
func matches(tags uint64, tag byte) uint64 {
	const ones, tops = 0x0001010101010101, 0x0080808080808080
	x := tags ^ ones*uint64(tag)
	return (x - ones) & ^x & tops
}
