package directory

import (
	"context"
	"slices"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revocation"
)

// ProvisionStore is what a Provisioner reads.
type ProvisionStore interface {
	records.Provisioning
	MightyStore
	Principal(ctx context.Context, who records.Who) (records.Principal, error)
	Links(ctx context.Context, q records.LinkQuery) ([]records.Link, error)
}

// Provisioner creates, reads, changes and removes users and groups for a system that
// maintains them: the source that caller.RequireProvision names. A source sees and changes
// what it owns; everything else doesn't exist for it, but that a username is taken.
type Provisioner struct {
	store  ProvisionStore
	editor *editor
}

// Provided is what a source says of a user. A nil field is not said.
type Provided struct {
	Username    *string
	ExternalID  *string // "": the source has none
	Name, Email *string
	Active      *bool
	Person      *records.Person // but for Inactive
}

// MayProvision decides whether the caller may provision at all, before anything that was
// sent is judged. Action is one of package audit, of the change that was asked for, and ""
// where something is read; the refusal of a change is recorded.
func (p *Provisioner) MayProvision(ctx context.Context, c *caller.Caller, action, target string) error {
	_, err := p.admit(ctx, c, action, target)
	return err
}

// admit is the gate of every operation here. It returns the source that the caller is.
func (p *Provisioner) admit(ctx context.Context, c *caller.Caller, action, target string) (owner string, err error) {
	owner, err = c.RequireProvision()
	if err == nil || c == nil || action == "" {
		return owner, err
	}
	return "", p.refuse(ctx, c, action, target, err)
}

func (p *Provisioner) refuse(ctx context.Context, c *caller.Caller, action, target string, reason error) error {
	event := p.editor.journal.Event(ctx, c.Actor(), action)
	event.Target = target
	return p.editor.journal.Refuse(ctx, event, reason)
}

// ProvisionedUsers returns users of the caller, and how many there are.
func (p *Provisioner) ProvisionedUsers(ctx context.Context, c *caller.Caller, q records.OwnedQuery) (records.Window[records.OwnedUser], error) {
	var err error
	if q.Owner, err = p.admit(ctx, c, "", ""); err != nil {
		return records.Window[records.OwnedUser]{}, err
	}
	return p.store.OwnedUsers(ctx, q)
}

// ProvisionedUser returns a user of the caller by subject. The error of somebody else's is
// records.ErrNoUser.
func (p *Provisioner) ProvisionedUser(ctx context.Context, c *caller.Caller, id string) (records.OwnedUser, error) {
	owner, err := p.admit(ctx, c, "", "")
	if err != nil {
		return records.OwnedUser{}, err
	}
	return p.user(ctx, owner, id)
}

