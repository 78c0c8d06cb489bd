package logs

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
)

// A page of the audit log is read in two steps: at most records.MaxTotal events from one index,
// and of those the ones that match. Where an index has no more events for the filter than that,
// the page is complete. Otherwise the
// events are looked at in the order of the list, and where they end before the page is full,
// the next page goes on from there. So a page costs the same whatever is filtered by.
//
// The list is in the order of the ids. Only what is asked for by time alone is in the order
// of the times, which differs where clocks do: an event's place in the order of the ids says
// nothing sure about its time.

// eventIndex is what one index finds.
type eventIndex struct {
	where string // with ? for each value
	args  []any
	order string // in which the index has them
}

// eventList is a query for events, as it is put together.
type eventList struct {
	audit.Filter

	equal  []eventIndex // each has its events in the order of the ids
	ranges []eventIndex // each has them in another
	byTime bool
	at     int64 // the time of the event that the cursor names, by time
	args   []any
}

func (l *eventList) arg(v any) string {
	l.args = append(l.args, v)
	return "$" + strconv.Itoa(len(l.args))
}

// put returns a condition with its values.
func (l *eventList) put(where string, args []any) string {
	for _, v := range args {
		where = strings.Replace(where, "?", l.arg(v), 1)
	}
	return where
}

// fewAddresses is how much of the keys of a network's addresses is equal when it is a /16 of
// IPv4 or smaller, and so far its events are found by the index.
const fewAddresses = len("4c0a8")

// timeRange is the condition of a filter's time, in microseconds.
const timeRange = "at >= ? AND at < ?"

func newEventList(f audit.Filter) (*eventList, error) {
	l := &eventList{Filter: f}
	equal := func(where, value string) {
		if value != "" {
			l.equal = append(l.equal, eventIndex{where, []any{value}, "id DESC"})
		}
	}
	equal("token_id = ?", f.TokenID)
	equal("target = ?", f.Target)
	equal("actor = ?", f.Actor)
	if f.Address != "" {
		first, last, err := audit.AddressRange(f.Address)
		if err != nil {
			return nil, err
		}
		if first == last {
			equal("address_key <> '' AND address_key = ?", first)
		} else if first[:fewAddresses] == last[:fewAddresses] {
			l.ranges = append(l.ranges, eventIndex{"address_key <> '' AND address_key >= ? AND address_key <= ?", []any{first, last}, "address_key"})
		}
	}
	if f.Outcome != audit.OK {
		equal("outcome <> 'ok' AND outcome = ?", f.Outcome)
	}
	equal("action = ?", f.Action)
	if timed := !f.Since.IsZero() || !f.Until.IsZero(); timed {
		l.byTime = len(l.equal) == 0
		if !l.byTime {
			l.ranges = append(l.ranges, eventIndex{timeRange, l.times(), "at"})
		}
	}
	return l, nil
}

// times returns the values of timeRange.
func (l *eventList) times() []any {
	until := int64(math.MaxInt64)
	if !l.Until.IsZero() {
		until = column.Micros(l.Until)
	}
	return []any{column.Micros(l.Since), until}
}

// after is the condition that an event comes after the cursor.
func (l *eventList) after() string {
	switch {
	case l.Cursor <= 0:
		return ""
	case l.byTime:
		return l.put(" AND at <= ? AND (at < ? OR id < ?)", []any{l.at, l.at, l.Cursor})
	}
	return l.put(" AND id < ?", []any{l.Cursor})
}

// walk returns the first step in the order of the list, without its bound.
func (l *eventList) walk(columns string) string {
	text := "SELECT " + columns + " FROM audit_events WHERE "
	switch {
	case l.byTime:
		return text + l.put(timeRange, l.times()) + l.after() + " ORDER BY at DESC, id DESC"
	case len(l.equal) > 0:
		return text + l.put(l.equal[0].where, l.equal[0].args) + l.after() + " ORDER BY id DESC"
	}
	return text + "1 = 1" + l.after() + " ORDER BY id DESC"
}

// of returns everything that an index finds, which is at most records.MaxTotal events.
func (l *eventList) of(by eventIndex, columns string) string {
	return "SELECT " + columns + " FROM audit_events WHERE " + l.put(by.where, by.args) + " ORDER BY " + by.order
}

