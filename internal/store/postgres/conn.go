package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
)

const (
	// The first number marks a lock as one of bearerd's.
	lockMigrations = `SELECT pg_advisory_xact_lock(1650815588, 0)`
	beginCommitted = `BEGIN ISOLATION LEVEL READ COMMITTED`
	beginSnapshot  = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`

	// The entries to append are kept in settings that end with the transaction. The time
	// to wait for the log is that of a session, also after setLockTimeout.
	stageEntries = `SELECT set_config('bearerd.whats', ($1::text[])::text, true), set_config('bearerd.ids', ($2::text[])::text, true),
    set_config('bearerd.untils', ($3::bigint[])::text, true), set_config('bearerd.ats', ($4::bigint[])::text, true),
    set_config('lock_timeout', $5, true)`
	setLockTimeout = `SELECT set_config('lock_timeout', $1, true)`

	// No time-out cuts off a COMMIT: a server that stops waiting for its standby has
	// committed nevertheless.
	noTimeout     = `SET LOCAL statement_timeout = 0`
	noLockTimeout = `SET LOCAL lock_timeout = 0`
	commitNow     = `COMMIT`
	// The server reads a message of the simple protocol to its end before it begins: it
	// waits for no client between the lock of the log and its release.
	appendAndCommit = `SELECT bearerd_append_staged(); ` + noTimeout + `; ` + noLockTimeout + `; ` + commitNow

	// Around a procedure, which the first of these must not make part of a
	// transaction: it commits by itself.
	untimed = `SET statement_timeout = 0`
	timed   = `RESET statement_timeout`
)

// advisory returns the statement that takes a lock.
func advisory(l engine.Lock) string {
	switch l {
	case engine.LockKeys:
		return `SELECT pg_advisory_xact_lock(1650815588, 1)`
	case engine.LockPurge:
		return `SELECT pg_advisory_xact_lock(1650815588, 2)`
	case engine.LockKill:
		return `SELECT pg_advisory_xact_lock(1650815588, 3)`
	case engine.LockTokens:
		return `SELECT pg_advisory_xact_lock_shared(1650815588, 3)`
	case engine.LockUses:
		return `SELECT pg_advisory_xact_lock(1650815588, 4)`
	}
	panic(fmt.Sprintf("no lock: %d", l))
}

// conn is a connection and what was posted on it.
type conn struct {
	db    *DB
	c     *pgx.Conn
	heard func()          // is called when there was an answer; nil: not called
	calm  func()          // ends the time-outs; nil: there are none
	reply <-chan struct{} // closed when the caller must have an answer; nil: never

	pending chan error // a commit that nobody waits for any more and that owns the connection

	posted     []statement
	entries    []revocation.Entry
	head       *revocation.Seq
	began      bool // the server knows of the transaction
	committing bool // the commit was sent
	answered   bool // the server has answered something
}

type statement struct {
	text string
	args []any
}

// begin posts the statement that begins a transaction.
func (c *conn) begin(text string) { c.posted = append(c.posted, statement{text: text}) }

func (c *conn) Post(_ context.Context, text string, args ...any) error {
	if !storable(args) {
		return errUnstorable
	}
	c.posted = append(c.posted, statement{text, args})
	return nil
}

func (c *conn) Exec(ctx context.Context, text string, args ...any) (int64, error) {
	if !storable(args) {
		return 0, errUnstorable
	}
	var n int64
	err := c.send(ctx, text, args, func(rows pgx.Rows) error {
		rows.Close()
		n = rows.CommandTag().RowsAffected()
		return nil
	})
	return n, err
}

// Row returns sql.ErrNoRows for arguments that can't be stored.
func (c *conn) Row(ctx context.Context, text string, args []any, dest ...any) error {
	if !storable(args) {
		return sql.ErrNoRows
	}
	return c.send(ctx, text, args, func(rows pgx.Rows) error {
		if rows.Next() {
			return rows.Scan(dest...)
		}
		if rows.Err() != nil {
			return nil // send sees it
		}
		return sql.ErrNoRows
	})
}

func (c *conn) Each(ctx context.Context, text string, args []any, read func(engine.Scanner) error) error {
	if !storable(args) {
		return nil
	}
	return c.send(ctx, text, args, func(rows pgx.Rows) error {
		for rows.Next() {
			if err := read(rows.Scan); err != nil {
				return err
			}
		}
		return nil
	})
}

// send sends what was posted and one statement more, in one message, and reads the
// answer to the last.
func (c *conn) send(ctx context.Context, text string, args []any, read func(pgx.Rows) error) error {
	posted := c.posted
	c.posted = nil
	c.db.queries.Add(int64(len(posted)) + 1)
	if len(posted) == 0 {
		rows, err := c.c.Query(ctx, text, args...)
		if err != nil {
			return &lost{err}
		}
		return c.finish(rows, read)
	}
	c.began = true
	var batch pgx.Batch
	for _, s := range posted {
		batch.Queue(s.text, s.args...)
	}
	batch.Queue(text, args...)
	results := c.c.SendBatch(ctx, &batch)
	for range posted {
		if _, err := results.Exec(); err != nil {
			_ = results.Close()
			return &lost{err}
		}
	}
	rows, err := results.Query()
	if err == nil {
		err = c.finish(rows, read)
	} else {
		err = &lost{err}
	}
	if closeErr := results.Close(); err == nil && closeErr != nil {
		err = &lost{closeErr}
	}
	return err
}

// finish reads rows to their end.
func (c *conn) finish(rows pgx.Rows, read func(pgx.Rows) error) error {
	err := read(rows)
	rows.Close()
	if c.heard != nil {
		c.heard()
	}
	var scan pgx.ScanArgError
	if rowsErr := rows.Err(); rowsErr != nil && !errors.As(rowsErr, &scan) {
		return &lost{rowsErr}
	}
	c.answered = true
	return err
}

func (c *conn) Script(ctx context.Context, text string) error {
	if err := c.flush(ctx); err != nil {
		return err
	}
	c.db.queries.Add(1)
	if _, err := c.c.Exec(ctx, text, pgx.QueryExecModeSimpleProtocol); err != nil {
		return &lost{err}
	}
	return nil
}

// flush sends what was posted.
func (c *conn) flush(ctx context.Context) error {
	if len(c.posted) == 0 {
		return nil
	}
	last := c.posted[len(c.posted)-1]
	c.posted = c.posted[:len(c.posted)-1]
	_, err := c.Exec(ctx, last.text, last.args...)
	return err
}

func (c *conn) Append(_ context.Context, entries []revocation.Entry, head *revocation.Seq) error {
	for _, e := range entries {
		if !storable([]any{e.ID}) {
			return errUnstorable
		}
	}
	c.entries, c.head = entries, head
	return nil
}

func (c *conn) Origin() string { return lineOf(c.c).origin }

func (c *conn) Lock(ctx context.Context, l engine.Lock) error { return c.Post(ctx, advisory(l)) }

// rollback rolls the transaction back, if it was begun at the server. Where that fails,
// the connection is not used again.
func (c *conn) rollback(ctx context.Context) {
	c.posted, c.entries = nil, nil
	if c.began && !c.c.IsClosed() {
		_, _ = c.Exec(ctx, "ROLLBACK")
	}
}

// commit ends the transaction. Entries of the log are staged before, so that their append
// and the COMMIT are one message without arguments. All other posted statements are sent
// with the COMMIT.
func (c *conn) commit(ctx context.Context) error {
	if !c.began && len(c.posted) == 1 && len(c.entries) == 0 {
		c.posted = nil
		return nil // nothing but the begin
	}
	if len(c.entries) == 0 {
		return c.conclude(ctx, c.sendCommit)
	}
	var rows columns
	for _, e := range c.entries {
		rows.add(string(e.What), e.ID, column.Micros(e.Until), column.Micros(e.At))
	}
	args := append(rows.of(texts, texts, integers, integers), c.db.limits.lockTimeout())
	err := c.Post(ctx, stageEntries, args...)
	if err == nil {
		err = c.flush(ctx)
	}
	if err != nil {
		c.rollback(ctx)
		return err
	}
	return c.conclude(ctx, c.sendAppend)
}

// sendCommit sends what was posted and the COMMIT.
func (c *conn) sendCommit(ctx context.Context) error {
	var batch pgx.Batch
	for _, s := range c.posted {
		batch.Queue(s.text, s.args...)
	}
	c.posted = nil
	for _, text := range []string{noTimeout, noLockTimeout, commitNow} {
		batch.Queue(text)
	}
	c.db.queries.Add(int64(batch.Len()))
	results := c.c.SendBatch(ctx, &batch)
	var tag pgconn.CommandTag
	var err error
	for range batch.Len() {
		if tag, err = results.Exec(); err != nil {
			break
		}
	}
	if closeErr := results.Close(); err == nil {
		err = closeErr
	}
	return c.committed(ctx, tag, err)
}

// sendAppend sends the append of what was staged, with the COMMIT.
func (c *conn) sendAppend(ctx context.Context) error {
	c.db.queries.Add(4)
	results, err := c.c.PgConn().Exec(ctx, appendAndCommit).ReadAll()
	var tag pgconn.CommandTag
	if err == nil {
		tag = results[len(results)-1].CommandTag
	}
	if err := c.committed(ctx, tag, err); err != nil {
		return err
	}
	return c.c.TypeMap().Scan(pgtype.Int8OID, pgtype.TextFormatCode, results[0].Rows[0][0], c.head)
}

// committed judges the answer to a COMMIT.
func (c *conn) committed(ctx context.Context, tag pgconn.CommandTag, err error) error {
	if err != nil {
		c.began = true
		c.rollback(ctx)
		return &lost{err}
	}
	if tag.String() != commitNow {
		return &lost{fmt.Errorf("a commit was answered by %s", tag)}
	}
	return c.replicated()
}

// replicated returns an error when the server has sent a warning since conclude. At a
// COMMIT the warning means that the server stopped waiting for a standby: what it has
// committed may be lost with its disk.
func (c *conn) replicated() error {
	if w := lineOf(c.c).warned; w != nil {
		return &unreplicated{w}
	}
	return nil
}

// conclude runs what ends in a COMMIT, without a time-out and to its end, whatever
// happens to the caller. When the caller must have an answer before that, it returns
// errSlow, and the connection belongs to the commit until pending has its outcome.
func (c *conn) conclude(ctx context.Context, do func(context.Context) error) error {
	lineOf(c.c).warned = nil
	c.committing = true
	if c.reply == nil {
		return do(ctx)
	}
	c.calm()
	c.heard = nil
	done := make(chan error, 1)
	go func() { done <- do(engine.Detached(ctx)) }()
	// Wait this long, however much time has passed: with the default, the answer comes
	// within a second of the request.
	grace := time.NewTimer(c.db.limits.StatementTimeout / 9)
	defer grace.Stop()
	select {
	case err := <-done:
		return err
	case <-grace.C: // at least this long, however much time has passed
	}
	select {
	case err := <-done:
		return err
	case <-c.reply:
		c.pending = done
		return errSlow
	}
}

// call runs a procedure that commits by itself, and reads the row that it returns into
// dest, where there are any. Arguments, procedure and COMMIT are one message: what the
// client sends after it changes nothing.
func (c *conn) call(ctx context.Context, text string, args []any, dest ...any) error {
	if !storable(args) {
		return errUnstorable
	}
	described, err := c.c.Prepare(ctx, text, text)
	if err != nil {
		return &lost{err}
	}
	var q pgx.ExtendedQueryBuilder
	if err := q.Build(c.c.TypeMap(), described, args); err != nil {
		return err
	}
	return c.conclude(ctx, func(ctx context.Context) error {
		c.db.queries.Add(3)
		p := c.c.PgConn().StartPipeline(ctx)
		p.SendQueryParams(untimed, nil, nil, nil, nil)
		p.SendPipelineSync()
		p.SendQueryPrepared(described.Name, q.ParamValues, q.ParamFormats, q.ResultFormats)
		p.SendPipelineSync()
		p.SendQueryParams(timed, nil, nil, nil, nil)
		if err := p.Sync(); err != nil {
			return &lost{errors.Join(err, p.Close())}
		}
		err := c.answers(p, described, dest)
		if closeErr := p.Close(); err == nil && closeErr != nil {
			err = &lost{closeErr}
		}
		if err != nil {
			return err
		}
		return c.replicated()
	})
}

// answers reads the answers to what call sends.
func (c *conn) answers(p *pgconn.Pipeline, described *pgconn.StatementDescription, dest []any) error {
	var failed error
	for {
		result, err := p.GetResults()
		if rows, ok := result.(*pgconn.ResultReader); ok && err == nil {
			for rows.NextRow() {
				failed = errors.Join(failed, c.scan(described, rows.Values(), dest))
			}
			_, err = rows.Close()
		}
		if err != nil {
			failed = errors.Join(failed, &lost{err})
			if c.c.IsClosed() {
				return failed
			}
		}
		if result == nil && err == nil {
			return failed
		}
	}
}

func (c *conn) scan(described *pgconn.StatementDescription, row [][]byte, dest []any) error {
	for i := range min(len(dest), len(row)) {
		oid := described.Fields[i].DataTypeOID
		if err := c.c.TypeMap().Scan(oid, c.c.TypeMap().FormatCodeForOID(oid), row[i], dest[i]); err != nil {
			return err
		}
	}
	return nil
}

// undone reports whether what failed with err was rolled back completely and may be done
// again.
func (c *conn) undone(err error) bool {
	if c.pending != nil {
		return false
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch pg.Code {
		case "40001", "40P01", "25P03": // serialization, deadlock, idle in transaction
			return true
		}
	}
	var l *lost
	if !errors.As(err, &l) || errors.Is(err, errSlow) {
		return false
	}
	return unsent(err) || c.c.IsClosed() && !c.answered && !c.committing // lost before it was taken from the pool
}

// unsent reports whether nothing of a message was sent. The driver says so, but also when
// it finds, while it reads the answers to a script, that it has closed the connection
// itself because no answer can come any more.
func unsent(err error) bool {
	return pgconn.SafeToRetry(err) && !errors.Is(err, pgconn.ErrConnClosed)
}
