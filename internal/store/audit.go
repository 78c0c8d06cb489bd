package store

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

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

	// The index on at is for purging: events are listed in the order of their ids.
	selectEvents = `SELECT id, at, actor, action, target, token_id, address, request_id, outcome, reason, actor_name, target_name, count
FROM audit_events WHERE id < $1 AND +at >= $2 AND +at < $3 AND ($4 = '' OR action = $4) AND ($8 = '' OR outcome = $8)`

	// The one narrowing that has an index comes first, the others only filter.
	filterActor  = ` AND ($5 = '' OR actor = $5)`
	filterTarget = ` AND ($6 = '' OR target = $6)`
	filterAbout  = ` AND ($7 = '' OR token_id = $7)`
	filterFrom   = ` AND ($9 = '' OR address_key >= $9 AND address_key <= $10)`
	newestEvents = ` ORDER BY id DESC LIMIT $11`

	eventsOfAll    = selectEvents + filterActor + filterTarget + filterAbout + filterFrom + newestEvents
	eventsOfActor  = selectEvents + ` AND actor = $5` + filterTarget + filterAbout + filterFrom + newestEvents
	eventsOfTarget = selectEvents + filterActor + ` AND target = $6` + filterAbout + filterFrom + newestEvents
	eventsOfToken  = selectEvents + filterActor + filterTarget + ` AND token_id = $7` + filterFrom + newestEvents
	// Of one address the index has the events in their order. Those of a network are found by
	// it and sorted; a network so large that many may be in it filters the newest events.
	eventsFromOne = selectEvents + filterActor + filterTarget + filterAbout + ` AND address_key <> '' AND address_key = $9 AND $10 = $9` + newestEvents
	eventsFromFew = selectEvents + filterActor + filterTarget + filterAbout + ` AND address_key <> '' AND address_key >= $9 AND address_key <= $10` + newestEvents
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
	return query(ctx, s, func(scan scanner) (e audit.Event, err error) {
		return e, scan(&e.ID, stamp{&e.At}, &e.Actor, &e.Action, &e.Target, &e.TokenID, &e.Address, &e.RequestID, &e.Outcome, &e.Reason,
			&e.ActorName, &e.TargetName, &e.Count)
	}, eventsFor(f, first, last), before, micros(f.Since), until, f.Action, f.Actor, f.Target, f.TokenID, f.Outcome, first, last, f.Limit)
}

// fewAddresses is how much of the keys of a network's addresses is equal when it is a /16 of
// IPv4 or smaller, and so far its events are found by the index.
const fewAddresses = len("4c0a8")

// eventsFor is the statement whose index finds the fewest events.
func eventsFor(f audit.Filter, first, last string) string {
	switch {
	case f.TokenID != "":
		return eventsOfToken
	case f.Target != "":
		return eventsOfTarget
	case f.Actor != "":
		return eventsOfActor
	case first == "":
		return eventsOfAll
	case first == last:
		return eventsFromOne
	case first[:fewAddresses] == last[:fewAddresses]:
		return eventsFromFew
	}
	return eventsOfAll
}
