package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"modernc.org/sqlite" // the driver named "sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/store/engine"
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

// Explain returns an error at the start with what the operator can do about it.
func Explain(path string, err error) error {
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
func (db *DB) classify(err error) error {
	var f *fault.Error
	if err == nil || errors.As(err, &f) || !broken(err) && code(err) == 0 {
		return err
	}
	cause := fmt.Errorf("database %s: %w", db.path, err)
	message, wait := "the store can't be used now", engine.Later
	switch {
	case !broken(err):
		return cause
	case busy(err):
		message, wait = "the store is busy", engine.Soon
	case code(err) == sqlite3.SQLITE_FULL:
		message = "the store's disk is full"
	}
	return engine.Unavailable(cause, message, wait)
}
