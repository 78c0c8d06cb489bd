package records

import (
	"context"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/identity"
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

// Things reads the lists that access is decided from, a page at a time. A page of a
// search may have fewer items than its limit, and others after it: at most MaxTotal
// things are looked at for a page. A wrong cursor is fault.Invalid.
type Things interface {
	// CollectionPage lists collections by their ids; a search looks at the id and the name.
	CollectionPage(ctx context.Context, q ThingQuery) (CountedPage[Collection], error)
	// RolePage lists roles by their names; a search looks at the name and the permissions.
	RolePage(ctx context.Context, q ThingQuery) (CountedPage[access.Role], error)
	// ClientPage lists clients by their ids; a search looks at the id and the name.
	ClientPage(ctx context.Context, q ThingQuery) (CountedPage[identity.Client], error)
	// IssuerPage lists trusted issuers by their names; a search looks at the name and the iss.
	IssuerPage(ctx context.Context, q ThingQuery) (CountedPage[Issuer], error)
	// BindingPage lists bindings; a search looks at the group, the role, the permission and
	// the path.
	BindingPage(ctx context.Context, q BindingListQuery) (CountedPage[access.Binding], error)
	// CollectionNames returns the names of those of at most MaxNames ids that are collections.
	CollectionNames(ctx context.Context, ids []int64) (map[int64]string, error)
	// Collection returns the collection that has an id.
	Collection(ctx context.Context, id int64) (Collection, error)
	// RolesNamed returns those of at most MaxNames names that are roles.
	RolesNamed(ctx context.Context, names []string) ([]access.Role, error)
}
