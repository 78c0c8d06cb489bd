package tokens

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
	"github.com/bearerd/bearerd/internal/token"
)

// A filtered list is read in two steps, in one statement: at most records.MaxTotal or
// records.MaxScattered tokens in the order of an index, and of those the ones that pass the
// filters. So a page costs the same however few tokens pass. Where the first step ends before
// the page is full, the next page goes on from there.
//
// The outer step asks for no order of its own: both databases pass on the rows of the
// inner one as they come, and stop when they have enough.

// made is the condition of the partial indexes across users, to the letter.
const made = `t.kind IN ('api-token', 'api-key', 'grant')`

// ending is the key of the order by expiry: a token without one ends last.
const ending = `coalesce(nullif(t.expires_at, 0), 9223372036854775807)`

// maxTokenSearch is longer than any name of a token.
const maxTokenSearch = 256

// tokenList is a query for tokens. Its statements are put together one by one, each with
// arguments of its own.
type tokenList struct {
	records.TokenQuery
	across bool   // everybody's
	key    string // what the order is by, before the id
	id     string // the column of the id
	desc   bool
	sort   bool // no index has the order: the first step is sorted
	args   []any
}

func (l *tokenList) arg(v any) string {
	l.args = append(l.args, v)
	return "$" + strconv.Itoa(len(l.args))
}

// newTokenList decides in which order the list is read.
func newTokenList(q records.TokenQuery) (*tokenList, error) {
	l := &tokenList{TokenQuery: q, across: q.Owner == "" && q.ClientID == "", key: "t.created_at", id: "t.id"}
	if err := query.CheckSearch(q.Search, maxTokenSearch); err != nil {
		return nil, err
	}
	if q.Order == records.NaturalOrder {
		switch {
		case q.Search != "":
			l.Order = records.ByName
		case !q.ExpiresBy.IsZero():
			l.Order = records.ExpiryFirst
		default:
			l.Order = records.NewestFirst
		}
	}
	switch l.Order {
	case records.ExpiryFirst:
		l.key = ending
	case records.ByName:
		l.key = "lower(t.name)"
	case records.NewestFirst, records.OldestFirst, records.NaturalOrder:
		l.desc = l.Order == records.NewestFirst
	}
	byTime := l.key == "t.created_at"
	l.sort = !l.across && !byTime
	if l.across && (q.NeverUsed || !q.ExpiresBy.IsZero() || q.Scope != "" || q.Search != "" || !byTime) {
		var err error
		if l.Kinds, err = madeKinds(q.Kinds); err != nil {
			return nil, err
		}
	}
	if l.across && byTime && q.Scope != "" {
		l.key, l.id = "s.created_at", "s.token_id"
	}
	return l, nil
}

// madeKinds returns the kinds that people look after, or an error when another kind is
// asked for.
func madeKinds(kinds []token.Kind) ([]token.Kind, error) {
	all := []token.Kind{token.KindAPIToken, token.KindExchangeKey, token.KindGrant}
	for _, k := range kinds {
		if k != all[0] && k != all[1] && k != all[2] {
			return nil, fault.New(fault.Invalid, "tokens of the kind %s are not listed across users by this", k).In("kind")
		}
	}
	if len(kinds) == 0 {
		return all, nil
	}
	return kinds, nil
}

// from returns what the first step reads, with the conditions that an index answers.
func (l *tokenList) from() string {
	people := false
	if len(l.Kinds) > 0 {
		_, err := madeKinds(l.Kinds)
		people = err == nil
	}
	switch {
	case !l.across:
		text := "tokens t WHERE 1 = 1"
		if l.Owner != "" {
			text += " AND t.owner = " + l.arg(l.Owner)
		}
		if l.ClientID != "" {
			text += " AND t.client_id = " + l.arg(l.ClientID)
		}
		return text
	case l.Order == records.ExpiryFirst:
		text := "tokens t WHERE " + made + " AND t.revoked_at = 0 AND " + ending + " > " + l.arg(column.Micros(l.Now))
		if !l.ExpiresBy.IsZero() {
			text += " AND " + ending + " <= " + l.arg(column.Micros(l.ExpiresBy))
		}
		return text
	case l.Order == records.ByName && l.Search != "":
		begins := records.LowerASCII(l.Search)
		return "tokens t WHERE " + made + " AND lower(t.name) >= " + l.arg(begins) + " AND lower(t.name) < " + l.arg(begins+string(rune(0x10ffff)))
	case l.Order == records.ByName:
		return "tokens t WHERE " + made
	case l.Scope != "":
		return "token_scopes s JOIN tokens t ON t.id = s.token_id WHERE s.scope = " + l.arg(l.Scope)
	case l.NeverUsed:
		return "tokens t WHERE " + made + " AND t.never_used = 1"
	case people:
		return "tokens t WHERE " + made
	}
	return "tokens t WHERE 1 = 1"
}

