package revocation

import (
	"math/bits"
	"slices"
	"sync/atomic"
)

// filter is what a bucket knows of the kills that no table had room for: segments
// of a blocked Bloom filter, the first of them the smallest. It never denies a key
// that was added; it affirms about one in a thousand others for each segment that
// is full. A list of segments is never changed, only replaced with its bucket.
type filter []*segment

// A key sets one bit in each word of one block, which is a cache line. With 16
// bits for each key, a key that was never added finds all of its eight set about
// once in a thousand times.
const (
	blockWords = 8
	blockBytes = 8 * blockWords
	bytesAKey  = 2
)

// Each segment is so many times as large as the one before, so that a look-up
// visits few of them however many keys there are.
const segmentGrowth = 4

// segment has any number of readers and one writer.
type segment struct {
	words []atomic.Uint64
	count atomic.Int64 // keys
}

func newSegment(size int64) *segment {
	return &segment{words: make([]atomic.Uint64, size/blockBytes*blockWords)}
}

func (s *segment) bytes() int64 { return int64(len(s.words)) * 8 }

// full reports whether another key would make the segment less sure than it is meant to be.
func (s *segment) full() bool { return s.count.Load()*bytesAKey >= s.bytes() }

// load is how many keys there are for each byte.
func (s *segment) load() float64 { return float64(s.count.Load()) / float64(s.bytes()) }

// mark is where a key stands in every segment: its block as a fraction of all, and
// six bits for each word of it.
type mark struct{ place, bits uint64 }

func (w words) mark() mark {
	hi, lo := bits.Mul64(w.hi^0xa0761d6478bd642f, w.lo^0xe7037ed1a0b428db)
	place := hi ^ lo
	hi, lo = bits.Mul64(place^0x8ebc6af09c88c6e3, w.lo^0x589965cc75374cc3)
	return mark{place: place, bits: hi ^ lo}
}

func (s *segment) block(m mark) []atomic.Uint64 {
	i, _ := bits.Mul64(m.place, uint64(len(s.words)/blockWords))
	return s.words[i*blockWords:][:blockWords]
}

func (s *segment) has(m mark) bool {
	block := s.block(m)
	for i := range block {
		if block[i].Load()&m.bit(i) == 0 {
			return false
		}
	}
	return true
}

func (s *segment) add(m mark) {
	block := s.block(m)
	for i := range block {
		block[i].Or(m.bit(i))
	}
	s.count.Add(1)
}

// bit is the one that the mark sets in the i-th word of its block.
func (m mark) bit(i int) uint64 { return 1 << (m.bits >> (6 * i) & 63) }

func (f filter) has(m mark) bool {
	for _, s := range f {
		if s.has(m) {
			return true
		}
	}
	return false
}

// add puts a key where it does the least harm: a filter without room for another
// segment gets less sure, and forgets nothing.
func (f filter) add(m mark) {
	slices.MinFunc(f, func(a, b *segment) int {
		if a.load() < b.load() {
			return -1
		}
		return 1
	}).add(m)
}

func (f filter) full() bool {
	return !slices.ContainsFunc(f, func(s *segment) bool { return !s.full() })
}

func (f filter) bytes() (n int64) {
	for _, s := range f {
		n += s.bytes()
	}
	return n
}

func (f filter) count() (n int64) {
	for _, s := range f {
		n += s.count.Load()
	}
	return n
}
