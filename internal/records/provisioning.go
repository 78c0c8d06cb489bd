package records

import (
	"github.com/bearerd/bearerd/internal/identity"
)

// MaxUserIDs is how many users UsersByID finds at a time.
const MaxUserIDs = 1000

// MaxGroupMembers is how many users a source may put into one of its groups.
const MaxGroupMembers = 100_000

// Window is a part of a list, and how long the whole list is.
type Window[T any] struct {
	Items []T
	Total int
}

// OwnedUser is a user with the further details that their owner has of them.
type OwnedUser struct {
	identity.User

	ExternalID string // who the user is for the owner; "": the owner hasn't said
	Person     Person
}

// Person is what a source has of a user in addition to what bearerd itself keeps of users.
type Person struct {
	GivenName, FamilyName, EmailType string

	// Inactive is set when the source has disabled the user: only then may the source
	// enable them again.
	Inactive bool
}

// OwnedQuery asks for users of an owner: all, or those who match every field that is set.
type OwnedQuery struct {
	Owner                    string
	ID, Username, ExternalID string // the username in any spelling of the same name

	Skip, Limit int // 0 as Limit: none are returned, and they are counted
}

// Group is the record that a source keeps of a group that it provisions. A group can have
// members without such a record.
type Group struct {
	ID         string // never used twice
	Owner      string // the source
	Name       string // the group's name, by which bindings grant
	ExternalID string // what the group is for the source; may be empty
	Version    int64  // grows with every change of the group and its members
	Members    []Member
}

// Member is a user in a group.
type Member struct{ ID, Username string }

// GroupQuery asks for groups of an owner: all, or those that match every field that is set.
type GroupQuery struct {
	Owner                string
	ID, Name, ExternalID string // the name in any case
	Member               string // the subject of a user of that owner whom it has put there

	Members     bool // with their members: those users of that owner whom the owner has put there
	Skip, Limit int  // 0 as Limit: none are returned, and they are counted
}
