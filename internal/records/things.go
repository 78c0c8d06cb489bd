package records

import (
	"github.com/bearerd/bearerd/internal/access"
)

// ThingQuery asks for a page of a list (collections, roles, clients, issuers), in the
// order of their ids or names: for those with a text that contains Search, in any case.
type ThingQuery struct {
	Search     string
	Descending bool
	After      string
	Limit      int
	Count      bool // also count those on all pages
}

// BindingListQuery asks for a page of bindings, in the order of their paths.
type BindingListQuery struct {
	ThingQuery

	User, Group, Role string      // only theirs; User is a subject
	At                access.Path // only at and beneath it; "": everywhere
}

// CountedPage is a page of a list and, where that was asked for, how long the list is.
type CountedPage[T any] struct {
	Page[T]

	Total Total
}

// MaxPageBytes is how large the items of a page are together, in bytes: a page ends after
// the item that reaches it, whatever its limit.
const MaxPageBytes = 1 << 20
