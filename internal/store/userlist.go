package store

import (
	"context"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
)

// A search for users is read in one of two ways. Where an index of every three characters
// in a row finds at most records.MaxTotal users, they are sorted. Everything else (a
// shorter search, or one that very many users match) is read in the order of the
// usernames, records.MaxTotal users at a time, of which those that match are the page.

// indexedSearch is how many characters a search has that the index answers.
const indexedSearch = 3

// maxSearch is longer than any name.
const maxSearch = 1024

// userList is a query for users, as it is put together.
type userList struct {
	records.UserQuery
	search  string // in lower case
	indexed string // the engine's users u that contain $1
	args    []any
}

func (l *userList) arg(v any) string {
	l.args = append(l.args, v)
	return "$" + strconv.Itoa(len(l.args))
}

func (s *Store) newUserList(q records.UserQuery) (*userList, error) {
	if err := checkSearch(q.Search, maxSearch); err != nil {
		return nil, err
	}
	return &userList{UserQuery: q, search: strings.ToLower(q.Search), indexed: s.engine.schema().usersContaining}, nil
}

// conditions returns the conditions in addition to the search: an index has the users who
// are disabled.
func (l *userList) conditions() string {
	text := ""
	if l.After != "" {
		than := " > "
		if l.Descending {
			than = " < "
		}
		text = " AND u.username" + than + l.arg(l.After)
	}
	switch {
	case l.Disabled == nil:
	case *l.Disabled:
		text += " AND u.disabled = 1"
	default:
		text += " AND u.disabled = 0"
	}
	return text
}

func (l *userList) order() string {
	if l.Descending {
		return " ORDER BY u.username DESC"
	}
	return " ORDER BY u.username"
}

// found returns the statement of a page from the index.
func (l *userList) found(limit int) (text string, args []any) {
	l.args = []any{l.search}
	return selectUser + " FROM " + l.indexed + l.conditions() + l.order() + " LIMIT " + strconv.Itoa(limit), l.args
}

// walked returns the statement of a page in the order of the usernames.
func (l *userList) walked(limit int) (text string, args []any) {
	l.args = nil
	text = "SELECT u.* FROM users u WHERE 1 = 1" + l.conditions() + l.order()
	if l.search == "" {
		return selectUser + strings.TrimPrefix(text, "SELECT u.*") + " LIMIT " + strconv.Itoa(limit), l.args
	}
	return selectUser + " FROM (" + text + " LIMIT " + strconv.Itoa(records.MaxTotal) + ") u WHERE u.search LIKE " +
		l.arg("%"+literal(l.search)+"%") + ` ESCAPE '\' LIMIT ` + strconv.Itoa(limit), l.args
}

// horizon returns the statement of the username at which a walk ends.
func (l *userList) horizon() (text string, args []any) {
	l.args = nil
	return "SELECT u.username FROM users u WHERE 1 = 1" + l.conditions() + l.order() + " LIMIT 1 OFFSET " + strconv.Itoa(records.MaxTotal-1), l.args
}

// byIndex reports whether the index answers the search, and how many users it finds.
func (s *Store) byIndex(ctx context.Context, l *userList) (n int, ok bool, err error) {
	if utf8.RuneCountInString(l.search) < indexedSearch {
		return 0, false, nil
	}
	after := l.After
	l.After = ""
	l.args = []any{l.search}
	text := "SELECT count(*) FROM (SELECT 1 FROM " + l.indexed + l.conditions() + " LIMIT " + strconv.Itoa(records.MaxTotal+1) + ") found"
	l.After = after
	err = s.read(ctx, func(ctx context.Context, c conn) error { return c.row(ctx, text, l.args, &n) })
	return n, err == nil && n <= records.MaxTotal, err
}

// Users returns users in the order of their usernames. Search ignores case, and none
// of its characters has a meaning of its own. A cursor that is none is
// fault.Invalid.
func (s *Store) Users(ctx context.Context, q records.UserQuery) (out records.Page[identity.User], err error) {
	l, err := s.newUserList(q)
	if err != nil {
		return out, err
	}
	if q.After != "" {
		if l.After, err = unseal(userCursor, q.After); err != nil {
			return out, err
		}
	}
	indexed := false
	if l.search != "" {
		if _, indexed, err = s.byIndex(ctx, l); err != nil {
			return out, err
		}
	}
	limit := pageSize(q.Limit)
	text, args := l.walked(limit + 1)
	if indexed {
		text, args = l.found(limit + 1)
	}
	users, err := query(ctx, s, func(scan scanner) (u identity.User, err error) {
		return u, scan(userFields(&u)...)
	}, text, args...)
	if err != nil {
		return out, err
	}
	out = paged(users, limit, func(u identity.User) string { return seal(userCursor, u.Username) })
	if out.Next != "" || indexed || l.search == "" {
		return out, nil
	}
	text, args = l.horizon()
	ends, err := query(ctx, s, func(scan scanner) (name string, err error) { return name, scan(&name) }, text, args...)
	if len(ends) > 0 {
		out.Next = seal(userCursor, ends[0])
	}
	return out, err
}

// UserTotal counts the users that a query asks for, on all pages, up to records.MaxTotal,
// or among the first of as many.
func (s *Store) UserTotal(ctx context.Context, q records.UserQuery) (total records.Total, err error) {
	q.After = ""
	l, err := s.newUserList(q)
	if err != nil {
		return total, err
	}
	if n, indexed, err := s.byIndex(ctx, l); err != nil || indexed {
		return records.Total{Count: n}, err
	}
	l.args = nil
	text := "SELECT u.* FROM users u WHERE 1 = 1" + l.conditions() + l.order() + " LIMIT " + strconv.Itoa(records.MaxTotal+1)
	text = "SELECT count(CASE WHEN u.search LIKE " + l.arg("%"+literal(l.search)+"%") + ` ESCAPE '\' THEN 1 END), count(*) FROM (` + text + ") u"
	var looked int
	err = s.read(ctx, func(ctx context.Context, c conn) error { return c.row(ctx, text, l.args, &total.Count, &looked) })
	if looked > records.MaxTotal {
		total = records.Total{Count: min(total.Count, records.MaxTotal), More: true}
	}
	return total, err
}
