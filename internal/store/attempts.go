package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/bearerd/bearerd/internal/identity"
)

const (
	selectAttempts = `SELECT count, since FROM attempts WHERE key = $1 AND until > $2`
	addAttempt     = `INSERT INTO attempts (key, count, since, until) VALUES ($1, 1, $2, $3)
ON CONFLICT (key) DO UPDATE SET
    count = CASE WHEN attempts.until > $2 THEN attempts.count + 1 ELSE 1 END,
    since = CASE WHEN attempts.until > $2 THEN attempts.since ELSE $2 END,
    until = CASE WHEN attempts.until > $2 THEN attempts.until ELSE $3 END
RETURNING count, since`
)

// Failures reads the counts of the keys, in their order, in the windows that are
// open at now.
func (s *Store) Failures(ctx context.Context, keys []string, now time.Time) (found []identity.Failures, err error) {
	err = s.read(ctx, func(ctx context.Context, c conn) error {
		found = make([]identity.Failures, len(keys))
		for i, key := range keys {
			f := &found[i]
			err := c.row(ctx, selectAttempts, []any{key, micros(now)}, &f.Count, stamp{&f.Since})
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
		}
		return nil
	})
	return found, err
}

// RecordFailure adds one to each key, opening a window where none is open, and
// gives the counts after it, in the order of the keys.
func (s *Store) RecordFailure(ctx context.Context, keys []string, now time.Time, window time.Duration) (found []identity.Failures, err error) {
	err = s.write(ctx, func(ctx context.Context, c conn) error {
		found = make([]identity.Failures, len(keys))
		for i, key := range keys {
			f := &found[i]
			if err := c.row(ctx, addAttempt, []any{key, micros(now), micros(now.Add(window))}, &f.Count, stamp{&f.Since}); err != nil {
				return err
			}
		}
		return nil
	})
	return found, err
}
