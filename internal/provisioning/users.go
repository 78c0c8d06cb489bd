package provisioning

import (
	"context"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/changes"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
)

// Users creates, reads, changes and removes users for a system that maintains them: the source
// that caller.RequireProvision names.
type Users struct {
	*gate

	store   Store
	editor  *changes.Editor
	journal *journal.Journal
}

// Provided is what a source says of a user. It says nothing about a nil field.
type Provided struct {
	Username    *string
	ExternalID  *string // "": the source has none
	Name, Email *string
	Active      *bool
	Person      *records.Person // but for Inactive
}

// ProvisionedUsers returns users of the caller, and how many there are.
func (p *Users) ProvisionedUsers(ctx context.Context, c *caller.Caller, q records.OwnedQuery) (records.Window[records.OwnedUser], error) {
	var err error
	if q.Owner, err = p.admit(ctx, c, "", ""); err != nil {
		return records.Window[records.OwnedUser]{}, err
	}
	return p.store.OwnedUsers(ctx, q)
}

// ProvisionedUser returns a user of the caller by subject. The error of somebody else's is
// records.ErrNoUser.
func (p *Users) ProvisionedUser(ctx context.Context, c *caller.Caller, id string) (records.OwnedUser, error) {
	owner, err := p.admit(ctx, c, "", "")
	if err != nil {
		return records.OwnedUser{}, err
	}
	return p.user(ctx, owner, id)
}

func (p *Users) user(ctx context.Context, owner, id string) (records.OwnedUser, error) {
	if id == "" {
		return records.OwnedUser{}, records.ErrNoUser
	}
	found, err := p.store.OwnedUsers(ctx, records.OwnedQuery{Owner: owner, ID: id, Limit: 1})
	switch {
	case err != nil:
		return records.OwnedUser{}, err
	case len(found.Items) == 0:
		return records.OwnedUser{}, records.ErrNoUser
	}
	return found.Items[0], nil
}

// ProvisionUser creates a user whom the caller owns. Where the external id is linked to a
// user whom nobody owns, or whom the caller owns under another name, that user is
// adopted: the caller becomes their owner, and they are changed to what the caller says.
// Only administrators create such a link.
//
// The error is Conflict in the field "username" or "external_id" for what is taken.
func (p *Users) ProvisionUser(ctx context.Context, c *caller.Caller, said Provided) (records.OwnedUser, error) {
	username := value(said.Username)
	owner, err := p.admit(ctx, c, audit.UserCreate, username)
	if err != nil {
		return records.OwnedUser{}, err
	}
	linked, err := p.linked(ctx, owner, said)
	if err != nil {
		return records.OwnedUser{}, err
	}
	if linked != nil {
		return p.update(ctx, c, owner, *linked, said)
	}
	n := identity.NewUser{
		Username: username, Name: value(said.Name), Email: value(said.Email), Disabled: said.Active != nil && !*said.Active,
	}
	creation, user, err := p.editor.CreateUser(ctx, n, changes.BySource{Name: owner})
	if err != nil {
		return records.OwnedUser{}, err
	}
	creation.Remark = by(owner)
	created := records.OwnedUser{User: user, ExternalID: value(said.ExternalID), Person: value(said.Person)}
	created.Person.Inactive = n.Disabled
	creation.Ops = append(creation.Ops, op.DescribeUser{ID: user.ID, Person: &created.Person, Inactive: &n.Disabled})
	list := []changes.Change{creation}
	if created.ExternalID != "" {
		list = append(list, p.editor.Link(user, owner, created.ExternalID))
	}
	_, err = p.editor.Commit(ctx, c, list...)
	return created, err
}

// linked returns the user whom a new one adopts; nil when there is none.
func (p *Users) linked(ctx context.Context, owner string, said Provided) (*records.OwnedUser, error) {
	external := value(said.ExternalID)
	if external == "" {
		return nil, nil //nolint:nilnil // nobody is an answer
	}
	if err := changes.ValidateExternalID(external); err != nil {
		return nil, err
	}
	found, err := p.store.Principal(ctx, records.Who{Source: owner, ExternalID: external})
	switch {
	case fault.Is(err, fault.NotFound):
		return nil, nil //nolint:nilnil // nobody is an answer
	case err != nil:
		return nil, err
	}
	switch u := *found.User; {
	case u.Owner == owner && identity.SameName(u.Username, value(said.Username)):
		return nil, fault.New(fault.Conflict, "that user exists already").In("external_id")
	case u.Owner == owner:
		theirs, err := p.user(ctx, owner, u.ID)
		return &theirs, err
	case u.Owner != "":
		return nil, fault.New(fault.Conflict, "the user with that external id is maintained by another source").In("external_id")
	default:
		return &records.OwnedUser{User: u, ExternalID: external}, nil
	}
}

