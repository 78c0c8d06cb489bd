package feed

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/bearerd/bearerd/internal/revocation"
)

// Bounds of a tail: with all of it rendered about 1.5 MiB. A chunk is dropped as a
// whole.
const (
	tailSize  = 4096 // entries
	chunkSize = 256
)

// Tail is the latest entries of the log, as this node applied them. Make one with
// [Follow].
type Tail struct {
	mu     sync.RWMutex
	chunks []*chunk // in order
	from   revocation.Seq
	size   int
	epoch  int       // which run of the log; a new one begins when entries were missed
	purged time.Time // the latest time until which an entry purged before these mattered
}

// Follow makes a tail and has the follower feed it. What the follower applied
// before is not in it: follow before its first question.
func Follow(f *revocation.Follower) *Tail {
	t := &Tail{}
	t.mu.Lock() // a change waits until it is known what it follows
	defer t.mu.Unlock()
	t.from = f.OnApply(t.apply)
	return t
}

// apply is the follower's hook. It renders nothing: most entries that a node reads when
// it starts are never asked for.
func (t *Tail) apply(c revocation.Change) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.purged = c.PurgedUntil
	if c.Missed {
		t.chunks, t.size, t.from = nil, 0, c.After
		t.epoch++
	}
	after, entries := c.After, c.Entries
	if skip := len(entries) - tailSize; skip > 0 {
		after, entries = entries[skip-1].Seq, entries[skip:]
		t.chunks, t.size, t.from = nil, 0, after
	}
	for part := range slices.Chunk(entries, chunkSize) {
		made := newChunk(after, part)
		t.chunks = append(t.chunks, made)
		after = made.last
	}
	t.size += len(entries)
	for t.size > tailSize {
		t.from = t.chunks[0].last
		t.size -= t.chunks[0].count
		t.chunks[0] = nil
		t.chunks = t.chunks[1:]
	}
}

// place is how far a subscriber is: everything up to seq was written to it.
type place struct {
	seq   revocation.Seq
	epoch int
}

// The errors of a tail that doesn't have the entries that follow.
var (
	errBehind    = errors.New("it is no longer in the tail")
	errRestarted = errors.New("the revocation log was read again from the start")
)

// follows returns the first chunk with something after a place; nil when there is
// nothing. The error is errBehind, with where the tail begins, or errRestarted.
func (t *Tail) follows(p place) (c *chunk, from revocation.Seq, err error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	switch {
	case p.epoch != t.epoch:
		return nil, 0, errRestarted
	case p.seq < t.from:
		return nil, t.from, errBehind
	}
	if n := len(t.chunks); n == 0 || t.chunks[n-1].last <= p.seq {
		return nil, t.from, nil // the most frequent case
	}
	i, _ := slices.BinarySearchFunc(t.chunks, p.seq+1, func(c *chunk, seq revocation.Seq) int {
		return cmp.Compare(c.last, seq)
	})
	return t.chunks[i], t.from, nil
}

// now returns the run of the log that the tail belongs to, and the latest time until
// which an entry purged from it mattered.
func (t *Tail) now() (epoch int, purged time.Time) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.epoch, t.purged
}
