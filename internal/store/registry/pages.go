package registry

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
)

const (
	// walkedAt is how many things one statement of a search reads.
	walkedAt = 1000
	// maxThingSearch is longer than any name.
	maxThingSearch = 1024
	// walkedBytes is how many bytes of things a search looks at for one page.
	walkedBytes = 8 << 20
)

// thingList is a list of things, which is read in the order of an index. A search looks at
// one thing after another, and ends where it has looked at enough of them.
type thingList[T any] struct {
	name    string   // of its cursors
	columns string   // with SELECT
	from    string   // the table as x
	keys    []string // the columns that it is sorted by, the last of them unique
	where   []string
	args    []any

	scan  func(engine.Scanner) (item T, size int, err error)
	place func(T) []string // the values of the keys
	key   func(string) (any, error)
	texts func(T) []string // what a search looks at
}

func textKey(text string) (any, error) { return text, nil }

func (l *thingList[T]) arg(v any) string {
	l.args = append(l.args, v)
	return "$" + strconv.Itoa(len(l.args))
}

// is narrows the list to the things whose column has a value; "" is any.
func (l *thingList[T]) is(column, value string) {
	if value != "" {
		l.where = append(l.where, column+" = "+l.arg(value))
	}
}

func (l *thingList[T]) conditions() string {
	return strings.Join(append([]string{"1 = 1"}, l.where...), " AND ")
}

func (l *thingList[T]) cursorName(descending bool) string {
	if descending {
		return l.name + "-down:"
	}
	return l.name + ":"
}

// begin reads the cursor of a query; nil is the beginning.
func (l *thingList[T]) begin(q records.ThingQuery) ([]any, error) {
	if q.After == "" {
		return nil, nil
	}
	text, err := query.Unseal(l.cursorName(q.Descending), q.After)
	if err != nil {
		return nil, err
	}
	var values []string
	if json.Unmarshal([]byte(text), &values) != nil || len(values) != len(l.keys) || strings.ContainsRune(strings.Join(values, ""), 0) {
		return nil, query.ErrCursor
	}
	return l.at(values)
}

func (l *thingList[T]) at(values []string) ([]any, error) {
	place := make([]any, len(values))
	for i, value := range values {
		var err error
		if place[i], err = l.key(value); err != nil {
			return nil, query.ErrCursor
		}
	}
	return place, nil
}

func (l *thingList[T]) seal(last T, descending bool) string {
	text, _ := json.Marshal(l.place(last)) // texts can be encoded
	return query.Seal(l.cursorName(descending), string(text))
}

// statement returns what reads the rows after a place.
func (l *thingList[T]) statement(after []any, descending bool, rows int) (text string, args []any) {
	than, order := " > ", ""
	if descending {
		than, order = " < ", " DESC"
	}
	args = append(args, l.args...)
	text = l.columns + " FROM " + l.from + " WHERE " + l.conditions()
	if after != nil {
		marks := make([]string, len(after))
		for i, value := range after {
			args = append(args, value)
			marks[i] = "$" + strconv.Itoa(len(args))
		}
		text += " AND (" + strings.Join(l.keys, ", ") + ")" + than + "(" + strings.Join(marks, ", ") + ")"
	}
	return text + " ORDER BY " + strings.Join(l.keys, order+", ") + order + " LIMIT " + strconv.Itoa(rows), args
}

// walked is how far a list has been read.
type walked[T any] struct {
	items  []T
	bytes  int // of the items
	looked int
	weight int // of what was looked at, in bytes
	last   T   // that was looked at
	more   bool
}

