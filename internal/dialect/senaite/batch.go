package senaite

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/httpkit"
)

// batch is the part of a list that is asked for.
type batch struct{ start, size int }

const (
	defaultBatch = 25
	maxBatch     = 1000
	maxStart     = 1 << 30
)

// readBatch reads b_start and limit.
func readBatch(r *http.Request) (batch, error) {
	query, err := httpkit.Query(r)
	if err != nil {
		return batch{}, err
	}
	b := batch{size: defaultBatch}
	if query.Has("limit") {
		if b.size, err = number(query.Get("limit")); err != nil || b.size < 1 || b.size > maxBatch {
			return batch{}, fault.New(fault.Invalid, "limit must be an integer from 1 to %d", maxBatch)
		}
	}
	if query.Has("b_start") {
		if b.start, err = number(query.Get("b_start")); err != nil || b.start > maxStart {
			return batch{}, fault.New(fault.Invalid, "b_start must be an integer from 0 to %d", maxStart)
		}
	}
	return b, nil
}

// number reads digits.
func number(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 31)
	return int(n), err //nolint:wrapcheck // the caller says what is wrong
}

// holds reports whether the i-th of a list is in the batch.
func (b batch) holds(i int) bool { return i >= b.start && i-b.start < b.size }

// page is what was found: the users of a batch, and how many there are in all.
type page struct {
	items []user
	count int
}

// single returns a page with one user.
func single(u user, b batch) page {
	p := page{items: []user{}, count: 1}
	if b.holds(0) {
		p.items = append(p.items, u)
	}
	return p
}

// listing is the response with a page.
type listing struct {
	Count    int     `json:"count"`
	PageSize int     `json:"pagesize"`
	Page     int     `json:"page"`
	Pages    int     `json:"pages"`
	Next     *string `json:"next"`
	Previous *string `json:"previous"`
	Items    []user  `json:"items"`
	Runtime  float64 `json:"_runtime"`
}

func (e users) answer(r *http.Request, b batch, p page, start time.Time) listing {
	l := listing{
		Count: p.count, PageSize: b.size, Page: b.start/b.size + 1, Pages: (p.count + b.size - 1) / b.size,
		Items: p.items, Runtime: e.since(start),
	}
	if b.start+b.size < p.count {
		l.Next = e.batchURL(r, b, b.start+b.size)
	}
	if b.start > 0 {
		l.Previous = e.batchURL(r, b, max(0, b.start-b.size))
	}
	return l
}

func (e users) batchURL(r *http.Request, b batch, start int) *string {
	path := "/users"
	if name := r.PathValue("name"); name != "" {
		path += "/" + url.PathEscape(name)
	}
	s := e.url(path) + "?b_start=" + strconv.Itoa(start) + "&limit=" + strconv.Itoa(b.size)
	return &s
}
