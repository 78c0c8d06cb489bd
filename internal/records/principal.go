package records

import (
	"cmp"
	"context"
	"crypto/sha256"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/revocation"
)

// Who names a user or client by exactly one of the first three fields, or a user by the
// external id that a source has for them. Collection asks in addition whether that
// collection exists.
type Who struct {
	UserID, Username, ClientID string // the username in any spelling of the same name
	Source, ExternalID         string
	Collection                 *int64
}

// Reference returns a Who for a reference that is a subject id, or a username in any of
// its spellings.
func Reference(ref string) Who {
	if id, err := uuid.Parse(ref); err == nil {
		return Who{UserID: id.String()}
	}
	return Who{Username: ref}
}

// PrincipalReader reads what a decision about somebody rests on.
type PrincipalReader interface {
	Principal(ctx context.Context, who Who) (Principal, error)
}

// ReadUser reads the user whom a reference names, with a collection where one is asked
// about. The error is ErrNoUser when there is no such user.
func ReadUser(ctx context.Context, r PrincipalReader, ref string, collection *int64) (*Principal, error) {
	who := Reference(ref)
	who.Collection = collection
	if who.UserID == "" && identity.FoldName(ref) == "" {
		return nil, ErrNoUser // not every store takes every text
	}
	p, err := r.Principal(ctx, who)
	switch {
	case fault.Is(err, fault.NotFound), err == nil && p.User == nil:
		return nil, ErrNoUser
	case err != nil:
		return nil, err
	}
	return &p, nil
}

// AuditTarget returns how the audit log names a user whom a refused caller has named by a
// reference: by the subject or, where there is no such user, by the folded name; in both
// cases together with the reference.
func AuditTarget(ctx context.Context, r PrincipalReader, ref string) (target, name string) {
	p, err := ReadUser(ctx, r, ref, nil)
	switch {
	case err != nil:
		return cmp.Or(identity.FoldName(ref), ref), ref
	case p.User.ID == ref:
		return p.User.ID, p.User.Username
	}
	return p.User.ID, ref
}

// Link links a user to an account at a source, by the id that the source has for it,
// never by a name.
type Link struct {
	Source, ExternalID string
	UserID             string
	LinkedAt           time.Time
}

// PasswordLink is what is kept of a link with which a user sets a password, once: never its
// secret part.
type PasswordLink struct {
	Digest    [sha256.Size]byte // of the secret part
	UserID    string
	CreatedBy string // as the audit log names who created it
	CreatedAt time.Time
	ExpiresAt time.Time
}

// LinkedUser is a user with their link to a source.
type LinkedUser struct {
	ExternalID string // that the source has for them
	User       identity.User
}

// Principal is a user or client that a token can be issued for, as read in one snapshot
// of the store: a user with groups and effective grants, or a client.
type Principal struct {
	User             *identity.User
	Client           *identity.Client
	Grants           []access.Grant
	CollectionExists bool           // of Who.Collection
	Seq              revocation.Seq // the log's sequence in that snapshot
}

// Subject is the `sub` of tokens that speak for the principal.
func (p *Principal) Subject() string {
	if p.User != nil {
		return p.User.ID
	}
	if p.Client != nil {
		return p.Client.ID
	}
	return ""
}

// May decides an action on a path, from the grants alone. A disabled user may do
// nothing.
func (p *Principal) May(action string, path access.Path) access.Decision {
	if p.User == nil || p.User.Disabled {
		return access.Decision{}
	}
	return access.Decide(p.Grants, action, path)
}

// Collection is a data set that tokens can be bound to.
type Collection struct {
	ID    int64
	Name  string
	Owner string // the source that created it; empty: nobody but administrators
}

// Validate reports, as fault.Invalid, what is wrong with a collection.
func (c Collection) Validate() error {
	if c.ID < 0 {
		return fault.New(fault.Invalid, "a collection's id is not negative").In("id")
	}
	return ValidateLabel("a collection's name", c.Name)
}

// ErrNoUser is returned for a user who does not exist or is not the caller's to see.
var ErrNoUser = fault.New(fault.NotFound, "there is no such user")

// MaxDescription is how long the description of a token is, in bytes.
const MaxDescription = 1000

// ValidateDescription reports, as fault.Invalid, what is wrong with the description of a token.
func ValidateDescription(s string) error {
	if len(s) > MaxDescription || !utf8.ValidString(s) || strings.TrimSpace(s) != s || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f }) {
		return fault.New(fault.Invalid, "a description has at most %d bytes of text, with no space at either end and no control characters but line ends", MaxDescription).In("description")
	}
	return nil
}

// ValidateLabel reports, as fault.Invalid, what is wrong with a name that people choose for
// something; what names it in the message.
func ValidateLabel(what, s string) error {
	if s == "" || len(s) > 255 || !utf8.ValidString(s) || strings.TrimSpace(s) != s || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fault.New(fault.Invalid, "%s has 1 to 255 bytes of text, with no space at either end and no control characters", what).In("name")
	}
	return nil
}