// UpdateProvisioned changes a user of the caller, named by subject, and returns the new
// state: change gets the user and returns what the source says of them. A user who is no
// longer active is disabled, and everything of theirs is revoked; one who is active again
// is enabled if the source has disabled them, but not if an administrator has. The error
// of somebody else's user is records.ErrNoUser.
func (p *Users) UpdateProvisioned(ctx context.Context, c *caller.Caller, id string, change func(records.OwnedUser) (Provided, error)) (records.OwnedUser, error) {
	owner, err := p.admit(ctx, c, audit.UserUpdate, id)
	if err != nil {
		return records.OwnedUser{}, err
	}
	read := p.journal.Reading()
	user, err := p.user(ctx, owner, id)
	if err != nil {
		return user, err
	}
	said, err := change(user)
	if err != nil {
		return user, err
	}
	list, after, err := p.changes(ctx, owner, user, said)
	switch {
	case err != nil:
		return user, err
	case len(list) == 0:
		_, err = p.journal.Settled(ctx, read, c.Wait)
		return after, err
	}
	_, err = p.editor.Commit(ctx, c, list...)
	return after, err
}

// update changes a user to what a source says.
func (p *Users) update(ctx context.Context, c *caller.Caller, owner string, user records.OwnedUser, said Provided) (records.OwnedUser, error) {
	list, after, err := p.changes(ctx, owner, user, said)
	if err != nil {
		return user, err
	}
	_, err = p.editor.Commit(ctx, c, list...)
	return after, err
}

// changes returns the changes that make a user what a source says, and the user after them.
func (p *Users) changes(ctx context.Context, owner string, user records.OwnedUser, said Provided) ([]changes.Change, records.OwnedUser, error) {
	after := user
	if said.Person != nil {
		after.Person = *said.Person
		after.Person.Inactive = user.Person.Inactive
	}
	patch := changes.Said{Username: said.Username, Name: said.Name, Email: said.Email}.Update(user.User)
	switch active := said.Active; {
	case active == nil:
	case !*active && !user.Disabled:
		patch.Disabled, after.Person.Inactive = new(true), true
	case *active && user.Disabled && user.Person.Inactive:
		patch.Disabled = new(false)
		fallthrough
	case *active:
		after.Person.Inactive = false
	}
	list, updated, err := p.editor.UpdateUser(ctx, user.User, patch)
	if err != nil {
		return nil, user, err
	}
	after.User = updated
	after.Owner = owner
	var beside []op.Op
	if user.Owner != owner {
		beside = append(beside, op.AdoptUser{ID: user.ID, Owner: owner})
	}
	if after.Person != user.Person {
		o := op.DescribeUser{ID: user.ID}
		if after.Person.Inactive != user.Person.Inactive {
			o.Inactive = &after.Person.Inactive
		}
		if said.Person != nil {
			o.Person = &after.Person
		}
		beside = append(beside, o)
	}
	if len(beside) > 0 && len(list) == 0 {
		list = append(list, changes.Change{Action: audit.UserUpdate, Target: user.ID, Name: user.Username})
	}
	if len(beside) > 0 {
		list[0].Ops = append(list[0].Ops, beside...)
	}
	if said.ExternalID != nil && *said.ExternalID != user.ExternalID {
		after.ExternalID = *said.ExternalID
		links, err := p.relink(ctx, owner, updated, *said.ExternalID)
		if err != nil {
			return nil, user, err
		}
		list = append(list, links...)
	}
	for i := range list {
		switch remark := &list[i].Remark; {
		case list[i].Action == audit.UserLink || list[i].Action == audit.UserUnlink: // it names the source
		case *remark == "":
			*remark = by(owner)
		default:
			*remark += ", " + by(owner)
		}
	}
	return list, after, nil
}

// relink returns the changes after which a user has one external id of a source, or none.
func (p *Users) relink(ctx context.Context, owner string, user identity.User, external string) ([]changes.Change, error) {
	links, err := p.store.Links(ctx, records.LinkQuery{User: user.ID, Source: owner})
	if err != nil {
		return nil, err
	}
	var list []changes.Change
	for _, l := range links {
		list = append(list, p.editor.Unlink(user, owner, l.ExternalID))
	}
	if external == "" {
		return list, nil
	}
	if err := changes.ValidateExternalID(external); err != nil {
		return nil, err
	}
	return append(list, p.editor.Link(user, owner, external)), nil
}

// RemoveProvisioned removes a user of the caller, named by subject. Everything that was
// issued to the user is revoked. The error of somebody else's is records.ErrNoUser.
func (p *Users) RemoveProvisioned(ctx context.Context, c *caller.Caller, id string) (revocation.Receipt, error) {
	owner, err := p.admit(ctx, c, audit.UserRemove, id)
	if err != nil {
		return revocation.Receipt{}, err
	}
	user, err := p.user(ctx, owner, id)
	if err != nil {
		return revocation.Receipt{}, err
	}
	removal := p.editor.RemoveUser(user.User)
	removal.Remark = by(owner)
	return p.editor.Commit(ctx, c, removal)
}

// by returns the words of the audit log for the source that caused a change.
func by(owner string) string { return "by " + owner }

// value returns the value of a field; the zero value when it is nil.
func value[T any](said *T) (v T) {
	if said != nil {
		v = *said
	}
	return v
}
