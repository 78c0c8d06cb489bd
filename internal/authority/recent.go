package authority

import (
	"hash/maphash"
	"sync/atomic"
	"time"
)

// recent is a bounded cache of facts by a string. Reading takes no lock and
// allocates nothing. A key has a few places where it can stand; when they are
// taken, one that was not used lately gives way. Nothing in it is ever a
// decision, and nothing is older than maxFactAge, which is far below the time
// that the log keeps what would make it untrue.
type recent[V any] struct {
	seed  maphash.Seed
	slots []atomic.Pointer[fact[V]]
	now   func() time.Time // the wall clock, by which the log forgets too
	hand  atomic.Uint32
}

type fact[V any] struct {
	key   string
	value V
	made  time.Time
	used  atomic.Bool
}

const (
	ways       = 8 // places for a key; a power of two
	maxFactAge = time.Hour
)

// newRecent makes a cache of that many entries, a power of two and at least ways.
func newRecent[V any](size int, now func() time.Time) *recent[V] {
	return &recent[V]{seed: maphash.MakeSeed(), slots: make([]atomic.Pointer[fact[V]], size), now: now}
}

func (r *recent[V]) places(key string) []atomic.Pointer[fact[V]] {
	mask := uint64(len(r.slots) - 1) //nolint:gosec // there is at least one
	first := maphash.String(r.seed, key) & mask &^ (ways - 1)
	return r.slots[first : first+ways]
}

// get finds what is remembered under the key.
func (r *recent[V]) get(key string) (value V, ok bool) {
	places := r.places(key)
	for i := range places {
		f := places[i].Load()
		if f == nil || f.key != key {
			continue
		}
		if age := r.now().Sub(f.made); age < 0 || age > maxFactAge {
			return value, false
		}
		if !f.used.Load() {
			f.used.Store(true)
		}
		return f.value, true
	}
	return value, false
}

// put remembers a value.
func (r *recent[V]) put(key string, value V) {
	f := &fact[V]{key: key, value: value, made: r.now().Round(0)}
	r.victim(r.places(key), key).Store(f)
}

// victim picks the place for a key: its own, a free one, or one not used since
// the hand last came by.
func (r *recent[V]) victim(places []atomic.Pointer[fact[V]], key string) *atomic.Pointer[fact[V]] {
	var free *atomic.Pointer[fact[V]]
	for i := range places {
		switch f := places[i].Load(); {
		case f == nil:
			free = &places[i]
		case f.key == key:
			return &places[i]
		}
	}
	if free != nil {
		return free
	}
	for range ways {
		p := &places[int(r.hand.Add(1))&(ways-1)]
		if f := p.Load(); f == nil || !f.used.Swap(false) {
			return p
		}
	}
	return &places[int(r.hand.Load())&(ways-1)]
}

// flush forgets everything.
func (r *recent[V]) flush() {
	for i := range r.slots {
		r.slots[i].Store(nil)
	}
}
