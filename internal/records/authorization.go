package records

import (
	"context"
	"time"

	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/revocation"
)

// Code is an authorization code (RFC 6749 §4.1.2): what must be presented with it, and
// the grant that it redeems.
type Code struct {
	Digest      [32]byte // SHA-256 of the value
	GrantID     string
	ClientID    string
	RedirectURI string
	Challenge   string // S256 of the verifier (RFC 7636 §4.2)
	UsedAt      time.Time
	ExpiresAt   time.Time
}

// Consent is what a user has allowed a client before.
type Consent struct {
	UserID, ClientID string
	Audience         string
	Scope            []string
	Collection       *int64   // nil: all that the user has
	Digest           [32]byte // of what the client was known by then
	At               time.Time
}

// Authorizations reads what the authorization code grant keeps.
type Authorizations interface {
	// Code finds a code by the SHA-256 of its value, used ones too, with its grant.
	Code(ctx context.Context, digest [32]byte) (Code, StoredToken, revocation.Seq, error)
	// Consent returns what a user has allowed a client for an audience.
	Consent(ctx context.Context, userID, clientID, audience string) (Consent, error)
	// DocumentKeys returns the keys of a client that nobody registered, as its document
	// had them when somebody last allowed it something; none where it has none.
	DocumentKeys(ctx context.Context, clientID string) (identity.ClientKeys, error)
}
