package authority

import (
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// recent is a cache of facts by a string, bounded in bytes. Reading takes no lock,
// writes nothing that all readers share, and allocates nothing. Nothing in it is
// ever a decision, and nothing is older than maxFactAge, which is far below the
// time that the log keeps what would make it untrue.
//
// A key belongs to one row of a few places. What is used is marked, up to
// maxMark; when the budget is spent a hand goes round the rows, unmarks what it
// meets and drops what has no mark left. And once it is spent, a key gets a place
// when it is seen for the second time: a flood of tokens that are each used once,
// genuine as they may be, drops nothing.
type recent[V any] struct {
	seed   maphash.Seed
	rows   []row[V]
	mask   uint64          // of a hash, for its row: there is a power of two of them
	seen   []atomic.Uint32 // keys that found no place when they came last, by their hash
	budget int64
	cost   func(key string, value V) int64

	held    atomic.Int64 // bytes of all facts
	hand    atomic.Uint64
	writing [64]sync.Mutex // of a row each 64th
}

// TokenCacheBytes is the memory that facts about tokens take, by the estimate that
// their budget is held to.
func (a *Authority) TokenCacheBytes() int64 { return a.tokens.held.Load() }

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
	ways       = 7
	maxMark    = 3
	maxFactAge = time.Hour

	factOverhead = 128 // bytes of a fact besides key and value, and its share of the rows
	maxSteps     = 32  // rows that one write sees at most before it drops what it meets
)

// size says how large a cache is.
type size[V any] struct {
	budget int64                           // bytes
	usual  int64                           // bytes of a usual fact: what the number of places is made for
	cost   func(key string, value V) int64 // bytes of a fact
}

// newRecent makes an empty cache. Its places take a 20th of the budget beside it.
func newRecent[V any](s size[V]) *recent[V] {
	facts := max(uint64(s.budget/(s.usual+factOverhead)), ways) //nolint:gosec // a budget is positive
	rows := uint64(1) << bits.Len64(facts/4)                    // half of the places are free
	return &recent[V]{
		seed: maphash.MakeSeed(), rows: make([]row[V], rows), mask: rows - 1, seen: make([]atomic.Uint32, 8*rows),
		budget: s.budget, cost: s.cost,
	}
}

// get finds what is remembered under the key and is not too old at now.
func (r *recent[V]) get(key string, now time.Time) (value V, ok bool) {
	h := maphash.String(r.seed, key)
	row := r.row(h)
	for found := matches(row.tags.Load(), tagOf(h)); found != 0; found &= found - 1 {
		f := row.places[bits.TrailingZeros64(found)/8].Load()
		if f == nil || f.key != key {
			continue
		}
		if age := now.Sub(f.made); age < 0 || age > maxFactAge {
			return value, false
		}
		if n := f.marks.Load(); n < maxMark {
			f.marks.Store(n + 1)
		}
		return f.value, true
	}
	return value, false
}

// put remembers a value as of now, if there is room for it or it was wanted before.
func (r *recent[V]) put(key string, value V, now time.Time) {
	f := &fact[V]{key: key, value: value, made: now.Round(0)}
	f.cost = r.cost(key, value) + factOverhead
	if f.cost > r.budget/8 {
		return
	}
	h := maphash.String(r.seed, key)
	full := r.held.Load()+f.cost > r.budget
	if r.place(h, f, full) && full {
		r.shrink()
	}
}

// place puts a fact into its row: over its own key, into a free place, or, when it
// was wanted before, over what has the fewest marks. A cache that is full takes
// in nothing that wasn't wanted before.
func (r *recent[V]) place(h uint64, f *fact[V], full bool) bool {
	row, lock := r.row(h), r.lock(h)
	lock.Lock()
	defer lock.Unlock()
	at, own := row.victim(f.key)
	old := row.places[at].Load()
	if !own && (full || old != nil) {
		if !r.again(h) {
			return false
		}
		f.marks.Store(1)
	}
	if old != nil {
		r.held.Add(-old.cost)
	}
	r.held.Add(f.cost)
	row.set(at, tagOf(h), f)
	return true
}

// again reports whether a key found no place when it came last, and remembers it.
func (r *recent[V]) again(h uint64) bool {
	mark := uint32(h>>8) | 1 //nolint:gosec // a part of the hash
	return r.seen[h>>40%uint64(len(r.seen))].Swap(mark) == mark
}

// shrink drops facts until what is held fits the budget: those without a mark, and
// after maxSteps rows whatever comes next, so that no write takes long.
func (r *recent[V]) shrink() {
	for step := 0; r.held.Load() > r.budget && step < len(r.rows)+maxSteps; step++ {
		at := r.hand.Add(1) % uint64(len(r.rows))
		lock := r.lock(at)
		lock.Lock()
		r.held.Add(-r.rows[at].sweep(step >= maxSteps))
		lock.Unlock()
	}
}

// flush forgets everything.
func (r *recent[V]) flush() {
	for i := range r.rows {
		lock := r.lock(uint64(i))
		lock.Lock()
		for at := range ways {
			if f := r.rows[i].places[at].Load(); f != nil {
				r.held.Add(-f.cost)
				r.rows[i].set(at, 0, nil)
			}
		}
		lock.Unlock()
	}
}

func (r *recent[V]) row(h uint64) *row[V] { return &r.rows[h&r.mask] }

// lock gives the lock of the row that a hash belongs to.
func (r *recent[V]) lock(h uint64) *sync.Mutex {
	return &r.writing[h&r.mask%uint64(len(r.writing))]
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

// sweep takes a mark from each fact and drops those that had none, or all; it
// gives the bytes that were dropped.
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
// another key there, or none, and takes it for forgotten.
func (w *row[V]) set(at int, tag byte, f *fact[V]) {
	shift := at * 8
	w.places[at].Store(f)
	w.tags.Store(w.tags.Load()&^(0xff<<shift) | uint64(tag)<<shift)
}

// tagOf gives a byte of a hash that is never 0, which stands for a free place.
func tagOf(h uint64) byte { return byte(h>>56) | 1 }

// matches gives a bit in the byte of each place whose tag is the one sought, and
// seldom in another.
func matches(tags uint64, tag byte) uint64 {
	const ones, tops = 0x0001010101010101, 0x0080808080808080
	x := tags ^ ones*uint64(tag)
	return (x - ones) & ^x & tops
}
