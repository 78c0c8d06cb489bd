package directory

import (
	"context"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/changes"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/source"
	"github.com/bearerd/bearerd/internal/verification"
)

// userStore reads users.
type userStore interface {
	contract.Directory
	contract.Lists
	contract.Things
}

// Users reads and changes users and the groups they are in.
type Users struct {
	store   userStore
	editor  *changes.Editor
	links   changes.LinkStore
	journal *journal.Journal
}

// CreateUser creates a user with a new subject id.
func (u *Users) CreateUser(ctx context.Context, c *caller.Caller, n identity.NewUser) (identity.User, error) {
	if err := u.editor.Admit(ctx, c, audit.UserCreate, n.Username); err != nil {
		return identity.User{}, err
	}
	creation, user, err := u.editor.CreateUser(ctx, n, changes.BySource{})
	if err != nil {
		return identity.User{}, err
	}
	list := []changes.Change{creation}
	if n.Administrator {
		if err := u.editor.Admit(ctx, c, audit.BindingCreate, n.Username); err != nil {
			return identity.User{}, err
		}
		everything := access.Permission{Action: access.Any, Path: access.Root}
		list = append(list, u.editor.CreateBinding(access.Binding{
			ID: uuid.NewString(), User: user.ID, Permission: &everything, Path: access.Root,
		}))
	}
	_, err = u.editor.Commit(ctx, c, list...)
	return user, err
}

// UpdateUser changes a user, named by subject or username, and returns the new state. A
// new username is only that: subject, tokens and bindings stay. A changed password, and
// disabling, revoke every token and session of the user. After any change, access is decided
// again from the new state. A session that sets a password must be fresh: the error is
// SignInAgain.
func (u *Users) UpdateUser(ctx context.Context, c *caller.Caller, ref string, p identity.UserPatch) (identity.User, error) {
	if err := u.editor.Admit(ctx, c, audit.UserUpdate, ref); err != nil {
		return identity.User{}, err
	}
	if p.Password != nil || p.PasswordHash != nil {
		if err := u.editor.AdmitFresh(ctx, c, audit.UserPassword, ref); err != nil {
			return identity.User{}, err
		}
	}
	user, err := findUser(ctx, u.store, ref)
	if err != nil {
		return identity.User{}, err
	}
	list, user, err := u.editor.UpdateUser(ctx, user, changes.UserUpdate{UserPatch: p})
	if err != nil || len(list) == 0 {
		return user, err
	}
	_, err = u.editor.Commit(ctx, c, list...)
	return user, err
}

// RemoveUser removes a user, named by subject or username, with their bindings.
// Everything that was issued to the user is revoked.
func (u *Users) RemoveUser(ctx context.Context, c *caller.Caller, ref string) (revocation.Receipt, error) {
	if err := u.editor.Admit(ctx, c, audit.UserRemove, ref); err != nil {
		return revocation.Receipt{}, err
	}
	user, err := findUser(ctx, u.store, ref)
	if err != nil {
		return revocation.Receipt{}, err
	}
	return u.editor.Commit(ctx, c, u.editor.RemoveUser(user))
}

// User returns a user by subject or username: the caller, or anybody for
// administrators.
func (u *Users) User(ctx context.Context, c *caller.Caller, ref string) (identity.User, error) {
	p, err := u.UserPrincipal(ctx, c, ref)
	if err != nil {
		return identity.User{}, err
	}
	return *p.User, nil
}

// MayRead decides whether the caller may see a user, named by subject or username:
// themselves, or anybody for administrators. Whether there is such a user makes no
// difference.
func (u *Users) MayRead(c *caller.Caller, ref string) error {
	if c.Is(ref) {
		return c.RequireSignedIn()
	}
	return c.RequireAdministrator()
}

// UserPrincipal returns a user, by subject or username, with their grants: the
// caller, or anybody for administrators.
func (u *Users) UserPrincipal(ctx context.Context, c *caller.Caller, ref string) (*records.Principal, error) {
	if err := u.MayRead(c, ref); err != nil {
		return nil, err
	}
	return records.ReadUser(ctx, u.store, ref, nil)
}

