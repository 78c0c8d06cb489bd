package records

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/revocation"
)

// Who names somebody: exactly one of the first three is set. Collection also
// asks whether that collection exists.
type Who struct {
	UserID, Username, ClientID string
	Collection                 *int64
}

// Principal is somebody a token can speak for, as read in one snapshot of the
// store: a user with groups and effective grants, or a client.
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
	ID   int64
	Name string
}

// Validate reports, as fault.Invalid, what is wrong with a collection.
func (c Collection) Validate() error {
	if c.ID < 0 {
		return fault.New(fault.Invalid, "a collection's id is not negative").In("id")
	}
	return ValidateLabel("a collection's name", c.Name)
}

// FindUser reads a user, with their grants, by subject or username. The error of an
// unknown one is ErrNoUser.
func FindUser(ctx context.Context, store interface {
	Principal(ctx context.Context, who Who) (Principal, error)
}, ref string,
) (*Principal, error) {
	if identity.ValidateUsername(ref) != nil {
		return nil, ErrNoUser // not every store takes every text
	}
	who := Who{Username: ref}
	if _, err := uuid.Parse(ref); err == nil {
		who = Who{UserID: ref}
	}
	p, err := store.Principal(ctx, who)
	switch {
	case fault.Is(err, fault.NotFound), err == nil && p.User == nil:
		return nil, ErrNoUser
	case err != nil:
		return nil, err
	}
	return &p, nil
}

// ErrNoUser is returned for a user who does not exist or is not the caller's to see.
var ErrNoUser = fault.New(fault.NotFound, "there is no such user")

// ValidateLabel reports, as fault.Invalid, what is wrong with a name that people choose for
// something; what names it in the message.
func ValidateLabel(what, s string) error {
	if s == "" || len(s) > 255 || !utf8.ValidString(s) || strings.TrimSpace(s) != s || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fault.New(fault.Invalid, "%s has 1 to 255 bytes of text, with no space at either end and no control characters", what).In("name")
	}
	return nil
}
