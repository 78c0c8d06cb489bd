package passhash

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// queue shares slots among callers. There is one line of waiting callers for each source;
// the lines take turns, and each is served in order. So a source that sends many requests
// is ahead of the others by at most one. The queue is bounded: when it is full, the last
// caller in the longest line is removed in favour of one in a shorter line.
type queue struct {
	mu      sync.Mutex
	free    int64
	max     int
	waiting int
	lines   []*line // in the order of their turns; none is empty
}

type line struct {
	from    string
	waiters []*waiter
}

type waiter struct {
	slots int64
	turn  chan error // receives nil when it is its turn, and an error when it was removed
}

var errQueueFull = errors.New("too many are waiting")

// acquire waits for its turn. The error is errQueueFull, or that of ctx.
func (q *queue) acquire(ctx context.Context, from string, slots int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w, err := q.enter(from, slots)
	if w == nil {
		return err
	}
	select {
	case err := <-w.turn:
		return err
	case <-ctx.Done():
		q.leave(w)
		return ctx.Err()
	}
}

// enter takes the slots at once, or joins a line and returns the place there.
func (q *queue) enter(from string, slots int64) (*waiter, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting == 0 && q.free >= slots {
		q.free -= slots
		return nil, nil
	}
	own := q.line(from)
	if q.waiting >= q.max && !q.makeRoom(own) {
		return nil, errQueueFull
	}
	if own == nil {
		own = &line{from: from}
		q.lines = append(q.lines, own)
	}
	w := &waiter{slots: slots, turn: make(chan error, 1)}
	own.waiters = append(own.waiters, w)
	q.waiting++
	return w, nil
}

func (q *queue) line(from string) *line {
	for _, l := range q.lines {
		if l.from == from {
			return l
		}
	}
	return nil
}

// makeRoom removes the last waiter of the longest line, if the new one would be served
// before it.
func (q *queue) makeRoom(own *line) bool {
	longest := slices.MaxFunc(q.lines, func(a, b *line) int { return len(a.waiters) - len(b.waiters) })
	before := 0
	if own != nil {
		before = len(own.waiters)
	}
	if len(longest.waiters) <= before+1 {
		return false
	}
	last := longest.waiters[len(longest.waiters)-1]
	q.remove(last)
	last.turn <- errQueueFull
	return true
}

// release returns slots and admits those whose turn it is.
func (q *queue) release(slots int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.free += slots
	q.serve()
}

func (q *queue) serve() {
	for len(q.lines) > 0 {
		next := q.lines[0].waiters[0]
		if q.free < next.slots {
			return // nobody overtakes a waiter that needs many slots
		}
		q.free -= next.slots
		served := q.lines[0]
		q.remove(next)
		if len(served.waiters) > 0 {
			q.lines = append(q.lines[1:], served)
		}
		next.turn <- nil
	}
}

// remove removes a waiter from its line and reports whether it was in one.
func (q *queue) remove(w *waiter) bool {
	for i, l := range q.lines {
		at := slices.Index(l.waiters, w)
		if at < 0 {
			continue
		}
		l.waiters = slices.Delete(l.waiters, at, at+1)
		q.waiting--
		if len(l.waiters) == 0 {
			q.lines = slices.Delete(q.lines, i, i+1)
		}
		return true
	}
	return false
}

// leave leaves the line, or releases the slots when its turn came at the same moment.
func (q *queue) leave(w *waiter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.remove(w) && <-w.turn == nil {
		q.free += w.slots
	}
	q.serve()
}

// tryAll takes all slots if nobody has or wants one.
func (q *queue) tryAll(slots int64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.waiting > 0 || q.free < slots {
		return false
	}
	q.free -= slots
	return true
}

// length returns the number of waiters.
func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting
}

type fromKey struct{}

// From returns a context that names the source of a call for the [Hasher]: calls from one
// source wait for each other, and don't delay those of other sources.
func From(ctx context.Context, place string) context.Context {
	return context.WithValue(ctx, fromKey{}, place)
}

func placeOf(ctx context.Context) string {
	place, _ := ctx.Value(fromKey{}).(string)
	return place
}
