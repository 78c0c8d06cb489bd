package store

import (
	"context"
	"time"

	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records/upkeep"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/uses"
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
	purgePasswordLinks = `DELETE FROM password_links
WHERE digest IN (SELECT digest FROM password_links WHERE expires_at <= $1 ORDER BY expires_at LIMIT 500)`
	purgeAttempts = `DELETE FROM attempts
WHERE key IN (SELECT key FROM attempts WHERE until <= $1 ORDER BY until LIMIT 500)`
)

const (
	keptDead   = 90 * 24 * time.Hour // how long an ended token stays listed
	purgeChunk = 500                 // rows in one transaction, so that others get their turn; the statements have the same number
)

// Purge deletes what no longer matters at that instant: log entries that have run out,
// tokens that ended 90 days ago, attempts whose window has closed, device codes that have
// expired, uses of tokens of more than 90 days ago, keys of clients whose grants have all ended, addresses that are no longer known. The instant is limited to the present by
// the clock of the database, or on SQLite to the newest entry of the log. It works in
// small steps, and what it has deleted stays deleted when ctx ends.
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
		purging(purgeSpent, end.rest),
		purging(purgeDocuments, end.rest),
		purging(purgeCodes, end.rest-keptCode.Microseconds()),
		purging(purgePasswordLinks, end.rest),
		purging(purgeShadows, shadowEnd(end.rest)),
		purging(purgePassed, end.rest-upkeep.KeptPassed.Microseconds()),
		purging(purgeAddresses, end.rest-identity.KnownAddress.Microseconds()),
	}
	for _, step := range steps {
		if err := s.purgeBy(ctx, step); err != nil {
			return err
		}
	}
	if err := s.purgeUses(ctx, time.UnixMicro(end.rest).Add(-uses.Kept), walkedUses); err != nil {
		return err
	}
	return s.dropStaleImport(ctx, end.rest)
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

// purgeLog deletes a chunk of entries. It records up to where there are gaps now, and the
// latest time until which a deleted entry mattered: a token that had expired by then may
// have been revoked, and a clock that is behind must not make it unexpired.
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
