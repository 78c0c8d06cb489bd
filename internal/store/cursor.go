package store

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
)

const (
	defaultLimit = 100
	maxLimit     = 1000
)

// pageSize returns the number of items of a page when limit are asked for: the default
// for 0 or less, and never more than the maximum.
func pageSize(limit int) int {
	if limit <= 0 {
		return defaultLimit
	}
	return min(limit, maxLimit)
}

// paged returns a page from the items of a query for one more than limit.
func paged[T any](items []T, limit int, cursor func(last T) string) records.Page[T] {
	if len(items) <= limit {
		return records.Page[T]{Items: items}
	}
	items = items[:limit]
	return records.Page[T]{Items: items, Next: cursor(items[limit-1])}
}

// checkSearch refuses a search that is longer than what it looks at, or that is no text.
func checkSearch(search string, most int) error {
	if len(search) > most {
		return fault.New(fault.Invalid, "the search is longer than %d bytes", most).In("search")
	}
	if !utf8.ValidString(search) || strings.ContainsRune(search, 0) {
		return fault.New(fault.Invalid, "the search is no text").In("search")
	}
	return nil
}

var errCursor = fault.New(fault.Invalid, "the cursor is not one of this list")

// cursors name the list that they belong to, so that none is used for another list.
const (
	userCursor   = "user:"
	tokenCursor  = "token:"
	linkedCursor = "linked:"
)

func seal(kind, place string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(kind + place))
}

func unseal(kind, cursor string) (place string, err error) {
	text, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil {
		return "", errCursor
	}
	place, ok := strings.CutPrefix(string(text), kind)
	if !ok {
		return "", errCursor
	}
	return place, nil
}

// place is a position in a list that is ordered by time and id, newest first.
type place struct {
	at int64
	id string
}

// readPlace reads a cursor; the empty one is before the newest.
func readPlace(cursor string) (place, error) {
	if cursor == "" {
		return place{at: math.MaxInt64}, nil
	}
	text, err := unseal(tokenCursor, cursor)
	if err != nil {
		return place{}, err
	}
	at, id, ok := strings.Cut(text, ":")
	us, err := strconv.ParseInt(at, 10, 64)
	if !ok || err != nil {
		return place{}, errCursor
	}
	return place{us, id}, nil
}
