package provisioning

import (
	"context"
	"slices"
	"strconv"

	"github.com/google/uuid"

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

// ProvidedGroup is what a source says of a group. It says nothing about a nil field.
type ProvidedGroup struct {
	Name       *string
	ExternalID *string // "": the source has none
	Members    []MemberChange
}

// MemberChange is one change of who is in a group; changes are made in their order. Users
// are named by subject. Removing a user who isn't in the group is no error.
type MemberChange struct {
	Kind  MemberChangeKind
	Users []string
}

// MemberChangeKind is what a MemberChange does.
type MemberChangeKind uint8

// What a change does with the users that it names.
const (
	AddMembers     MemberChangeKind = iota // they are put in
	RemoveMembers                          // they are removed
	ReplaceMembers                         // they are added, and all others are removed
)

// Groups creates, reads, changes and removes groups for a system that maintains them.
type Groups struct {
	*gate

	store   Store
	editor  *changes.Editor
	journal *journal.Journal
}

const (
	// MaxMemberChanges is how many users one change of a group may put in and take out.
	MaxMemberChanges = 5000

	maxGroupsOfUser = 1000 // as identity.ValidateGroups says
	groupAttempts   = 10   // to change a group that others change at the same time
)

var errNoGroup = fault.New(fault.NotFound, "there is no such group")

// ProvisionedGroups returns groups of the caller, and how many there are.
func (p *Groups) ProvisionedGroups(ctx context.Context, c *caller.Caller, q records.GroupQuery) (records.Window[records.Group], error) {
	var err error
	if q.Owner, err = p.admit(ctx, c, "", ""); err != nil {
		return records.Window[records.Group]{}, err
	}
	return p.store.OwnedGroups(ctx, q)
}

// ProvisionedGroup returns a group of the caller by its id, with its members where they are
// asked for.
func (p *Groups) ProvisionedGroup(ctx context.Context, c *caller.Caller, id string, members bool) (records.Group, error) {
	owner, err := p.admit(ctx, c, "", "")
	if err != nil {
		return records.Group{}, err
	}
	return p.group(ctx, records.GroupQuery{Owner: owner, ID: id, Members: members})
}

func (p *Groups) group(ctx context.Context, q records.GroupQuery) (records.Group, error) {
	if q.ID == "" {
		return records.Group{}, errNoGroup
	}
	q.Limit = 1
	found, err := p.store.OwnedGroups(ctx, q)
	switch {
	case err != nil:
		return records.Group{}, err
	case len(found.Items) == 0:
		return records.Group{}, errNoGroup
	}
	return found.Items[0], nil
}

// ProvisionGroup creates a group of the caller: from then on it may add its own users to
// the group of that name and remove them. A group that holds everything is refused: only
// administrators decide who is in that. The error is Conflict when the caller has a group
// of that name already.
func (p *Groups) ProvisionGroup(ctx context.Context, c *caller.Caller, said ProvidedGroup) (records.Group, error) {
	owner, err := p.admit(ctx, c, audit.GroupCreate, value(said.Name))
	if err != nil {
		return records.Group{}, err
	}
	g := records.Group{ID: uuid.NewString(), Owner: owner, Version: 1}
	diff, err := p.groupDiff(ctx, g, said)
	if err != nil {
		return g, p.refuseGroup(ctx, c, audit.GroupCreate, value(said.Name), err)
	}
	g.Name, g.ExternalID, g.Members = diff.after.Name, diff.after.ExternalID, diff.after.Members
	creation := changes.Change{Action: audit.GroupCreate, Target: g.Name, Remark: by(owner), Ops: []op.Op{op.CreateGroup{Group: g}}}
	list := []changes.Change{creation}
	if len(diff.in) > 0 {
		list[0].Ops = append(list[0].Ops, op.UpdateGroup{ID: g.ID, Version: g.Version, Add: diff.ids()})
	}
	_, err = p.editor.Commit(ctx, c, append(list, p.memberships(diff)...)...)
	return g, err
}

// UpdateProvisionedGroup changes a group of the caller, named by its id: change gets the
// group and returns what the source says of it; it may be called again when somebody else
// has changed the group meanwhile. UpdateProvisionedGroup returns the new state. The
// access of every user who is added or removed is decided again.
func (p *Groups) UpdateProvisionedGroup(ctx context.Context, c *caller.Caller, id string, change func(records.Group) (ProvidedGroup, error)) (records.Group, error) {
	owner, err := p.admit(ctx, c, audit.GroupUpdate, id)
	if err != nil {
		return records.Group{}, err
	}
	for attempt := 1; ; attempt++ {
		g, err := p.updateGroup(ctx, c, records.GroupQuery{Owner: owner, ID: id, Members: true}, change)
		if attempt == groupAttempts || !fault.Is(err, fault.Conflict) || fault.FieldOf(err) != "version" {
			return g, err
		}
	}
}

func (p *Groups) updateGroup(ctx context.Context, c *caller.Caller, q records.GroupQuery, change func(records.Group) (ProvidedGroup, error)) (records.Group, error) {
	read := p.journal.Reading()
	g, err := p.group(ctx, q)
	if err != nil {
		return g, err
	}
	said, err := change(g)
	if err != nil {
		return g, err
	}
	diff, err := p.groupDiff(ctx, g, said)
	if err != nil {
		return g, p.refuseGroup(ctx, c, audit.GroupUpdate, g.Name, err)
	}
	list := p.groupChanges(g, diff)
	if len(list) == 0 {
		_, err = p.journal.Settled(ctx, read, c.Wait)
		return g, err
	}
	_, err = p.editor.Commit(ctx, c, list...)
	return diff.after, err
}

// groupChanges returns the changes that make a group what a source says.
func (p *Groups) groupChanges(g records.Group, diff groupDiff) []changes.Change {
	o := op.UpdateGroup{ID: g.ID, Version: g.Version, Add: diff.ids()}
	for _, m := range diff.out {
		o.Remove = append(o.Remove, m.ID)
	}
	update := changes.Change{Action: audit.GroupUpdate, Target: diff.after.Name, Remark: by(g.Owner)}
	if diff.after.Name != g.Name {
		o.Name = &diff.after.Name
		update.Remark = "was " + g.Name + ", " + by(g.Owner)
	}
	if diff.after.ExternalID != g.ExternalID {
		o.ExternalID = &diff.after.ExternalID
	}
	if o.Name == nil && o.ExternalID == nil && len(o.Add) == 0 && len(o.Remove) == 0 {
		return nil
	}
	if len(o.Add) > 0 || len(o.Remove) > 0 {
		update.Remark += ": " + strconv.Itoa(len(o.Add)) + " in, " + strconv.Itoa(len(o.Remove)) + " out"
	}
	update.Ops = []op.Op{o}
	return append([]changes.Change{update}, p.memberships(diff)...)
}

// memberships returns the records of whose groups change, and the entries by which their
// access is decided again.
func (p *Groups) memberships(diff groupDiff) []changes.Change {
	var list []changes.Change
	add := func(m records.Member, remark string) {
		list = append(list, changes.Change{
			Action: audit.UserUpdate, Target: m.ID, Name: m.Username, Remark: remark + ", " + by(diff.after.Owner),
			Log: []revocation.Entry{p.journal.CutOff(revocation.Access, m.ID)},
		})
	}
	for _, m := range diff.in {
		add(m, "in the group "+diff.after.Name)
	}
	for _, m := range diff.out {
		add(m, "not in the group "+diff.was)
	}
	for _, m := range diff.moved {
		add(m, "in the group "+diff.after.Name+", was "+diff.was)
	}
	return list
}

// groupDiff is the difference between a group and what a source says of it.
type groupDiff struct {
	was            string // the name
	after          records.Group
	in, out, moved []records.Member
}

// ids returns the subjects of those who are added.
func (d groupDiff) ids() (list []string) {
	for _, m := range d.in {
		list = append(list, m.ID)
	}
	return list
}

// groupDiff returns the difference between a group and what a source says of it.
func (p *Groups) groupDiff(ctx context.Context, g records.Group, said ProvidedGroup) (groupDiff, error) {
	d := groupDiff{was: g.Name, after: g}
	if said.Name != nil {
		d.after.Name = *said.Name
	}
	if said.ExternalID != nil {
		d.after.ExternalID = *said.ExternalID
	}
	if err := d.validate(); err != nil {
		return d, err
	}
	in, out := memberDiff(g.Members, said.Members)
	if len(in)+len(out) > MaxMemberChanges {
		return d, fault.New(fault.TooLarge, "at most %d members are put in and taken out at a time", MaxMemberChanges).In("members")
	}
	if renamed := d.after.Name != d.was; len(in) > 0 || renamed {
		if err := p.maySet(ctx, d.after.Name); err != nil {
			return d, err
		}
	}
	var err error
	if d.in, err = p.newMembers(ctx, d.after, in); err != nil {
		return d, err
	}
	d.after.Members = nil
	left := setOf(out)
	for _, m := range g.Members {
		switch {
		case left[m.ID]:
			d.out = append(d.out, m)
			continue
		case d.after.Name != d.was:
			d.moved = append(d.moved, m)
		}
		d.after.Members = append(d.after.Members, m)
	}
	d.after.Members = append(d.after.Members, d.in...)
	if len(d.in) > 0 && len(d.after.Members) > records.MaxGroupMembers {
		return d, fault.New(fault.TooLarge, "a group has at most %d members", records.MaxGroupMembers).In("members")
	}
	return d, nil
}

func (d groupDiff) validate() error {
	if d.after.Name != d.was || d.was == "" {
		if err := identity.ValidateGroup(d.after.Name); err != nil {
			return fault.In("name", err)
		}
		if identity.FoldName(d.after.Name) == "" {
			return fault.New(fault.Invalid, "the group name has no visible character").In("name")
		}
	}
	if d.after.ExternalID == "" {
		return nil
	}
	return changes.ValidateExternalID(d.after.ExternalID)
}

func setOf(ids []string) map[string]bool {
	set := make(map[string]bool, len(ids))
	for _, id := range ids {
		set[id] = true
	}
	return set
}

// memberDiff returns who is added to a group and who is removed, after all changes.
func memberDiff(members []records.Member, changes []MemberChange) (in, out []string) {
	before, after := map[string]bool{}, map[string]bool{}
	for _, m := range members {
		before[m.ID], after[m.ID] = true, true
	}
	for _, c := range changes {
		if c.Kind == ReplaceMembers {
			clear(after)
		}
		for _, id := range c.Users {
			if c.Kind == RemoveMembers {
				delete(after, id)
			} else {
				after[id] = true
			}
		}
	}
	for id := range after {
		if !before[id] {
			in = append(in, id)
		}
	}
	for id := range before {
		if !after[id] {
			out = append(out, id)
		}
	}
	slices.Sort(in)
	slices.Sort(out)
	return in, out
}

// maySet refuses a group that holds everything.
func (p *Groups) maySet(ctx context.Context, name string) error {
	mighty, err := changes.MightyGroups(ctx, p.store)
	switch {
	case err != nil:
		return err
	case mighty[name]:
		return fault.New(fault.Forbidden, "the group %q holds every permission: administrators alone say who is in it", name).In("name")
	}
	return nil
}

// newMembers returns the users to be added to a group. A membership that somebody else
// has set stays theirs.
func (p *Groups) newMembers(ctx context.Context, g records.Group, ids []string) (in []records.Member, err error) {
	found := map[string]identity.User{}
	for part := range slices.Chunk(ids, records.MaxUserIDs) {
		users, err := p.store.UsersByID(ctx, part)
		if err != nil {
			return nil, err
		}
		for _, u := range users {
			found[u.ID] = u
		}
	}
	for _, id := range ids {
		u, ok := found[id]
		switch {
		case !ok || u.Owner != g.Owner:
			return nil, fault.New(fault.Invalid, "there is no user %q to be a member", id).In("members")
		case slices.Contains(u.Groups, g.Name):
		case len(u.Groups) >= maxGroupsOfUser:
			return nil, fault.New(fault.Invalid, "the user %q is in %d groups already", u.Username, maxGroupsOfUser).In("members")
		default:
			in = append(in, records.Member{ID: u.ID, Username: u.Username})
		}
	}
	return in, nil
}

// RemoveProvisionedGroup removes a group of the caller, named by its id, and the
// memberships that the caller has set.
func (p *Groups) RemoveProvisionedGroup(ctx context.Context, c *caller.Caller, id string) (revocation.Receipt, error) {
	owner, err := p.admit(ctx, c, audit.GroupRemove, id)
	if err != nil {
		return revocation.Receipt{}, err
	}
	for attempt := 1; ; attempt++ {
		r, err := p.removeGroup(ctx, c, records.GroupQuery{Owner: owner, ID: id, Members: true})
		if attempt == groupAttempts || !fault.Is(err, fault.Conflict) {
			return r, err
		}
	}
}

func (p *Groups) removeGroup(ctx context.Context, c *caller.Caller, q records.GroupQuery) (revocation.Receipt, error) {
	g, err := p.group(ctx, q)
	if err != nil {
		return revocation.Receipt{}, err
	}
	removal := changes.Change{
		Action: audit.GroupRemove, Target: g.Name, Remark: by(g.Owner),
		Ops: []op.Op{op.RemoveGroup{ID: g.ID, Version: g.Version}},
	}
	out := p.memberships(groupDiff{was: g.Name, after: g, out: g.Members})
	return p.editor.Commit(ctx, c, append([]changes.Change{removal}, out...)...)
}

// refuseGroup records that a group was refused because of its permissions.
func (p *Groups) refuseGroup(ctx context.Context, c *caller.Caller, action, name string, err error) error {
	if !fault.Is(err, fault.Forbidden) {
		return err
	}
	return p.refuse(ctx, c, action, name, err)
}
