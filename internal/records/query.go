package records

import (
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
	Limit         int
}

// SessionQuery asks for the live sessions that a source vouched for: all, those of one
// session of its own, or those of a user.
type SessionQuery struct{ Source, Session, Owner string }

// LinkQuery asks for the links of a user, or of a source.
type LinkQuery struct{ User, Source string }

// LinkedQuery asks for the users who are linked to a source.
type LinkedQuery struct {
	Source, After string
	Limit         int
}

// BindingQuery asks for the bindings of a user, or of a group, or for all.
type BindingQuery struct {
	User       string
	WithGroups bool // also those of the user's groups
	Group      string
	RootGroups bool // those of groups at / alone
}

// TokenQuery asks for stored tokens; the zero value asks for everybody's.
type TokenQuery struct {
	Owner, ClientID string
	Kinds           []token.Kind // none: every kind
	After           string
	Limit           int
}
