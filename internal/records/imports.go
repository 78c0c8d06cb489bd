package records

import (
	"context"
	"time"

	"github.com/bearerd/bearerd/internal/revocation"
)

// MaxUsernames is how many users UsersByName finds at a time.
const MaxUsernames = 1000

// Imports reads and clears imports of another system's tokens. They are written by
// BeginImport, StageTokens and PublishImport.
type Imports interface {
	// ImportedTokens finds those imported tokens that have one of the digests, at most
	// MaxDigests SHA-256 or SHA-512 sums, as of one sequence. Those of an import that is
	// under way are not found.
	ImportedTokens(ctx context.Context, digests [][]byte) ([]StoredToken, revocation.Seq, error)
	// TokensHeld finds the owners of tokens with such digests, including those of an
	// import that is under way.
	TokensHeld(ctx context.Context, digests [][]byte) ([]HeldToken, error)
	// UsersByName finds users by username, at most MaxUsernames, as of one sequence: the result
	// has each by its folded name (identity.FoldName).
	UsersByName(ctx context.Context, names []string) (map[string]NamedUser, revocation.Seq, error)
	// ImportedByDigest reports whether any token was imported without its value.
	ImportedByDigest(ctx context.Context) (bool, error)
	// ImportUnderWay returns the import that is under way. NotFound when there is none.
	ImportUnderWay(ctx context.Context) (Import, error)
	// DropImport ends an import that is under way and deletes its tokens. What was deleted
	// stays deleted when ctx ends.
	DropImport(ctx context.Context, id int64) error
	// APITokensAfter returns API tokens with their owners by id, Limit at a time, after an
	// id: what is live at now.
	APITokensAfter(ctx context.Context, after string, now time.Time, limit int) ([]OwnedToken, error)
}

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
