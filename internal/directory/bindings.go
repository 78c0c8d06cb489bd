package directory

import (
	"context"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/changes"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revocation"
)

// Bindings reads and changes bindings.
type Bindings struct {
	store  thingStore
	editor *changes.Editor
}

// CreateBinding grants a user or a group a role or a permission at a path, and returns
// the binding with its new id. The binding's User is a subject or a username.
func (bs *Bindings) CreateBinding(ctx context.Context, c *caller.Caller, b access.Binding) (access.Binding, error) {
	if err := bs.editor.Admit(ctx, c, audit.BindingCreate, b.User+b.Group); err != nil {
		return b, err
	}
	b, err := bs.canonical(ctx, b)
	if err != nil {
		return b, err
	}
	b.ID = uuid.NewString()
	_, err = bs.editor.Commit(ctx, c, bs.editor.CreateBinding(b))
	return b, err
}

// UpdateBinding replaces the binding that has this id.
func (bs *Bindings) UpdateBinding(ctx context.Context, c *caller.Caller, b access.Binding) (access.Binding, error) {
	if err := bs.editor.Admit(ctx, c, audit.BindingUpdate, b.User+b.Group); err != nil {
		return b, err
	}
	b, err := bs.canonical(ctx, b)
	if err != nil {
		return b, err
	}
	old, err := bs.find(ctx, b.ID)
	if err != nil {
		return b, err
	}
	_, err = bs.editor.Commit(ctx, c, bs.editor.UpdateBinding(old, b))
	return b, err
}

// RemoveBinding removes a binding.
func (bs *Bindings) RemoveBinding(ctx context.Context, c *caller.Caller, id string) (revocation.Receipt, error) {
	if err := bs.editor.Admit(ctx, c, audit.BindingRemove, id); err != nil {
		return revocation.Receipt{}, err
	}
	b, err := bs.find(ctx, id)
	if err != nil {
		return revocation.Receipt{}, err
	}
	return bs.editor.Commit(ctx, c, bs.editor.RemoveBinding(b))
}

// BindingList returns the bindings that match, for administrators. The query's User is
// a subject or a username.
func (bs *Bindings) BindingList(ctx context.Context, c *caller.Caller, q records.BindingQuery) ([]access.Binding, error) {
	if err := c.RequireAdministrator(); err != nil {
		return nil, err
	}
	if q.User != "" {
		u, err := findUser(ctx, bs.store, q.User)
		if err != nil {
			return nil, err
		}
		q.User = u.ID
	}
	if q.WithGroups || q.ID != "" || q.RootGroups {
		return bs.store.Bindings(ctx, q)
	}
	return readAll(ctx, func(ctx context.Context, things records.ThingQuery) (records.CountedPage[access.Binding], error) {
		return bs.store.BindingPage(ctx, records.BindingListQuery{ThingQuery: things, User: q.User, Group: q.Group})
	})
}

// BindingPage returns a page of the bindings, for administrators. The query's User is a
// subject or a username.
func (bs *Bindings) BindingPage(ctx context.Context, c *caller.Caller, q records.BindingListQuery) (records.CountedPage[access.Binding], error) {
	if err := c.RequireAdministrator(); err != nil {
		return records.CountedPage[access.Binding]{}, err
	}
	if q.User != "" {
		u, err := findUser(ctx, bs.store, q.User)
		if err != nil {
			return records.CountedPage[access.Binding]{}, err
		}
		q.User = u.ID
	}
	return bs.store.BindingPage(ctx, q)
}

// Binding returns the binding that has this id, for administrators.
func (bs *Bindings) Binding(ctx context.Context, c *caller.Caller, id string) (access.Binding, error) {
	if err := c.RequireAdministrator(); err != nil {
		return access.Binding{}, err
	}
	return bs.find(ctx, id)
}

var errNoBinding = fault.New(fault.NotFound, "there is no such binding")

// find reads the binding of an id.
func (bs *Bindings) find(ctx context.Context, id string) (access.Binding, error) {
	if id == "" {
		return access.Binding{}, errNoBinding
	}
	found, err := bs.store.Bindings(ctx, records.BindingQuery{ID: id})
	if err != nil {
		return access.Binding{}, err
	}
	if len(found) == 0 {
		return access.Binding{}, errNoBinding
	}
	return found[0], nil
}

// canonical returns the binding as it is stored, with the user's subject.
func (bs *Bindings) canonical(ctx context.Context, b access.Binding) (access.Binding, error) {
	if b.User != "" {
		u, err := findUser(ctx, bs.store, b.User)
		if fault.Is(err, fault.NotFound) {
			return b, changes.ErrNoSuchUser(b.User)
		}
		if err != nil {
			return b, err
		}
		b.User = u.ID
	}
	return b.Canonical()
}
