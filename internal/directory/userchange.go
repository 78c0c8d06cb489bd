package directory

import (
	"context"

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
	}
	if _, err := uuid.Parse(n.Username); err == nil {
		return change{}, u, fault.New(fault.Invalid, "a username can't have the form of a subject id").In("username")
	}
	if err := u.Validate(); err != nil {
		return change{}, u, err
	}
	if err := checkHash(n.PasswordHash); err != nil {
		return change{}, u, err
	}
	if n.Password != "" {
		hash, err := e.hash(ctx, n.Password)
		if err != nil {
			return change{}, u, err
		}
		u.PasswordHash = hash
	}
	return change{action: audit.UserCreate, target: u.ID, remark: u.Username, ops: []records.Op{records.CreateUser{User: u}}}, u, nil
}

// updateUser returns the change that a patch makes to a user, and the user after it:
// no change when the patch sets nothing.
func (e *editor) updateUser(ctx context.Context, u identity.User, p UserPatch) ([]change, identity.User, error) {
	op := records.UpdateUser{ID: u.ID, Name: p.Name, Email: p.Email, Groups: p.Groups, Disabled: p.Disabled, PasswordHash: p.PasswordHash}
	// The password aside.
	if p.Name != nil {
		u.Name = *p.Name
	}
	if p.Email != nil {
		u.Email = *p.Email
	}
	if p.Groups != nil {
		u.Groups = *p.Groups
	}
	if p.Disabled != nil {
		u.Disabled = *p.Disabled
	}
	if err := u.Validate(); err != nil {
		return nil, u, err
	}
	if p.PasswordHash != nil {
		if err := checkHash(*p.PasswordHash); err != nil {
			return nil, u, err
		}
	}
	if p.Password != nil {
		hash, err := e.hash(ctx, *p.Password)
		if err != nil {
			return nil, u, err
		}
		op.PasswordHash = &hash
	}
	if op == (records.UpdateUser{ID: u.ID}) {
		return nil, u, nil
	}
	update := change{action: updateAction(op), target: u.ID, remark: u.Username, ops: []records.Op{op}}
	if op.PasswordHash != nil || p.Disabled != nil && *p.Disabled {
		reason := "account disabled"
		if op.PasswordHash != nil {
			reason = "password changed"
		}
		end := e.journal.EndSubject(u.ID, reason)
		update.ops, update.log = append(update.ops, end.Ops...), end.Log
	}
	update.log = append(update.log, e.journal.CutOff(revocation.Access, u.ID))
	return []change{update}, u, nil
}

func (e *editor) removeUser(u identity.User) change {
	end := e.journal.EndSubject(u.ID, "account removed")
	return change{
		action: audit.UserRemove, target: u.ID, remark: u.Username,
		ops: append([]records.Op{
			records.RemoveUser{ID: u.ID},
			records.ForgetAddresses{Account: identity.AccountKey(u.Username)}, // who has the name next is somebody else
		}, end.Ops...), log: end.Log,
	}
}

func (e *editor) hash(ctx context.Context, password token.Secret) (identity.PasswordHash, error) {
	if err := identity.ValidatePassword(password.Reveal()); err != nil {
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
	}
	return audit.UserUpdate
}
