package store

import (
	"math"
	"strconv"
	"strings"

	"github.com/bearerd/bearerd/internal/store/query"
)

// tokenCursor names the cursors of the newest tokens first.
const tokenCursor = "token:"

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
	text, err := query.Unseal(tokenCursor, cursor)
	if err != nil {
		return place{}, err
	}
	at, id, ok := strings.Cut(text, ":")
	us, err := strconv.ParseInt(at, 10, 64)
	if !ok || err != nil {
		return place{}, query.ErrCursor
	}
	return place{us, id}, nil
}
