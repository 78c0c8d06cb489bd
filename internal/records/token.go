package records

import (
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/networks"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// StoredToken is what is kept of a token that has a row: never its value.
type StoredToken struct {
	ID          string
	Kind        token.Kind
	Digest      [32]byte // SHA-256 of the value; zero for exchange keys, which are found by id, and where SHA512 is set
	SHA512      []byte   // of an imported token of which that digest alone is known
	Import      int64    // the import that it came with; 0: bearerd issued it
	Prefix      string
	Last4       string
	Owner       string // subject
	ClientID    string
	Name        string
	Description string // what an API token is for, in its owner's words
	Scope       []string
	Collection  *int64
	Networks    networks.List // that it, and what is made from it, may be used from; nil: any
	Audience    string        // of refresh tokens and grants: that of the access tokens made from it; else ""
	Chain       []string
	Family      string // of refresh tokens: those that are revoked together
	IssuedFor   string // of refresh tokens: the id of the one for whose use it was issued
	Granted     bool   // of refresh tokens: it was issued for a grant, and is for that grant's audience only
	Replaces    string // of an API token: the id of the one whose value it renewed
	Seq         revocation.Seq
	CreatedAt   time.Time
	ExpiresAt   time.Time // zero: never
	EndsAt      time.Time // of refresh tokens: when the family ends at the latest; zero: never
	LastUsedAt  time.Time // zero: never used
	LastUsedBy  string    // the address of the last use
	RevokedAt   time.Time // zero: live
	Reason      string    // why it was revoked or ended
	SignIn      SignIn    // of a session: how it began
}

// SignIn is how somebody signed in.
type SignIn struct {
	Source  string    // which vouched for them; "": they were signed in by bearerd itself
	Session string    // the source's name for its session; "" when it has none
	At      time.Time // when they authenticated; zero when that is not known

	// Who it is for the source, and when the source said so. They are not stored: they decide
	// whether the source has ended all sessions of that person since.
	Person string
	SaidAt time.Time // zero: not known
}

// Once names something that can be used once.
type Once [sha256.Size]byte

// OnceOf returns the name of the thing that parts identify, for a purpose.
func OnceOf(purpose string, parts ...string) Once {
	h := sha256.New()
	for _, part := range append([]string{purpose}, parts...) {
		_, _ = fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return Once(h.Sum(nil))
}

// LogoutKept is for how long it is remembered that a source has ended something: far longer
// than a sign-in can be under way.
const LogoutKept = time.Hour

// SourceLogout names a session of a source that the source has ended: a session that
// began from it afterwards is refused.
func SourceLogout(source, session string) Once { return OnceOf("logout", source, session) }

// PersonLogout names somebody of whom a source has ended all sessions: one that began from
// what the source said before is refused.
func PersonLogout(source, person string) Once { return OnceOf("logout of a person", source, person) }

// Use is one last use of a stored token, kept in memory until a batch is written.
type Use struct {
	ID, Address string
	At          time.Time
}

// End returns when a stored token ended and why; ok is false while it is live.
func (t StoredToken) End(now time.Time) (at time.Time, reason string, ok bool) {
	switch {
	case !t.RevokedAt.IsZero():
		return t.RevokedAt, t.Reason, true
	case !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt):
		if t.Reason != "" {
			return t.ExpiresAt, t.Reason, true
		}
		return t.ExpiresAt, token.ReasonExpired, true
	}
	return time.Time{}, "", false
}

// ExpiringSoon reports whether a live token that somebody must replace by hand is in
// its last week.
func (t StoredToken) ExpiringSoon(now time.Time) bool {
	_, _, ended := t.End(now)
	return !ended && t.Kind.ExpiresSoon(t.ExpiresAt, now)
}

// Lifetime returns for how many seconds the token was created; 0: for ever.
func (t StoredToken) Lifetime() int64 {
	if t.ExpiresAt.IsZero() {
		return 0
	}
	return int64(t.ExpiresAt.Sub(t.CreatedAt) / time.Second)
}

// ErrNoToken is returned for a token that does not exist or is not the caller's to see.
var ErrNoToken = fault.New(fault.NotFound, "there is no such token")
