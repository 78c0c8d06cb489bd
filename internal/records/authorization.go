package records

import (
	"time"
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
