package store

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

	"modernc.org/sqlite" // the driver named "sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
)

const (
	beginRead  = "BEGIN"
	beginWrite = "BEGIN IMMEDIATE" // a lock taken later than the first read can't be waited for
	commit     = "COMMIT"
	rollback   = "ROLLBACK"
	savepoint  = "SAVEPOINT job"
	release    = "RELEASE job"
	undo       = "ROLLBACK TO job"

	advanceHead = `UPDATE log_head SET seq = seq + $1 WHERE one = 1 RETURNING seq`
	insertEntry = `INSERT INTO log_entries (seq, what, id, until, at) VALUES ($1, $2, $3, $4, $5)`
)

// schema implements engine.
func (*sqliteDB) schema() schema {
	return schema{
		migrations: "migrations/sqlite",
		ours:       `SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'migrations'`,
		any:        `SELECT 1 FROM sqlite_schema WHERE type = 'table' LIMIT 1`,
		create: `CREATE TABLE IF NOT EXISTS migrations (
    name TEXT    NOT NULL PRIMARY KEY,
    at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID`,
		insertPassed: `INSERT INTO passed_confirmations (to_node, from_node, n, confirmations, at)
SELECT n.node, $1, $2, passed.value, $3 FROM json_each($4) passed JOIN nodes n ON n.node = passed.key RETURNING to_node`,
		usersContaining: `user_search_grams g JOIN user_search x ON x.n = g.rowid JOIN users u ON u.id = x.user_id
WHERE g.text MATCH $1`,
		askGrams: func(grams []string) string { // a string of FTS5 each
			quoted := make([]string, len(grams))
			for i, gram := range grams {
				quoted[i] = `"` + strings.ReplaceAll(gram, `"`, `""`) + `"`
			}
			return strings.Join(quoted, " AND ")
		},
	}
}

