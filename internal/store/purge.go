package store

import (
	"context"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/store/logs"
	"github.com/bearerd/bearerd/internal/store/people"
	"github.com/bearerd/bearerd/internal/store/query"
	"github.com/bearerd/bearerd/internal/store/tokens"
	"github.com/bearerd/bearerd/internal/store/upkeep"
	"github.com/bearerd/bearerd/internal/uses"
)

// Purge deletes what no longer matters at that instant: log entries that have run out,
// tokens that ended 90 days ago, attempts whose window has closed, device codes that have
// expired, uses of tokens of more than 90 days ago, keys of clients whose grants have all
// ended, addresses that are no longer known. The instant is limited to the present by the
// clock of the database, or on SQLite to the newest entry of the log. It works in small
// steps, and what it has deleted stays deleted when ctx ends.
func (s *Store) Purge(ctx context.Context, now time.Time) error {
	end, err := s.passed(ctx, now)
	if err != nil {
		return err
	}
	for _, step := range slices.Concat(logs.Purging(end), tokens.Purging(end), people.Purging(end), upkeep.Purging(end)) {
		if err := query.Purge(ctx, s.db, step); err != nil {
			return err
		}
	}
	if err := s.PurgeUses(ctx, time.UnixMicro(end.Rest).Add(-uses.Kept)); err != nil {
		return err
	}
	return s.DropStale(ctx, end.Rest)
}

// PurgeAudit deletes the events of the audit log that are older than retention at that
// instant, as Purge does.
func (s *Store) PurgeAudit(ctx context.Context, now time.Time, retention time.Duration) error {
	end, err := s.passed(ctx, now)
	if err != nil {
		return err
	}
	return query.Purge(ctx, s.db, logs.PurgingEvents(end, retention))
}
