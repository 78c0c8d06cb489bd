package store

import (
	"context"
	"time"

	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/revocation"
)

const (
	purgeEntries = `DELETE FROM log_entries
WHERE seq IN (SELECT seq FROM log_entries WHERE until > 0 AND until <= $1 ORDER BY until LIMIT 500) RETURNING seq, until`
	raisePurged = `UPDATE log_head SET purged = CASE WHEN purged < $1 THEN $1 ELSE purged END,
    purged_until = CASE WHEN purged_until < $2 THEN $2 ELSE purged_until END WHERE one = 1`

	purgeExpired = `DELETE FROM tokens
WHERE id IN (SELECT id FROM tokens WHERE expires_at > 0 AND expires_at <= $1 ORDER BY expires_at LIMIT 500)`
	purgeRevoked = `DELETE FROM tokens
WHERE id IN (SELECT id FROM tokens WHERE revoked_at > 0 AND revoked_at <= $1 ORDER BY revoked_at LIMIT 500)`
	purgeAddresses = `DELETE FROM known_addresses
WHERE (account, address) IN (SELECT account, address FROM known_addresses WHERE last_at <= $1 ORDER BY last_at LIMIT 500)`
	purgeEvents = `DELETE FROM audit_events
WHERE id IN (SELECT id FROM audit_events WHERE at <= $1 ORDER BY at LIMIT 500)`
	purgeAttempts = `DELETE FROM attempts
WHERE key IN (SELECT key FROM attempts WHERE until <= $1 ORDER BY until LIMIT 500)`
)

const (
	keptDead   = 90 * 24 * time.Hour // how long a dead token stays listed
	purgeChunk = 500                 // rows in one transaction, so that others get their turn; the statements say it too
)

// Purge deletes what no longer matters at that instant: log entries that have run
// out, tokens that have been dead for 90 days, attempts whose window has closed,
// device codes that have run out, addresses that are not known any more. An instant that has not passed by the clock of
// the database, or on SQLite by the newest entry of the log, is taken for that one.
// It goes in small steps, and what it did is kept when ctx ends on the way.
func (s *Store) Purge(ctx context.Context, now time.Time) error {
	end, err := s.passed(ctx, now)
	if err != nil {
		return err
	}
	dead := end.tokens - keptDead.Microseconds()
	steps := []func(context.Context, conn) (int64, error){
		func(ctx context.Context, c conn) (int64, error) { return purgeLog(ctx, c, end.log) },
		purging(purgeExpired, dead),
		purging(purgeRevoked, dead),
		purging(purgeAttempts, end.rest),
		purging(purgeDevices, end.rest),
		purging(purgeAddresses, end.rest-identity.KnownAddress.Microseconds()),
	}
	for _, step := range steps {
		if err := s.purgeBy(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

// PurgeAudit deletes the events of the audit log that are older than retention at that
// instant, as Purge does.
func (s *Store) PurgeAudit(ctx context.Context, now time.Time, retention time.Duration) error {
	end, err := s.passed(ctx, now)
	if err != nil {
		return err
	}
	return s.purgeBy(ctx, purging(purgeEvents, end.audit-retention.Microseconds()))
}

// purgeBy takes a step until it finds nothing more.
func (s *Store) purgeBy(ctx context.Context, step func(context.Context, conn) (int64, error)) error {
	for n := int64(purgeChunk); n == purgeChunk; {
		err := s.write(ctx, func(ctx context.Context, c conn) (err error) {
			if err := c.lock(ctx, lockPurge); err != nil {
				return err
			}
			n, err = step(ctx, c)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func purging(text string, until int64) func(context.Context, conn) (int64, error) {
	return func(ctx context.Context, c conn) (int64, error) { return c.exec(ctx, text, until) }
}

// purgeLog deletes a chunk of entries. It notes how far there are gaps now, and until
// when at most mattered what is gone: a token that had expired by then may have been
// revoked, and nobody may take it for unexpired by a clock that is behind.
func purgeLog(ctx context.Context, c conn, end int64) (purged int64, err error) {
	var last, until int64
	err = c.each(ctx, purgeEntries, []any{end}, func(scan scanner) error {
		var seq revocation.Seq
		var one int64
		err := scan(&seq, &one)
		last, until = max(last, seq), max(until, one)
		purged++
		return err
	})
	if err != nil || purged == 0 {
		return 0, err
	}
	return purged, c.post(ctx, raisePurged, last, until)
}
