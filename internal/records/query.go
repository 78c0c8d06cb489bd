package records

import (
	"slices"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/token"
)

// Page is a slice of a list and the cursor of the next; "" when there is none.
type Page[T any] struct {
	Items []T
	Next  string
}

// UserQuery asks for users whose username, name or email contains Search.
type UserQuery struct {
	Search, After string
	Disabled      *bool // nil: all
	Descending    bool  // by username, descending
	Limit         int
}

// SessionQuery asks for the live sessions that a source vouched for: those of one session of
// its own, or those of a user. Neither, or both, is fault.Invalid.
type SessionQuery struct{ Source, Session, Owner string }

// LinkQuery asks for the links of a user, or of a source.
type LinkQuery struct{ User, Source string }

// LinkedQuery asks for the users who are linked to a source.
type LinkedQuery struct {
	Source, After string
	Limit         int
}

// BindingQuery asks for one binding, for those of a user or of a group, or for all.
type BindingQuery struct {
	ID         string
	User       string
	WithGroups bool // also those of the user's groups
	Group      string
	RootGroups bool // only those of groups at /
}

// TokenQuery asks for stored tokens; the zero value asks for everybody's, newest first.
//
// Across users (without Owner and ClientID), what NeverUsed, ExpiresBy, Scope, Search and
// an Order by expiry or name ask for are the kinds that people look after, and no others:
// API tokens, API keys, and grants.
type TokenQuery struct {
	Owner, ClientID string
	Kinds           []token.Kind // none: every kind
	State           TokenState
	NeverUsed       bool
	ExpiresBy       time.Time // valid ones that end by then; zero: all
	Scope           string    // that they have; "": any
	Search          string    // how the name begins, the last four characters, or the id
	Order           TokenOrder
	Now             time.Time // what State and ExpiresBy go by; set where one of them is
	After           string
	Limit           int
}

// TokenState is which tokens are asked for.
type TokenState int

// The states that a list can be of.
const (
	AnyState  TokenState = iota
	ValidOnly            // neither revoked nor expired
	EndedOnly            // revoked or expired
)

// TokenOrder is how a list of tokens is sorted.
type TokenOrder int

// The orders of a list. NaturalOrder is by name where there is a Search, by expiry where
// there is an ExpiresBy, and otherwise the newest first.
const (
	NaturalOrder TokenOrder = iota
	NewestFirst
	OldestFirst
	ExpiryFirst // valid tokens, those that end first at the top
	ByName
)

// Asks reports whether the query asks for a token.
func (q TokenQuery) Asks(t StoredToken) bool {
	_, _, ended := t.End(q.Now)
	switch {
	case q.Owner != "" && q.Owner != t.Owner, q.ClientID != "" && q.ClientID != t.ClientID,
		len(q.Kinds) > 0 && !slices.Contains(q.Kinds, t.Kind),
		q.State == ValidOnly && ended, q.State == EndedOnly && !ended,
		q.NeverUsed && !t.LastUsedAt.IsZero(),
		!q.ExpiresBy.IsZero() && (ended || t.ExpiresAt.IsZero() || t.ExpiresAt.After(q.ExpiresBy)),
		q.Scope != "" && !slices.Contains(t.Scope, q.Scope):
		return false
	}
	if _, end, found := strings.Cut(q.Search, "…"); found && len(end) == 4 {
		return t.Last4 == end
	}
	return strings.HasPrefix(LowerASCII(t.Name), LowerASCII(q.Search)) || q.Search == t.ID || len(q.Search) == 4 && q.Search == t.Last4
}

// LowerASCII returns a text with the letters A to Z in lower case. Searches in names of
// tokens ignore the case of these letters only, as both databases do.
func LowerASCII(text string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, text)
}

// Total is the number of items in a list. A list is counted up to a bound.
type Total struct {
	Count int
	More  bool // there are, or may be, more
}

// MaxTotal is up to how many items a list is counted, and how many tokens are looked at
// for one page of a filtered list.
const MaxTotal = 10_000

// MaxScattered is MaxTotal for everybody's tokens by name, expiry or scope: they are not stored
// in that order, so that each is read from another place.
const MaxScattered = 1000
