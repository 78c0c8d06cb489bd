package revocation

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Set is the live part of the log in memory. Look-ups take no lock and allocate
// nothing; writers take turns. The zero value is an empty set.
//
// Kills lie in buckets by the time until which they matter, rounded up, so that
// forgetting is dropping a bucket. Cut-offs are few and lie in one table, which is
// made anew once a day without those that have run out.
//
// A live entry is never evicted. Kills that the budget has no room for are kept as
// a filter beside the bucket's table, and Killed then has a third answer, that the
// store must be asked. Cut-offs are always exact.
type Set struct {
	// Budget bounds the memory of tables and filters, in bytes; 0 or less stands
	// for DefaultBudget. It is set before the first use. Only cut-offs, or a budget
	// below a few hundred KiB, can take more. When the filters' part is used up as
	// well, more look-ups are answered with Maybe.
	Budget int64

	mu       sync.Mutex // writers
	buckets  atomic.Pointer[[]bucket]
	cutOffs  atomic.Pointer[table]
	decided  atomic.Int64
	due      int64 // when to look for cut-offs that have run out; under mu
	versions [versions]atomic.Uint64
}

// bucket holds the kills that matter no more at end.
type bucket struct {
	end    int64 // Unix seconds
	kills  *table
	filter filter
}

// Answer is what a set says of a kill.
type Answer uint8

// The answers. A Maybe is about one look-up in a hundred at most while the filters
// have room; the store knows.
const (
	No Answer = iota
	Yes
	Maybe
)

// versions is by how many numbers keys are told apart in Version.
const versions = 1024

// never is the end of what matters for ever.
const never = 1<<63 - 1

// maxBuckets bounds the buckets that a look-up visits. The grids below make about
// a dozen at once; entries with absurd times share the next later bucket.
const maxBuckets = 16

// Apply makes entries count. Applying one twice, or in another order, changes
// nothing.
func (s *Set) Apply(entries []Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range entries {
		e := &entries[i]
		key := KeyOf(e.What, e.ID).words()
		if e.What == Token {
			s.kill(key, bucketEnd(e))
			continue
		}
		s.cutOff(key, e)
		if e.What == Role || e.What == Group {
			s.decided.Store(max(s.decided.Load(), e.Seq))
		}
	}
}

// Killed tells whether the set holds a kill of that key. A No is certain, and so is
// a Yes.
func (s *Set) Killed(k Key) Answer {
	list := s.buckets.Load()
	if list == nil {
		return No
	}
	w := k.words()
	hash := w.hash()
	filtered := false
	for i := range *list {
		b := &(*list)[i]
		if b.kills.find(w, hash) != nil {
			return Yes
		}
		filtered = filtered || b.filter != nil
	}
	if filtered && inFilter(*list, w.mark()) {
		return Maybe
	}
	return No
}

func inFilter(list []bucket, m mark) bool {
	for i := range list {
		if list[i].filter.has(m) {
			return true
		}
	}
	return false
}

// Version is a number that has grown once a kill of that key went into a filter.
// Who reads it, then asks the store about a Maybe and is told that there is no such
// kill, may take the next Maybe for a No while the number stays the same.
func (s *Set) Version(k Key) uint64 { return s.version(k.words().hash()).Load() }

func (s *Set) version(hash uint64) *atomic.Uint64 { return &s.versions[hash/shards%versions] }

// CutOff gives the latest cut-off at that key, 0 when there is none: whatever was
// decided as of an earlier sequence no longer counts.
func (s *Set) CutOff(k Key) Seq {
	t := s.cutOffs.Load()
	if t == nil {
		return 0
	}
	w := k.words()
	if slot := t.find(w, w.hash()); slot != nil {
		return seqOf(slot)
	}
	return 0
}

// Decided gives the latest cut-off at a role or a group of any name, 0 when there
// was none. It never goes back.
func (s *Set) Decided() Seq { return s.decided.Load() }

// Forget drops what has run out at now, rounded up: by a day where an entry was to
// matter for two days at most, by 14 days up to 35, by 182 days up to 400, and by
// four years beyond. A cut-off stays for a day at most. The caller's clock must
// not go back, because what was dropped can't be had again.
func (s *Set) Forget(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if list := s.buckets.Load(); list != nil && len(*list) > 0 && (*list)[0].end <= now.Unix() {
		live := slices.DeleteFunc(slices.Clone(*list), func(b bucket) bool { return b.end <= now.Unix() })
		s.buckets.Store(&live)
	}
	if t := s.cutOffs.Load(); t != nil && s.due <= now.Unix() {
		s.rebuild(t, now.Unix())
	}
}

