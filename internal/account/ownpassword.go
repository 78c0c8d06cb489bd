package account

import (
	"context"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/changes"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// ownPassword is a password that a user sets for themselves, once it is decided that they
// may.
type ownPassword struct {
	user     identity.User // as they were read
	password token.Secret
	how      string  // for the audit log
	also     []op.Op // what is committed with it
}

// setPassword sets a password and revokes every token and session of the user. The error
// is Invalid for a password that the rule refuses, and Conflict when the password is no
// longer the one that was read.
func (a *Accounts) setPassword(ctx context.Context, own ownPassword, wait revocation.Wait) error {
	list, _, err := a.cfg.Editor.UpdateUser(ctx, own.user, changes.UserUpdate{
		UserPatch: identity.UserPatch{Password: &own.password}, IfPassword: &own.user.PasswordHash,
	})
	if err != nil {
		return err
	}
	for i := range list {
		list[i].Action, list[i].Remark = audit.UserPassword, own.how
	}
	b := a.cfg.Editor.Batch(ctx, own.user.ID, list...)
	b.Ops = append(own.also, b.Ops...)
	_, err = a.cfg.Journal.Revoke(ctx, b, wait)
	return err
}
