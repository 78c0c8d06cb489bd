package revocation

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"iter"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// DefaultBudget is the budget of a set that names none, in bytes: some 16 million
// revoked tokens.
const DefaultBudget = 512 << 20

// Key is a named thing as a set keeps it. Its first eight bytes are never all zero: only
// KeyOf makes keys.
type Key [16]byte

// KeyOf returns the key of a thing. Under Token a UUID in its canonical form (36
// characters, lower case) is its own 16 bytes; all else is the truncated SHA-256
// of what and id, compared bytewise. It does not allocate for ids of up to 255
// bytes.
func KeyOf(w What, id string) Key {
	if w == Token {
		if k, ok := parseUUID(id); ok && k.words().hi != 0 {
			return k
		}
	}
	var buffer [320]byte
	text := append(buffer[:0], w...)
	text = append(text, 0)
	sum := sha256.Sum256(append(text, id...))
	k := Key(sum[:16])
	if k.words().hi == 0 {
		k[0] = 1
	}
	return k
}

// parseUUID reads the canonical form and nothing else, so that no two ids share
// a key.
func parseUUID(s string) (k Key, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return Key{}, false
	}
	var digits [32]byte
	n := 0
	for i := range len(s) {
		c := s[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			continue
		case '0' <= c && c <= '9', 'a' <= c && c <= 'f':
			digits[n] = c
			n++
		default:
			return Key{}, false
		}
	}
	_, err := hex.Decode(k[:], digits[:])
	return k, err == nil
}

func (k Key) words() words {
	return words{hi: binary.BigEndian.Uint64(k[:8]), lo: binary.BigEndian.Uint64(k[8:])}
}

// Set is the live part of the log in memory. Look-ups take no lock and allocate
// nothing; writers take turns. The zero value is an empty set.
//
// Kills are kept in buckets by the time until which they matter, rounded up, so that
// forgetting is dropping a bucket. Cut-offs are few and are kept in one table, which is
// rebuilt once a day without those that have run out. Ends are fewer still.
//
// The set is exact and never evicts a live entry, however many there are: a token
// whose kill was evicted would be accepted again, and one that is only perhaps
// killed would have to be looked up in the store.
type Set struct {
	// Budget is the memory in bytes beyond which OverBudget reports true; 0 or less
	// stands for DefaultBudget. It doesn't limit the set. Set it before the first use.
	Budget int64

	mu      sync.Mutex // held by writers
	buckets atomic.Pointer[[]bucket]
	cutOffs atomic.Pointer[table]
	ends    atomic.Pointer[map[Key]end] // never changed, only replaced
	decided atomic.Int64
	voided  atomic.Int64 // the latest cut-off of everything
	due     int64        // when to look for cut-offs and ends that have run out; under mu
}

// bucket holds the kills that matter no more at end. A list of buckets is never changed,
// only replaced, so a reader walks a list as it was at one moment.
type bucket struct {
	end   int64 // Unix seconds
	kills *table
}

// end is when a token ends, and when that no longer matters; Unix microseconds and
// seconds.
type end struct{ at, until int64 }

// never is the end of an entry that matters for ever.
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
		switch e.What { //nolint:exhaustive // the rest are cut-offs
		case Token:
			s.kill(KeyOf(Token, e.ID).words(), bucketEnd(e))
			continue
		case End:
			continue
		case Role, Group:
			s.decided.Store(max(s.decided.Load(), e.Seq))
		case Everything:
			s.voided.Store(max(s.voided.Load(), e.Seq))
		}
		s.cutOff(KeyOf(e.What, e.ID).words(), e)
	}
	s.applyEnds(entries)
}

// applyEnds adds the ends among the entries. Of several ends of one token the earliest
// counts, for as long as the latest entry matters.
func (s *Set) applyEnds(entries []Entry) {
	var ends map[Key]end
	for i := range entries {
		e := &entries[i]
		if e.What != End {
			continue
		}
		if ends == nil {
			ends = s.cloneEnds()
		}
		key, one := KeyOf(Token, e.ID), end{at: e.At.UnixMicro(), until: endOf(e)}
		if known, ok := ends[key]; ok {
			one = end{at: min(known.at, one.at), until: max(known.until, one.until)}
		}
		ends[key] = one
	}
	if ends != nil {
		s.ends.Store(&ends)
	}
}

func (s *Set) cloneEnds() map[Key]end {
	if p := s.ends.Load(); p != nil {
		return maps.Clone(*p)
	}
	return map[Key]end{}
}

// Names are the keys under which the log may speak of one token.
type Names struct {
	Kills                       []Key // its id, then its chain
	Subject, Client, SigningKey Key
	Access                      Key
	Others                      []Key // further cut-offs: the other clients of its chain; its actors, as subjects and as clients
	Collection                  Key   // of a token that has one
}

// Revokes reports whether the log revokes the token of those names that was decided as of
// a sequence: by a kill of its id or of an id of its chain; by a cut-off of its subject, its
// client, a client of its chain, one of its actors or everything that is later.
func (s *Set) Revokes(n *Names, decided Seq) bool {
	if s.CutOff(n.Subject) > decided || s.CutOff(n.Client) > decided || s.voided.Load() > decided {
		return true
	}
	return slices.ContainsFunc(n.Others, func(k Key) bool { return s.CutOff(k) > decided }) || slices.ContainsFunc(n.Kills, s.Killed)
}

