package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/bearerd/bearerd/internal/fault"
)

const (
	insertBackupMark = `INSERT INTO meta (name, value) VALUES ('backup', 'of a running database')
ON CONFLICT (name) DO NOTHING`
	deleteBackupMark = `DELETE FROM meta WHERE name = 'backup'`
	selectBackupMark = `SELECT 1 FROM meta WHERE name = 'backup'`

	// What was given out between the backup and now is below the new sequence, and
	// a reader that comes from there finds the gap purged.
	raiseHead   = `UPDATE log_head SET seq = seq + $1, purged = seq + $1 WHERE one = 1 RETURNING seq`
	deleteNodes = `DELETE FROM nodes`
)

// raise is by how much a restored log goes up: more entries than were ever written
// between two backups.
const raise = int64(1) << 32

// Backup writes a consistent copy of the database to a new file that nobody else
// may read, while others go on reading and writing. The copy is marked, so that
// the store that opens it first knows that it was restored. A file that exists is
// fault.Conflict, and left as it is.
func (s *Store) Backup(ctx context.Context, path string) error {
	err := s.backup(ctx, path)
	if errors.Is(err, fs.ErrExist) {
		return fault.Wrap(err, fault.Conflict, "the file exists already")
	}
	if err != nil {
		return fmt.Errorf("writing the backup %s: %w", path, err)
	}
	return nil
}

func (s *Store) backup(ctx context.Context, path string) error {
	if _, err := os.Lstat(path); err == nil {
		return fs.ErrExist
	}
	draft, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.part")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(draft.Name()) }()
	if err := s.copyTo(ctx, draft.Name()); err != nil {
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

// publish gives a file its name. A link never replaces what is there; where there
// are no links, a look and a rename must do.
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
func (s *Store) copyTo(ctx context.Context, path string) error {
	source, err := s.dial(ctx, dsn(s.path, "busy_timeout(5000)"))
	if err != nil {
		return err
	}
	_, err = source.db.ExecContext(ctx, `VACUUM INTO $1`, path)
	if err := errors.Join(err, source.close()); err != nil {
		return err
	}
	target, err := s.dial(ctx, dsn(path, "journal_mode(DELETE)"))
	if err != nil {
		return err
	}
	_, err = target.exec(ctx, insertBackupMark)
	return errors.Join(err, target.close())
}

// resume puts a restored backup back into service: sequences that were given out
// after it was made must never be given out again for something else.
func (s *Store) resume(ctx context.Context, c *conn) error {
	marked, err := c.exists(ctx, selectBackupMark)
	if err != nil || !marked {
		return err
	}
	var head int64
	err = alone(ctx, c, func() error {
		n, err := c.exec(ctx, deleteBackupMark)
		if err != nil || n == 0 {
			return err
		}
		if _, err := c.exec(ctx, deleteNodes); err != nil {
			return err
		}
		return c.row(ctx, raiseHead, []any{raise}, &head)
	})
	if err == nil && head > 0 {
		s.restored = true
		s.logger.LogAttrs(ctx, slog.LevelWarn, "the database was restored from a backup; its revocation log goes on at a higher sequence",
			slog.Int64("seq", head))
	}
	return err
}

// Restored reports whether this Open was the first of a restored backup.
func (s *Store) Restored() bool { return s.restored }
