package directory

import (
	"context"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revocation"
)

// Sourced is what a sign-in source says of somebody whom it vouches for: package signin
// has decided that it may say so.
type Sourced struct {
	Source, ExternalID    string
	Username, Name, Email string    // "": it doesn't say
	Groups                *[]string // the memberships that the source sets; nil: it sets none

	Also  []records.Op // what is committed with it
	Event audit.Event  // of the sign-in; its target is set here
}

// CreateSourced creates the user whom a source vouches for, owned by the source and linked
// to their external id, in one transaction with the record of the sign-in. Conflict when
// the username is taken.
func (u *Users) CreateSourced(ctx context.Context, s Sourced) (subject string, err error) {
	n := NewUser{Username: s.Username, Name: s.Name, Email: s.Email, fromSource: fromSource{bySource: true, owner: s.Source}}
	creation, user, err := u.editor.createUser(ctx, n)
	if err != nil {
		return "", err
	}
	creation.remark = "by the sign-in source " + s.Source
	changes := []change{creation, u.editor.link(user, s)}
	if s.Groups != nil && len(*s.Groups) > 0 {
		changes[0].ops = append(changes[0].ops, records.SetGroups{ID: user.ID, Source: s.Source, Groups: *s.Groups})
	}
	return user.ID, u.editor.commitSourced(ctx, user, s, changes)
}

// FollowSource brings a user up to date with what a source says at a sign-in, in one
// transaction with its record, and links them first where link is set. The name, the
// spelling of it and the address are those of the user's owner; groups are replaced if
// the source has set them. A change of groups is a cut-off: access is decided again.
func (u *Users) FollowSource(ctx context.Context, user identity.User, s Sourced, link bool) error {
	var changes []change
	if link {
		changes = append(changes, u.editor.link(user, s))
	}
	if user.Owner == s.Source {
		updates, _, err := u.editor.updateUser(ctx, user, s.patch(user))
		if err != nil {
			return err
		}
		for i := range updates {
			updates[i].remark = "by the sign-in source " + s.Source
		}
		changes = append(changes, updates...)
	}
	if s.Groups != nil && !sameSet(*s.Groups, user.GroupsSetBy(s.Source)) {
		if err := identity.ValidateGroups(*s.Groups); err != nil {
			return err
		}
		changes = append(changes, change{
			action: audit.UserUpdate, target: user.ID, name: user.Username, remark: "groups by the sign-in source " + s.Source,
			ops: []records.Op{records.SetGroups{ID: user.ID, Source: s.Source, Groups: *s.Groups}},
			log: []revocation.Entry{u.editor.journal.CutOff(revocation.Access, user.ID)},
		})
	}
	return u.editor.commitSourced(ctx, user, s, changes)
}

// patch returns what the owner of a user says differently.
func (s Sourced) patch(user identity.User) UserPatch {
	p := UserPatch{bySource: true}
	for _, f := range []struct {
		said, known string
		field       **string
	}{{s.Username, user.Username, &p.Username}, {s.Name, user.Name, &p.Name}, {s.Email, user.Email, &p.Email}} {
		if f.said != "" && f.said != f.known {
			*f.field = new(f.said)
		}
	}
	return p
}

// link returns the change that links a user to who they are for a source.
func (e *editor) link(user identity.User, s Sourced) change {
	return change{
		action: audit.UserLink, target: user.ID, name: user.Username, remark: linkRemark(s.Source, s.ExternalID),
		ops: []records.Op{records.AddLink{Link: records.Link{
			Source: s.Source, ExternalID: s.ExternalID, UserID: user.ID, LinkedAt: e.journal.Now(),
		}}},
	}
}

func linkRemark(source, externalID string) string { return source + " " + externalID }

// commitSourced commits changes with the record of the sign-in that caused them. The actor
// is the user.
func (e *editor) commitSourced(ctx context.Context, user identity.User, s Sourced, changes []change) error {
	s.Event.Actor, s.Event.Target = user.ID, user.ID
	b := records.Batch{Ops: s.Also, Audit: []audit.Event{s.Event}}
	for _, one := range changes {
		event := e.journal.Event(ctx, user.ID, one.action)
		event.Target, event.TargetName, event.Reason = one.target, one.name, one.remark
		b.Ops, b.Log, b.Audit = append(b.Ops, one.ops...), append(b.Log, one.log...), append(b.Audit, event)
	}
	if len(b.Log) == 0 {
		_, err := e.journal.Commit(ctx, b)
		return err
	}
	_, err := e.journal.Revoke(ctx, b, revocation.WaitDefault)
	return err
}

// ValidateExternalID accepts what a source may name somebody by: 1 to 255 bytes of
// printable text.
func ValidateExternalID(id string) error {
	const most = 255
	if id == "" || len(id) > most || identity.ValidateName(id) != nil {
		return fault.New(fault.Invalid, "an external id has 1 to %d bytes of text, with no space at either end and no control characters", most).In("external_id")
	}
	return nil
}