// filters returns the conditions of the second step; "" when every token passes. What an
// index has answered is asked again, which costs nothing and keeps the two apart.
func (l *tokenList) filters() string {
	const valid = "t.revoked_at = 0 AND (t.expires_at = 0 OR t.expires_at > %)"
	where := []string{strings.TrimPrefix(Published, " AND ")}
	if len(l.Kinds) > 0 {
		names := make([]string, len(l.Kinds))
		for i, k := range l.Kinds {
			names[i] = l.arg(k.String())
		}
		where = append(where, "t.kind IN ("+strings.Join(names, ", ")+")")
	}
	if l.State == records.ValidOnly || !l.ExpiresBy.IsZero() || l.Order == records.ExpiryFirst {
		where = append(where, strings.Replace(valid, "%", l.arg(column.Micros(l.Now)), 1))
	}
	if l.State == records.EndedOnly {
		where = append(where, "NOT ("+strings.Replace(valid, "%", l.arg(column.Micros(l.Now)), 1)+")")
	}
	if !l.ExpiresBy.IsZero() {
		where = append(where, "t.expires_at > 0 AND t.expires_at <= "+l.arg(column.Micros(l.ExpiresBy)))
	}
	if l.NeverUsed {
		where = append(where, "t.never_used = 1")
	}
	if l.Scope != "" {
		quoted, _ := json.Marshal(l.Scope) // a string can be encoded
		where = append(where, "t.scope LIKE "+l.arg("%"+query.Literal(string(quoted))+"%")+` ESCAPE '\'`)
	}
	if l.Search != "" && !l.byIndex() {
		begins := l.arg(records.LowerASCII(l.Search))
		where = append(where, "(substr(lower(t.name), 1, length("+begins+")) = "+begins+" OR t.last4 = "+l.arg(lastFour(l.Search))+" OR t.id = "+l.arg(l.Search)+")")
	}
	return strings.Join(where, " AND ")
}

// byIndex reports whether the search is answered by indexes: by that of the names, and
// beside it by those of the ids and the last four characters.
func (l *tokenList) byIndex() bool { return l.across && l.Search != "" && l.Order == records.ByName }

// lastFour returns the last four characters of a token in a search: as pages show it,
// bda_…Ab3x, or alone; "" when the search is something else.
func lastFour(search string) string {
	if _, end, found := strings.Cut(search, "…"); found {
		search = end
	}
	if len(search) != 4 {
		return ""
	}
	return search
}

// tokenPlace is a position in a list.
type tokenPlace struct {
	key any // an int64, or a name
	id  string
}

// cursorName is the name of the cursors of the order.
func (l *tokenList) cursorName() string {
	switch l.Order {
	case records.OldestFirst:
		return "token-oldest:"
	case records.ExpiryFirst:
		return "token-expiry:"
	case records.ByName:
		return "token-name:"
	case records.NewestFirst, records.NaturalOrder:
	}
	return tokenCursor
}

func (l *tokenList) seal(p tokenPlace) string {
	if at, ok := p.key.(int64); ok {
		return query.Seal(l.cursorName(), strconv.FormatInt(at, 10)+":"+p.id)
	}
	name, _ := p.key.(string)
	return query.Seal(l.cursorName(), p.id+":"+name)
}