// walk reads the list from a place on, until limit things match.
func (l *thingList[T]) walk(ctx context.Context, db engine.DB, q records.ThingQuery, limit int) (w walked[T], err error) {
	after, err := l.begin(q)
	if err != nil {
		return w, err
	}
	search, rows := strings.ToLower(q.Search), limit+1
	if search != "" {
		rows = walkedAt
	}
	for {
		begun, read := w, 0
		text, args := l.statement(after, q.Descending, rows)
		err := db.Read(ctx, func(ctx context.Context, c engine.Conn) error {
			w, read = begun, 0
			return c.Each(ctx, text, args, func(scan engine.Scanner) error {
				read++
				if w.more = w.more || len(w.items) == limit || w.bytes >= records.MaxPageBytes || w.looked == records.MaxTotal || w.weight >= walkedBytes; w.more {
					return nil
				}
				item, size, err := l.scan(scan)
				w.looked, w.weight, w.last = w.looked+1, w.weight+size, item
				if search == "" || strings.Contains(strings.ToLower(strings.Join(l.texts(item), "\n")), search) {
					w.items, w.bytes = append(w.items, item), w.bytes+size
				}
				return err
			})
		})
		if err != nil || w.more || read < rows {
			return w, err
		}
		if after, err = l.at(l.place(w.last)); err != nil {
			return w, err
		}
	}
}

// page returns a page of the list.
func (l *thingList[T]) page(ctx context.Context, db engine.DB, q records.ThingQuery) (out records.CountedPage[T], err error) {
	if err := query.CheckSearch(q.Search, maxThingSearch); err != nil {
		return out, err
	}
	limit := query.PageSize(q.Limit)
	w, err := l.walk(ctx, db, q, limit)
	if err != nil {
		return out, err
	}
	out.Items = w.items
	if w.more {
		out.Next = l.seal(w.last, q.Descending)
	}
	switch {
	case !q.Count:
	case q.Search != "" && q.After == "" && len(w.items) < limit && w.bytes < records.MaxPageBytes:
		out.Total = records.Total{Count: len(w.items), More: w.more} // as far as a total looks
	default:
		out.Total, err = l.total(ctx, db, q)
	}
	return out, err
}

// total counts the list, or among the first records.MaxTotal of it.
func (l *thingList[T]) total(ctx context.Context, db engine.DB, q records.ThingQuery) (t records.Total, err error) {
	if q.Search != "" {
		q.After = ""
		return l.matching(ctx, db, q)
	}
	text := "SELECT count(*) FROM (SELECT 1 FROM " + l.from + " WHERE " + l.conditions() + " LIMIT " + strconv.Itoa(records.MaxTotal+1) + ") found"
	err = db.Read(ctx, func(ctx context.Context, c engine.Conn) error { return c.Row(ctx, text, l.args, &t.Count) })
	if t.Count > records.MaxTotal {
		t = records.Total{Count: records.MaxTotal, More: true}
	}
	return t, err
}

// matching counts what a search finds: on as many pages as are one look at the list.
func (l *thingList[T]) matching(ctx context.Context, db engine.DB, q records.ThingQuery) (t records.Total, err error) {
	w, err := l.walk(ctx, db, q, records.MaxTotal)
	return records.Total{Count: len(w.items), More: w.more}, err
}

func bytesIn(size int, texts ...string) int {
	for _, text := range texts {
		size += len(text)
	}
	return size
}

// rowBytes is what a row has beside its texts.
const rowBytes = 64

// CollectionPage lists collections by their ids.
func (r *Registry) CollectionPage(ctx context.Context, q records.ThingQuery) (records.CountedPage[records.Collection], error) {
	l := thingList[records.Collection]{
		name: "collections", columns: "SELECT x.id, x.name, x.owner", from: "collections x", keys: []string{"x.id"},
		scan: func(scan engine.Scanner) (c records.Collection, size int, err error) {
			err = scan(&c.ID, &c.Name, &c.Owner)
			return c, bytesIn(rowBytes, c.Name, c.Owner), err
		},
		place: func(c records.Collection) []string { return []string{strconv.FormatInt(c.ID, 10)} },
		key:   func(text string) (any, error) { return strconv.ParseInt(text, 10, 64) },
		texts: func(c records.Collection) []string { return []string{strconv.FormatInt(c.ID, 10), c.Name} },
	}
	return l.page(ctx, r.db, q)
}

func permissionTexts(all []access.Permission) []string {
	texts := make([]string, len(all))
	for i, p := range all {
		texts[i] = p.Action + " " + string(p.Path)
	}
	return texts
}

