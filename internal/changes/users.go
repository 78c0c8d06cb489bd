package changes

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/passhash"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// BySource is what a source adds about a user whom it creates. The zero value is for a
// user whom administrators create.
type BySource struct {
	Name              string    // of the source, which owns the user; "": no source
	PasswordChangedAt time.Time // when the password was changed there; zero: not known
}

// UserUpdate is a change of a user with fields that administrators can't set.
type UserUpdate struct {
	identity.UserPatch

	BySource          bool // a source makes the change: it decides the time of a new password
	SameSecret        bool // the new hash may be one of the same password: nothing is revoked
	NewSecret         bool // the password was changed, whatever the hash: everything is revoked
	Owner             *string
	PasswordChangedAt *time.Time
	IfPassword        *passhash.Hash // the hash that must still be the stored one; nil: any
	GroupsOf          *string        // Groups replaces what this source has set, "" administrators; nil: all
}

// Said is what a source says of a user. It says nothing about a nil field.
type Said struct{ Username, Name, Email *string }

// Update returns the update that changes a user to what the source says.
func (s Said) Update(u identity.User) UserUpdate {
	patch := UserUpdate{BySource: true}
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

// Users prepares changes of users.
type Users struct {
	journal   *journal.Journal
	hasher    *passhash.Hasher
	passwords identity.PasswordRule // of passwords that are set in clear
}

// CreateUser returns the change that creates a user with a new subject id, and the user.
func (e *Users) CreateUser(ctx context.Context, n identity.NewUser, by BySource) (Change, identity.User, error) {
	u := identity.User{
		ID: uuid.NewString(), Username: n.Username, Name: n.Name, Email: n.Email,
		Groups: n.Groups, Disabled: n.Disabled, PasswordHash: n.PasswordHash,
		Owner: by.Name, PasswordChangedAt: by.PasswordChangedAt,
	}
	if err := u.Validate(); err != nil {
		return Change{}, u, err
	}
	if err := notASubject(n.Username); err != nil {
		return Change{}, u, err
	}
	if err := checkHash(n.PasswordHash); err != nil {
		return Change{}, u, err
	}
	if n.Password != "" {
		hash, err := e.hash(ctx, n.Username, n.Password)
		if err != nil {
			return Change{}, u, err
		}
		u.PasswordHash = hash
		if by.Name == "" {
			u.PasswordChangedAt = e.journal.Now()
		}
	}
	created, ops := u, []op.Op(nil)
	if by.Name != "" && len(u.Groups) > 0 {
		created.Groups = nil
		ops = append(ops, op.SetGroups{ID: u.ID, Source: by.Name, Groups: u.Groups})
	}
	return Change{
		Action: audit.UserCreate, Target: u.ID, Name: u.Username,
		Ops: append([]op.Op{op.CreateUser{User: created}}, ops...),
	}, u, nil
}

// UpdateUser returns the change of a user, and the user after it: no change when nothing is
// set.
func (e *Users) UpdateUser(ctx context.Context, u identity.User, p UserUpdate) ([]Change, identity.User, error) {
	before := u
	o := op.UpdateUser{
		ID: u.ID, Username: p.Username, Name: p.Name, Email: p.Email, Groups: p.Groups, Disabled: p.Disabled,
		Owner: p.Owner, PasswordHash: p.PasswordHash, IfPassword: p.IfPassword, PasswordChangedAt: p.PasswordChangedAt,
	}
	if err := validatePatch(p.UserPatch, before); err != nil {
		return nil, u, err
	}
	u = p.applyTo(u)
	if p.PasswordHash != nil {
		if err := checkHash(*p.PasswordHash); err != nil {
			return nil, u, err
		}
	}
	if p.Password != nil {
		hash, err := e.hash(ctx, u.Username, *p.Password)
		if err != nil {
			return nil, u, err
		}
		o.PasswordHash = &hash
	}
	if o.PasswordHash != nil && !p.BySource {
		now := e.journal.Now()
		o.PasswordChangedAt = &now
	}
	o.NewPassword = p.changesPassword(o)
	update := Change{Action: updateAction(o), Target: u.ID, Name: u.Username}
	if p.GroupsOf != nil && p.Groups != nil {
		o.Groups = nil
		update.Ops = append(update.Ops, op.SetGroups{ID: u.ID, Source: *p.GroupsOf, Groups: *p.Groups})
	}
	if o != (op.UpdateUser{ID: u.ID}) {
		update.Ops = append(update.Ops, o)
	}
	if len(update.Ops) == 0 {
		return nil, u, nil
	}
	if u.Username != before.Username {
		update.Was, update.Remark = before.Username, "was "+before.Username
	}
	if old := identity.AccountKey(before.Username); old != identity.AccountKey(u.Username) {
		update.Ops = append(update.Ops, op.ForgetAddresses{Account: old}) // the next user of the name is somebody else
	}
	if reason := p.ends(o); reason != "" {
		end := e.journal.EndSubject(u.ID, reason)
		update.Ops, update.Log = append(update.Ops, end.Ops...), end.Log
	}
	update.Log = append(update.Log, e.journal.CutOff(revocation.Access, u.ID))
	return []Change{update}, u, nil
}

// ends returns why a change of a user revokes what was issued to them; "" when it
// doesn't.
func (p UserUpdate) ends(o op.UpdateUser) string {
	switch {
	case p.changesPassword(o):
		return "password changed"
	case p.Disabled != nil && *p.Disabled:
		return "account disabled"
	}
	return ""
}

// changesPassword reports whether the change changes the password itself. A new hash may be
// one of the same password, and a source may know of a change without having the hash.
func (p UserUpdate) changesPassword(o op.UpdateUser) bool {
	return o.PasswordHash != nil && !p.SameSecret || p.NewSecret
}

// RemoveUser returns the change that removes a user with their bindings, and revokes
// everything of theirs.
func (e *Users) RemoveUser(u identity.User) Change {
	end := e.journal.EndSubject(u.ID, "account removed")
	return Change{
		Action: audit.UserRemove, Target: u.ID, Name: u.Username,
		Ops: append([]op.Op{
			op.RemoveUser{ID: u.ID},
			op.ForgetAddresses{Account: identity.AccountKey(u.Username)}, // the next user of the name is somebody else
		}, end.Ops...), Log: end.Log,
	}
}

// Matches reports whether a password is that of a hash. A hash that can't be read matches
// nothing.
func (e *Users) Matches(ctx context.Context, hash passhash.Hash, password token.Secret) (bool, error) {
	match, err := e.hasher.Verify(ctx, hash, password.Reveal())
	if err != nil && !fault.Is(err, fault.Invalid) {
		return false, err
	}
	return match.OK, nil
}

// hash judges a password that is set in clear for a user, and hashes it.
func (e *Users) hash(ctx context.Context, username string, password token.Secret) (passhash.Hash, error) {
	if err := e.passwords.Check(password.Reveal(), username); err != nil {
		return "", err
	}
	return e.hasher.Hash(ctx, password.Reveal())
}

// checkHash refuses a hash that no password could be checked against. No hash at all
// is accepted.
func checkHash(h passhash.Hash) error {
	if h == "" {
		return nil
	}
	_, err := passhash.Parse(h.Reveal())
	return err
}

// notASubject refuses a username that would be read as a subject id.
func notASubject(username string) error {
	if _, err := uuid.Parse(identity.FoldName(username)); err == nil {
		return fault.New(fault.Invalid, "a username can't have the form of a subject id").In("username")
	}
	return nil
}

// validatePatch returns what is wrong with what a patch sets. What it leaves unchanged
// isn't checked: an earlier version may have accepted it.
func validatePatch(p identity.UserPatch, before identity.User) error {
	if p.Username != nil && *p.Username != before.Username {
		if err := identity.ValidateUsername(*p.Username); err != nil {
			return err
		}
		if err := notASubject(*p.Username); err != nil {
			return err
		}
	}
	if p.Name != nil {
		if err := identity.ValidateName(*p.Name); err != nil {
			return err
		}
	}
	if p.Email != nil {
		if err := identity.ValidateEmail(*p.Email); err != nil {
			return err
		}
	}
	if p.Groups != nil {
		return identity.ValidateGroups(*p.Groups)
	}
	return nil
}

// applyTo returns the user with what the patch sets, the password aside.
func (p UserUpdate) applyTo(u identity.User) identity.User {
	if p.Username != nil {
		u.Username = *p.Username
	}
	if p.Name != nil {
		u.Name = *p.Name
	}
	if p.Email != nil {
		u.Email = *p.Email
	}
	if p.Groups != nil {
		u.Groups = p.groups(u)
	}
	if p.Disabled != nil {
		u.Disabled = *p.Disabled
	}
	return u
}

// groups returns the groups of a user with what the patch sets. If the patch replaces the
// memberships of one source, those that others set stay.
func (p UserUpdate) groups(u identity.User) []string {
	if p.GroupsOf == nil {
		return *p.Groups
	}
	kept := slices.DeleteFunc(slices.Clone(u.Groups), func(g string) bool {
		return u.SetBy[g] == *p.GroupsOf && !slices.Contains(*p.Groups, g)
	})
	for _, g := range *p.Groups {
		if !slices.Contains(kept, g) {
			kept = append(kept, g)
		}
	}
	return kept
}

// updateAction returns the audit action of an update, named after the most important
// thing that it changes.
func updateAction(o op.UpdateUser) string {
	switch {
	case o.Disabled != nil && *o.Disabled:
		return audit.UserDisable
	case o.Disabled != nil:
		return audit.UserEnable
	case o.PasswordHash != nil:
		return audit.UserPassword
	case o.Username != nil:
		return audit.UserRename
	}
	return audit.UserUpdate
}
