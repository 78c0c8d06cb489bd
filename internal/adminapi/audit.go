package adminapi

import (
	"net/http"
	"strconv"

	"github.com/bearerd/bearerd/internal/audit"
)

const auditList = "audit"

// filter reads which events are asked for, and how many.
func (p parameters) filter() (f audit.Filter, limit int, err error) {
	f = audit.Filter{
		Actor: p.get("actor"), Action: p.get("action"), Target: p.get("target"), TokenID: p.get("token_id"),
		Outcome: p.get("outcome"), Address: p.get("address"),
	}
	if f.Since, err = p.instant("since"); err != nil {
		return f, 0, err
	}
	if f.Until, err = p.instant("until"); err != nil {
		return f, 0, err
	}
	place, err := unseal(auditList, p.get("cursor"))
	if err != nil {
		return f, 0, err
	}
	if f.Cursor, err = audit.ParseCursor(place); err != nil {
		return f, 0, errCursor
	}
	limit, err = p.limit()
	f.Limit = min(limit+1, audit.MaxLimit)
	return f, limit, err
}

// audit lists events, newest first. A full last page may have a
// cursor to an empty one.
func (a *API) audit(w http.ResponseWriter, r *request) error {
	f, limit, err := r.query.filter()
	if err != nil {
		return err
	}
	events, err := a.Directory.AuditEvents(r.Context(), r.caller, f)
	if err != nil {
		return err
	}
	next := ""
	if len(events) > limit || len(events) == audit.MaxLimit {
		events = events[:limit]
		next = seal(auditList, strconv.FormatInt(events[limit-1].ID, 10))
	}
	return writeList(w, events, next, func(e audit.Event) audit.Event { return e })
}
