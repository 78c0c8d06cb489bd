package people

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
)

// A search for users is read in one of two ways, both in the order of the usernames. Where an
// index of every three characters in a row finds at most searchedUsers that have all of the
// search's, those that match are sorted. Everything else (a shorter search, or one whose
// characters very many users have) is read searchedUsers at a time, of which those that match
// are the page. A few users are looked at before the index is asked, and it is asked for the
// threes that the fewest of them have: where many users have each of them, it would collect
// them all first.

// indexedSearch is how many characters a search has that the index answers.
const indexedSearch = 3

// searchedUsers is how many users are looked at for a page of a search, so that it takes some
// milliseconds.
const searchedUsers = 5000

// sampledUsers is how many users are looked at before the index is asked.
const sampledUsers = 1000

// maxSearch is longer than any name.
const maxSearch = 1024

// userCursor names the cursors of the list.
const userCursor = "user:"

// userList is a query for users, as it is put together.
type userList struct {
	records.UserQuery
	search  string // in lower case
	indexed string // the engine's users u that have what $1 asks for
	asked   string // what the index is asked for
	args    []any
}

func (l *userList) arg(v any) string {
	l.args = append(l.args, v)
	return "$" + strconv.Itoa(len(l.args))
}

func (p *People) newUserList(q records.UserQuery) (*userList, error) {
	if err := query.CheckSearch(q.Search, maxSearch); err != nil {
		return nil, err
	}
	return &userList{UserQuery: q, search: strings.ToLower(q.Search), indexed: p.db.Dialect().UsersContaining}, nil
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

// matches is the condition that a user is found.
func (l *userList) matches() string {
	return "u.search LIKE " + l.arg("%"+query.Literal(l.search)+"%") + ` ESCAPE '\'`
}

// candidates is what the index finds, up to one more than so many.
func (l *userList) candidates(columns string, most int) string {
	return "(SELECT " + columns + " FROM " + l.indexed + " LIMIT " + strconv.Itoa(most+1) + ") u"
}

// found returns the statement of a page from the index.
func (l *userList) found(limit int) (text string, args []any) {
	l.args = []any{l.asked}
	text = selectUser + " FROM " + l.candidates("u.*", searchedUsers) + " WHERE " + l.matches()
	return text + l.conditions() + l.order() + " LIMIT " + strconv.Itoa(limit), l.args
}

// first returns the statement of the users in the order of their names.
func (l *userList) first(columns string) string {
	return "SELECT " + columns + " FROM users u WHERE 1 = 1" + l.conditions() + l.order()
}

// walked returns the statement of a page in the order of the usernames, from so many users.
func (l *userList) walked(limit, most int) (text string, args []any) {
	l.args = nil
	if l.search == "" {
		return selectUser + strings.TrimPrefix(l.first(""), "SELECT ") + " LIMIT " + strconv.Itoa(limit), l.args
	}
	text = selectUser + " FROM (" + l.first("u.*") + " LIMIT " + strconv.Itoa(most) + ") u WHERE "
	return text + l.matches() + " LIMIT " + strconv.Itoa(limit), l.args
}

// horizon returns the statement of the username at which a walk ends.
func (l *userList) horizon() (text string, args []any) {
	l.args = nil
	return l.first("u.username") + " LIMIT 1 OFFSET " + strconv.Itoa(searchedUsers-1), l.args
}

// counted returns the statement of how many match among so many users, and of how many there
// are of those.
func (l *userList) counted(most int) (text string, args []any) {
	l.args = nil
	text = " FROM (" + l.first("u.*") + " LIMIT " + strconv.Itoa(most) + ") u"
	return "SELECT count(CASE WHEN " + l.matches() + " THEN 1 END), count(*)" + text, l.args
}

const (
	// maxGrams is how many of a search's threes are counted in the sample.
	maxGrams = 16
	// rareGrams is how many of them the index is asked for.
	rareGrams = 4
)

// grams returns each three characters in a row of the search, or some of them.
func (l *userList) grams() (grams []string) {
	runes := []rune(l.search)
	for i := 0; i+indexedSearch <= len(runes); i++ {
		if gram := string(runes[i : i+indexedSearch]); !slices.Contains(grams, gram) && len(grams) < maxGrams {
			grams = append(grams, gram)
		}
	}
	return grams
}

// sample returns the statement of how many of the first users have each of the grams.
func (l *userList) sample(grams []string) (text string, args []any) {
	l.args = nil
	first := l.first("u.search")
	counts := make([]string, len(grams))
	for i, gram := range grams {
		counts[i] = "count(CASE WHEN u.search LIKE " + l.arg("%"+query.Literal(gram)+"%") + ` ESCAPE '\' THEN 1 END)`
	}
	return "SELECT " + strings.Join(counts, ", ") + " FROM (" + first + " LIMIT " + strconv.Itoa(sampledUsers) + ") u", l.args
}

// collects decides what the index is asked for, and reports whether it would collect very many
// users: the list of characters that many users have is long, and those that few have suffice.
func (p *People) collects(ctx context.Context, l *userList) (many bool, err error) {
	grams := l.grams()
	counts := make([]int, len(grams))
	dest := make([]any, len(grams))
	for i := range counts {
		dest[i] = &counts[i]
	}
	text, args := l.sample(grams)
	if err := p.db.Read(ctx, func(ctx context.Context, c engine.Conn) error { return c.Row(ctx, text, args, dest...) }); err != nil {
		return false, err
	}
	frequency := make(map[string]int, len(grams))
	for i, gram := range grams {
		frequency[gram] = counts[i]
	}
	slices.SortStableFunc(grams, func(a, b string) int { return cmp.Compare(frequency[a], frequency[b]) })
	l.asked = p.db.Dialect().AskGrams(grams[:min(len(grams), rareGrams)])
	return frequency[grams[0]] >= sampledUsers/10, nil
}

// byIndex reports whether the index answers the search.
func (l *userList) byIndex() bool { return utf8.RuneCountInString(l.search) >= indexedSearch }

// Users returns users in the order of their usernames. Search ignores case, and none
// of its characters has a meaning of its own. A cursor that is none is
// fault.Invalid.
func (p *People) Users(ctx context.Context, q records.UserQuery) (out records.Page[identity.User], err error) {
	l, err := p.newUserList(q)
	if err != nil {
		return out, err
	}
	if q.After != "" {
		if l.After, err = query.Unseal(userCursor, q.After); err != nil {
			return out, err
		}
		if !utf8.ValidString(l.After) || strings.ContainsRune(l.After, 0) {
			return out, query.ErrCursor
		}
	}
	limit := query.PageSize(q.Limit)
	if l.byIndex() {
		if out, err = p.walkedUsers(ctx, l, limit, sampledUsers); err != nil || out.Next != "" {
			return out, err
		}
		if found, few, err := p.foundUsers(ctx, l, limit); err != nil || few {
			return found, err
		}
	}
	out, err = p.walkedUsers(ctx, l, limit, searchedUsers)
	if err != nil || out.Next != "" || l.search == "" {
		return out, err
	}
	text, args := l.horizon()
	ends, err := query.All(ctx, p.db, func(scan engine.Scanner) (name string, err error) { return name, scan(&name) }, text, args...)
	if len(ends) > 0 {
		out.Next = query.Seal(userCursor, ends[0])
	}
	return out, err
}

func scanUser(scan engine.Scanner) (u identity.User, err error) { return u, scan(userFields(&u)...) }

func userPage(users []identity.User, limit int) records.Page[identity.User] {
	return query.Page(users, limit, func(u identity.User) string { return query.Seal(userCursor, u.Username) })
}

// walkedUsers returns the users that match among the next so many.
func (p *People) walkedUsers(ctx context.Context, l *userList, limit, most int) (out records.Page[identity.User], err error) {
	text, args := l.walked(limit+1, most)
	users, err := query.All(ctx, p.db, scanUser, text, args...)
	return userPage(users, limit), err
}

// foundUsers returns a page from the index, and whether that finds few enough.
func (p *People) foundUsers(ctx context.Context, l *userList, limit int) (out records.Page[identity.User], few bool, err error) {
	if many, err := p.collects(ctx, l); err != nil || many {
		return out, false, err
	}
	err = p.db.Snapshot(ctx, func(ctx context.Context, c engine.Conn) error {
		out, few = records.Page[identity.User]{}, false
		n := 0
		err := c.Row(ctx, "SELECT count(*) FROM "+l.candidates("1", searchedUsers), []any{l.asked}, &n)
		if few = n <= searchedUsers; err != nil || !few {
			return err
		}
		text, args := l.found(limit + 1)
		users, err := query.List(ctx, c, scanUser, text, args...)
		out = userPage(users, limit)
		return err
	})
	return out, few, err
}

// UserTotal counts the users that a query asks for, on all pages, up to records.MaxTotal,
// or among the first of as many.
func (p *People) UserTotal(ctx context.Context, q records.UserQuery) (total records.Total, err error) {
	q.After = ""
	l, err := p.newUserList(q)
	if err != nil {
		return total, err
	}
	count := func(text string, args []any) (n, looked int, err error) {
		err = p.db.Read(ctx, func(ctx context.Context, c engine.Conn) error { return c.Row(ctx, text, args, &n, &looked) })
		return n, looked, err
	}
	if l.byIndex() {
		n, looked, err := count(l.counted(sampledUsers + 1))
		if err != nil || looked <= sampledUsers {
			return records.Total{Count: n}, err
		}
		if many, err := p.collects(ctx, l); err != nil {
			return total, err
		} else if !many {
			l.args = []any{l.asked}
			text := " FROM " + l.candidates("u.*", records.MaxTotal)
			text = "SELECT count(CASE WHEN " + l.matches() + l.conditions() + " THEN 1 END), count(*)" + text
			if n, looked, err = count(text, l.args); err != nil || looked <= records.MaxTotal {
				return records.Total{Count: n}, err
			}
		}
	}
	n, looked, err := count(l.counted(records.MaxTotal + 1))
	if looked > records.MaxTotal {
		return records.Total{Count: min(n, records.MaxTotal), More: true}, err
	}
	return records.Total{Count: n}, err
}