// sqliteDB is an open SQLite database: one connection that writes, and some that
// read.
type sqliteDB struct {
	path    string
	file    os.FileInfo // the file as it was opened
	queries *atomic.Int64

	queue   chan *job
	stop    chan struct{} // closed: the writer ends
	stopped chan struct{} // closed: the writer has ended
	bulk    bool          // this process writes a very large number of rows

	writer  *sqliteConn // used by the writer's goroutine alone
	readers sqlitePool
}

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
func (db *sqliteDB) connect(ctx context.Context) (err error) {
	// A database of another program, or of a later version, is left alone.
	err = lookSQLite(ctx, db.path, func(ctx context.Context, c conn) error {
		_, err := missing(ctx, c, db.schema())
		return err
	})
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.disconnect())
		}
	}()
	// Its waits for a lock are short because begin tries again by itself, and more often.
	pragmas := []string{"busy_timeout(10)", "journal_mode(WAL)"}
	if db.bulk {
		pragmas = append(pragmas, "cache_size(-196608)", "wal_autocheckpoint(16000)", "temp_store(MEMORY)")
	}
	if db.writer, err = db.dial(ctx, dsn(db.path, pragmas...)); err != nil {
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

// disconnect closes the idle connections.
func (db *sqliteDB) disconnect() error {
	var errs []error
	for len(db.readers.idle) > 0 {
		<-db.readers.idle
		errs = append(errs, db.readers.take().close())
	}
	if db.writer != nil {
		errs = append(errs, db.writer.close())
	}
	return errors.Join(errs...)
}

// close waits for those who read and for the writer.
func (db *sqliteDB) close() error {
	close(db.stop)
	<-db.stopped
	errs := []error{db.writer.close()}
	for range cap(db.readers.idle) {
		<-db.readers.idle
		errs = append(errs, db.readers.take().close())
	}
	return errors.Join(errs...)
}

func (db *sqliteDB) read(ctx context.Context, do work) error {
	select {
	case <-db.readers.idle:
		c := db.readers.take()
		defer db.readers.put(c)
		if err := ctx.Err(); err != nil {
			return err
		}
		return db.classify(do(detached(ctx), c))
	case <-ctx.Done():
		return ctx.Err()
	case <-db.stop:
		return errClosed
	}
}

func (db *sqliteDB) snapshot(ctx context.Context, do work) error {
	return db.read(ctx, func(ctx context.Context, c conn) error {
		if _, err := c.exec(ctx, beginRead); err != nil {
			return err
		}
		defer func() { _, _ = c.exec(ctx, rollback) }() // nothing was written
		return do(ctx, c)
	})
}

// alone is for use before the writer runs.
func (db *sqliteDB) alone(ctx context.Context, do work) error {
	c := db.writer
	return patiently(ctx, func() error {
		if _, err := c.exec(ctx, beginWrite); err != nil {
			return err
		}
		ctx := detached(ctx)
		err := do(ctx, c)
		if err == nil {
			_, err = c.exec(ctx, commit)
		}
		if err != nil {
			_, _ = c.exec(ctx, rollback)
		}
		return err
	})
}

// commit implements engine.
func (db *sqliteDB) commit(ctx context.Context, b op.Batch) (seq revocation.Seq, err error) {
	j := &job{single: len(b.Ops)+len(b.Log) == 0 && len(b.Audit) == 1}
	err = db.enqueue(ctx, j, func(ctx context.Context, c conn) error { return carryOutBatch(ctx, c, b, &seq) })
	if err != nil {
		return 0, err
	}
	return seq, nil
}

// touch implements engine.
func (db *sqliteDB) touch(ctx context.Context, uses []records.Use) error {
	return db.write(ctx, func(ctx context.Context, c conn) error {
		for _, u := range uses {
			if err := c.post(ctx, touch, u.ID, micros(u.At), u.Address); err != nil {
				return err
			}
		}
		return nil
	})
}

// clock implements engine: the process is the database.
func (*sqliteDB) clock(context.Context) (at time.Time, ok bool, err error) {
	return time.Time{}, false, nil
}

// listen waits for ctx: SQLite doesn't notify anybody of what other processes do.
func (*sqliteDB) listen(ctx context.Context, _ func()) error {
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

// lookSQLite implements look.
func lookSQLite(ctx context.Context, path string, do work) error {
	if err := ensureFile(path, false); err != nil {
		return err
	}
	if err := checkLog(path); err != nil {
		return err
	}
	db := &sqliteDB{path: path, queries: new(atomic.Int64)}
	c, err := db.dial(ctx, reading(path))
	if err != nil {
		return err
	}
	if _, err = c.exec(ctx, beginRead); err == nil { // another process may migrate in between
		err = do(ctx, c)
	}
	return errors.Join(err, c.close())
}

// dial opens one connection.
func (db *sqliteDB) dial(ctx context.Context, name string) (*sqliteConn, error) {
	pool, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, err
	}
	c, err := pool.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	return &sqliteConn{pool: pool, db: c, stmts: map[string]*sql.Stmt{}, count: db.queries}, nil
}

// detached is the context that statements run with: with one that can end, the driver
// starts a goroutine for each statement, which takes about 4 µs, as long as the statement
// itself. Callers check ctx before they run statements, and every statement is bounded.
func detached(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

const (
	soon  = time.Second     // when to try again: another process is writing
	later = 5 * time.Second // when to try again: the operator must do something about the disk
)

// code is SQLite's primary result code of an error; 0 when it isn't SQLite's.
func code(err error) int {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff
}

// busy reports whether another process holds a lock.
func busy(err error) bool {
	c := code(err)
	return c == sqlite3.SQLITE_BUSY || c == sqlite3.SQLITE_LOCKED
}

// broken reports whether the file failed, and not the statement.
func broken(err error) bool {
	switch code(err) {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY,
		sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL:
		return true
	}
	return errors.Is(err, errMoved)
}

// explainFile returns an error at the start with what the operator can do about it.
func explainFile(path string, err error) error {
	switch code(err) {
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		if why := whyClosed(path); why != nil {
			return fmt.Errorf("%w (%w)", why, err)
		}
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("its disk is full: %w", err)
	case sqlite3.SQLITE_IOERR:
		return fmt.Errorf("its disk is full, or it fails: %w", err)
	}
	return closedTo(err)
}

const asWhom = "run this as the user that bearerd runs as, who must be able to write to the file and its folder"

// whyClosed returns why this user can't write to a database, and nil where that isn't the reason.
func whyClosed(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return errors.New("it is a folder, and must be a file")
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		f, err := os.OpenFile(path+suffix, os.O_RDWR, 0) //nolint:gosec // the operator's own path
		switch {
		case err == nil:
			err = f.Close()
		case suffix != "" && errors.Is(err, fs.ErrNotExist):
			err = nil
		}
		if err != nil {
			return closedTo(err)
		}
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".bearerd-check-*") // SQLite writes its log beside the database
	if err != nil {
		return closedTo(fmt.Errorf("no file can be created in %s: %w", filepath.Dir(path), errors.Unwrap(err)))
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// closedTo returns an error about a file with what to do about it.
func closedTo(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: %s", err, asWhom)
	}
	return err
}

// errMoved is the error for a file that was moved or removed: nothing is written to it
// any more, because the next process to open the database would not find it.
var errMoved = errors.New("the file was moved, removed or replaced since it was opened")

// classify turns an error of the database into a fault, whose cause names the file for
// the operator's log and whose message has no details for the client. Every other error
// is returned unchanged.
func (db *sqliteDB) classify(err error) error {
	var f *fault.Error
	if err == nil || errors.As(err, &f) || !broken(err) && code(err) == 0 {
		return err
	}
	cause := fmt.Errorf("database %s: %w", db.path, err)
	message, wait := "the store can't be used now", later
	switch {
	case !broken(err):
		return cause
	case busy(err):
		message, wait = "the store is busy", soon
	case code(err) == sqlite3.SQLITE_FULL:
		message = "the store's disk is full"
	}
	return unavailable(cause, message, wait)
}

// follow implements engine: there is only one file.
func (*sqliteDB) follow(func() string) {}
