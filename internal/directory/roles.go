package directory

import (
	"context"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/changes"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/revocation"
)

// Roles reads and changes roles.
type Roles struct {
	store  contract.Things
	editor *changes.Editor
}

// CreateRole creates a role.
func (rs *Roles) CreateRole(ctx context.Context, c *caller.Caller, r access.Role) error {
	if err := rs.editor.Admit(ctx, c, audit.RoleCreate, r.Name); err != nil {
		return err
	}
	if err := r.Validate(); err != nil {
		return err
	}
	_, err := rs.editor.Commit(ctx, c, rs.editor.CreateRole(r))
	return err
}

// UpdateRole replaces the permissions of a role.
func (rs *Roles) UpdateRole(ctx context.Context, c *caller.Caller, r access.Role) error {
	if err := rs.editor.Admit(ctx, c, audit.RoleUpdate, r.Name); err != nil {
		return err
	}
	if err := r.Validate(); err != nil {
		return err
	}
	_, err := rs.editor.Commit(ctx, c, rs.editor.UpdateRole(r))
	return err
}

// RemoveRole removes a role with the bindings that grant it.
func (rs *Roles) RemoveRole(ctx context.Context, c *caller.Caller, name string) (revocation.Receipt, error) {
	if err := rs.editor.Admit(ctx, c, audit.RoleRemove, name); err != nil {
		return revocation.Receipt{}, err
	}
	return rs.editor.Commit(ctx, c, rs.editor.RemoveRole(name))
}

// RolePage returns a page of the roles, for administrators.
func (rs *Roles) RolePage(ctx context.Context, c *caller.Caller, q records.ThingQuery) (records.CountedPage[access.Role], error) {
	if err := c.RequireAdministrator(); err != nil {
		return records.CountedPage[access.Role]{}, err
	}
	return rs.store.RolePage(ctx, q)
}

var errNoRole = fault.New(fault.NotFound, "there is no such role")

// Role returns the role of this name, for administrators.
func (rs *Roles) Role(ctx context.Context, c *caller.Caller, name string) (access.Role, error) {
	if err := c.RequireAdministrator(); err != nil {
		return access.Role{}, err
	}
	found, err := rs.store.RolesNamed(ctx, []string{name})
	if err == nil && len(found) == 0 {
		err = errNoRole
	}
	if err != nil {
		return access.Role{}, err
	}
	return found[0], nil
}

// RoleList returns every role, for administrators.
func (rs *Roles) RoleList(ctx context.Context, c *caller.Caller) ([]access.Role, error) {
	if err := c.RequireAdministrator(); err != nil {
		return nil, err
	}
	return readAll(ctx, rs.store.RolePage)
}
