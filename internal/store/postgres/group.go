package postgres

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store/batch"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/logs"
)

// class is a class of batches that may share a transaction.
type class int

const (
	byItself     class = iota // a transaction of its own
	recording                 // nothing but audit events
	revoking                  // tokens are killed, entries appended, events recorded; nothing else
	changing                  // other operations that take no lock of bearerd's
	addingTokens              // the same under lockTokens
	killing                   // the same under lockKill
	classes
)

const (
	savepoint = "SAVEPOINT job"
	release   = "RELEASE job"
	undo      = "ROLLBACK TO job"
)

const (
	queueLength = 1024 // batches that wait, and calls that wait for a connection

	mostPlain = 1000 // batches in a group that needs no savepoints
	mostRows  = 5000 // and the rows of it, or those of one batch
	mostSaved = 50   // batches in a group with savepoints: PostgreSQL keeps 64 in fast memory
	groupWait = 5 * time.Millisecond
)

// classOf returns the class of a batch, or why it can't be stored at all.
func classOf(b op.Batch) (class, error) {
	if err := errors.Join(logs.CheckEvents(b.Audit), logs.CheckEntries(b.Log)); err != nil {
		return byItself, err
	}
	kills := 0
	for _, o := range b.Ops {
		switch o.(type) {
		case op.ChangeKeys, op.KillEverything:
			return byItself, nil // a plan may take long, and so may all rows
		case op.KillTokens:
			kills++
		}
	}
	// bearerd_revoke neither counts nor stores names.
	counts := slices.ContainsFunc(b.Audit, logs.Counted) || slices.ContainsFunc(b.Audit, logs.NamesSomebody)
	switch {
	case len(b.Ops)+len(b.Log)+len(b.Audit) == 0:
		return byItself, nil
	case kills == len(b.Ops) && !counts && len(b.Ops)+len(b.Log) == 0:
		return recording, nil
	case kills == len(b.Ops) && !counts && (&job{batch: b}).rows() <= mostRows:
		return revoking, nil // one statement for all, however many they are
	case len(b.Ops) > mostSaved || counts && len(b.Audit) > mostSaved:
		return byItself, nil // it is a group already
	}
	switch locks := batch.Locks(b.Ops); {
	case len(locks) == 0:
		return changing, nil
	case locks[0] == engine.LockTokens:
		return addingTokens, nil
	}
	return killing, nil
}

func (c class) plain() bool { return c == recording || c == revoking }

// most is how many batches a group may have.
func (c class) most() int {
	switch {
	case c == byItself:
		return 1
	case c.plain():
		return mostPlain
	}
	return mostSaved
}

// lanes is how many groups of a class may be under way. Where the database is far away,
// operations that read before they write take longer than their commits.
func (c class) lanes(connections int) int {
	if c == revoking || c == killing {
		return 1 // they wait for each other at the server
	}
	if c == recording {
		return min(2, max(connections-1, 1)) // one commits, the next is ready
	}
	return max(connections/2, 1)
}

// job is a batch that waits for its group. Either a lane takes it and answers it, or
// its caller abandons it, never both.
type job struct {
	batch   op.Batch
	plain   bool // of a class that is plain
	settled atomic.Bool
	seq     revocation.Seq
	err     error
	done    chan struct{} // closed when seq and err are set
}

func (j *job) claim() bool { return j.settled.CompareAndSwap(false, true) }

func (j *job) answer(seq revocation.Seq, err error) {
	j.seq, j.err = seq, err
	close(j.done)
}

// rows is about how many rows a batch writes.
func (j *job) rows() int {
	n := len(j.batch.Log) + len(j.batch.Audit)
	for _, o := range j.batch.Ops {
		if kill, ok := o.(op.KillTokens); ok {
			n += len(kill.IDs)
		}
	}
	return n + 1
}

// committer keeps the batches that wait. Each class has lanes, goroutines that take the
// waiting batches and commit them in one transaction, and end when nothing waits. The
// zero value with a database is ready.
type committer struct {
	db      *DB
	running sync.WaitGroup

	mu      sync.Mutex // guards the fields below
	waiting [classes][]*job
	queued  int
	lanes   [classes]int
	closed  bool
}

