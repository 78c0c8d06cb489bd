package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bearerd/bearerd/internal/revocation"
)

const (
	// The first number says that a lock is one of bearerd's.
	lockMigrations = `SELECT pg_advisory_xact_lock(1650815588, 0)`
	notify         = `NOTIFY bearerd_log`

	// %[1]d is the number of the entries, %[2]s are their rows. The head is locked
	// from here to the commit, which follows in the same message.
	appendEntries = `WITH head AS (UPDATE log_head SET seq = seq + %[1]d WHERE one = 1 RETURNING seq)
INSERT INTO log_entries (seq, what, id, until, at)
SELECT head.seq - %[1]d + e.n, e.what, e.id, e.until, e.at FROM head, (VALUES %[2]s) AS e (n, what, id, until, at)`
	entryRow   = `($1, $2, $3, $4, $5)`
	selectHead = `SELECT seq FROM log_head WHERE one = 1`
)

var advisory = map[lock]string{ //nolint:gosec // locks, no credentials
	lockKeys:   `SELECT pg_advisory_xact_lock(1650815588, 1)`,
	lockPurge:  `SELECT pg_advisory_xact_lock(1650815588, 2)`,
	lockKill:   `SELECT pg_advisory_xact_lock(1650815588, 3)`,
	lockTokens: `SELECT pg_advisory_xact_lock_shared(1650815588, 3)`,
}

// pgConn is a connection and what was posted on it.
type pgConn struct {
	db    *postgresDB
	c     *pgx.Conn
	heard func(extra time.Duration) // tells of an answer, and how much longer the next may take; nil: nobody cares

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
func (c *pgConn) begin(text string) { c.posted = append(c.posted, statement{text: text}) }

func (c *pgConn) post(_ context.Context, text string, args ...any) error {
	if !storable(args) {
		return errUnstorable
	}
	c.posted = append(c.posted, statement{text, args})
	return nil
}

func (c *pgConn) exec(ctx context.Context, text string, args ...any) (int64, error) {
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

// row takes what can't be stored for what isn't.
func (c *pgConn) row(ctx context.Context, text string, args []any, dest ...any) error {
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

func (c *pgConn) each(ctx context.Context, text string, args []any, read func(scanner) error) error {
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
func (c *pgConn) send(ctx context.Context, text string, args []any, read func(pgx.Rows) error) error {
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
func (c *pgConn) finish(rows pgx.Rows, read func(pgx.Rows) error) error {
	err := read(rows)
	rows.Close()
	c.hear(0)
	var scan pgx.ScanArgError
	if rowsErr := rows.Err(); rowsErr != nil && !errors.As(rowsErr, &scan) {
		return &lost{rowsErr}
	}
	c.answered = true
	return err
}

func (c *pgConn) hear(extra time.Duration) {
	if c.heard != nil {
		c.heard(extra)
	}
}

func (c *pgConn) script(ctx context.Context, text string) error {
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
func (c *pgConn) flush(ctx context.Context) error {
	if len(c.posted) == 0 {
		return nil
	}
	last := c.posted[len(c.posted)-1]
	c.posted = c.posted[:len(c.posted)-1]
	_, err := c.exec(ctx, last.text, last.args...)
	return err
}

func (c *pgConn) append(_ context.Context, entries []revocation.Entry, head *revocation.Seq) error {
	for _, e := range entries {
		if !storable([]any{e.ID}) {
			return errUnstorable
		}
	}
	c.entries, c.head = entries, head
	return nil
}

func (c *pgConn) lock(ctx context.Context, l lock) error { return c.post(ctx, advisory[l]) }

// rollback undoes the transaction, if the server knows of it. Where that fails, the
// connection is not used again.
func (c *pgConn) rollback(ctx context.Context) {
	c.posted, c.entries = nil, nil
	if c.began && !c.c.IsClosed() {
		_, _ = c.exec(ctx, "ROLLBACK")
	}
}

// commit sends what was posted, the entries of the log and the commit in one message
// of the simple protocol, which the server reads to its end before it begins: so no
// node that falls silent holds up the log, or those who add tokens.
func (c *pgConn) commit(ctx context.Context) error {
	if !c.began && len(c.posted) == 1 && len(c.entries) == 0 {
		c.posted = nil
		return nil // nothing but the begin
	}
	texts, err := c.last()
	if err != nil {
		c.rollback(ctx)
		return err
	}
	c.db.queries.Add(int64(len(texts)))
	c.hear(time.Duration(len(texts)) * postedTime)
	c.committing = true
	results, err := c.c.PgConn().Exec(ctx, strings.Join(texts, ";\n")).ReadAll()
	if err != nil {
		c.began = true
		c.rollback(ctx)
		return &lost{err}
	}
	if tag := results[len(results)-1].CommandTag.String(); tag != "COMMIT" {
		return &lost{fmt.Errorf("a commit was answered by %s", tag)}
	}
	if len(c.entries) > 0 {
		return c.c.TypeMap().Scan(20, 0, results[len(results)-3].Rows[0][0], c.head)
	}
	return nil
}

// postedTime is how much longer an answer may take for each statement that is sent.
const postedTime = 5 * time.Millisecond

// last gives the statements that end the transaction.
func (c *pgConn) last() ([]string, error) {
	texts := make([]string, 0, len(c.posted)+4)
	for _, s := range c.posted {
		text, err := inline(s.text, s.args)
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	c.posted = nil
	if n := len(c.entries); n > 0 {
		rows := make([]string, n)
		for i, e := range c.entries {
			row, err := inline(entryRow, []any{i + 1, string(e.What), e.ID, micros(e.Until), micros(e.At)})
			if err != nil {
				return nil, err
			}
			rows[i] = row
		}
		texts = append(texts, fmt.Sprintf(appendEntries, n, strings.Join(rows, ", ")), selectHead, notify)
	}
	return append(texts, "COMMIT"), nil
}

// undone reports whether what failed with err has left nothing behind and may be done
// again.
func (c *pgConn) undone(err error) bool {
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
	// A connection that was dead when it was taken.
	return pgconn.SafeToRetry(err) || c.c.IsClosed() && !c.answered && !c.committing
}