// place returns the position of the query's cursor; nil: the beginning.
func (l *tokenList) place() (*tokenPlace, error) {
	if l.After == "" {
		return nil, nil
	}
	text, err := query.Unseal(l.cursorName(), l.After)
	if err != nil {
		return nil, err
	}
	first, rest, found := strings.Cut(text, ":")
	if !found {
		return nil, query.ErrCursor
	}
	if l.Order == records.ByName {
		return &tokenPlace{rest, first}, nil
	}
	at, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return nil, query.ErrCursor
	}
	return &tokenPlace{at, rest}, nil
}

// beyond is the condition that a token comes after a place.
func (l *tokenList) beyond(p tokenPlace) string {
	than := " > "
	if l.desc {
		than = " < "
	}
	return "(" + l.key + ", " + l.id + ")" + than + "(" + l.arg(p.key) + ", " + l.arg(p.id) + ")"
}

func (l *tokenList) order() string {
	if l.desc {
		return " ORDER BY " + l.key + " DESC, " + l.id + " DESC"
	}
	return " ORDER BY " + l.key + ", " + l.id
}

// most returns how many tokens the first step reads. Those that were created after one another
// stand beside one another; in another order each is read from elsewhere.
func (l *tokenList) most() int {
	if l.across && (l.Scope != "" || l.key != "t.created_at") {
		return records.MaxScattered
	}
	return records.MaxTotal
}

// first returns the first step without its bound.
func (l *tokenList) first(columns string, after *tokenPlace) string {
	text := "SELECT " + columns + " FROM " + l.from()
	if l.sort { // what no index sorts: the newest of the owner or client
		return text + " ORDER BY t.created_at DESC, t.id DESC"
	}
	if after != nil {
		text += " AND " + l.beyond(*after)
	}
	return text + l.order()
}

// page returns the statement of a page.
func (l *tokenList) page(after *tokenPlace, limit int) (text string, args []any) {
	l.args = nil
	text = selectStored + " FROM (" + l.first("t.*", after) + " LIMIT " + strconv.Itoa(l.most()) + ") t WHERE 1 = 1"
	if where := l.filters(); where != "" {
		text += " AND " + where
	}
	if l.sort {
		if after != nil {
			text += " AND " + l.beyond(*after)
		}
		text += l.order()
	}
	return text + " LIMIT " + strconv.Itoa(limit), l.args
}

// horizon returns the statement of the place at which the first step ends when there are
// more tokens than it looks at.
func (l *tokenList) horizon(after *tokenPlace) (text string, args []any) {
	l.args = nil
	return l.first(l.key+", "+l.id, after) + " LIMIT 1 OFFSET " + strconv.Itoa(l.most()-1), l.args
}

// total returns the statement that counts.
func (l *tokenList) total() (text string, args []any) {
	l.args = nil
	// In the order of the page's index: left to itself, PostgreSQL may read the whole table for
	// the few tokens that match.
	first := l.first("t.*", nil) + " LIMIT " + strconv.Itoa(l.most()+1)
	passes := l.filters()
	if passes == "" {
		passes = "1 = 1"
	}
	return "SELECT count(CASE WHEN " + passes + " THEN 1 END), count(*) FROM (" + first + ") t", l.args
}

// tokenPage lists tokens by a query with filters or an order.
func (s *Stored) tokenPage(ctx context.Context, q records.TokenQuery) (out records.Page[records.StoredToken], err error) {
	l, err := newTokenList(q)
	if err != nil {
		return out, err
	}
	after, err := l.place()
	if err != nil {
		return out, err
	}
	limit := query.PageSize(q.Limit)
	if l.byIndex() && after == nil {
		if out.Items, err = s.exactTokens(ctx, l); err != nil {
			return out, err
		}
	}
	text, args := l.page(after, limit+1)
	found, err := query.All(ctx, s.db, scanStored, text, args...)
	if err != nil {
		return records.Page[records.StoredToken]{}, err
	}
	exact := len(out.Items)
	for _, t := range found[:min(len(found), limit)] {
		if !slices.ContainsFunc(out.Items[:exact], func(one records.StoredToken) bool { return one.ID == t.ID }) {
			out.Items = append(out.Items, t)
		}
	}
	if len(found) > limit {
		out.Next = l.seal(l.placeOf(found[limit-1]))
		return out, nil
	}
	if l.sort {
		return out, nil
	}
	end, err := s.horizonOf(ctx, l, after)
	if end != nil {
		out.Next = l.seal(*end)
	}
	return out, err
}

