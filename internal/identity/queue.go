package identity

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// queue shares slots among callers. Those who must wait stand in a line for each
// place that they come from; the lines take turns, and each is served in order. So
// whoever sends many is before the others by one and no more. It is bounded: when it
// is full, who came last in the longest line gives way to who has a shorter one.
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
	turn  chan error // gets nil when it is its turn, and an error when it gave way
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

// enter takes the slots at once, or joins a line and gives the place there.
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

// makeRoom sends away who came last in the longest line, if a newcomer would stand
// before that one.
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

// release returns slots back and lets those in whose turn it is.
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
			return // nobody overtakes one who needs many
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

// remove takes a waiter out of its line and reports whether it stood in one.
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

// leave returns a place up, or the slots when its turn came at the same moment.
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

// length counts those who wait.
func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting
}

type fromKey struct{}

// From returns a context by which the [Hasher] knows where somebody comes from: those who
// come from one place wait behind one another, and not before others.
func From(ctx context.Context, place string) context.Context {
	return context.WithValue(ctx, fromKey{}, place)
}

func placeOf(ctx context.Context) string {
	place, _ := ctx.Value(fromKey{}).(string)
	return place
}
