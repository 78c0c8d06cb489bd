// Package sqlite is the engine for SQLite (write-ahead log, synchronous=FULL).
//
// One goroutine does all of a process's writes. It does all waiting writes in one transaction,
// each in a savepoint, so that a hundred of them take little longer than one. Another process
// may write to the same file at the same time.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store/batch"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/schema"
)

const (
	beginRead  = "BEGIN"
	beginWrite = "BEGIN IMMEDIATE" // a lock taken later than the first read can't be waited for
	commit     = "COMMIT"
	rollback   = "ROLLBACK"
	savepoint  = "SAVEPOINT job"
	release    = "RELEASE job"
	undo       = "ROLLBACK TO job"

	touch = `UPDATE tokens SET last_used_at = $2, last_used_by = $3 WHERE id = $1 AND last_used_at < $2`

	advanceHead = `UPDATE log_head SET seq = seq + $1 WHERE one = 1 RETURNING seq`
	insertEntry = `INSERT INTO log_entries (seq, what, id, until, at) VALUES ($1, $2, $3, $4, $5)`
)

// Dialect implements engine.DB.
func (*DB) Dialect() engine.Dialect {
	return engine.Dialect{
		Migrations: "migrations/sqlite",
		Ours:       `SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'migrations'`,
		Any:        `SELECT 1 FROM sqlite_schema WHERE type = 'table' LIMIT 1`,
		Create: `CREATE TABLE IF NOT EXISTS migrations (
    name TEXT    NOT NULL PRIMARY KEY,
    at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID`,
		InsertPassed: `INSERT INTO passed_confirmations (to_node, from_node, n, confirmations, at)
SELECT n.node, $1, $2, passed.value, $3 FROM json_each($4) passed JOIN nodes n ON n.node = passed.key RETURNING to_node`,
		UsersContaining: `user_search_grams g JOIN user_search x ON x.n = g.rowid JOIN users u ON u.id = x.user_id
WHERE g.text MATCH $1`,
		AskGrams: func(grams []string) string { // a string of FTS5 each
			quoted := make([]string, len(grams))
			for i, gram := range grams {
				quoted[i] = `"` + strings.ReplaceAll(gram, `"`, `""`) + `"`
			}
			return strings.Join(quoted, " AND ")
		},
	}
}

// Options configure how a file is opened.
type Options struct {
	// MustExist makes a missing file an error instead of an empty database.
	MustExist bool
	// Bulk is set by a process that writes very many rows.
	Bulk bool
	// Queries counts the statements that are sent.
	Queries *atomic.Int64
}

// DB is an open SQLite database: one connection that writes, and some that
// read.
type DB struct {
	path    string
	file    os.FileInfo // the file as it was opened
	queries *atomic.Int64

	bulk bool // this process writes a very large number of rows

	writer  writer
	readers pool
}

// Open opens a file. Until Serve is called only Alone may write.
func Open(ctx context.Context, path string, o Options) (*DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := ensureFile(path, !o.MustExist); err != nil {
		return nil, err
	}
	db := &DB{
		path: path, queries: o.Queries, bulk: o.Bulk,
		writer: writer{queue: make(chan *job, queueLength), stop: make(chan struct{}), stopped: make(chan struct{})},
	}
	db.writer.db = db
	if db.file, err = os.Stat(path); err != nil {
		return nil, err
	}
	return db, patiently(ctx, func() error { return db.connect(ctx) })
}

// Serve starts the writer.
func (db *DB) Serve(ctx context.Context) { go db.writer.serve(engine.Detached(ctx)) }

// openTimeout is how long opening the database waits for another process that has locked
// it: longer than any write of another bearerd.
const openTimeout = 5 * time.Second

// patiently does something before the writer runs, and repeats it while another process
// has locked the database. After openTimeout the error says what to look for: a server
// that waited for ever would neither listen nor report why.
func patiently(ctx context.Context, do func() error) error {
	bounded, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	err := retry(func() bool { return bounded.Err() != nil }, do)
	if busy(err) {
		return fmt.Errorf("it has been locked for %s: another process holds it, or its disk is full or faulty: %w", openTimeout, err)
	}
	return err
}

// connect opens every connection. Before the first that may write, it checks that the
// database may be written to.
func (db *DB) connect(ctx context.Context) (err error) {
	// A database of another program, or of a later version, is left alone.
	err = Look(ctx, db.path, func(ctx context.Context, c engine.Conn, d engine.Dialect) error {
		_, err := schema.Missing(ctx, c, d)
		return err
	})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Disconnect())
		}
	}()
	// Its waits for a lock are short because begin tries again by itself, and more often.
	pragmas := []string{"busy_timeout(10)", "journal_mode(WAL)"}
	if db.bulk {
		pragmas = append(pragmas, "cache_size(-196608)", "wal_autocheckpoint(16000)", "temp_store(MEMORY)")
	}
	if db.writer.c, err = db.dial(ctx, dsn(db.path, pragmas...)); err != nil {
		return err
	}
	readers := max(4, runtime.GOMAXPROCS(0))
	db.readers.idle = make(chan struct{}, readers)
	for range readers {
		c, err := db.dial(ctx, reading(db.path))
		if err != nil {
			return err
		}
		db.readers.put(c)
	}
	return nil
}

// Disconnect closes the connections of a database whose writer was not started.
func (db *DB) Disconnect() error {
	var errs []error
	for len(db.readers.idle) > 0 {
		<-db.readers.idle
		errs = append(errs, db.readers.take().close())
	}
	if db.writer.c != nil {
		errs = append(errs, db.writer.c.close())
	}
	return errors.Join(errs...)
}

