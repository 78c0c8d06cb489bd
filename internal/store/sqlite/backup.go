package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
)

const (
	insertBackupMark = `INSERT INTO meta (name, value) VALUES ('backup', 'of a running database')
ON CONFLICT (name) DO NOTHING`
	deleteBackupMark = `DELETE FROM meta WHERE name = 'backup'`
	selectBackupMark = `SELECT 1 FROM meta WHERE name = 'backup'`

	deleteNodes = `DELETE FROM nodes`
)

// Backup implements engine.DB. The error is fs.ErrExist when the file exists.
func (db *DB) Backup(ctx context.Context, path string) error {
	if _, err := os.Lstat(path); err == nil {
		return fs.ErrExist
	}
	draft, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.part")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(draft.Name()) }()
	if err := db.copyTo(ctx, draft.Name()); err != nil {
		return errors.Join(err, draft.Close())
	}
	if err := errors.Join(draft.Sync(), draft.Close()); err != nil {
		return err
	}
	if err := publish(draft.Name(), path); err != nil {
		return err
	}
	return syncDir(path)
}

// publish renames a file to its name. A link never replaces an existing file; on file
// systems without links it checks for the file and then renames.
func publish(draft, path string) error {
	err := os.Link(draft, path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := os.Lstat(path); err == nil {
		return fs.ErrExist
	}
	return os.Rename(draft, path)
}

// copyTo fills an empty file with a marked copy of the database.
func (db *DB) copyTo(ctx context.Context, path string) error {
	source, err := db.dial(ctx, dsn(db.path, "busy_timeout(5000)"))
	if err != nil {
		return err
	}
	_, err = source.db.ExecContext(ctx, `VACUUM INTO $1`, path)
	if err := errors.Join(err, source.close()); err != nil {
		return err
	}
	target, err := db.dial(ctx, dsn(path, "journal_mode(DELETE)"))
	if err != nil {
		return err
	}
	_, err = target.Exec(ctx, insertBackupMark)
	return errors.Join(err, target.close())
}

// Restored implements engine.DB.
func (*DB) Restored(ctx context.Context, c engine.Conn) (bool, error) { return Moved(ctx, c) }

// Moved reports whether a file is a restored backup that nobody has opened since.
func Moved(ctx context.Context, c engine.Conn) (bool, error) {
	return query.Exists(ctx, c, selectBackupMark)
}

// Adopt implements engine.DB. The nodes in the backup no longer run.
func (*DB) Adopt(ctx context.Context, c engine.Conn) error {
	if _, err := c.Exec(ctx, deleteBackupMark); err != nil {
		return err
	}
	_, err := c.Exec(ctx, deleteNodes)
	return err
}
