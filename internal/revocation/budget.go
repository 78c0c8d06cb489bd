package revocation

import (
	"cmp"
	"slices"
)

// DefaultBudget is the memory of a set that was given none, in bytes: some 12
// million ids in tables, and 50 million more in filters.
const DefaultBudget = 512 << 20

// A quarter of the budget is for filters, so that there is room for what the
// tables have none for. It is given out in units; each bucket can have one,
// whatever the others took.
const (
	filterShare = 4
	units       = 64
	minUnit     = 4096
)

func (s *Set) budget() int64 {
	if s.Budget > 0 {
		return s.Budget
	}
	return DefaultBudget
}

// Bytes is the memory that the tables and filters take.
func (s *Set) Bytes() int64 { return s.tableBytes() + s.filterBytes() }

func (s *Set) tableBytes() (n int64) {
	if list := s.buckets.Load(); list != nil {
		for _, b := range *list {
			n += b.kills.bytes()
		}
	}
	if t := s.cutOffs.Load(); t != nil {
		n += t.bytes()
	}
	return n
}

func (s *Set) filterBytes() (n int64) {
	if list := s.buckets.Load(); list != nil {
		for _, b := range *list {
			n += b.filter.bytes()
		}
	}
	return n
}

// roomFor reports whether a table of kills may grow by that much. Cut-offs are
// never refused room, so there is less for kills where there are many.
func (s *Set) roomFor(growth int64) bool {
	room := s.budget() - s.budget()/filterShare
	return growth == 0 || s.tableBytes()+growth <= room
}

// widen gives the bucket's filter another segment if there is room for one.
func (s *Set) widen(list []bucket, at int) []bucket {
	size := s.segmentSize(list, list[at].filter)
	if size == 0 {
		return list
	}
	list = slices.Clone(list)
	list[at].filter = append(slices.Clip(list[at].filter), newSegment(size))
	s.buckets.Store(&list)
	return list
}

// segmentSize is that of a filter's next segment: a unit for the first, and then
// what is left when each bucket without a filter has been kept a unit.
func (s *Set) segmentSize(list []bucket, f filter) int64 {
	room := s.budget() / filterShare
	unit := max(room/units/blockBytes*blockBytes, minUnit)
	if len(f) == 0 {
		return unit
	}
	left := room - s.filterBytes() - int64(maxBuckets+1)*unit
	for _, b := range list {
		if len(b.filter) > 0 {
			left += unit
		}
	}
	largest := slices.MaxFunc(f, func(a, b *segment) int { return cmp.Compare(a.bytes(), b.bytes()) })
	size := min(segmentGrowth*largest.bytes(), left)
	if size < unit {
		return 0
	}
	return size / blockBytes * blockBytes
}
