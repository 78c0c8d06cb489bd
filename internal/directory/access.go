package directory

import (
	"context"
	"slices"
	"strconv"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revocation"
)

// Access reads and changes collections, roles and bindings.
type Access struct {
	store  records.Directory
	editor *editor
}

// CreateCollection creates a collection.
func (a *Access) CreateCollection(ctx context.Context, c *caller.Caller, n records.Collection) error {
	if err := a.editor.admit(ctx, c, audit.CollectionCreate, collectionName(n.ID)); err != nil {
		return err
	}
	if err := n.Validate(); err != nil {
		return err
	}
	_, err := a.editor.commit(ctx, c, a.editor.createCollection(n))
	return err
}

// UpdateCollection renames a collection.
func (a *Access) UpdateCollection(ctx context.Context, c *caller.Caller, n records.Collection) error {
	name := collectionName(n.ID)
	if err := a.editor.admit(ctx, c, audit.CollectionUpdate, name); err != nil {
		return err
	}
	if err := n.Validate(); err != nil {
		return err
	}
	_, err := a.editor.commit(ctx, c, change{
		action: audit.CollectionUpdate, target: name, ops: []records.Op{records.UpdateCollection{Collection: n}},
	})
	return err
}

// RemoveCollection removes a collection with every binding about it alone.
func (a *Access) RemoveCollection(ctx context.Context, c *caller.Caller, id int64) (revocation.Receipt, error) {
	if err := a.editor.admit(ctx, c, audit.CollectionRemove, collectionName(id)); err != nil {
		return revocation.Receipt{}, err
	}
	return a.editor.commit(ctx, c, a.editor.removeCollection(id))
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
	if err := a.editor.admit(ctx, c, audit.RoleCreate, r.Name); err != nil {
		return err
	}
	if err := r.Validate(); err != nil {
		return err
	}
	_, err := a.editor.commit(ctx, c, createRole(r))
	return err
}

// UpdateRole replaces the permissions of a role.
func (a *Access) UpdateRole(ctx context.Context, c *caller.Caller, r access.Role) error {
	if err := a.editor.admit(ctx, c, audit.RoleUpdate, r.Name); err != nil {
		return err
	}
	if err := r.Validate(); err != nil {
		return err
	}
	_, err := a.editor.commit(ctx, c, a.editor.updateRole(r))
	return err
}

// RemoveRole removes a role with the bindings that grant it.
func (a *Access) RemoveRole(ctx context.Context, c *caller.Caller, name string) (revocation.Receipt, error) {
	if err := a.editor.admit(ctx, c, audit.RoleRemove, name); err != nil {
		return revocation.Receipt{}, err
	}
	return a.editor.commit(ctx, c, a.editor.removeRole(name))
}

// RoleList returns every role, for administrators.
func (a *Access) RoleList(ctx context.Context, c *caller.Caller) ([]access.Role, error) {
	if err := c.RequireAdministrator(); err != nil {
		return nil, err
	}
	return a.store.Roles(ctx)
}

// collectionName is how the logs name a collection.
func collectionName(id int64) string { return strconv.FormatInt(id, 10) }

// createCollection has a log entry as removing has: a node must not hold on to what it
// knew of an earlier collection with the same id.
func (e *editor) createCollection(n records.Collection) change {
	return e.collection(audit.CollectionCreate, n.ID, records.CreateCollection{Collection: n})
}

// removeCollection removes a collection. The bindings that go with it can be
// anybody's, but all of them are about this collection alone.
func (e *editor) removeCollection(id int64) change {
	return e.collection(audit.CollectionRemove, id, records.RemoveCollection{ID: id})
}

func (e *editor) collection(action string, id int64, op records.Op) change {
	name := collectionName(id)
	return change{
		action: action, target: name, ops: []records.Op{op},
		log: []revocation.Entry{e.journal.CutOff(revocation.Collection, name)},
	}
}

func createRole(r access.Role) change {
	return change{action: audit.RoleCreate, target: r.Name, ops: []records.Op{records.CreateRole{Role: r}}}
}

func (e *editor) updateRole(r access.Role) change {
	return change{
		action: audit.RoleUpdate, target: r.Name, ops: []records.Op{records.UpdateRole{Role: r}},
		log: []revocation.Entry{e.journal.CutOff(revocation.Role, r.Name)},
	}
}

func (e *editor) removeRole(name string) change {
	return change{
		action: audit.RoleRemove, target: name, ops: []records.Op{records.RemoveRole{Name: name}},
		log: []revocation.Entry{e.journal.CutOff(revocation.Role, name)},
	}
}