// Commit implements engine.DB.
func (db *DB) Commit(ctx context.Context, b op.Batch) (revocation.Seq, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	c, err := classOf(b)
	if err != nil {
		return 0, err
	}
	j := &job{batch: b, plain: c.plain(), done: make(chan struct{})}
	if c == byItself {
		db.committer.commitAlone(ctx, j)
		return j.seq, j.err
	}
	if err := db.committer.add(ctx, c, j); err != nil {
		return 0, err
	}
	return db.committer.await(ctx, j)
}

// await waits for the outcome of a job, but no longer than a caller may have to wait.
func (g *committer) await(ctx context.Context, j *job) (revocation.Seq, error) {
	timer := time.NewTimer(g.db.limits.StatementTimeout)
	defer timer.Stop()
	select {
	case <-j.done:
		return j.seq, j.err
	case <-ctx.Done():
		if j.claim() {
			return 0, ctx.Err()
		}
	case <-g.db.stop:
		if j.claim() {
			return 0, engine.ErrClosed
		}
	case <-timer.C:
		if j.claim() {
			return 0, errBusy
		}
		timer.Reset(0)
	}
	select {
	case <-j.done:
		return j.seq, j.err
	case <-timer.C:
		return 0, g.db.classify(errSlow)
	}
}

// add queues a job, and starts a lane for it where one is missing.
func (g *committer) add(ctx context.Context, c class, j *job) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.closed || g.db.stopped():
		return engine.ErrClosed
	case g.db.stuck.crowded(ctx, g.db.limits.mostStuck()):
		return errStuck
	case g.queued >= queueLength:
		return errCrowded
	}
	g.enqueue(c, j)
	return nil
}

// lane carries out groups of a class until nothing waits.
func (g *committer) lane(ctx context.Context, c class) {
	for jobs := g.take(c); jobs != nil; jobs = g.take(c) {
		g.carryOutGroup(ctx, c, jobs)
	}
}

// take returns the jobs of the next group, which belong to the same server; nil when
// there is none, and the lane has ended.
func (g *committer) take(c class) (jobs []*job) {
	g.mu.Lock()
	defer g.mu.Unlock()
	rows, n := 0, 0
	for _, j := range g.waiting[c] {
		if len(jobs) == c.most() || len(jobs) > 0 && (rows+j.rows() > mostRows || j.batch.Origin != jobs[0].batch.Origin) {
			break
		}
		n++
		if c == byItself || j.claim() { // the former were taken before
			jobs = append(jobs, j)
			rows += j.rows()
		}
	}
	g.queued -= n
	g.waiting[c] = g.waiting[c][n:]
	if len(g.waiting[c]) == 0 {
		g.waiting[c] = nil
	}
	if jobs == nil {
		g.lanes[c]--
	}
	return jobs
}

// apart queues a job again, to be done in a transaction of its own.
func (g *committer) apart(j *job) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.enqueue(byItself, j)
}

// enqueue needs the mutex.
func (g *committer) enqueue(c class, j *job) {
	g.waiting[c] = append(g.waiting[c], j)
	g.queued++
	if g.lanes[c] < c.lanes(g.db.limits.Connections) {
		g.lanes[c]++
		g.running.Go(func() { g.lane(context.Background(), c) }) // because any single caller may give up
	}
}

// carryOutGroup answers all jobs.
func (g *committer) carryOutGroup(ctx context.Context, c class, jobs []*job) {
	switch {
	case g.db.stuck.crowded(ctx, g.db.limits.mostStuck()):
		for _, j := range jobs {
			j.answer(0, errStuck)
		}
	case c.plain():
		g.revoke(ctx, jobs)
	case jobs[0].plain:
		g.revokeAlone(ctx, jobs[0])
	case len(jobs) == 1:
		g.commitAlone(ctx, jobs[0])
	default:
		g.commitTogether(ctx, jobs)
	}
}

// commitAlone carries out one job in a transaction of its own, which waits for the
// locks that it needs.
func (g *committer) commitAlone(ctx context.Context, j *job) {
	var seq revocation.Seq
	err := g.db.Write(ctx, func(ctx context.Context, c engine.Conn) error { return batch.CarryOut(ctx, c, j.batch, &seq) })
	if err != nil {
		j.answer(0, err) // a commit that goes on may still write seq
		return
	}
	j.answer(seq, nil)
}

