package directory

import (
	"context"
	"maps"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/changes"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
)

// Access reads and changes collections, roles and bindings.
type Access struct {
	store  thingStore
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
		Action: audit.CollectionUpdate, Target: name, Ops: []op.Op{op.UpdateCollection{Collection: n}},
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
	return readAll(ctx, a.store.CollectionPage)
}

// CollectionPage returns a page of the collections, for administrators.
func (a *Access) CollectionPage(ctx context.Context, c *caller.Caller, q records.ThingQuery) (records.CountedPage[records.Collection], error) {
	if err := c.RequireAdministrator(); err != nil {
		return records.CountedPage[records.Collection]{}, err
	}
	return a.store.CollectionPage(ctx, q)
}

// Collection returns the collection that has this id, for administrators.
func (a *Access) Collection(ctx context.Context, c *caller.Caller, id int64) (records.Collection, error) {
	if err := c.RequireAdministrator(); err != nil {
		return records.Collection{}, err
	}
	return a.store.Collection(ctx, id)
}

// CollectionNames returns the names of those of at most records.MaxNames collections that
// the caller has access to; of an administrator, of all.
func (a *Access) CollectionNames(ctx context.Context, c *caller.Caller, ids []int64) (map[int64]string, error) {
	if err := c.RequireSignedIn(); err != nil {
		return nil, err
	}
	names, err := a.store.CollectionNames(ctx, ids)
	if c.RequireAdministrator() == nil {
		return names, err
	}
	maps.DeleteFunc(names, func(id int64, _ string) bool { return !c.May(access.ActionAccess, access.CollectionPath(id)) })
	return names, err
}

// PublicCollections returns the first MaxChoices collections, for anybody: a login form that
// asks for a collection must offer them.
func (a *Access) PublicCollections(ctx context.Context) ([]records.Collection, error) {
	page, err := a.store.CollectionPage(ctx, records.ThingQuery{Limit: MaxChoices})
	return page.Items, err
}

// MaxChoices is how many collections are offered for a choice.
const MaxChoices = 1000

// readAll reads a whole list, a page at a time: for the command line, whose own memory it takes.
func readAll[T any](ctx context.Context, read func(context.Context, records.ThingQuery) (records.CountedPage[T], error)) ([]T, error) {
	var all []T
	for q := (records.ThingQuery{Limit: MaxChoices}); ; {
		page, err := read(ctx, q)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if q.After = page.Next; q.After == "" {
			return all, nil
		}
	}
}

// CollectionsOpenTo returns the collections that the caller has access to, in the order of
// their ids: at most MaxChoices, and among the first records.MaxTotal of all. It reports
// whether there may be more.
func (a *Access) CollectionsOpenTo(ctx context.Context, c *caller.Caller) (open []records.Collection, more bool, err error) {
	if err := c.RequireSignedIn(); err != nil {
		return nil, false, err
	}
	q := records.ThingQuery{Limit: MaxChoices}
	for range records.MaxTotal / MaxChoices {
		page, err := a.store.CollectionPage(ctx, q)
		if err != nil {
			return nil, false, err
		}
		for _, n := range page.Items {
			if !c.May(access.ActionAccess, access.CollectionPath(n.ID)) {
				continue
			}
			if len(open) == MaxChoices {
				return open, true, nil
			}
			open = append(open, n)
		}
		if q.After = page.Next; q.After == "" {
			return open, false, nil
		}
	}
	return open, true, nil
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

// RolePage returns a page of the roles, for administrators.
func (a *Access) RolePage(ctx context.Context, c *caller.Caller, q records.ThingQuery) (records.CountedPage[access.Role], error) {
	if err := c.RequireAdministrator(); err != nil {
		return records.CountedPage[access.Role]{}, err
	}
	return a.store.RolePage(ctx, q)
}

var errNoRole = fault.New(fault.NotFound, "there is no such role")

// Role returns the role of this name, for administrators.
func (a *Access) Role(ctx context.Context, c *caller.Caller, name string) (access.Role, error) {
	if err := c.RequireAdministrator(); err != nil {
		return access.Role{}, err
	}
	found, err := a.store.RolesNamed(ctx, []string{name})
	if err == nil && len(found) == 0 {
		err = errNoRole
	}
	if err != nil {
		return access.Role{}, err
	}
	return found[0], nil
}

// RoleList returns every role, for administrators.
func (a *Access) RoleList(ctx context.Context, c *caller.Caller) ([]access.Role, error) {
	if err := c.RequireAdministrator(); err != nil {
		return nil, err
	}
	return readAll(ctx, a.store.RolePage)
}