// Ended reports whether the log has said of the token of those names, or of what it was
// made from, that it ends, and it has ended at now, by the clock that judges expiry.
func (s *Set) Ended(n *Names, now time.Time) bool {
	ends := s.ends.Load()
	if ends == nil {
		return false
	}
	for _, k := range n.Kills {
		if e, ok := (*ends)[k]; ok && now.UnixMicro() >= e.at {
			return true
		}
	}
	return false
}

// Killed reports whether the set holds a kill of that key.
func (s *Set) Killed(k Key) bool {
	list := s.buckets.Load()
	if list == nil {
		return false
	}
	w := k.words()
	hash := w.hash()
	for i := range *list {
		if (*list)[i].kills.find(w, hash) != nil {
			return true
		}
	}
	return false
}

// CutOff returns the latest cut-off at that key, 0 when there is none: whatever was
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

// Decided returns the latest cut-off at a role or a group of any name, 0 when there
// was none. It never goes back.
func (s *Set) Decided() Seq { return s.decided.Load() }

// Forget drops what has run out at now, rounded up: by a day where an entry was to matter
// for two days at most, by 14 days up to 35, by 182 days up to 400, and by four years
// beyond. A cut-off or an end stays for a day at most. The caller's clock must not go
// back, because dropped entries can't be read again.
func (s *Set) Forget(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if list := s.buckets.Load(); list != nil && len(*list) > 0 && (*list)[0].end <= now.Unix() {
		live := slices.DeleteFunc(slices.Clone(*list), func(b bucket) bool { return b.end <= now.Unix() })
		s.buckets.Store(&live)
	}
	if s.due > now.Unix() {
		return
	}
	s.due = now.Unix() + day
	if t := s.cutOffs.Load(); t != nil {
		s.rebuild(t, now.Unix())
	}
	if p := s.ends.Load(); p != nil {
		live := maps.Clone(*p)
		maps.DeleteFunc(live, func(_ Key, e end) bool { return e.until <= now.Unix() })
		s.ends.Store(&live)
	}
}

// Len returns the number of kills, cut-offs and ends held.
func (s *Set) Len() int {
	var n int64
	for b := range s.all() {
		n += b.kills.count.Load() - b.kills.moved.Load()
	}
	if t := s.cutOffs.Load(); t != nil {
		n += t.count.Load()
	}
	return int(n) + s.lenEnds()
}

func (s *Set) lenEnds() int {
	if p := s.ends.Load(); p != nil {
		return len(*p)
	}
	return 0
}

// endBytes is about what an end takes in a map.
const endBytes = 64

// Bytes returns the memory that the set takes.
func (s *Set) Bytes() int64 {
	var n int64
	for b := range s.all() {
		n += b.kills.bytes()
	}
	if t := s.cutOffs.Load(); t != nil {
		n += t.bytes()
	}
	return n + int64(s.lenEnds())*endBytes
}

// OverBudget reports whether the set takes more memory than its budget. The set works on
// all the same: the operator must add memory, or revoke users instead of single tokens.
func (s *Set) OverBudget() bool { return s.Bytes() > s.budget() }

func (s *Set) budget() int64 {
	if s.Budget > 0 {
		return s.Budget
	}
	return DefaultBudget
}

// all yields the buckets, in order of their ends.
func (s *Set) all() iter.Seq[bucket] {
	if list := s.buckets.Load(); list != nil {
		return slices.Values(*list)
	}
	return slices.Values[[]bucket](nil)
}

// kill puts a key into the bucket that ends then, unless a later one has it. An
// earlier one that has it keeps it, because a table of open addressing can't drop a
// key under its readers; moved keeps Len right until that bucket is dropped.
func (s *Set) kill(w words, end int64) {
	list, at := s.bucket(end)
	hash := w.hash()
	for i, b := range slices.Backward(list) {
		if b.kills.find(w, hash) == nil {
			continue
		}
		if i >= at {
			return
		}
		b.kills.moved.Add(1)
		break
	}
	list[at].kills.put(w, hash)
}

// bucket returns the list of buckets, in order of their ends, and the index of the
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

// grids say how far an end is rounded up, by the time from the entry to its end: the
// entries of a day's tokens are dropped a day later, and years don't make thousands of
// buckets. At any moment they make 3, 4, 4 and a few buckets.
var grids = [...]struct{ reach, step int64 }{
	{2 * day, day},
	{35 * day, 14 * day},
	{400 * day, 182 * day},
	{never, 4 * 365 * day},
}

const day = 24 * 60 * 60

// bucketEnd returns the end of the bucket for an entry. It depends on the entry
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

// endOf returns the first full second at which the entry no longer matters.
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

// rebuild replaces the table of cut-offs by one without those that have run out.
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
}

func seqOf(slot []atomic.Uint64) Seq { return Seq(slot[2].Load()) } //nolint:gosec // a sequence was stored

func endIn(slot []atomic.Uint64) int64 { return int64(slot[3].Load()) } //nolint:gosec // an end was stored
