// Package logs keeps the two logs: the revocation log, with the nodes that confirm it, and the
// audit log. The engines append to the revocation log themselves, because each has its own way
// to keep its sequences without gaps.
package logs

import (
	"context"
	"time"

	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
)

// Logs reads both logs.
type Logs struct {
	Revocations
	Audit
}

// New returns the logs of a database.
func New(db engine.DB, now func() time.Time) *Logs {
	return &Logs{Revocations{db, now}, Audit{db}}
}

// Revocations reads the revocation log, and keeps the list of nodes.
type Revocations struct {
	db  engine.DB
	now func() time.Time
}

// Audit reads the audit log.
type Audit struct{ db engine.DB }

const (
	// An end names a later time than that at which it was written.
	newestAt    = `SELECT at FROM log_entries WHERE what <> 'end' ORDER BY seq DESC LIMIT 1`
	newestEvent = `SELECT at FROM audit_events ORDER BY id DESC LIMIT 1`

	purgeEvents = `DELETE FROM audit_events
WHERE id IN (SELECT id FROM audit_events WHERE at <= $1 ORDER BY at LIMIT 500)`
)

// Newest returns when the newest entry of the revocation log, and the newest event of the audit
// log, was written, in microseconds; 0 for none.
func Newest(ctx context.Context, c engine.Conn) (entry, event int64, err error) {
	err = c.Each(ctx, newestAt, nil, func(scan engine.Scanner) error { return scan(&entry) })
	if err == nil {
		err = c.Each(ctx, newestEvent, nil, func(scan engine.Scanner) error { return scan(&event) })
	}
	return entry, event, err
}

// Purging returns the steps that delete what is due, except events.
func Purging(end query.Passed) []query.Step {
	return []query.Step{func(ctx context.Context, c engine.Conn) (int64, error) { return purgeLog(ctx, c, end.Log) }}
}

// PurgingEvents returns the step that deletes events older than retention.
func PurgingEvents(end query.Passed, retention time.Duration) query.Step {
	return query.Purging(purgeEvents, end.Audit-retention.Microseconds())
}
