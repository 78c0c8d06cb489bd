package signin

import (
	"context"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/changes"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
)

// sourced is what is stored of a statement that a source may make.
type sourced struct {
	source, externalID    string
	username, name, email string    // "": it doesn't say
	groups                *[]string // the memberships that the source sets; nil: it sets none

	also  []op.Op     // what is committed with it
	event audit.Event // of the sign-in; its target is set here
}

// createSourced creates the user whom a source vouches for, owned by the source and linked
// to their external id, in one transaction with the record of the sign-in. Conflict when
// the username is taken.
func (v *Vouching) createSourced(ctx context.Context, s sourced) (subject string, err error) {
	n := identity.NewUser{Username: s.username, Name: s.name, Email: s.email}
	creation, user, err := v.cfg.Editor.CreateUser(ctx, n, changes.BySource{Name: s.source})
	if err != nil {
		return "", err
	}
	creation.Remark = "by the sign-in source " + s.source
	list := []changes.Change{creation, v.cfg.Editor.Link(user, s.source, s.externalID)}
	if s.groups != nil && len(*s.groups) > 0 {
		list[0].Ops = append(list[0].Ops, op.SetGroups{ID: user.ID, Source: s.source, Groups: *s.groups})
	}
	return user.ID, v.commit(ctx, user, s, list)
}

// followSource brings a user up to date with what a source says at a sign-in, in one
// transaction with its record, and links them first where link is set. The name, the
// spelling of it and the address are those of the user's owner; groups are replaced if
// the source has set them. A change of groups is a cut-off: access is decided again.
func (v *Vouching) followSource(ctx context.Context, user identity.User, s sourced, link bool) error {
	var list []changes.Change
	if link {
		list = append(list, v.cfg.Editor.Link(user, s.source, s.externalID))
	}
	if user.Owner == s.source {
		updates, _, err := v.cfg.Editor.UpdateUser(ctx, user, s.patch(user))
		if err != nil {
			return err
		}
		for i := range updates {
			updates[i].Remark = "by the sign-in source " + s.source
		}
		list = append(list, updates...)
	}
	if s.groups != nil && !changes.SameSet(*s.groups, user.GroupsSetBy(s.source)) {
		if err := identity.ValidateGroups(*s.groups); err != nil {
			return err
		}
		list = append(list, changes.Change{
			Action: audit.UserUpdate, Target: user.ID, Name: user.Username, Remark: "groups by the sign-in source " + s.source,
			Ops: []op.Op{op.SetGroups{ID: user.ID, Source: s.source, Groups: *s.groups}},
			Log: []revocation.Entry{v.cfg.Journal.CutOff(revocation.Access, user.ID)},
		})
	}
	return v.commit(ctx, user, s, list)
}

// patch returns the changes to a user that make it what its owner says.
func (s sourced) patch(user identity.User) changes.UserUpdate {
	said := func(text string) *string {
		if text == "" {
			return nil
		}
		return &text
	}
	return changes.Said{Username: said(s.username), Name: said(s.name), Email: said(s.email)}.Update(user)
}

// commit commits changes with the record of the sign-in that caused them.
func (v *Vouching) commit(ctx context.Context, user identity.User, s sourced, list []changes.Change) error {
	s.event.Actor, s.event.Target = user.ID, user.ID
	return v.cfg.Editor.CommitSignIn(ctx, s.event, s.also, list)
}