// matches returns the conditions of the second step. No index answers them: the events are those
// of the first step.
func (l *eventList) matches() string {
	where := []string{l.put("at + 0 >= ? AND at + 0 < ?", l.times())}
	for _, one := range []struct{ column, value string }{
		{"token_id", l.TokenID}, {"target", l.Target}, {"actor", l.Actor}, {"action", l.Action}, {"outcome", l.Outcome},
	} {
		if one.value != "" {
			where = append(where, one.column+" || '' = "+l.arg(one.value))
		}
	}
	if l.Address != "" {
		if first, last, err := audit.AddressRange(l.Address); err == nil { // newEventList has read it
			where = append(where, l.put("address_key || '' >= ? AND address_key || '' <= ?", []any{first, last}))
		}
	}
	return strings.Join(where, " AND ")
}

// page returns the statement of a page in one step: of a walk in the order of the list or, by
// time, of everything that an index finds.
func (l *eventList) page(complete *eventIndex, limit int) (text string, args []any) {
	l.args = nil
	if complete != nil {
		text = selectEvents + "(" + l.of(*complete, "*") + " LIMIT " + strconv.Itoa(records.MaxTotal) + ") e WHERE " + l.matches()
		return text + l.after() + " ORDER BY at DESC, id DESC LIMIT " + strconv.Itoa(limit), l.args
	}
	text = selectEvents + "(" + l.walk("*") + " LIMIT " + strconv.Itoa(records.MaxTotal) + ") e WHERE " + l.matches()
	return text + " LIMIT " + strconv.Itoa(limit), l.args
}

// ids returns the statement of the first step by itself.
func (l *eventList) ids(complete *eventIndex, most int) (text string, args []any) {
	l.args = nil
	if complete != nil {
		text = l.of(*complete, "id")
	} else {
		text = l.walk("id")
	}
	return text + " LIMIT " + strconv.Itoa(most), l.args
}

// eventsAtATime is how many events one statement reads by their ids.
const eventsAtATime = 500

// byIDs returns the statement of those of some events that match.
func (l *eventList) byIDs(ids []int64) (text string, args []any) {
	l.args = nil
	marks := make([]string, eventsAtATime) // as many each time: another length is another statement
	for i := range marks {
		marks[i] = l.arg(ids[min(i, len(ids)-1)])
	}
	return selectEvents + "audit_events WHERE id IN (" + strings.Join(marks, ", ") + ") AND " + l.matches() + " ORDER BY id DESC", l.args
}

// collect reads a page in two steps. The ids come from the index alone, and the events by their
// ids: a statement of both would leave it to an estimate whether the whole table is read.
func (l *eventList) collect(ctx context.Context, c engine.Conn, complete *eventIndex) (out audit.Page, err error) {
	if complete == nil { // mostly the first match
		if out, err = l.collectFrom(ctx, c, nil, eventsAtATime); err != nil || out.Next == 0 || len(out.Events) > l.Limit {
			return out, err
		}
	}
	return l.collectFrom(ctx, c, complete, records.MaxTotal)
}

// collectFrom is collect of so many events.
func (l *eventList) collectFrom(ctx context.Context, c engine.Conn, complete *eventIndex, most int) (out audit.Page, err error) {
	text, args := l.ids(complete, most)
	ids, err := query.List(ctx, c, func(scan engine.Scanner) (id int64, err error) { return id, scan(&id) }, text, args...)
	if err != nil {
		return out, err
	}
	if complete == nil && len(ids) == most {
		out.Next = ids[len(ids)-1]
	}
	if l.Cursor > 0 {
		ids = slices.DeleteFunc(ids, func(id int64) bool { return id >= l.Cursor })
	}
	slices.SortFunc(ids, func(a, b int64) int { return cmp.Compare(b, a) })
	for some := range slices.Chunk(ids, eventsAtATime) {
		text, args := l.byIDs(some)
		found, err := query.List(ctx, c, scanEvent, text, args...)
		if err != nil {
			return audit.Page{}, err
		}
		if out.Events = append(out.Events, found...); len(out.Events) > l.Limit {
			break
		}
	}
	return out, nil
}

// horizon returns the statement of the event at which the first step ends when there are more
// than it looks at.
func (l *eventList) horizon() (text string, args []any) {
	l.args = nil
	return l.walk("id") + " LIMIT 1 OFFSET " + strconv.Itoa(records.MaxTotal-1), l.args
}

// count returns the statement that counts what an index finds.
func (l *eventList) count(by eventIndex) (text string, args []any) {
	l.args = nil
	column, _, _ := strings.Cut(by.order, " ")
	return "SELECT count(*) FROM (" + l.of(by, column) + " LIMIT " + strconv.Itoa(records.MaxTotal+1) + ") i", l.args
}