func scanStored(scan engine.Scanner) (t records.StoredToken, err error) {
	return t, scan(tokenFields(&t)...)
}

// horizonOf returns the place at which the first step has ended; nil when it has looked
// at all tokens.
func (s *Stored) horizonOf(ctx context.Context, l *tokenList, after *tokenPlace) (end *tokenPlace, err error) {
	text, args := l.horizon(after)
	places, err := query.All(ctx, s.db, func(scan engine.Scanner) (p tokenPlace, err error) {
		if l.Order == records.ByName {
			var name string
			err = scan(&name, &p.id)
			p.key = name
			return p, err
		}
		var at int64
		err = scan(&at, &p.id)
		p.key = at
		return p, err
	}, text, args...)
	if len(places) > 0 {
		end = &places[0]
	}
	return end, err
}

// placeOf returns the position of a token in the list.
func (l *tokenList) placeOf(t records.StoredToken) tokenPlace {
	switch l.Order {
	case records.ExpiryFirst:
		if t.ExpiresAt.IsZero() {
			return tokenPlace{int64(math.MaxInt64), t.ID}
		}
		return tokenPlace{column.Micros(t.ExpiresAt), t.ID}
	case records.ByName:
		return tokenPlace{records.LowerASCII(t.Name), t.ID}
	case records.NewestFirst, records.OldestFirst, records.NaturalOrder:
	}
	return tokenPlace{column.Micros(t.CreatedAt), t.ID}
}

// maxExact is how many tokens with the same last four characters a search shows.
const maxExact = 20

// exactTokens finds the tokens whose id or last four characters a search is.
func (s *Stored) exactTokens(ctx context.Context, l *tokenList) ([]records.StoredToken, error) {
	var found []records.StoredToken
	for _, by := range []struct{ column, value string }{{"t.id", l.Search}, {"t.last4", lastFour(l.Search)}} {
		if by.value == "" {
			continue
		}
		l.args = nil
		text := selectStored + " FROM (SELECT t.* FROM tokens t WHERE " + made + " AND " + by.column + " = " + l.arg(by.value) +
			" LIMIT " + strconv.Itoa(records.MaxScattered) + ") t WHERE " + l.filters() + " LIMIT " + strconv.Itoa(maxExact)
		some, err := query.All(ctx, s.db, scanStored, text, l.args...)
		if err != nil {
			return nil, err
		}
		found = append(found, some...)
	}
	return found, nil
}

// TokenTotal counts the tokens that a query asks for, on all pages, among at most
// records.MaxTotal.
func (s *Stored) TokenTotal(ctx context.Context, q records.TokenQuery) (total records.Total, err error) {
	q.After = ""
	l, err := newTokenList(q)
	if err != nil {
		return total, err
	}
	if l.across && l.Order == records.ByName && l.Search == "" { // the same tokens stand beside one another by time
		q.Order, q.Kinds = records.OldestFirst, l.Kinds
		if l, err = newTokenList(q); err != nil {
			return total, err
		}
	}
	text, args := l.total()
	var looked int
	err = s.db.Read(ctx, func(ctx context.Context, c engine.Conn) error { return c.Row(ctx, text, args, &total.Count, &looked) })
	if errors.Is(err, sql.ErrNoRows) {
		return records.Total{}, nil // a text is asked for that PostgreSQL can't store
	}
	if err != nil {
		return records.Total{}, err
	}
	if looked > l.most() {
		return records.Total{Count: min(total.Count, l.most()), More: true}, nil
	}
	if l.byIndex() {
		exact, err := s.exactTokens(ctx, l)
		if err != nil {
			return records.Total{}, err
		}
		for _, t := range exact {
			if !strings.HasPrefix(records.LowerASCII(t.Name), records.LowerASCII(q.Search)) {
				total.Count++
			}
		}
	}
	return total, nil
}
