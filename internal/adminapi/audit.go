package adminapi

import (
	"net/http"
	"strconv"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/directory"
)

const auditList = "audit"

// filter reads which events are asked for, and how many.
func (p parameters) filter() (f audit.Filter, err error) {
	f = audit.Filter{
		Actor: p.get("actor"), Action: p.get("action"), Target: p.get("target"), TokenID: p.get("token_id"),
		Outcome: p.get("outcome"), Address: p.get("address"),
	}
	if f.Since, err = p.instant("since"); err != nil {
		return f, err
	}
	if f.Until, err = p.instant("until"); err != nil {
		return f, err
	}
	place, err := unseal(auditList, p.get("cursor"))
	if err != nil {
		return f, err
	}
	if f.Cursor, err = audit.ParseCursor(place); err != nil {
		return f, errCursor
	}
	f.Limit, err = p.limit()
	return f, err
}

// events are the endpoints of the audit log.
type events struct{ directory *directory.Directory }

func (e events) routes() []route {
	return []route{{"GET", "/audit", e.list, "actor action target token_id outcome address since until " + paging, administrator}}
}

// list lists events, newest first.
func (e events) list(w http.ResponseWriter, r *request) error {
	f, err := r.query.filter()
	if err != nil {
		return err
	}
	page, err := e.directory.AuditPage(r.Context(), r.caller, f)
	if err != nil {
		return err
	}
	next := ""
	if page.Next > 0 {
		next = seal(auditList, strconv.FormatInt(page.Next, 10))
	}
	return writeList(w, page.Events, next, func(e audit.Event) audit.Event { return e })
}
