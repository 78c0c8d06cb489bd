package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/logs"
)

// Backup writes a consistent copy of an SQLite database to a new file that only its owner
// may read, while others go on reading and writing. The copy is marked, so that the store
// that opens it first knows that it was restored. When the file exists, the error is
// fault.Conflict and the file is not changed. PostgreSQL has its own programs for
// backups: there the error is fault.Invalid.
func (s *Store) Backup(ctx context.Context, path string) error {
	err := s.db.Backup(ctx, path)
	if errors.Is(err, fs.ErrExist) {
		return fault.Wrap(err, fault.Conflict, "the file exists already")
	}
	if err != nil {
		return fmt.Errorf("writing the backup %s: %w", path, err)
	}
	return nil
}

// Sequences that were assigned between the backup and now are below the new one, and
// a reader that comes from there finds the gap purged. The time is that of the last
// write in the copy.
const raiseHead = `UPDATE log_head SET seq = seq + $1, purged = seq + $1 WHERE one = 1 RETURNING seq`

// raise is by how much the sequence of a restored log is raised: more entries than are
// ever written between two backups.
const raise = int64(1) << 32

// restoredMessage is the warning about the revocations that a restored database has lost,
// with what to do about it.
const restoredMessage = "the database was restored from a backup, or its server failed over. Revocations made between these two times are no longer in force: tokens that were revoked then are accepted again. " +
	`To revoke every token issued until now, stop every node and run "bearerd migrate --restored --revoke-all". The revocation log goes on at a higher sequence`

// resume puts a database that was restored, as the database shows or as the operator says, back into
// service: sequences that were assigned after the copy was made must never be assigned
// again to something else.
func (s *Store) resume(ctx context.Context, told bool) error {
	var head, last int64
	err := s.alone(ctx, func(ctx context.Context, c engine.Conn) error {
		head, last = 0, 0
		restored, err := s.db.Restored(ctx, c)
		if err != nil || !restored && !told {
			return err
		}
		if err := s.db.Adopt(ctx, c); err != nil {
			return err
		}
		entry, event, err := logs.Newest(ctx, c)
		if err != nil {
			return err
		}
		last = max(entry, event)
		return c.Row(ctx, raiseHead, []any{raise}, &head)
	})
	if err == nil && head > 0 {
		s.restored.Store(true)
		s.logger.LogAttrs(ctx, slog.LevelWarn, restoredMessage,
			slog.Int64("seq", head), slog.Time("from", column.Instant(last)), slog.Time("to", s.now().UTC()))
	}
	return err
}

// Restored reports whether this Open was the first of a restored backup.
func (s *Store) Restored() bool { return s.restored.Load() }