// Len counts the kills and cut-offs held. A kill that a filter took for one of its
// own already isn't counted.
func (s *Set) Len() int {
	var n int64
	if list := s.buckets.Load(); list != nil {
		for _, b := range *list {
			n += b.kills.count.Load() - b.kills.moved.Load() + b.filter.count()
		}
	}
	if t := s.cutOffs.Load(); t != nil {
		n += t.count.Load()
	}
	return int(n)
}

// kill puts a key into the bucket that ends then, unless a later one has it. That a
// filter only seems to have it makes no difference: it goes on seeming so.
func (s *Set) kill(w words, end int64) {
	list, at := s.bucket(end)
	hash, mark := w.hash(), w.mark()
	for i, b := range slices.Backward(list) {
		exact := b.kills.find(w, hash) != nil
		if i >= at && (exact || b.filter.has(mark)) {
			if !exact {
				s.version(hash).Add(1)
			}
			return
		}
		if exact {
			b.kills.moved.Add(1)
			break
		}
	}
	if s.roomFor(list[at].kills.growth(hash)) {
		list[at].kills.put(w, hash)
		return
	}
	if list[at].filter.full() {
		list = s.widen(list, at)
	}
	list[at].filter.add(mark)
	s.version(hash).Add(1)
}

// bucket gives the list of buckets, in order of their ends, and the index of the
// one for what matters until end, which it makes when there is room for it.
func (s *Set) bucket(end int64) ([]bucket, int) {
	var list []bucket
	if p := s.buckets.Load(); p != nil {
		list = *p
	}
	at, found := slices.BinarySearchFunc(list, end, func(b bucket, end int64) int {
		return cmp.Compare(b.end, end)
	})
	if found {
		return list, at
	}
	if len(list) >= maxBuckets {
		if at < len(list) {
			return list, at
		}
		end = never
	}
	made := bucket{end: end, kills: &table{width: 2}}
	list = slices.Insert(slices.Clone(list), at, made)
	s.buckets.Store(&list)
	return list, at
}

// grids say how far an end is rounded up, by the time from the entry to its end:
// what a day's tokens leave behind is gone a day later, and years don't make
// thousands of buckets. At any moment they make 3, 4, 4 and a few buckets.
var grids = [...]struct{ reach, step int64 }{
	{2 * day, day},
	{35 * day, 14 * day},
	{400 * day, 182 * day},
	{never, 4 * 365 * day},
}

const day = 24 * 60 * 60

// bucketEnd gives the end of the bucket for an entry. It depends on the entry
// alone, so that applying it again finds the same bucket.
func bucketEnd(e *Entry) int64 {
	end := endOf(e)
	if end == never {
		return never
	}
	reach := end - e.At.Unix()
	for _, g := range grids {
		if reach <= g.reach {
			return roundUp(end, g.step)
		}
	}
	return never
}

// endOf gives the first full second at which the entry matters no more.
func endOf(e *Entry) int64 {
	if e.Until.IsZero() {
		return never
	}
	end := e.Until.Unix()
	if e.Until.Nanosecond() > 0 {
		end++
	}
	return end
}

func roundUp(n, step int64) int64 {
	if rest := n % step; rest > 0 {
		return n - rest + step
	}
	return n
}

// cutOff raises the cut-off at a key. A slot keeps the latest sequence and the
// latest end of all that was said about the key.
func (s *Set) cutOff(w words, e *Entry) {
	t := s.cutOffs.Load()
	if t == nil {
		t = &table{width: 4}
		s.cutOffs.Store(t)
	}
	end := endOf(e)
	hash := w.hash()
	if !t.put(w, hash, uint64(e.Seq), uint64(end)) { //nolint:gosec // read back as it was
		slot := t.find(w, hash)
		slot[2].Store(uint64(max(seqOf(slot), e.Seq))) //nolint:gosec // read back as it was
		slot[3].Store(uint64(max(endIn(slot), end)))   //nolint:gosec // read back as it was
	}
}

// rebuild makes the table of cut-offs anew without those that have run out.
func (s *Set) rebuild(old *table, now int64) {
	live := &table{width: 4}
	for i := range old.shards {
		if shard := old.shards[i].Load(); shard != nil {
			shard.each(func(slot []atomic.Uint64) {
				if endIn(slot) > now {
					w := words{hi: slot[0].Load(), lo: slot[1].Load()}
					live.put(w, w.hash(), slot[2].Load(), slot[3].Load())
				}
			})
		}
	}
	s.cutOffs.Store(live)
	s.due = now + day
}

func seqOf(slot []atomic.Uint64) Seq { return Seq(slot[2].Load()) } //nolint:gosec // a sequence was stored

func endIn(slot []atomic.Uint64) int64 { return int64(slot[3].Load()) } //nolint:gosec // an end was stored
