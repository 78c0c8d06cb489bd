package admin

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/webui/kit"
)

// auditPages are the pages of the audit log.
type auditPages struct {
	office

	Directory *directory.Directory
	names     named
}

// auditView is the page of the audit log.
type auditView struct {
	kit.State // what is wrong with the filter
	Actions   []string
	Asked     url.Values // the filter, as it was asked for
	Events    []eventRow
	Export    template.URL // the filter as a query
	Next      template.URL // the query of the page after this one
}

// eventRow is an event with the names of actor and target.
type eventRow struct {
	audit.Event
	Who, Whom string
}

// filterFields are what the log is filtered by.
var filterFields = []string{"actor", "action", "target", "token_id", "outcome", "address", "since", "until"}

func (p *auditPages) auditPage(w http.ResponseWriter, r *kit.Request) error {
	q := r.URL.Query()
	view := auditView{Actions: audit.Actions(), Asked: q}
	f, err := p.readFilter(q)
	if fault.Is(err, fault.Invalid) {
		view.State = kit.State{At: "filter", Problem: kit.Sentence(fault.Message(err)), About: filterMarks[fault.FieldOf(err)]}
		return p.Render(w, r, http.StatusBadRequest, "audit", "Audit log", view)
	}
	if err != nil {
		return err
	}
	page, err := p.Directory.AuditPage(r.Context(), r.Caller, f)
	if err != nil {
		return err
	}
	if view.Events, err = p.eventRows(r, page.Events); err != nil {
		return err
	}
	kept := url.Values{}
	for _, name := range filterFields {
		if value := q.Get(name); value != "" {
			kept.Set(name, value)
		}
	}
	view.Export = template.URL(kept.Encode()) //nolint:gosec // it is encoded
	if page.Next > 0 {
		kept.Set("cursor", strconv.FormatInt(page.Next, 10))
		view.Next = template.URL(kept.Encode()) //nolint:gosec // it is encoded
	}
	return p.Render(w, r, http.StatusOK, "audit", "Audit log", view)
}

// filterMarks are the fields of the filter that are marked when they are wrong.
var filterMarks = kit.FieldsNamed("address", "since", "until")

// readFilter reads which events are asked for. Actor and target may be usernames.
func (p *auditPages) readFilter(q url.Values) (f audit.Filter, err error) {
	f = audit.Filter{
		Actor: q.Get("actor"), Target: q.Get("target"), Action: q.Get("action"), TokenID: q.Get("token_id"),
		Outcome: q.Get("outcome"), Address: q.Get("address"), Limit: audit.DefaultLimit,
	}
	if f.Since, err = readMoment(q.Get("since")); err != nil {
		return f, fault.In("since", err)
	}
	if f.Until, err = readMoment(q.Get("until")); err != nil {
		return f, fault.In("until", err)
	}
	if f.Cursor, err = audit.ParseCursor(q.Get("cursor")); err != nil {
		return f, err
	}
	return f.Canonical()
}

// readMoment reads a time as a browser's field sends it, in UTC; a day alone means its
// beginning.
func readMoment(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", kit.DateForm, time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fault.New(fault.Invalid, "enter a time as %s", "2026-05-01T13:30")
}

// eventRows puts names to the subjects in events: as they were or, where an earlier
// version wrote the event, as they are.
func (p *auditPages) eventRows(r *kit.Request, events []audit.Event) ([]eventRow, error) {
	var subjects []string
	for _, e := range events {
		subjects = append(subjects, e.Actor, e.Target)
	}
	names, err := p.names.of(r, subjects...)
	if err != nil {
		return nil, err
	}
	rows := make([]eventRow, len(events))
	for i, e := range events {
		rows[i] = eventRow{e, cmp.Or(e.ActorName, names[e.Actor]), cmp.Or(e.TargetName, names[e.Target])}
	}
	return rows, nil
}

// exportAudit returns every event that the filter lists, newest first, as CSV or as
// JSON, one event a line.
func (p *auditPages) exportAudit(w http.ResponseWriter, r *kit.Request) error {
	q := r.URL.Query()
	f, err := p.readFilter(q)
	if err != nil {
		return err
	}
	header, contentType := []string(nil), "application/jsonl; charset=utf-8"
	table, lines := csv.NewWriter(w), json.NewEncoder(w)
	write := func(e audit.Event) error { return lines.Encode(e) }
	switch q.Get("format") {
	case "csv":
		contentType = "text/csv; charset=utf-8"
		header = []string{
			"id", "at", "actor", "action", "target", "token_id", "address", "request_id", "outcome", "reason", "count", "actor_name", "target_name",
		}
		write = func(e audit.Event) error {
			cells := []string{
				strconv.FormatInt(e.ID, 10), e.At.UTC().Format(time.RFC3339Nano), e.Actor, e.Action, e.Target,
				e.TokenID, e.Address, e.RequestID, e.Outcome, e.Reason, strconv.FormatInt(e.Count, 10), e.ActorName, e.TargetName,
			}
			for i := range cells {
				cells[i] = harmless(cells[i])
			}
			return table.Write(cells)
		}
	case "jsonl":
	default:
		return fault.New(fault.Invalid, "the format must be csv or jsonl")
	}
	f.Limit = audit.MaxLimit
	page, err := p.Directory.AuditPage(r.Context(), r.Caller, f)
	if err != nil {
		return err
	}
	name := "bearerd-audit-" + p.Now().UTC().Format("20060102-150405") + "." + q.Get("format")
	w.Header().Set("Content-Disposition", `attachment; filename="`+name+`"`)
	w.Header().Set("Content-Type", contentType)
	if header != nil {
		if err := table.Write(header); err != nil {
			return err
		}
	}
	for {
		for _, e := range page.Events {
			if err := write(e); err != nil {
				return err
			}
		}
		if page.Next == 0 {
			table.Flush()
			return table.Error()
		}
		f.Cursor = page.Next
		if page, err = p.Directory.AuditPage(r.Context(), r.Caller, f); err != nil {
			return err
		}
	}
}

// harmless keeps a spreadsheet from treating what somebody typed as a formula.
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
		return "'" + cell
	}
	return cell
}