// RolePage lists roles by their names.
func (r *Registry) RolePage(ctx context.Context, q records.ThingQuery) (records.CountedPage[access.Role], error) {
	l := thingList[access.Role]{
		name: "roles", columns: "SELECT x.name, x.permissions, x.owner", from: "roles x", keys: []string{"x.name"},
		scan: func(scan engine.Scanner) (r access.Role, size int, err error) {
			err = scan(&r.Name, column.List(&r.Permissions), &r.Owner)
			return r, bytesIn(rowBytes+len(r.Name), permissionTexts(r.Permissions)...), err
		},
		place: func(r access.Role) []string { return []string{r.Name} },
		key:   textKey,
		texts: func(r access.Role) []string { return append([]string{r.Name}, permissionTexts(r.Permissions)...) },
	}
	return l.page(ctx, r.db, q)
}

// ClientPage lists clients by their ids.
func (r *Registry) ClientPage(ctx context.Context, q records.ThingQuery) (records.CountedPage[identity.Client], error) {
	l := thingList[identity.Client]{
		name: "clients", columns: selectClient, from: "clients c", keys: []string{"c.id"},
		scan: func(scan engine.Scanner) (c identity.Client, size int, err error) {
			err = scan(clientFields(&c)...)
			for _, all := range [][]string{c.Grants, c.Scopes, c.Audiences, c.ExchangeFrom, c.RedirectURIs} {
				size = bytesIn(size, all...)
			}
			return c, bytesIn(rowBytes+size, c.ID, c.Name, c.Keys.JWKS, c.Keys.URI), err
		},
		place: func(c identity.Client) []string { return []string{c.ID} },
		key:   textKey,
		texts: func(c identity.Client) []string { return []string{c.ID, c.Name} },
	}
	return l.page(ctx, r.db, q)
}

// IssuerPage lists trusted issuers by their names.
func (r *Registry) IssuerPage(ctx context.Context, q records.ThingQuery) (records.CountedPage[records.Issuer], error) {
	l := thingList[records.Issuer]{
		name: "issuers", columns: "SELECT x.definition, length(x.definition)", from: "issuers x", keys: []string{"x.name"},
		scan: func(scan engine.Scanner) (i records.Issuer, size int, err error) {
			err = scan(definition{&i}, &size)
			return i, size, err
		},
		place: func(i records.Issuer) []string { return []string{i.Name} },
		key:   textKey,
		texts: func(i records.Issuer) []string { return []string{i.Name, i.Issuer} },
	}
	return l.page(ctx, r.db, q)
}

// BindingPage lists bindings by their paths.
func (r *Registry) BindingPage(ctx context.Context, q records.BindingListQuery) (records.CountedPage[access.Binding], error) {
	l := thingList[access.Binding]{
		name: "bindings", columns: selectBinding, from: "bindings b", keys: []string{"b.path", "b.id"},
		scan: func(scan engine.Scanner) (access.Binding, int, error) {
			var b bindingRow
			err := scan(b.fields()...)
			return b.binding(), bytesIn(2*rowBytes, b.Group, b.Role, b.action, string(b.path), string(b.Path)), err
		},
		place: func(b access.Binding) []string { return []string{string(b.Path), b.ID} },
		key:   textKey,
		texts: func(b access.Binding) []string {
			texts := []string{b.Group, b.Role, string(b.Path)}
			if b.Permission != nil {
				texts = append(texts, b.Permission.Action+" "+string(b.Permission.Path))
			}
			return texts
		},
	}
	l.is("b.user_id", q.User)
	l.is("b.group_name", q.Group)
	if q.Role != "" {
		l.where = append(l.where, "b.role IS NOT NULL")
	}
	l.is("b.role", q.Role)
	if at := string(q.At); at != "" && q.At != access.Root {
		// '0' is the character after '/'.
		l.where = append(l.where, "b.path >= "+l.arg(at)+" AND b.path < "+l.arg(at+"0")+" AND (b.path = "+l.arg(at)+" OR b.path > "+l.arg(at+"/")+")")
	}
	return l.page(ctx, r.db, q.ThingQuery)
}
