package adminapi

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/records"
)

// parameters are those of a query, each of which the endpoint knows.
type parameters url.Values

func readParameters(r *http.Request, known []string) (parameters, error) {
	values, err := httpkit.Query(r)
	if err != nil {
		return nil, err
	}
	for name := range values {
		if !slices.Contains(known, name) {
			return nil, fault.New(fault.Invalid, "the parameter %.64q is unknown", name).In(name)
		}
	}
	return parameters(values), nil
}

func (p parameters) get(name string) string { return url.Values(p).Get(name) }

// instant reads a time; the zero time when it isn't given.
func (p parameters) instant(name string) (time.Time, error) {
	text := p.get(name)
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fault.New(fault.Invalid, "the parameter %q must be a time of RFC 3339, such as 2026-01-02T03:04:05Z", name).In(name)
	}
	return t, nil
}

// flag reads a parameter that is true or false; false when it isn't given.
func (p parameters) flag(name string) (bool, error) {
	switch p.get(name) {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, fault.New(fault.Invalid, "the parameter %q must be true or false", name).In(name)
}

// longestSpan is the longest time that can be asked about.
const longestSpan = 100 * 365 * 24 * time.Hour

// span reads a length of time, such as 7d, 36h or 90m; 0 when it isn't given.
func (p parameters) span(name string) (time.Duration, error) {
	text := p.get(name)
	if text == "" {
		return 0, nil
	}
	units := map[byte]time.Duration{'d': 24 * time.Hour, 'h': time.Hour, 'm': time.Minute}
	unit := units[text[len(text)-1]]
	n, err := strconv.ParseInt(text[:len(text)-1], 10, 32)
	if unit == 0 || err != nil || n < 1 || time.Duration(n) > longestSpan/unit {
		return 0, fault.New(fault.Invalid, "the parameter %q must be a number of days, hours or minutes, such as 7d", name).In(name)
	}
	return time.Duration(n) * unit, nil
}

const (
	standardLimit = 100
	maxLimit      = 1000
)

// limit reads how many items a page has.
func (p parameters) limit() (int, error) {
	text := p.get("limit")
	if text == "" {
		return standardLimit, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxLimit || strconv.Itoa(n) != text {
		return 0, fault.New(fault.Invalid, "the parameter \"limit\" must be an integer from 1 to %d", maxLimit).In("limit")
	}
	return n, nil
}

var errCursor = fault.New(fault.Invalid, "the parameter \"cursor\" is not one of this list").In("cursor")

// seal returns the cursor of a position in a list. It contains the name of the list.
func seal(list, place string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(list + ":" + place))
}

// unseal reads a cursor; "" is the beginning.
func unseal(list, cursor string) (string, error) {
	if cursor == "" {
		return "", nil
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil {
		return "", errCursor
	}
	place, ok := strings.CutPrefix(string(text), list+":")
	if !ok || place == "" {
		return "", errCursor
	}
	return place, nil
}

// order is how a list that is read as a whole is divided into pages: it is sorted by the
// key, which differs for each item and is never empty.
type order[S any] struct {
	list string
	key  func(S) string
}

// serveCounted answers with one page of a list of things, whose key is what its items are
// sorted by, and with its total where that is asked for.
func serveCounted[S, T any](w http.ResponseWriter, r *request, key string,
	read func(context.Context, *caller.Caller, records.ThingQuery) (records.CountedPage[S], error), render func(S) T,
) error {
	q, err := r.query.things(key)
	if err != nil {
		return err
	}
	page, err := read(r.Context(), r.caller, q)
	if err != nil {
		return err
	}
	return writeCounted(w, r.query, page, render)
}

// things reads what a list of things is asked for.
func (p parameters) things(key string) (q records.ThingQuery, err error) {
	q = records.ThingQuery{Search: p.get("search"), After: p.get("cursor")}
	switch p.get("sort") {
	case "", key:
	case "-" + key:
		q.Descending = true
	default:
		return q, fault.New(fault.Invalid, "the parameter \"sort\" must be %s or -%s", key, key).In("sort")
	}
	if q.Count, err = p.flag("total"); err != nil {
		return q, err
	}
	q.Limit, err = p.limit()
	return q, err
}

func writeCounted[S, T any](w http.ResponseWriter, p parameters, page records.CountedPage[S], render func(S) T) error {
	out := countedList[T]{list: listOf(page.Items, page.Next, render)}
	if p.get("total") == "true" {
		out.Total = &total{page.Total.Count, page.Total.More}
	}
	return httpkit.WriteJSON(w, http.StatusOK, out)
}

// cut returns one page of the whole list.
func (o order[S]) cut(all []S, p parameters) (page []S, next string, err error) {
	limit, err := p.limit()
	if err != nil {
		return nil, "", err
	}
	after, err := unseal(o.list, p.get("cursor"))
	if err != nil {
		return nil, "", err
	}
	rest := slices.SortedFunc(slices.Values(all), func(a, b S) int { return strings.Compare(o.key(a), o.key(b)) })
	if after != "" {
		rest = slices.DeleteFunc(rest, func(item S) bool { return o.key(item) <= after })
	}
	if len(rest) <= limit {
		return rest, "", nil
	}
	return rest[:limit], seal(o.list, o.key(rest[limit-1])), nil
}

// list is the answer of every list.
type list[T any] struct {
	Items []T     `json:"items"`
	Next  *string `json:"next"`
}

// writeList answers with items, each in the form that render returns. The list
// continues after the cursor next; "" is its end.
func writeList[S, T any](w http.ResponseWriter, items []S, next string, render func(S) T) error {
	return httpkit.WriteJSON(w, http.StatusOK, listOf(items, next, render))
}

func listOf[S, T any](items []S, next string, render func(S) T) list[T] {
	l := list[T]{Items: each(items, render)}
	if next != "" {
		l.Next = &next
	}
	return l
}

// countedList is a page of a list, with its total where that was asked for.
type countedList[T any] struct {
	list[T]

	Total *total `json:"total,omitempty"`
}

// total is how many items a list has.
type total struct {
	Count int  `json:"count"`
	More  bool `json:"more"`
}

// each renders every item; the result is never null.
func each[S, T any](items []S, render func(S) T) []T {
	out := make([]T, 0, len(items))
	for _, item := range items {
		out = append(out, render(item))
	}
	return out
}

// some returns the list, never null.
func some(names []string) []string {
	if names == nil {
		return []string{}
	}
	return names
}

// instant returns a time for an answer: null when there is none.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// named returns a name for an answer: null when there is none.
func named(name string) *string {
	if name == "" {
		return nil
	}
	return &name
}

// value returns the value of a member; the zero value when it isn't there.
func value[T any](member *T) (v T) {
	if member != nil {
		v = *member
	}
	return v
}
