package tokenrow

import (
	"net/url"
	"time"

	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/webui/kit"
)

// The filters of every list of tokens.
const (
	filterState = "state"
	filterOnly  = "only"
	filterSort  = "sort"
	filterKind  = "kind"
	filterScope = "scope"
)

func states() kit.Filter {
	return kit.Filter{Name: filterState, Label: "State", Options: []kit.Choice{{Text: "valid"}, {Value: "ended", Text: "ended"}, {Value: "all", Text: "all"}}}
}

func only() kit.Filter {
	return kit.Filter{Name: filterOnly, Label: "Use", Options: []kit.Choice{
		{Text: "any"}, {Value: "never-used", Text: "never used"}, {Value: "7d", Text: "expiring in 7 days"}, {Value: "30d", Text: "expiring in 30 days"},
	}}
}

func sorts() kit.Filter {
	return kit.Filter{Name: filterSort, Label: "Sort", Options: []kit.Choice{
		{Text: "default"}, {Value: "-created", Text: "newest first"}, {Value: "created", Text: "oldest first"}, {Value: "expires", Text: "by expiry"}, {Value: "name", Text: "by name"},
	}}
}

// Kinds are the kinds that people look after: they are listed unless another one is
// asked for.
func Kinds() []token.Kind { return []token.Kind{token.KindAPIToken, token.KindExchangeKey} }

// NewList reads what a list of tokens at a path is asked for. The filters in more come
// after those of every list.
func NewList(path string, q url.Values, more ...kit.Filter) kit.List {
	filters := append([]kit.Filter{states(), only(), sorts()}, more...)
	return kit.NewList(path, "token", "name, last 4, or id", q, filters...)
}

// Of other kinds than those that people look after.
func otherKinds() map[string]token.Kind {
	return map[string]token.Kind{
		"api-token": token.KindAPIToken, "api-key": token.KindExchangeKey, "grant": token.KindGrant, "session": token.KindSession, "refresh-token": token.KindRefresh,
	}
}

// KindFilter is the filter by kind, for administrators.
func KindFilter() kit.Filter {
	return kit.Filter{Name: filterKind, Label: "Kind", Options: []kit.Choice{
		{Text: "API tokens and keys"},
		{Value: "api-token", Text: "API tokens"},
		{Value: "api-key", Text: "API keys"},
		{Value: "grant", Text: "connected applications"},
		{Value: "session", Text: "sessions"},
		{Value: "refresh-token", Text: "refresh tokens"},
	}}
}

// ScopeFilter is the filter by scope.
func ScopeFilter() kit.Filter { return kit.Filter{Name: filterScope, Label: "Scope", Hint: "any"} }

// Query returns what a list asks for.
func Query(l kit.List, after string, now time.Time) records.TokenQuery {
	q := records.TokenQuery{Kinds: Kinds(), Search: l.Search, Scope: l.Asked(filterScope), State: records.ValidOnly, After: after, Limit: kit.Listed}
	if kind, ok := otherKinds()[l.Asked(filterKind)]; ok {
		q.Kinds = []token.Kind{kind}
	}
	switch l.Asked(filterState) {
	case "ended":
		q.State = records.EndedOnly
	case "all":
		q.State = records.AnyState
	}
	switch l.Asked(filterOnly) {
	case "never-used":
		q.NeverUsed = true
	case "7d":
		q.ExpiresBy = now.Add(7 * kit.Day)
	case "30d":
		q.ExpiresBy = now.Add(30 * kit.Day)
	}
	switch l.Asked(filterSort) {
	case "-created":
		q.Order = records.NewestFirst
	case "created":
		q.Order = records.OldestFirst
	case "expires":
		q.Order = records.ExpiryFirst
	case "name":
		q.Order = records.ByName
	}
	return q
}
