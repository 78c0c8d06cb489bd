package store

import (
	"context"
	"log/slog"
)

const (
	// Sequences that were assigned between the backup and now are below the new one, and
	// for a reader that has read up to there the gap counts as purged. When something
	// last happened, in the copy.
	lastEvent   = `SELECT at FROM audit_events ORDER BY id DESC LIMIT 1`
	raiseHead   = `UPDATE log_head SET seq = seq + $1, purged = seq + $1 WHERE one = 1 RETURNING seq`
	deleteNodes = `DELETE FROM nodes`
)

// raise is how much higher a restored log continues: more entries than were ever written
// between two backups.
const raise = int64(1) << 32

// restoredMessage is the log line about what a restored database means for revocations,
// and what to do about it.
const restoredMessage = "the database was restored from a backup, or its server failed over. Revocations made between these two times are no longer in force: tokens that were revoked then are accepted again. " +
	`To revoke every token issued until now, stop every node and run "bearerd migrate --restored --revoke-all". The revocation log goes on at a higher sequence`

// resume puts a restored database back into service; that it was restored is seen in the
// database or set by the caller. Sequences that were assigned after the copy was made
// must never be assigned again.
func (s *Store) resume(ctx context.Context, told bool) error {
	var head, last int64
	err := s.engine.alone(ctx, func(ctx context.Context, c conn) error {
		head, last = 0, 0
		restored, err := s.engine.restored(ctx, c)
		if err != nil || !restored && !told {
			return err
		}
		if err := s.engine.adopt(ctx, c); err != nil {
			return err
		}
		for _, text := range []string{newestAt, lastEvent} {
			err := c.each(ctx, text, nil, func(scan scanner) error {
				var at int64
				err := scan(&at)
				last = max(last, at)
				return err
			})
			if err != nil {
				return err
			}
		}
		return c.row(ctx, raiseHead, []any{raise}, &head)
	})
	if err == nil && head > 0 {
		s.restored.Store(true)
		s.logger.LogAttrs(ctx, slog.LevelWarn, restoredMessage,
			slog.Int64("seq", head), slog.Time("from", instant(last)), slog.Time("to", s.now().UTC()))
	}
	return err
}

// Restored reports whether this Open was the first of a restored backup.
func (s *Store) Restored() bool { return s.restored.Load() }
