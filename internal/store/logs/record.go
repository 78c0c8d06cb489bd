package logs

import (
	"context"
	"fmt"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
)

const (
	// The names are those that users have when the event is written.
	eventColumns = `at, actor, action, target, token_id, address, request_id, outcome, reason, actor_name, target_name, address_key`
	eventValues  = `$1, $2, $3, $4, $5, $6, $7, $8, $9,
    CASE WHEN $10 <> '' THEN $10 ELSE coalesce((SELECT u.username FROM users u WHERE u.id = $2), '') END,
    CASE WHEN $11 <> '' THEN $11 ELSE coalesce((SELECT u.username FROM users u WHERE u.id = $4), '') END, $12`

	insertEvent = `INSERT INTO audit_events (` + eventColumns + `)
VALUES (` + eventValues + `)`
	countEvent = `INSERT INTO audit_events (` + eventColumns + `, count, tally)
VALUES (` + eventValues + `, $13, $14)
ON CONFLICT (tally) WHERE tally <> '' DO UPDATE SET count = audit_events.count + excluded.count, reason = excluded.reason`

	selectEvents = `SELECT id, at, actor, action, target, token_id, address, request_id, outcome, reason, actor_name, target_name, count
FROM `

	selectEventTime = `SELECT at FROM audit_events WHERE id = $1`
)

// Counted reports whether an event is one of a row that is counted up.
func Counted(e audit.Event) bool { return e.Tally != "" }

// NamesSomebody reports whether an event brings a name that the store wouldn't find.
func NamesSomebody(e audit.Event) bool { return e.ActorName != "" || e.TargetName != "" }

// CheckEvents returns an error for events that can't be recorded.
func CheckEvents(events []audit.Event) error {
	for _, e := range events {
		if err := e.Validate(); err != nil {
			return fmt.Errorf("recording what was done: %w", err)
		}
	}
	return nil
}

// Record writes events of what is done in the same transaction: what can't be recorded doesn't
// happen.
func Record(ctx context.Context, c engine.Conn, events []audit.Event) error {
	if err := CheckEvents(events); err != nil {
		return err
	}
	for _, e := range events {
		text, args := insertEvent, []any{
			column.Micros(e.At), e.Actor, e.Action, e.Target, e.TokenID, e.Address, e.RequestID, e.Outcome, e.Reason, e.ActorName, e.TargetName,
			audit.AddressKey(e.Address),
		}
		if Counted(e) {
			text, args = countEvent, append(args, max(e.Count, 1), e.Tally)
		}
		if err := c.Post(ctx, text, args...); err != nil {
			return err
		}
	}
	return nil
}
