package directory

import (
	"context"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// OwnPassword is a password that a user sets for themselves: package account has decided that
// they may.
type OwnPassword struct {
	User     identity.User // as they were read
	Password token.Secret
	How      string       // for the audit log
	Also     []records.Op // what is committed with it
}

// SetOwnPassword sets a password and revokes every token and session of the user. The error
// is Invalid for a password that the rule refuses, and Conflict when the password is no
// longer the one that was read.
func (u *Users) SetOwnPassword(ctx context.Context, own OwnPassword, wait revocation.Wait) (revocation.Receipt, error) {
	changes, _, err := u.editor.updateUser(ctx, own.User, UserPatch{Password: &own.Password, ifPassword: &own.User.PasswordHash})
	if err != nil {
		return revocation.Receipt{}, err
	}
	b := records.Batch{Ops: own.Also}
	for _, one := range changes {
		event := u.editor.journal.Event(ctx, own.User.ID, audit.UserPassword)
		event.Target, event.TargetName, event.Reason = one.target, one.name, own.How
		b.Ops, b.Log, b.Audit = append(b.Ops, one.ops...), append(b.Log, one.log...), append(b.Audit, event)
	}
	return u.editor.journal.Revoke(ctx, b, wait)
}

// MayCreatePasswordLink decides whether the caller may let a user, named by subject or
// username, set a password by a link, and returns the user: for administrators, with a fresh
// session.
func (u *Users) MayCreatePasswordLink(ctx context.Context, c *caller.Caller, ref string) (identity.User, error) {
	return u.changeable(ctx, c, audit.UserPasswordLink, ref)
}

// AddPasswordLink stores a link with which a user sets a password. MayCreatePasswordLink has
// admitted the caller.
func (u *Users) AddPasswordLink(ctx context.Context, c *caller.Caller, user identity.User, link records.PasswordLink) error {
	link.UserID, link.CreatedBy, link.CreatedAt = user.ID, c.Actor(), u.editor.journal.Now()
	_, err := u.editor.commit(ctx, c, change{
		action: audit.UserPasswordLink, target: user.ID, name: user.Username,
		ops: []records.Op{records.AddPasswordLink{Link: link}},
	})
	return err
}
