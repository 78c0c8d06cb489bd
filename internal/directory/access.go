package directory

import (
	"context"
	"slices"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/changes"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revocation"
)

// Access reads and changes collections, roles and bindings.
type Access struct {
	store  records.Directory
	editor *changes.Editor
}

// CreateCollection creates a collection.
func (a *Access) CreateCollection(ctx context.Context, c *caller.Caller, n records.Collection) error {
	if err := a.editor.Admit(ctx, c, audit.CollectionCreate, changes.CollectionName(n.ID)); err != nil {
		return err
	}
	if err := n.Validate(); err != nil {
		return err
	}
	_, err := a.editor.Commit(ctx, c, a.editor.CreateCollection(n))
	return err
}

// UpdateCollection renames a collection.
func (a *Access) UpdateCollection(ctx context.Context, c *caller.Caller, n records.Collection) error {
	name := changes.CollectionName(n.ID)
	if err := a.editor.Admit(ctx, c, audit.CollectionUpdate, name); err != nil {
		return err
	}
	if err := n.Validate(); err != nil {
		return err
	}
	_, err := a.editor.Commit(ctx, c, changes.Change{
		Action: audit.CollectionUpdate, Target: name, Ops: []records.Op{records.UpdateCollection{Collection: n}},
	})
	return err
}

// RemoveCollection removes a collection with every binding about it alone.
func (a *Access) RemoveCollection(ctx context.Context, c *caller.Caller, id int64) (revocation.Receipt, error) {
	if err := a.editor.Admit(ctx, c, audit.CollectionRemove, changes.CollectionName(id)); err != nil {
		return revocation.Receipt{}, err
	}
	return a.editor.Commit(ctx, c, a.editor.RemoveCollection(id))
}

// CollectionList returns every collection, for administrators.
func (a *Access) CollectionList(ctx context.Context, c *caller.Caller) ([]records.Collection, error) {
	if err := c.RequireAdministrator(); err != nil {
		return nil, err
	}
	return a.store.Collections(ctx)
}

// PublicCollections returns every collection, for anybody: a login form that asks for
// a collection must offer them.
func (a *Access) PublicCollections(ctx context.Context) ([]records.Collection, error) {
	return a.store.Collections(ctx)
}

// CollectionsOpenTo returns the collections that the caller has access to.
func (a *Access) CollectionsOpenTo(ctx context.Context, c *caller.Caller) ([]records.Collection, error) {
	if err := c.RequireSignedIn(); err != nil {
		return nil, err
	}
	all, err := a.store.Collections(ctx)
	return slices.DeleteFunc(all, func(n records.Collection) bool {
		return !c.May(access.ActionAccess, access.CollectionPath(n.ID))
	}), err
}

// CreateRole creates a role.
func (a *Access) CreateRole(ctx context.Context, c *caller.Caller, r access.Role) error {
	if err := a.editor.Admit(ctx, c, audit.RoleCreate, r.Name); err != nil {
		return err
	}
	if err := r.Validate(); err != nil {
		return err
	}
	_, err := a.editor.Commit(ctx, c, a.editor.CreateRole(r))
	return err
}

// UpdateRole replaces the permissions of a role.
func (a *Access) UpdateRole(ctx context.Context, c *caller.Caller, r access.Role) error {
	if err := a.editor.Admit(ctx, c, audit.RoleUpdate, r.Name); err != nil {
		return err
	}
	if err := r.Validate(); err != nil {
		return err
	}
	_, err := a.editor.Commit(ctx, c, a.editor.UpdateRole(r))
	return err
}

// RemoveRole removes a role with the bindings that grant it.
func (a *Access) RemoveRole(ctx context.Context, c *caller.Caller, name string) (revocation.Receipt, error) {
	if err := a.editor.Admit(ctx, c, audit.RoleRemove, name); err != nil {
		return revocation.Receipt{}, err
	}
	return a.editor.Commit(ctx, c, a.editor.RemoveRole(name))
}

// RoleList returns every role, for administrators.
func (a *Access) RoleList(ctx context.Context, c *caller.Caller) ([]access.Role, error) {
	if err := c.RequireAdministrator(); err != nil {
		return nil, err
	}
	return a.store.Roles(ctx)
}
