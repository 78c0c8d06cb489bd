package changes

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
)

// ErrNoLink is the error for a link that doesn't exist or is somebody else's.
var ErrNoLink = fault.New(fault.NotFound, "there is no such link")

// Link returns the change that links a user to their external id for a source.
func (e *Users) Link(user identity.User, source, externalID string) Change {
	return LinkAs(user.Username, records.Link{Source: source, ExternalID: externalID, UserID: user.ID, LinkedAt: e.journal.Now()})
}

// LinkAs returns the change that stores a link of the user who has a username.
func LinkAs(username string, l records.Link) Change {
	return Change{
		Action: audit.UserLink, Target: l.UserID, Name: username, Remark: linkRemark(l.Source, l.ExternalID),
		Ops: []op.Op{op.AddLink{Link: l}},
	}
}

// Unlink returns the change that removes a link of a user, and nothing else.
func (e *Users) Unlink(user identity.User, source, externalID string) Change {
	return Change{
		Action: audit.UserUnlink, Target: user.ID, Name: user.Username, Remark: linkRemark(source, externalID),
		Ops: []op.Op{op.RemoveLink{Source: source, ExternalID: externalID}},
	}
}

func linkRemark(source, externalID string) string { return source + " " + externalID }

// LinkStore reads links, and the sessions that began with them.
type LinkStore interface {
	Links(ctx context.Context, q records.LinkQuery) ([]records.Link, error)
	SessionsOf(ctx context.Context, q records.SessionQuery, now time.Time) ([]records.StoredToken, error)
}

// RemovedLink is a link to be removed.
type RemovedLink struct {
	User identity.User
	Link records.Link
	// Keep is the id of the one session that goes on; "": none.
	Keep string
	// Ways are the sources of which at least one link must remain; nil: none needs to.
	Ways []string
}

// RemoveLink returns the change that removes a link of a user and ends the sessions that began
// by its source. The error is ErrNoLink for a link that isn't the user's. The commit fails with
// Conflict when no link of the ways would be left.
func (e *Users) RemoveLink(ctx context.Context, store LinkStore, x RemovedLink) (Change, error) {
	links, err := store.Links(ctx, records.LinkQuery{User: x.User.ID, Source: x.Link.Source})
	if err != nil {
		return Change{}, err
	}
	if !slices.ContainsFunc(links, func(l records.Link) bool { return l.ExternalID == x.Link.ExternalID }) {
		return Change{}, ErrNoLink
	}
	removal := e.Unlink(x.User, x.Link.Source, x.Link.ExternalID)
	if x.Ways != nil {
		removal.Ops = append(removal.Ops, op.RequireLink{UserID: x.User.ID, Sources: x.Ways})
	}
	sessions, err := store.SessionsOf(ctx, records.SessionQuery{Source: x.Link.Source, Owner: x.User.ID}, e.journal.Now())
	if err != nil {
		return Change{}, err
	}
	for _, s := range sessions {
		if s.ID == x.Keep {
			continue
		}
		ops, entries := e.journal.Kill(journal.Kill{ID: s.ID, Opaque: true, Reason: "the link was removed", Session: s.Owner})
		removal.Ops, removal.Log = append(removal.Ops, ops...), append(removal.Log, entries...)
	}
	return removal, nil
}

// ValidateExternalID accepts an id that a source may have for somebody: 1 to 255 bytes of
// printable text.
func ValidateExternalID(id string) error {
	const most = 255
	if id == "" || len(id) > most || identity.ValidateName(id) != nil {
		return fault.New(fault.Invalid, "an external id has 1 to %d bytes of text, with no space at either end and no control characters", most).In("external_id")
	}
	return nil
}

// The characters and the length of the name of a source that applies a file, or signs
// people in.
const (
	maxSourceBytes = 64
	sourceAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
)

// ValidateSource accepts the name of a source. Besides are further characters that it may have.
func ValidateSource(name, besides string) error {
	if name == "" || len(name) > maxSourceBytes || strings.Trim(name, sourceAlphabet+besides) != "" {
		return fault.New(fault.Invalid, "the name of a source has 1 to %d letters, digits, dots, hyphens and underscores", maxSourceBytes).In("source")
	}
	return nil
}

// MightyStore reads which groups have bindings.
type MightyStore interface {
	Bindings(ctx context.Context, q records.BindingQuery) ([]access.Binding, error)
	RolesNamed(ctx context.Context, names []string) ([]access.Role, error)
}

// RolesOf returns the roles that bindings grant, by their names.
func RolesOf(ctx context.Context, store interface {
	RolesNamed(ctx context.Context, names []string) ([]access.Role, error)
}, bindings []access.Binding,
) (map[string]access.Role, error) {
	var names []string
	for _, b := range bindings {
		if b.Role != "" {
			names = append(names, b.Role)
		}
	}
	roles := make(map[string]access.Role)
	for some := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(names))), records.MaxNames) {
		found, err := store.RolesNamed(ctx, some)
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			roles[r.Name] = r
		}
	}
	return roles, nil
}

// MightyGroups returns the groups that have a binding which allows everything. A source
// may not put people into such a group unless an administrator has allowed it by name.
func MightyGroups(ctx context.Context, store MightyStore) (map[string]bool, error) {
	bindings, err := store.Bindings(ctx, records.BindingQuery{RootGroups: true})
	if err != nil || len(bindings) == 0 {
		return nil, err
	}
	roles, err := RolesOf(ctx, store, bindings)
	if err != nil {
		return nil, err
	}
	mighty := map[string]bool{}
	for _, b := range bindings {
		if access.Allows(access.Expand(b, roles[b.Role]), access.Any, access.Root) {
			mighty[b.Group] = true
		}
	}
	return mighty, nil
}

// SameSet reports whether two lists have the same elements, in any order and number.
func SameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}
