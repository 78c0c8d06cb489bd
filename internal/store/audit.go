package store

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
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
FROM audit_events`

	// How far the order of the ids can differ from that of the times: clocks of nodes
	// differ by less than an hour, and an event's row is written within it.
	eventBefore = `SELECT id FROM audit_events WHERE at < $1 ORDER BY at DESC LIMIT 1`
	eventAfter  = `SELECT id FROM audit_events WHERE at > $1 ORDER BY at LIMIT 1`
	eventSlack  = time.Hour
)

// counted reports whether an event is one of a row that is counted up.
func counted(e audit.Event) bool { return e.Tally != "" }

// namesSomebody reports whether an event brings a name that the store wouldn't find.
func namesSomebody(e audit.Event) bool { return e.ActorName != "" || e.TargetName != "" }

func checkEvents(events []audit.Event) error {
	for _, e := range events {
		if err := e.Validate(); err != nil {
			return fmt.Errorf("recording what was done: %w", err)
		}
	}
	return nil
}

// AuditEvents returns the events that match, newest first. A filter that can't be
// answered is fault.Invalid.
func (s *Store) AuditEvents(ctx context.Context, f audit.Filter) ([]audit.Event, error) {
	f, err := f.Canonical()
	if err != nil {
		return nil, err
	}
	events, err := s.auditEvents(ctx, f)
	if err != nil || f.TargetTyped == "" || f.TargetTyped == f.Target {
		return events, err
	}
	f.Target = f.TargetTyped
	more, err := s.auditEvents(ctx, f)
	events = append(events, more...)
	slices.SortFunc(events, func(a, b audit.Event) int { return cmp.Compare(b.ID, a.ID) })
	return events[:min(len(events), f.Limit)], err
}

// auditEvents lists the events of one target.
func (s *Store) auditEvents(ctx context.Context, f audit.Filter) ([]audit.Event, error) {
	before, until := int64(math.MaxInt64), int64(math.MaxInt64)
	if f.Cursor > 0 {
		before = f.Cursor
	}
	if !f.Until.IsZero() {
		until = f.Until.UnixMicro()
	}
	var first, last string
	if f.Address != "" {
		var err error
		if first, last, err = audit.AddressRange(f.Address); err != nil {
			return nil, err
		}
	}
	l := eventList{}
	if err := l.between(ctx, s, f.Since, f.Until); err != nil {
		return nil, err
	}
	l.narrow(f, before, until, first, last)
	return query(ctx, s, func(scan scanner) (e audit.Event, err error) {
		return e, scan(&e.ID, stamp{&e.At}, &e.Actor, &e.Action, &e.Target, &e.TokenID, &e.Address, &e.RequestID, &e.Outcome, &e.Reason,
			&e.ActorName, &e.TargetName, &e.Count)
	}, l.statement(f.Limit), l.args...)
}

// eventList is a query for events, as it is put together.
type eventList struct {
	where []string
	args  []any
}

func (l *eventList) arg(v any) string {
	l.args = append(l.args, v)
	return "$" + strconv.Itoa(len(l.args))
}

func (l *eventList) statement(limit int) string {
	return selectEvents + " WHERE " + strings.Join(l.where, " AND ") + " ORDER BY id DESC LIMIT " + l.arg(limit)
}

func (l *eventList) and(condition string) { l.where = append(l.where, condition) }

// between narrows the list to the ids that events of a time can have, so that no other
// event is read: the index on the time is not in the order of the list.
func (l *eventList) between(ctx context.Context, s *Store, since, until time.Time) error {
	for _, bound := range []struct {
		at         time.Time
		text, than string
	}{{since.Add(-eventSlack), eventBefore, "id > "}, {until.Add(eventSlack), eventAfter, "id < "}} {
		if since.IsZero() && bound.than == "id > " || until.IsZero() && bound.than == "id < " {
			continue
		}
		ids, err := query(ctx, s, func(scan scanner) (id int64, err error) { return id, scan(&id) }, bound.text, micros(bound.at))
		if err != nil {
			return err
		}
		if len(ids) > 0 {
			l.and(bound.than + l.arg(ids[0]))
		}
	}
	return nil
}

// narrow adds what the filter asks for. An index finds the events of one token, target,
// actor, address, action, or outcome but success.
func (l *eventList) narrow(f audit.Filter, before, until int64, first, last string) {
	l.and("id < " + l.arg(before))
	// Not by the index on the time: events are listed in the order of their ids.
	l.and("+at >= " + l.arg(micros(f.Since)) + " AND +at < " + l.arg(until))
	for _, one := range []struct{ column, value string }{
		{"token_id", f.TokenID}, {"target", f.Target}, {"actor", f.Actor}, {"action", f.Action}, {"outcome", f.Outcome},
	} {
		if one.value != "" {
			l.and(one.column + " = " + l.arg(one.value))
		}
	}
	if f.Outcome != "" && f.Outcome != audit.OK {
		l.and("outcome <> 'ok'")
	}
	switch {
	case first == "":
	case first == last:
		l.and("address_key <> '' AND address_key = " + l.arg(first))
	case first[:fewAddresses] == last[:fewAddresses]:
		l.and("address_key <> '' AND address_key >= " + l.arg(first) + " AND address_key <= " + l.arg(last))
	default: // so many addresses that the newest events are filtered
		l.and("address_key || '' >= " + l.arg(first) + " AND address_key || '' <= " + l.arg(last))
	}
}

// fewAddresses is how much of the keys of a network's addresses is equal when it is a /16 of
// IPv4 or smaller, and so far its events are found by the index.
const fewAddresses = len("4c0a8")
