package kit

import (
	"html/template"
	"maps"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/bearerd/bearerd/internal/records"
)

// List is what surrounds a list: the search and the filters above it, and its length and
// the link to the next page below.
type List struct {
	Path    string // of the page
	Noun    string // of one item
	Search  string
	Hint    string   // what the search looks at
	Filters []Filter // beside the search
	Total   string
	First   bool // this is the first page
	Narrow  bool // something is asked for: the list may have fewer items than there are

	asked url.Values // what the list is asked for, without the position in it
	next  string
}

// Filter is a choice of a list, or a field for one word of it where it has no Options.
type Filter struct {
	Name, Label string
	Options     []Choice
	Value, Hint string
}

// MaxFilter is how much of a filter's text is read, in bytes.
const MaxFilter = 256

// NewList reads the search, and the filters that a page has, from a query. The first
// option of a filter is its default.
func NewList(path, noun, hint string, q url.Values, filters ...Filter) List {
	l := List{Path: path, Noun: noun, Hint: hint, Search: bounded(q.Get("q")), First: q.Get("after") == "", asked: url.Values{}}
	if l.Search != "" {
		l.asked.Set("q", l.Search)
	}
	for _, f := range filters {
		f.Value = bounded(q.Get(f.Name))
		known := len(f.Options) == 0
		for i := range f.Options {
			f.Options[i].Chosen = f.Options[i].Value == f.Value
			known = known || f.Options[i].Chosen
		}
		if !known {
			f.Value = f.Options[0].Value
			f.Options[0].Chosen = true
		}
		if f.Value != "" {
			l.asked.Set(f.Name, f.Value)
		}
		l.Filters = append(l.Filters, f)
	}
	l.Narrow = len(l.asked) > 0
	return l
}

func bounded(text string) string {
	return strings.Map(func(r rune) rune {
		if r == 0 || r == utf8.RuneError {
			return -1
		}
		return r
	}, text[:min(len(text), MaxFilter)])
}

// Asked returns what a filter is set to.
func (l List) Asked(name string) string { return l.asked.Get(name) }

// After sets the cursor of the next page; "" when this is the last.
func (l *List) After(cursor string) { l.next = cursor }

// Counted sets how many items the list has, on all pages.
func (l *List) Counted(t records.Total) { l.Total = total(t, l.Noun) }

// total returns how many items there are in words: beyond a bound, that there are more.
func total(t records.Total, noun string) string {
	text := Grouped(int64(t.Count))
	if t.More {
		text += "+"
	}
	if t.Count == 1 && !t.More {
		return text + " " + noun
	}
	return text + " " + noun + "s"
}

// Next returns the query of the next page; "" when this is the last.
func (l List) Next() template.URL {
	if l.next == "" {
		return ""
	}
	q := url.Values{"after": {l.next}}
	maps.Copy(q, l.asked)
	return template.URL(q.Encode()) //nolint:gosec // it is encoded
}

// Start returns the query of the first page; "" when nothing is asked for.
func (l List) Start() template.URL { return template.URL(l.asked.Encode()) } //nolint:gosec // likewise

// Listed is how many items a page of a list has.
const Listed = 100

// Things returns the query of a page of a list of things.
func (l List) Things(q url.Values) records.ThingQuery {
	return records.ThingQuery{Search: l.Search, After: q.Get("after"), Descending: l.Asked("sort") == Backward, Limit: Listed, Count: true}
}

// Backward is the value of sort for the descending order of a list.
const Backward = "-"

// Sorted is the filter of the two orders of a list of things.
func Sorted() Filter {
	return Filter{Name: "sort", Label: "Sort", Options: []Choice{{Text: "A to Z"}, {Value: Backward, Text: "Z to A"}}}
}

// PageOf notes what a page of a list is of, and returns its items.
func PageOf[T any](l *List, page records.CountedPage[T]) []T {
	l.After(page.Next)
	l.Counted(page.Total)
	return page.Items
}
