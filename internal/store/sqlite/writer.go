package sqlite

import (
	"cmp"
	"context"
	"errors"
	"os"
	"sync/atomic"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/store/engine"
)

const (
	queueLength = 1024
	groupLength = 128                    // jobs in one transaction
	turnTimeout = 900 * time.Millisecond // for which a job waits for its turn
	beginEvery  = time.Millisecond
)

// job is one write that waits for its turn. Either the writer takes it and answers it, or
// its caller abandons it, never both.
type job struct {
	do      func(engine.Conn) error
	single  bool        // at most one statement, which SQLite undoes by itself where it fails
	settled atomic.Bool // taken or given up
	done    chan error
}

// claim takes or gives up a job, whichever comes first.
func (j *job) claim() bool { return j.settled.CompareAndSwap(false, true) }

// writer does all writes of a process, on a connection of its own.
type writer struct {
	db      *DB
	c       *conn // used by the writer's goroutine alone
	queue   chan *job
	stop    chan struct{} // closed: the writer ends
	stopped chan struct{} // closed: the writer has ended
}

// Write implements engine.DB: an error means that nothing was written. Another goroutine may
// run do.
func (db *DB) Write(ctx context.Context, do engine.Work) error {
	return db.writer.enqueue(ctx, &job{}, do)
}

// enqueue has a job do something, and waits for its outcome.
func (w *writer) enqueue(ctx context.Context, j *job, do engine.Work) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j.done = make(chan error, 1)
	j.do = func(c engine.Conn) error { return do(engine.Detached(ctx), c) }
	if w.closing() {
		return engine.ErrClosed
	}
	select {
	case w.queue <- j:
	default:
		return fault.After(fault.Unavailable, engine.Soon, "too many writes are waiting")
	}
	timer := time.NewTimer(turnTimeout)
	defer timer.Stop()
	select {
	case err := <-j.done:
		return w.db.classify(err)
	case <-ctx.Done():
		if j.claim() {
			return ctx.Err()
		}
	case <-w.stopped:
		if j.claim() {
			return engine.ErrClosed
		}
	case <-timer.C:
		if j.claim() {
			return fault.After(fault.Unavailable, engine.Soon, "the store is busy")
		}
	}
	return w.db.classify(<-j.done)
}

// serve is the writer: it carries out the jobs until the store is closed.
func (w *writer) serve(ctx context.Context) {
	defer close(w.stopped)
	for {
		select {
		case j := <-w.queue:
			w.group(ctx, w.c, j)
		case <-w.stop:
			return
		}
	}
}

// group carries out a job, together with those that came in the meantime, in one
// transaction: a commit takes as long as the disk needs, for one job and for many.
func (w *writer) group(ctx context.Context, c *conn, first *job) {
	if err := w.begin(ctx, c, first); err != nil {
		if first.claim() {
			first.done <- err
		}
		return
	}
	var jobs []*job
	var results []error
	var lost error
	most, try := groupLength, attempt
	if w.db.bulk {
		most, try = 1, attemptAlone
	}
	for j := first; j != nil; {
		if j.claim() {
			var err error
			err, lost = try(ctx, c, j)
			jobs, results = append(jobs, j), append(results, err)
		}
		j = nil
		if lost == nil && len(jobs) < most { // or it stays in the queue
			j = w.waiting()
		}
	}
	if lost == nil {
		_, lost = c.Exec(ctx, commit)
	}
	if lost != nil {
		// SQLite rolls back by itself after some errors; then this one fails.
		_, _ = c.Exec(ctx, rollback)
	}
	for i, j := range jobs {
		j.done <- cmp.Or(lost, results[i])
	}
}

// waiting returns the next job, or nil when there is none.
func (w *writer) waiting() *job {
	select {
	case j := <-w.queue:
		return j
	default:
		return nil
	}
}

// begin takes the write lock. Another process may hold it, and a busy one releases it
// only for moments: SQLite's own way of waiting, longer each time, would miss them.
func (w *writer) begin(ctx context.Context, c *conn, first *job) error {
	over := func() bool { return first.settled.Load() || w.closing() }
	return retry(over, func() error {
		// The open file must still be the one of that name.
		if now, err := os.Stat(w.db.path); err != nil || !os.SameFile(now, w.db.file) {
			return errMoved
		}

		_, err := c.Exec(ctx, beginWrite)
		return err
	})
}

// retry repeats something that another process may block, until it is done or the time is
// over.
func retry(over func() bool, do func() error) error {
	for {
		if err := do(); !busy(err) || over() {
			return err
		}
		time.Sleep(beginEvery)
	}
}

// closing reports whether the database is closed, or being closed.
func (w *writer) closing() bool {
	select {
	case <-w.stop:
		return true
	default:
		return false
	}
}

// attempt does one job so that it is rolled back when it fails. When the whole
// transaction is lost with it, lost is the reason.
func attempt(ctx context.Context, c *conn, j *job) (err, lost error) {
	if j.single {
		err = engine.Guarded(func() error { return j.do(c) })
		if broken(err) || errors.Is(err, engine.ErrPanic) {
			return err, err
		}
		return err, nil
	}
	if _, err := c.Exec(ctx, savepoint); err != nil {
		return err, err
	}
	err = engine.Guarded(func() error { return j.do(c) })
	if broken(err) {
		return err, err
	}
	if err != nil {
		if _, lost := c.Exec(ctx, undo); lost != nil {
			return err, lost
		}
	}
	_, lost = c.Exec(ctx, release)
	return err, lost
}

// attemptAlone does the only job of a transaction, which is lost with it. A savepoint would
// have SQLite keep a copy of every page that the job changes, until the job has ended.
func attemptAlone(_ context.Context, c *conn, j *job) (err, lost error) {
	err = engine.Guarded(func() error { return j.do(c) })
	return err, err
}

// Queued returns how many writes wait for their transaction.
func (db *DB) Queued() int { return len(db.writer.queue) }
