package store

import (
	"context"
	"time"

	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/logs"
	"github.com/bearerd/bearerd/internal/store/query"
)

// ClockOffset returns how far the process's wall clock is ahead of the database's;
// negative when it is behind. The error is at most half the time that the query took. For
// an SQLite database, which has only the process's clock, it is 0.
func (s *Store) ClockOffset(ctx context.Context) (time.Duration, error) {
	before := s.now()
	at, ok, err := s.db.Clock(ctx)
	if err != nil || !ok {
		return 0, err
	}
	after := s.now()
	return before.Add(after.Sub(before) / 2).Sub(at), nil
}

// passed returns instants up to now that have certainly passed. A wall clock that is
// ahead, even for a moment, must not delete what is still needed. On PostgreSQL the
// server's clock decides. SQLite has none: for the log and for tokens, only times up to
// the newest entry of the log count as past, and for the audit log times up to its newest
// event as well; device codes and attempts are purged by the same clock that judges them
// in each request.
func (s *Store) passed(ctx context.Context, now time.Time) (query.Passed, error) {
	at, ok, err := s.db.Clock(ctx)
	if err != nil {
		return query.Passed{}, err
	}
	if ok {
		end := min(column.Micros(now), column.Micros(at))
		return query.Passed{Log: end, Tokens: end, Audit: end, Rest: end}, nil
	}
	entry, event := int64(0), int64(0)
	err = s.db.Read(ctx, func(ctx context.Context, c engine.Conn) (err error) {
		entry, event, err = logs.Newest(ctx, c)
		return err
	})
	entry, event = min(column.Micros(now), entry), min(column.Micros(now), event)
	return query.Passed{Log: entry, Tokens: entry, Audit: max(entry, event), Rest: column.Micros(now)}, err
}