// outcome is the result of a job within its group.
type outcome struct {
	err   error // it has failed and was rolled back
	leave bool  // it would have to wait for a lock, and is done separately
}

// commitTogether carries out jobs of one class in one transaction: the operations of each
// in a savepoint, then the entries of all. If one of them makes all fail, because the
// server refused to prepare its statements before it had the savepoint, each is done
// separately.
func (g *committer) commitTogether(ctx context.Context, jobs []*job) {
	outcomes := make([]outcome, len(jobs))
	var head revocation.Seq
	err := g.db.patiently(ctx, func(ctx context.Context, c *conn) error {
		c.begin(beginCommitted)
		err := engine.Guarded(func() error { return together(ctx, c, jobs, outcomes, &head) })
		if err == nil {
			return c.commit(ctx)
		}
		c.rollback(ctx)
		return err
	})
	var seq revocation.Seq
	if err == nil { // a commit that goes on may still write it
		seq = head
	}
	for i, j := range slices.Backward(jobs) {
		o := outcomes[i]
		switch {
		case err != nil && !shared(err), err == nil && o.leave:
			g.apart(j)
		case err != nil:
			j.answer(0, err)
		case o.err != nil:
			j.answer(0, g.db.classify(o.err))
		case len(j.batch.Log) == 0:
			j.answer(0, nil)
		default:
			j.answer(seq, nil)
			seq -= revocation.Seq(len(j.batch.Log))
		}
	}
}

// together does the operations of the jobs. An error is one of the whole group.
func together(ctx context.Context, c *conn, jobs []*job, outcomes []outcome, head *revocation.Seq) error {
	if err := engine.SameServer(c, jobs[0].batch.Origin); err != nil {
		return err
	}
	if err := batch.TakeLocks(ctx, c, jobs[0].batch.Ops); err != nil {
		return err
	}
	if err := c.Post(ctx, setLockTimeout, ms(groupWait)); err != nil {
		return err
	}
	if err := c.flush(ctx); err != nil {
		return err
	}
	var entries []revocation.Entry
	for i, j := range jobs {
		o, err := attempt(ctx, c, j)
		if err != nil {
			return err
		}
		if outcomes[i] = o; o == (outcome{}) {
			entries = append(entries, j.batch.Log...)
		}
	}
	if len(entries) == 0 {
		return nil
	}
	return c.Append(ctx, entries, head)
}

// attempt does the operations of one job so that they are rolled back when one fails. An
// error is one of the whole group.
func attempt(ctx context.Context, c *conn, j *job) (outcome, error) {
	if err := c.Post(ctx, savepoint); err != nil {
		return outcome{}, err
	}
	err := engine.Guarded(func() error { return batch.CarryOutOps(ctx, c, j.batch) })
	if err == nil {
		if err = c.Post(ctx, release); err == nil {
			err = c.flush(ctx)
		}
	}
	if err == nil {
		return outcome{}, nil
	}
	pg, answered := errors.AsType[*pgconn.PgError](err)
	_, atServer := errors.AsType[*lost](err)
	if c.c.IsClosed() || atServer && !answered {
		return outcome{}, err
	}
	begun := len(c.posted) == 0 || c.posted[0].text != savepoint
	c.posted = nil
	if begun {
		// Sent by itself: until it is done the server accepts, and prepares, nothing
		// else.
		if _, err := c.Exec(ctx, undo); err != nil {
			return outcome{}, err
		}
		if err := c.Post(ctx, release); err != nil {
			return outcome{}, err
		}
	}
	return outcome{err: err, leave: answered && contended(pg)}, nil
}

// contended reports whether a statement failed because of another transaction.
func contended(pg *pgconn.PgError) bool {
	switch pg.Code {
	case "55P03", "40P01", "40001": // lock_not_available, deadlock, serialization
		return true
	}
	return false
}

// shared reports whether an error concerns the whole group, and not one batch that could
// be left out.
func shared(err error) bool {
	return fault.Is(err, fault.Unavailable) || !errors.As(err, new(*pgconn.PgError))
}

// Queued returns how many batches wait for their group.
func (db *DB) Queued() int {
	db.committer.mu.Lock()
	defer db.committer.mu.Unlock()
	return db.committer.queued
}
