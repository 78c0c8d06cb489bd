package query

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
)

const (
	defaultLimit = 100
	maxLimit     = 1000
)

// PageSize returns the number of items of a page when limit are asked for: the default
// for 0 or less, and never more than the maximum.
func PageSize(limit int) int {
	if limit <= 0 {
		return defaultLimit
	}
	return min(limit, maxLimit)
}

// Page returns a page from the items of a query for one more than limit.
func Page[T any](items []T, limit int, cursor func(last T) string) records.Page[T] {
	if len(items) <= limit {
		return records.Page[T]{Items: items}
	}
	items = items[:limit]
	return records.Page[T]{Items: items, Next: cursor(items[limit-1])}
}

// CheckSearch refuses a search that is longer than what it looks at, or that is no text.
func CheckSearch(search string, most int) error {
	if len(search) > most {
		return fault.New(fault.Invalid, "the search is longer than %d bytes", most).In("search")
	}
	if !utf8.ValidString(search) || strings.ContainsRune(search, 0) {
		return fault.New(fault.Invalid, "the search is no text").In("search")
	}
	return nil
}

// ErrCursor is the error of a cursor that Seal has not returned, or for another list.
var ErrCursor = fault.New(fault.Invalid, "the cursor is not one of this list")

// Seal returns a cursor to a place in a list. The kind names the list, so that the cursor is
// used for no other.
func Seal(kind, place string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(kind + place))
}

// Unseal returns the place of a cursor in the list of that kind.
func Unseal(kind, cursor string) (place string, err error) {
	text, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil {
		return "", ErrCursor
	}
	place, ok := strings.CutPrefix(string(text), kind)
	if !ok {
		return "", ErrCursor
	}
	return place, nil
}
