// Package registry keeps what access is decided from, beside users: collections, roles,
// bindings, clients, trusted issuers, and the keys that sign.
package registry

import (
	"context"

	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/people"
	"github.com/bearerd/bearerd/internal/store/query"
)

// Registry reads what is registered, and changes signing keys.
type Registry struct{ db engine.DB }

// New returns what is registered in a database.
func New(db engine.DB) *Registry { return &Registry{db} }

// Principal reads a user with groups and effective grants, or a client, and with
// it the sequence of the log, all in one snapshot. The error is fault.NotFound when there
// is nobody of that name.
func (r *Registry) Principal(ctx context.Context, who records.Who) (p records.Principal, err error) {
	if who.ClientID != "" {
		err = r.db.Read(ctx, func(ctx context.Context, c engine.Conn) error { return readClient(ctx, c, who, &p) })
	} else {
		err = r.db.Snapshot(ctx, func(ctx context.Context, c engine.Conn) error { return readGranted(ctx, c, who, &p) })
	}
	if err != nil {
		return records.Principal{}, err
	}
	return p, nil
}

// readGranted reads a user with the grants.
func readGranted(ctx context.Context, c engine.Conn, who records.Who, p *records.Principal) (err error) {
	if err := people.Read(ctx, c, who, p); err != nil {
		return err
	}
	p.Grants, err = grants(ctx, c, p.User.ID)
	return err
}

// CarryOut does an operation on what is registered. It reports whether the operation is
// one.
func CarryOut(ctx context.Context, c engine.Conn, o op.Op) (done bool, err error) {
	switch o := o.(type) {
	case op.CreateCollection:
		return true, createCollection(ctx, c, o.Collection)
	case op.UpdateCollection:
		return true, changeCollection(ctx, c, o.Collection)
	case op.RemoveCollection:
		return true, removeCollection(ctx, c, o)
	case op.CreateRole:
		return true, query.Taken("name", query.UnlessConflict(ctx, c, "a role of that name exists already",
			insertRole, o.Role.Name, column.List(&o.Role.Permissions), o.Role.Owner))
	case op.UpdateRole:
		return true, query.Change(ctx, c, "no such role", setPermissions, o.Role.Name, column.List(&o.Role.Permissions))
	case op.RemoveRole:
		return true, query.Change(ctx, c, "no such role", deleteRole, o.Name)
	case op.AddBinding:
		return true, addBinding(ctx, c, o)
	case op.RemoveBinding:
		return true, query.Change(ctx, c, "no such binding", deleteBinding, o.ID)
	case op.ChangeKeys:
		return true, changeKeys(ctx, c, o.Plan)
	case op.CreateClient:
		return true, createClient(ctx, c, o.Client)
	case op.UpdateClient:
		return true, updateClient(ctx, c, o.Client)
	case op.RotateSecret:
		return true, query.Change(ctx, c, "no such client", rotateSecret, o.ID, o.SecretDigest, column.Micros(o.OldUntil), []byte{})
	case op.RemoveClient:
		return true, query.Change(ctx, c, "no such client", deleteClient, o.ID)
	case op.AddIssuer:
		return true, addIssuer(ctx, c, o.Issuer)
	case op.RemoveIssuer:
		return true, removeIssuer(ctx, c, o)
	}
	return false, nil
}
