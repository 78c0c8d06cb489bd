package authority

import (
	"context"
	"slices"

	"github.com/bearerd/bearerd/internal/records"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
)

// RevokeAllOf is RevokeAll for a user named by subject or username. The error is
// NotFound when there is none, told to nobody who may not revoke.
func (a *Authority) RevokeAllOf(ctx context.Context, c *Caller, ref string, wait bool) (Receipt, error) {
	if c == nil {
		return Receipt{}, fault.New(fault.Unauthenticated, "sign in first")
	}
	if !c.is(ref) {
		if err := c.requireDelete(); err != nil {
			return Receipt{}, a.deny(ctx, c, audit.RevokeAll, ref, err)
		}
	}
	u, err := a.user(ctx, ref)
	if err != nil {
		return Receipt{}, err
	}
	return a.RevokeAll(ctx, c, u.ID, wait)
}

// is reports whether ref, a subject or username, names the caller.
func (c *Caller) is(ref string) bool {
	return c != nil && c.Principal != nil && c.Principal.User != nil &&
		(ref == c.Principal.User.ID || ref == c.Principal.User.Username)
}

// RequireAdministrator lets administrators pass, for a page that shows nothing of
// its own; every act decides it again. The error is Unauthenticated,
// InsufficientScope or Forbidden.
func (a *Authority) RequireAdministrator(c *Caller) error { return c.requireAdmin() }

// PublicCollections gives every collection to anybody: a login form that asks for
// one has to offer them.
func (a *Authority) PublicCollections(ctx context.Context) ([]records.Collection, error) {
	return a.Store.Collections(ctx)
}

// CollectionsOpenTo gives the collections that the caller has access to.
func (a *Authority) CollectionsOpenTo(ctx context.Context, c *Caller) ([]records.Collection, error) {
	if c == nil || c.Principal == nil {
		return nil, fault.New(fault.Unauthenticated, "sign in first")
	}
	all, err := a.Store.Collections(ctx)
	return slices.DeleteFunc(all, func(n records.Collection) bool {
		return !c.may(ActionAccess, access.CollectionPath(n.ID))
	}), err
}

// Usernames gives the usernames of subjects, to administrators. Who is gone is
// left out.
func (a *Authority) Usernames(ctx context.Context, c *Caller, subjects []string) (map[string]string, error) {
	if err := c.requireAdmin(); err != nil {
		return nil, err
	}
	names := make(map[string]string, len(subjects))
	for _, id := range subjects {
		if _, known := names[id]; known {
			continue
		}
		u, err := a.user(ctx, id)
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		names[id] = u.Username
	}
	return names, nil
}

// Binding gives the binding that has this id, to administrators.
func (a *Authority) Binding(ctx context.Context, c *Caller, id string) (access.Binding, error) {
	if err := c.requireAdmin(); err != nil {
		return access.Binding{}, err
	}
	return a.binding(ctx, id)
}

// Client gives the client that has this id, to administrators.
func (a *Authority) Client(ctx context.Context, c *Caller, id string) (identity.Client, error) {
	if err := c.requireAdmin(); err != nil {
		return identity.Client{}, err
	}
	p, err := a.Store.Principal(ctx, records.Who{ClientID: id})
	if err != nil {
		return identity.Client{}, err
	}
	return *p.Client, nil
}
