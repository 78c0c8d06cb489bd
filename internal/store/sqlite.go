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
	"time"

	"modernc.org/sqlite" // the driver named "sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/bearerd/bearerd/internal/fault"
)

const (
	beginRead  = "BEGIN"
	beginWrite = "BEGIN IMMEDIATE" // a lock taken later than the first read can't be waited for
	commit     = "COMMIT"
	rollback   = "ROLLBACK"
	savepoint  = "SAVEPOINT job"
	release    = "RELEASE job"
	undo       = "ROLLBACK TO job"

	migrationFiles       = "migrations/sqlite"
	selectMigrationTable = `SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'migrations'`
	selectAnyTable       = `SELECT 1 FROM sqlite_schema WHERE type = 'table' LIMIT 1`
	createMigrations     = `CREATE TABLE IF NOT EXISTS migrations (
    name TEXT    NOT NULL PRIMARY KEY,
    at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID`
)

// dsn names the file with what must hold on every connection. Only a connection's
// own pragmas can do that: a pool opens connections when it likes.
func dsn(path string, more ...string) string {
	q := url.Values{"mode": {"rw"}, "_dqs": {"0"}, "_error_rc": {"1"}}
	q["_pragma"] = append([]string{
		"foreign_keys(1)",
		"synchronous(FULL)",
		"journal_size_limit(67108864)",
	}, more...)
	return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: q.Encode()}).String()
}

// writing is for the one connection that writes. Its waits for a lock are short
// because begin tries again by itself, and more often.
func writing(path string) string { return dsn(path, "busy_timeout(10)", "journal_mode(WAL)") }

// reading is for connections that refuse to write.
func reading(path string) string { return dsn(path, "busy_timeout(500)", "query_only(1)") }

// ensureFile makes the database's file when it is missing, for nobody else to
// read. SQLite gives the files beside it the same mode.
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

// checkLog refuses a write-ahead log that isn't the database's. Who restores a
// backup over a database may leave the old one's log beside it, and SQLite would
// apply that to the new file. A backup tells in its header that it has no log.
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

// syncDir makes the name of a new file outlive a crash.
func syncDir(path string) error {
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// dial opens one connection.
func (s *Store) dial(ctx context.Context, name string) (*conn, error) {
	pool, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, err
	}
	db, err := pool.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, pool.Close())
	}
	return &conn{pool: pool, db: db, stmts: map[string]*sql.Stmt{}, count: &s.queries}, nil
}

// detached is the context that statements run with: a watched one costs the driver
// a goroutine and about 4 µs for each, as long as the statement itself. Whoever
// runs statements looks at ctx before, and every one of them is bounded.
func detached(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

const (
	soon  = time.Second     // when to ask again: somebody else is writing
	later = 5 * time.Second // when to ask again: somebody must do something about the disk
)

// code is SQLite's primary result code of an error; 0 when it isn't SQLite's.
func code(err error) int {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code() & 0xff
}

// busy reports whether somebody else holds a lock.
func busy(err error) bool {
	c := code(err)
	return c == sqlite3.SQLITE_BUSY || c == sqlite3.SQLITE_LOCKED
}

// broken reports whether the file, not the statement, is what failed.
func broken(err error) bool {
	switch code(err) {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY,
		sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_PROTOCOL:
		return true
	}
	return errors.Is(err, errMoved)
}

// errMoved is why nothing is written any more to a file that lost its name: who
// opens the database next would not find it.
var errMoved = errors.New("the file was moved, removed or replaced since it was opened")

// classify makes a fault of an error of the database, one that names the file for
// the operator's log and nothing but the fact for the client. Every other error
// is left as it is.
func (s *Store) classify(err error) error {
	var f *fault.Error
	if err == nil || errors.As(err, &f) || !broken(err) && code(err) == 0 {
		return err
	}
	cause := fmt.Errorf("database %s: %w", s.path, err)
	message, wait := "the store can't be used now", later
	switch {
	case !broken(err):
		return cause
	case busy(err):
		message, wait = "the store is busy", soon
	case code(err) == sqlite3.SQLITE_FULL:
		message = "the store's disk is full"
	}
	unavailable := fault.Wrap(cause, fault.Unavailable, "%s", message)
	unavailable.RetryAfter = wait
	return unavailable
}