// UserSubject returns a user, by subject or username, as the decision about a request
// sees them: the caller, or anybody for administrators.
func (u *Users) UserSubject(ctx context.Context, c *caller.Caller, ref string) (*verification.Subject, error) {
	p, err := u.UserPrincipal(ctx, c, ref)
	if err != nil {
		return nil, err
	}
	return source.SubjectOf(p), nil
}

// UserList lists users by username, for administrators.
func (u *Users) UserList(ctx context.Context, c *caller.Caller, q records.UserQuery) (records.Page[identity.User], error) {
	if err := c.RequireAdministrator(); err != nil {
		return records.Page[identity.User]{}, err
	}
	return u.store.Users(ctx, q)
}

// UserTotal counts the users that UserList lists, on all pages, up to records.MaxTotal.
func (u *Users) UserTotal(ctx context.Context, c *caller.Caller, q records.UserQuery) (records.Total, error) {
	if err := c.RequireAdministrator(); err != nil {
		return records.Total{}, err
	}
	return u.store.UserTotal(ctx, q)
}

// Usernames returns the usernames of subjects, for administrators. Subjects that no
// longer exist are left out.
func (u *Users) Usernames(ctx context.Context, c *caller.Caller, subjects []string) (map[string]string, error) {
	if err := c.RequireAdministrator(); err != nil {
		return nil, err
	}
	return u.store.Usernames(ctx, subjects)
}

// UserAccess returns the grants of a user, each with the binding it comes from: the
// caller's own, or anybody's for administrators.
func (u *Users) UserAccess(ctx context.Context, c *caller.Caller, ref string) ([]access.Grant, error) {
	p, err := u.UserPrincipal(ctx, c, ref)
	if err != nil {
		return nil, err
	}
	return p.Grants, nil
}

// RemoveAccess removes every direct binding of a user at and beneath a path, those
// through roles included. It also returns the bindings that still grant something
// there: a group's, or one at a wider path.
func (u *Users) RemoveAccess(ctx context.Context, c *caller.Caller, ref string, at access.Path) (removed, remaining []access.Binding, err error) {
	if err := u.editor.Admit(ctx, c, audit.UserAccess, ref); err != nil {
		return nil, nil, err
	}
	user, err := findUser(ctx, u.store, ref)
	if err != nil {
		return nil, nil, err
	}
	read := u.journal.Reading()
	removed, remaining, err = u.bindingsAt(ctx, user.ID, at)
	if err != nil {
		return nil, nil, err
	}
	if len(removed) == 0 {
		_, err := u.journal.Settled(ctx, read, c.Wait)
		return removed, remaining, err
	}
	removal := changes.Change{
		Action: audit.UserAccess, Target: user.ID, Remark: "removed at " + string(at),
		Log: []revocation.Entry{u.journal.CutOff(revocation.Access, user.ID)},
	}
	for _, b := range removed {
		removal.Ops = append(removal.Ops, op.RemoveBinding{ID: b.ID})
	}
	_, err = u.editor.Commit(ctx, c, removal)
	return removed, remaining, err
}

// bindingsAt divides a user's bindings into those that removing access at a path
// removes and those that still grant something there.
func (u *Users) bindingsAt(ctx context.Context, subject string, at access.Path) (removed, remaining []access.Binding, err error) {
	bindings, err := u.store.Bindings(ctx, records.BindingQuery{User: subject, WithGroups: true})
	if err != nil {
		return nil, nil, err
	}
	roles, err := changes.RolesOf(ctx, u.store, bindings)
	if err != nil {
		return nil, nil, err
	}
	removed, remaining = access.Remove(bindings, roles, at)
	return removed, remaining, nil
}

// findUser reads a user by subject or username. The error of an unknown one is
// records.ErrNoUser.
func findUser(ctx context.Context, store contract.Directory, ref string) (identity.User, error) {
	p, err := records.ReadUser(ctx, store, ref, nil)
	if err != nil {
		return identity.User{}, err
	}
	return *p.User, nil
}
