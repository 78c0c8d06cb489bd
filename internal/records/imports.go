package records

import (
	"time"
)

// MaxUsernames is how many users UsersByName finds at a time.
const MaxUsernames = 1000

// Import is an import of tokens that is under way.
type Import struct {
	ID       int64
	ActiveAt time.Time // when it last stored something
}

// HeldToken is a stored token that was found by its digest.
type HeldToken struct {
	Digest []byte
	ID     string
	Owner  string
	Import int64
}

// NamedUser is a user who was found by their name.
type NamedUser struct {
	ID, Username string
	Disabled     bool
}

// OwnedToken is a stored token with the name of its owner.
type OwnedToken struct {
	Token    StoredToken
	Username string // "" where the owner is no user
}
