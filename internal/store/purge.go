package store

import (
	"context"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/records/upkeep"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/people"
	"github.com/bearerd/bearerd/internal/store/query"
	"github.com/bearerd/bearerd/internal/store/tokens"
	"github.com/bearerd/bearerd/internal/uses"
)

const (
	purgeEntries = `DELETE FROM log_entries
WHERE seq IN (SELECT seq FROM log_entries WHERE until > 0 AND until <= $1 ORDER BY until LIMIT 500) RETURNING seq, until`
	raisePurged = `UPDATE log_head SET purged = CASE WHEN purged < $1 THEN $1 ELSE purged END,
    purged_until = CASE WHEN purged_until < $2 THEN $2 ELSE purged_until END WHERE one = 1`

	purgeEvents = `DELETE FROM audit_events
WHERE id IN (SELECT id FROM audit_events WHERE at <= $1 ORDER BY at LIMIT 500)`
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
	steps := []query.Step{
		func(ctx context.Context, c engine.Conn) (int64, error) { return purgeLog(ctx, c, end.Log) },
		query.Purging(purgeShadows, shadowEnd(end.Rest)),
		query.Purging(purgePassed, end.Rest-upkeep.KeptPassed.Microseconds()),
	}
	for _, step := range slices.Concat(steps, tokens.Purging(end), people.Purging(end)) {
		if err := query.Purge(ctx, s.db, step); err != nil {
			return err
		}
	}
	if err := s.purgeUses(ctx, time.UnixMicro(end.Rest).Add(-uses.Kept), walkedUses); err != nil {
		return err
	}
	return s.Tokens.DropStale(ctx, end.Rest)
}

// PurgeAudit deletes the events of the audit log that are older than retention at that
// instant, as Purge does.
func (s *Store) PurgeAudit(ctx context.Context, now time.Time, retention time.Duration) error {
	end, err := s.passed(ctx, now)
	if err != nil {
		return err
	}
	return query.Purge(ctx, s.db, query.Purging(purgeEvents, end.Audit-retention.Microseconds()))
}

// purgeLog deletes a chunk of entries. It records up to where there are gaps now, and the
// latest time until which a deleted entry mattered: a token that had expired by then may
// have been revoked, and a clock that is behind must not make it unexpired.
func purgeLog(ctx context.Context, c engine.Conn, end int64) (purged int64, err error) {
	var last, until int64
	err = c.Each(ctx, purgeEntries, []any{end}, func(scan engine.Scanner) error {
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
	return purged, c.Post(ctx, raisePurged, last, until)
}