func (p *Provisioner) user(ctx context.Context, owner, id string) (records.OwnedUser, error) {
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
// user whom nobody owns, or whom the caller owns under another name, that user is adopted:
// they become the caller's, and are as it says. Such a link is made by administrators alone.
//
// The error is Conflict in the field "username" or "external_id" for what is taken.
func (p *Provisioner) ProvisionUser(ctx context.Context, c *caller.Caller, said Provided) (records.OwnedUser, error) {
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
	n := NewUser{
		Username: username, Name: value(said.Name), Email: value(said.Email), Disabled: said.Active != nil && !*said.Active,
		fromSource: fromSource{bySource: true, owner: owner},
	}
	creation, user, err := p.editor.createUser(ctx, n)
	if err != nil {
		return records.OwnedUser{}, err
	}
	creation.remark = by(owner)
	created := records.OwnedUser{User: user, ExternalID: value(said.ExternalID), Person: value(said.Person)}
	created.Person.Inactive = n.Disabled
	creation.ops = append(creation.ops, records.DescribeUser{ID: user.ID, Person: &created.Person, Inactive: &n.Disabled})
	changes := []change{creation}
	if created.ExternalID != "" {
		changes = append(changes, p.editor.link(user, Sourced{Source: owner, ExternalID: created.ExternalID}))
	}
	_, err = p.editor.commit(ctx, c, changes...)
	return created, err
}

// linked returns the user whom a new one adopts; nil when there is none.
func (p *Provisioner) linked(ctx context.Context, owner string, said Provided) (*records.OwnedUser, error) {
	external := value(said.ExternalID)
	if external == "" {
		return nil, nil //nolint:nilnil // nobody is an answer
	}
	if err := ValidateExternalID(external); err != nil {
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
// state: change returns what the source says of the user whom it gets. To say that a user
// isn't active disables them, and revokes everything of theirs; to say that they are enables
// those whom the source has disabled, and not those whom an administrator has. The error of
// somebody else's user is records.ErrNoUser.
func (p *Provisioner) UpdateProvisioned(ctx context.Context, c *caller.Caller, id string, change func(records.OwnedUser) (Provided, error)) (records.OwnedUser, error) {
	owner, err := p.admit(ctx, c, audit.UserUpdate, id)
	if err != nil {
		return records.OwnedUser{}, err
	}
	read := p.editor.journal.Reading()
	user, err := p.user(ctx, owner, id)
	if err != nil {
		return user, err
	}
	said, err := change(user)
	if err != nil {
		return user, err
	}
	changes, after, err := p.changes(ctx, owner, user, said)
	switch {
	case err != nil:
		return user, err
	case len(changes) == 0:
		_, err = p.editor.journal.Settled(ctx, read, c.Wait)
		return after, err
	}
	_, err = p.editor.commit(ctx, c, changes...)
	return after, err
}

// update makes a user what a source says.
func (p *Provisioner) update(ctx context.Context, c *caller.Caller, owner string, user records.OwnedUser, said Provided) (records.OwnedUser, error) {
	changes, after, err := p.changes(ctx, owner, user, said)
	if err != nil {
		return user, err
	}
	_, err = p.editor.commit(ctx, c, changes...)
	return after, err
}

// changes returns what makes a user what a source says, and the user after it.
func (p *Provisioner) changes(ctx context.Context, owner string, user records.OwnedUser, said Provided) ([]change, records.OwnedUser, error) {
	after := user
	if said.Person != nil {
		after.Person = *said.Person
		after.Person.Inactive = user.Person.Inactive
	}
	patch := said.patch(user.User)
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
	changes, updated, err := p.editor.updateUser(ctx, user.User, patch)
	if err != nil {
		return nil, user, err
	}
	after.User = updated
	after.Owner = owner
	var beside []records.Op
	if user.Owner != owner {
		beside = append(beside, records.AdoptUser{ID: user.ID, Owner: owner})
	}
	if after.Person != user.Person {
		op := records.DescribeUser{ID: user.ID}
		if after.Person.Inactive != user.Person.Inactive {
			op.Inactive = &after.Person.Inactive
		}
		if said.Person != nil {
			op.Person = &after.Person
		}
		beside = append(beside, op)
	}
	if len(beside) > 0 && len(changes) == 0 {
		changes = append(changes, change{action: audit.UserUpdate, target: user.ID, name: user.Username})
	}
	if len(beside) > 0 {
		changes[0].ops = append(changes[0].ops, beside...)
	}
	if said.ExternalID != nil && *said.ExternalID != user.ExternalID {
		after.ExternalID = *said.ExternalID
		links, err := p.relink(ctx, owner, updated, *said.ExternalID)
		if err != nil {
			return nil, user, err
		}
		changes = append(changes, links...)
	}
	for i := range changes {
		switch remark := &changes[i].remark; {
		case changes[i].action == audit.UserLink || changes[i].action == audit.UserUnlink: // it names the source
		case *remark == "":
			*remark = by(owner)
		default:
			*remark += ", " + by(owner)
		}
	}
	return changes, after, nil
}

func (s Provided) patch(u identity.User) UserPatch {
	patch := UserPatch{bySource: true}
	for _, f := range []struct {
		said  *string
		known string
		field **string
	}{{s.Username, u.Username, &patch.Username}, {s.Name, u.Name, &patch.Name}, {s.Email, u.Email, &patch.Email}} {
		if f.said != nil && *f.said != f.known {
			*f.field = f.said
		}
	}
	return patch
}

// relink returns the changes after which a user has one external id of a source, or none.
func (p *Provisioner) relink(ctx context.Context, owner string, user identity.User, external string) ([]change, error) {
	links, err := p.store.Links(ctx, records.LinkQuery{User: user.ID, Source: owner})
	if err != nil {
		return nil, err
	}
	var changes []change
	for _, l := range links {
		changes = append(changes, change{
			action: audit.UserUnlink, target: user.ID, name: user.Username, remark: linkRemark(owner, l.ExternalID),
			ops: []records.Op{records.RemoveLink{Source: owner, ExternalID: l.ExternalID}},
		})
	}
	if external == "" {
		return changes, nil
	}
	if err := ValidateExternalID(external); err != nil {
		return nil, err
	}
	return append(changes, p.editor.link(user, Sourced{Source: owner, ExternalID: external})), nil
}

// RemoveProvisioned removes a user of the caller, named by subject. Everything that was
// issued to the user is revoked. The error of somebody else's is records.ErrNoUser.
func (p *Provisioner) RemoveProvisioned(ctx context.Context, c *caller.Caller, id string) (revocation.Receipt, error) {
	owner, err := p.admit(ctx, c, audit.UserRemove, id)
	if err != nil {
		return revocation.Receipt{}, err
	}
	user, err := p.user(ctx, owner, id)
	if err != nil {
		return revocation.Receipt{}, err
	}
	removal := p.editor.removeUser(user.User)
	removal.remark = by(owner)
	return p.editor.commit(ctx, c, removal)
}

// by returns how the audit log says which source caused a change.
func by(owner string) string { return "by " + owner }

// value returns what is said; the zero value when nothing is.
func value[T any](said *T) (v T) {
	if said != nil {
		v = *said
	}
	return v
}

// MightyStore reads which groups have bindings.
type MightyStore interface {
	Bindings(ctx context.Context, q records.BindingQuery) ([]access.Binding, error)
	Roles(ctx context.Context) ([]access.Role, error)
}

// MightyGroups returns the groups that have a binding which allows everything. A source may
// not put people into them unless an administrator has said so of that group.
func MightyGroups(ctx context.Context, store MightyStore) (map[string]bool, error) {
	bindings, err := store.Bindings(ctx, records.BindingQuery{RootGroups: true})
	if err != nil || len(bindings) == 0 {
		return nil, err
	}
	roles, err := store.Roles(ctx)
	if err != nil {
		return nil, err
	}
	mighty := map[string]bool{}
	for _, b := range bindings {
		var role access.Role
		if i := slices.IndexFunc(roles, func(r access.Role) bool { return r.Name == b.Role }); i >= 0 {
			role = roles[i]
		}
		if access.Allows(access.Expand(b, role), access.Any, access.Root) {
			mighty[b.Group] = true
		}
	}
	return mighty, nil
}