// choose puts the index that finds the fewest events first of those in the order of the list,
// and returns the one that finds so few that all of them are looked at.
func (l *eventList) choose(ctx context.Context, c engine.Conn) (complete *eventIndex, err error) {
	if len(l.equal)+len(l.ranges) < 2 && len(l.ranges) == 0 {
		return nil, nil //nolint:nilnil // there is no choice
	}
	found := map[string]int{}
	for _, by := range slices.Concat(l.equal, l.ranges) {
		text, args := l.count(by)
		n := 0
		if err := c.Row(ctx, text, args, &n); err != nil {
			return nil, err
		}
		if n <= records.MaxTotal && (complete == nil || n < found[complete.where]) {
			complete = &by
		}
		found[by.where] = n
	}
	slices.SortStableFunc(l.equal, func(a, b eventIndex) int { return cmp.Compare(found[a.where], found[b.where]) })
	return complete, nil
}

// locate finds the time of the event that the cursor names; it is false when there is no such
// event any more, nor any after it.
func (l *eventList) locate(ctx context.Context, c engine.Conn) (found bool, err error) {
	if !l.byTime || l.Cursor <= 0 {
		return true, nil
	}
	err = c.Row(ctx, selectEventTime, []any{l.Cursor}, &l.at)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

func scanEvent(scan engine.Scanner) (e audit.Event, err error) {
	return e, scan(&e.ID, column.Time(&e.At), &e.Actor, &e.Action, &e.Target, &e.TokenID, &e.Address, &e.RequestID, &e.Outcome, &e.Reason,
		&e.ActorName, &e.TargetName, &e.Count)
}

// events reads a page of the events of one target.
func (a *Audit) events(ctx context.Context, f audit.Filter) (out audit.Page, err error) {
	l, err := newEventList(f)
	if err != nil {
		return out, err
	}
	err = a.db.Snapshot(ctx, func(ctx context.Context, c engine.Conn) error {
		out = audit.Page{}
		if found, err := l.locate(ctx, c); err != nil || !found {
			return err
		}
		complete, err := l.choose(ctx, c)
		if err != nil {
			return err
		}
		if out, err = l.read(ctx, c, complete); err == nil && len(out.Events) > f.Limit {
			out.Events = out.Events[:f.Limit]
			out.Next = out.Events[f.Limit-1].ID
		}
		return err
	})
	return out, err
}

// read reads one event more than a page has, where there is one.
func (l *eventList) read(ctx context.Context, c engine.Conn, complete *eventIndex) (out audit.Page, err error) {
	if !l.byTime && (complete != nil || len(l.equal) > 0) {
		return l.collect(ctx, c, complete)
	}
	text, args := l.page(complete, l.Limit+1)
	if out.Events, err = query.List(ctx, c, scanEvent, text, args...); err != nil || complete != nil || len(out.Events) > l.Limit {
		return out, err
	}
	text, args = l.horizon()
	err = c.Each(ctx, text, args, func(scan engine.Scanner) error { return scan(&out.Next) })
	return out, err
}

// AuditPage returns a page of the events that match. A filter that can't be answered is
// fault.Invalid.
func (a *Audit) AuditPage(ctx context.Context, f audit.Filter) (audit.Page, error) {
	f, err := f.Canonical()
	if err != nil {
		return audit.Page{}, err
	}
	out, err := a.events(ctx, f)
	if err != nil || f.TargetTyped == "" || f.TargetTyped == f.Target {
		return out, err
	}
	f.Target = f.TargetTyped
	more, err := a.events(ctx, f)
	return both(out, more, f.Limit), err
}

// both returns a page of two lists in the order of the ids. It ends where either of the two
// pages does.
func both(a, b audit.Page, limit int) audit.Page {
	out := audit.Page{Next: max(a.Next, b.Next)}
	for _, e := range slices.Concat(a.Events, b.Events) {
		if e.ID >= out.Next {
			out.Events = append(out.Events, e)
		}
	}
	slices.SortFunc(out.Events, func(a, b audit.Event) int { return cmp.Compare(b.ID, a.ID) })
	if len(out.Events) > limit {
		out.Events = out.Events[:limit]
		out.Next = out.Events[limit-1].ID
	}
	return out
}

// AuditEvents returns the events of the first page of AuditPage.
func (a *Audit) AuditEvents(ctx context.Context, f audit.Filter) ([]audit.Event, error) {
	page, err := a.AuditPage(ctx, f)
	return page.Events, err
}
