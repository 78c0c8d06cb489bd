package store

import (
	"context"
	"time"

	"github.com/bearerd/bearerd/internal/store/column"
)

// When the newest entry of the log, and the newest event of the audit log, was written.
// An end names a later time.
const (
	newestAt    = `SELECT at FROM log_entries WHERE what <> 'end' ORDER BY seq DESC LIMIT 1`
	newestEvent = `SELECT at FROM audit_events ORDER BY id DESC LIMIT 1`
)

// ClockOffset returns how far the process's wall clock is ahead of the database's;
// negative when it is behind. The error is at most half the time that the query took. For
// an SQLite database, which has only the process's clock, it is 0.
func (s *Store) ClockOffset(ctx context.Context) (time.Duration, error) {
	before := s.now()
	at, ok, err := s.engine.clock(ctx)
	if err != nil || !ok {
		return 0, err
	}
	after := s.now()
	return before.Add(after.Sub(before) / 2).Sub(at), nil
}

// passed are the instants up to which rows may be purged.
type passed struct {
	log, tokens, audit, rest int64
}

// passed returns instants up to now that have certainly passed. A wall clock that is
// ahead, even for a moment, must not delete what is still needed. On PostgreSQL the
// server's clock decides. SQLite has none: for the log and for tokens, only times up to
// the newest entry of the log count as past, and for the audit log times up to its newest
// event as well; device codes and attempts are purged by the same clock that judges them
// in each request.
func (s *Store) passed(ctx context.Context, now time.Time) (passed, error) {
	at, ok, err := s.engine.clock(ctx)
	if err != nil {
		return passed{}, err
	}
	if ok {
		end := min(column.Micros(now), column.Micros(at))
		return passed{log: end, tokens: end, audit: end, rest: end}, nil
	}
	entry, event := int64(0), int64(0)
	err = s.read(ctx, func(ctx context.Context, c conn) error {
		err := c.each(ctx, newestAt, nil, func(scan scanner) error { return scan(&entry) })
		if err != nil {
			return err
		}
		return c.each(ctx, newestEvent, nil, func(scan scanner) error { return scan(&event) })
	})
	entry, event = min(column.Micros(now), entry), min(column.Micros(now), event)
	return passed{log: entry, tokens: entry, audit: max(entry, event), rest: column.Micros(now)}, err
}
