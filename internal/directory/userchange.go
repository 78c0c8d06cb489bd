package directory

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

func (e *editor) createUser(ctx context.Context, n NewUser) (change, identity.User, error) {
	u := identity.User{
		ID: uuid.NewString(), Username: n.Username, Name: n.Name, Email: n.Email,
		Groups: n.Groups, Disabled: n.Disabled, PasswordHash: n.PasswordHash,
		Owner: n.owner, PasswordChangedAt: n.passwordChangedAt,
	}
	if err := u.Validate(); err != nil {
		return change{}, u, err
	}
	if err := notASubject(n.Username); err != nil {
		return change{}, u, err
	}
	if err := checkHash(n.PasswordHash); err != nil {
		return change{}, u, err
	}
	if n.Password != "" {
		hash, err := e.hash(ctx, n.Username, n.Password)
		if err != nil {
			return change{}, u, err
		}
		u.PasswordHash = hash
		if !n.bySource {
			u.PasswordChangedAt = e.journal.Now()
		}
	}
	created, ops := u, []records.Op(nil)
	if n.bySource && len(u.Groups) > 0 {
		created.Groups = nil
		ops = append(ops, records.SetGroups{ID: u.ID, Source: n.owner, Groups: u.Groups})
	}
	return change{
		action: audit.UserCreate, target: u.ID, name: u.Username,
		ops: append([]records.Op{records.CreateUser{User: created}}, ops...),
	}, u, nil
}

// updateUser returns the change that a patch makes to a user, and the user after it:
// no change when the patch sets nothing.
func (e *editor) updateUser(ctx context.Context, u identity.User, p UserPatch) ([]change, identity.User, error) {
	before := u
	op := records.UpdateUser{
		ID: u.ID, Username: p.Username, Name: p.Name, Email: p.Email, Groups: p.Groups, Disabled: p.Disabled,
		Owner: p.owner, PasswordHash: p.PasswordHash, IfPassword: p.ifPassword, PasswordChangedAt: p.passwordChangedAt,
	}
	if err := p.validate(before); err != nil {
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
		op.PasswordHash = &hash
	}
	if op.PasswordHash != nil && !p.bySource {
		now := e.journal.Now()
		op.PasswordChangedAt = &now
	}
	update := change{action: updateAction(op), target: u.ID, name: u.Username}
	if p.groupsOf != nil && p.Groups != nil {
		op.Groups = nil
		update.ops = append(update.ops, records.SetGroups{ID: u.ID, Source: *p.groupsOf, Groups: *p.Groups})
	}
	if op != (records.UpdateUser{ID: u.ID}) {
		update.ops = append(update.ops, op)
	}
	if len(update.ops) == 0 {
		return nil, u, nil
	}
	if u.Username != before.Username {
		update.remark = "was " + before.Username
	}
	if old := identity.AccountKey(before.Username); old != identity.AccountKey(u.Username) {
		update.ops = append(update.ops, records.ForgetAddresses{Account: old}) // who has the name next is somebody else
	}
	if reason := p.ends(op); reason != "" {
		end := e.journal.EndSubject(u.ID, reason)
		update.ops, update.log = append(update.ops, end.Ops...), end.Log
	}
	update.log = append(update.log, e.journal.CutOff(revocation.Access, u.ID))
	return []change{update}, u, nil
}

// ends returns why a change of a user ends whatever was issued to them; "" when it
// doesn't.
func (p UserPatch) ends(op records.UpdateUser) string {
	switch {
	case op.PasswordHash != nil && !p.sameSecret, p.newSecret:
		return "password changed"
	case p.Disabled != nil && *p.Disabled:
		return "account disabled"
	}
	return ""
}

func (e *editor) removeUser(u identity.User) change {
	end := e.journal.EndSubject(u.ID, "account removed")
	return change{
		action: audit.UserRemove, target: u.ID, name: u.Username,
		ops: append([]records.Op{
			records.RemoveUser{ID: u.ID},
			records.ForgetAddresses{Account: identity.AccountKey(u.Username)}, // who has the name next is somebody else
		}, end.Ops...), log: end.Log,
	}
}

// hash judges a password that is set in clear for a user, and hashes it.
func (e *editor) hash(ctx context.Context, username string, password token.Secret) (identity.PasswordHash, error) {
	if err := e.passwords.Check(password.Reveal(), username); err != nil {
		return "", err
	}
	return e.hasher.Hash(ctx, password.Reveal())
}

// checkHash refuses a hash that no password could be checked against. No hash at all
// is accepted.
func checkHash(h identity.PasswordHash) error {
	if h == "" {
		return nil
	}
	_, err := identity.ParseHash(h.Reveal())
	return err
}

// notASubject refuses a username that would be read as a subject id.
func notASubject(username string) error {
	if _, err := uuid.Parse(identity.FoldName(username)); err == nil {
		return fault.New(fault.Invalid, "a username can't have the form of a subject id").In("username")
	}
	return nil
}

// validate returns what is wrong with what the patch sets. What it leaves as it is isn't
// judged: an earlier version may have accepted it.
func (p UserPatch) validate(before identity.User) error {
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
func (p UserPatch) applyTo(u identity.User) identity.User {
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

// groups returns the groups of a user with what the patch sets. Memberships that others set
// stay where the patch replaces those of one source.
func (p UserPatch) groups(u identity.User) []string {
	if p.groupsOf == nil {
		return *p.Groups
	}
	kept := slices.DeleteFunc(slices.Clone(u.Groups), func(g string) bool {
		return u.SetBy[g] == *p.groupsOf && !slices.Contains(*p.Groups, g)
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
func updateAction(op records.UpdateUser) string {
	switch {
	case op.Disabled != nil && *op.Disabled:
		return audit.UserDisable
	case op.Disabled != nil:
		return audit.UserEnable
	case op.PasswordHash != nil:
		return audit.UserPassword
	case op.Username != nil:
		return audit.UserRename
	}
	return audit.UserUpdate
}