// Close waits for those who read and for the writer.
func (db *DB) Close() error {
	close(db.writer.stop)
	<-db.writer.stopped
	errs := []error{db.writer.c.close()}
	for range cap(db.readers.idle) {
		<-db.readers.idle
		errs = append(errs, db.readers.take().close())
	}
	return errors.Join(errs...)
}

// Read implements engine.DB.
func (db *DB) Read(ctx context.Context, do engine.Work) error {
	select {
	case <-db.readers.idle:
		c := db.readers.take()
		defer db.readers.put(c)
		if err := ctx.Err(); err != nil {
			return err
		}
		return db.classify(do(engine.Detached(ctx), c))
	case <-ctx.Done():
		return ctx.Err()
	case <-db.writer.stop:
		return engine.ErrClosed
	}
}

// Snapshot implements engine.DB.
func (db *DB) Snapshot(ctx context.Context, do engine.Work) error {
	return db.Read(ctx, func(ctx context.Context, c engine.Conn) error {
		if _, err := c.Exec(ctx, beginRead); err != nil {
			return err
		}
		defer func() { _, _ = c.Exec(ctx, rollback) }() // nothing was written
		return do(ctx, c)
	})
}

// Alone is for use before the writer runs.
func (db *DB) Alone(ctx context.Context, do engine.Work) error {
	c := db.writer.c
	return patiently(ctx, func() error {
		if _, err := c.Exec(ctx, beginWrite); err != nil {
			return err
		}
		ctx := engine.Detached(ctx)
		err := do(ctx, c)
		if err == nil {
			_, err = c.Exec(ctx, commit)
		}
		if err != nil {
			_, _ = c.Exec(ctx, rollback)
		}
		return err
	})
}

// Commit implements engine.DB.
func (db *DB) Commit(ctx context.Context, b op.Batch) (seq revocation.Seq, err error) {
	j := &job{single: len(b.Ops)+len(b.Log) == 0 && len(b.Audit) == 1}
	err = db.writer.enqueue(ctx, j, func(ctx context.Context, c engine.Conn) error { return batch.CarryOut(ctx, c, b, &seq) })
	if err != nil {
		return 0, err
	}
	return seq, nil
}

// Touch implements engine.DB.
func (db *DB) Touch(ctx context.Context, uses []records.Use) error {
	return db.Write(ctx, func(ctx context.Context, c engine.Conn) error {
		for _, u := range uses {
			if err := c.Post(ctx, touch, u.ID, column.Micros(u.At), u.Address); err != nil {
				return err
			}
		}
		return nil
	})
}

// Clock implements engine.DB: the process is the database.
func (*DB) Clock(context.Context) (at time.Time, ok bool, err error) {
	return time.Time{}, false, nil
}

// Listen waits for ctx: SQLite doesn't notify anybody of what other processes do.
func (*DB) Listen(ctx context.Context, _ func()) error {
	<-ctx.Done()
	return ctx.Err()
}

// dsn returns the file's name with the settings of every connection. Only a connection's
// own pragmas can do that: a pool opens connections at any time.
func dsn(path string, more ...string) string {
	q := url.Values{"mode": {"rw"}, "_dqs": {"0"}, "_error_rc": {"1"}}
	q["_pragma"] = append([]string{
		"foreign_keys(1)",
		"synchronous(FULL)",
		"journal_size_limit(67108864)",
	}, more...)
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String()
}

// reading is for connections that refuse to write.
func reading(path string) string { return dsn(path, "busy_timeout(500)", "query_only(1)") }

// ensureFile creates the database's file when it is missing, so that only its owner can
// read it. SQLite creates the files beside it with the same mode.
func ensureFile(path string, create bool) error {
	_, err := os.Stat(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !create {
		return fmt.Errorf("there is no database: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator's own path
	if errors.Is(err, fs.ErrExist) {
		return nil // another process was faster
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), syncDir(path))
}

// checkLog refuses a write-ahead log that isn't the database's. When a backup is restored
// over a database, the old one's log may be left beside it, and SQLite would apply that
// to the new file. The header of a backup says that it has no log.
func checkLog(path string) error {
	const readVersion, noLog = 19, 1
	log, err := os.Stat(path + "-wal")
	if err != nil || log.Size() == 0 {
		return nil
	}
	f, err := os.Open(path) //nolint:gosec // the operator's own path
	if err != nil {
		return err
	}
	var header [100]byte
	n, err := io.ReadFull(f, header[:])
	if err := f.Close(); err != nil {
		return err
	}
	if n == len(header) && err == nil && header[readVersion] == noLog {
		return fmt.Errorf("%s-wal belongs to another database, which was here before a backup was restored: remove it and %s-shm", path, path)
	}
	return nil
}

// syncDir makes the name of a new file survive a crash.
func syncDir(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Look reads a file in one snapshot, without changing anything.
func Look(ctx context.Context, path string, do engine.LookWork) error {
	if err := ensureFile(path, false); err != nil {
		return err
	}
	if err := checkLog(path); err != nil {
		return err
	}
	db := &DB{path: path, queries: new(atomic.Int64)}
	c, err := db.dial(ctx, reading(path))
	if err != nil {
		return err
	}
	if _, err = c.Exec(ctx, beginRead); err == nil { // another process may migrate in between
		err = do(ctx, c, db.Dialect())
	}
	return errors.Join(err, c.close())
}

// dial opens one connection.
func (db *DB) dial(ctx context.Context, name string) (*conn, error) {
	pool, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, err
	}
	c, err := pool.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	return &conn{pool: pool, db: c, stmts: map[string]*sql.Stmt{}, count: db.queries}, nil
}

// Follow implements engine.DB: there is only one file.
func (*DB) Follow(func() string) {}
