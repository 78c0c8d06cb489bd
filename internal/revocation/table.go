package revocation

import (
	"math/bits"
	"sync/atomic"
)

// words is a key as two machine words; hi is never zero in a table.
type words struct{ hi, lo uint64 }

// hash folds a product of both halves. The ids are random or digests already:
// it has to spread time-ordered UUIDs, not to withstand chosen ones.
func (w words) hash() uint64 {
	hi, lo := bits.Mul64(w.hi^0x9e3779b97f4a7c15, w.lo^0xd6e8feb86659fd93)
	return hi ^ lo
}

// A table grows shard by shard, so that neither the time of one growth nor the
// memory for the copy depends on more than a 64th of it.
const shards = 64

// Between growths a shard is filled from 46 % to 60 %: at 16 bytes a slot that
// is 27 to 35 bytes a key, and a look-up reads one or two cache lines.
const (
	minSlots     = 8
	maxLoad      = 60 // per cent
	growthFactor = 130
)

// table is an open-addressing hash table of keys with any number of readers and
// one writer. A slot is two words of key and, in a table of cut-offs, two more.
// The writer stores the first word of a key last, so a reader that sees it sees
// all of the slot.
type table struct {
	width  int // words a slot
	shards [shards]atomic.Pointer[shard]
	count  atomic.Int64 // keys
	moved  atomic.Int64 // of these, the ones that a later bucket has as well
	size   atomic.Int64 // slots
}

type shard struct {
	width int
	slots uint64
	words []atomic.Uint64
	used  int // the writer's
}

func newShard(width int, slots uint64) *shard {
	return &shard{width: width, slots: slots, words: make([]atomic.Uint64, uint64(width)*slots)} //nolint:gosec // a width is 2 or 4
}

// find returns the slot's words, or nil when the key isn't there.
func (t *table) find(w words, hash uint64) []atomic.Uint64 {
	s := t.shards[hash%shards].Load()
	if s == nil {
		return nil
	}
	if slot, found := s.slot(w, hash); found {
		return slot
	}
	return nil
}

// slot returns the words of the slot that holds the key, or of the free one where
// it would go, and which of the two it is. A reader can't see that in the slot
// itself: the writer may use it for another key meanwhile. A shard is never full.
func (s *shard) slot(w words, hash uint64) (slot []atomic.Uint64, found bool) {
	i, _ := bits.Mul64(hash, s.slots)
	for {
		slot = s.words[int(i)*s.width:][:s.width] //nolint:gosec // i is below the number of slots
		switch first := slot[0].Load(); {
		case first == 0:
			return slot, false
		case first == w.hi && slot[1].Load() == w.lo:
			return slot, true
		}
		if i++; i == s.slots {
			i = 0
		}
	}
}

// put adds a key with the rest of its slot, and reports false when it was there.
func (t *table) put(w words, hash uint64, rest ...uint64) bool {
	s := t.shards[hash%shards].Load()
	if s == nil {
		s = t.grow(hash, newShard(t.width, 0))
	}
	slot, found := s.slot(w, hash)
	if found {
		return false
	}
	if s.crowded() {
		s = t.grow(hash, s)
		slot, _ = s.slot(w, hash)
	}
	for i, value := range rest {
		slot[2+i].Store(value)
	}
	slot[1].Store(w.lo)
	slot[0].Store(w.hi)
	s.used++
	t.count.Add(1)
	return true
}

// crowded reports whether a shard must grow before it takes another key.
func (s *shard) crowded() bool {
	return uint64(s.used+1)*100 > s.slots*maxLoad //nolint:gosec // used counts up from 0
}

// grow copies a shard into a larger one and lets readers see that instead.
func (t *table) grow(hash uint64, old *shard) *shard {
	slots := max(minSlots, old.slots*growthFactor/100+1)
	next := newShard(t.width, slots)
	next.used = old.used
	old.each(func(from []atomic.Uint64) {
		w := words{hi: from[0].Load(), lo: from[1].Load()}
		to, _ := next.slot(w, w.hash())
		for i := range from {
			to[i].Store(from[i].Load())
		}
	})
	t.size.Add(int64(slots) - int64(old.slots)) //nolint:gosec // a shard fits in memory
	t.shards[hash%shards].Store(next)
	return next
}

// each visits the slots in use.
func (s *shard) each(visit func(slot []atomic.Uint64)) {
	for i := 0; i < len(s.words); i += s.width {
		if slot := s.words[i : i+s.width]; slot[0].Load() != 0 {
			visit(slot)
		}
	}
}

// bytes returns the memory that the table takes.
func (t *table) bytes() int64 { return t.size.Load()*int64(t.width)*8 + shards*8 }
