package registry

import (
	"context"
	"strings"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
)

const (
	selectCollections = `SELECT id, name, owner FROM collections ORDER BY id`
	selectRoles       = `SELECT name, permissions, owner FROM roles ORDER BY name`

	insertCollection = `INSERT INTO collections (id, name, owner) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`
	otherCollection  = `SELECT 1 FROM collections WHERE name = $2 AND id <> $1`
	renameCollection = `UPDATE collections SET name = $2 WHERE id = $1`
	deleteCollection = `DELETE FROM collections WHERE id = $1`
	// $1 to $3 are a path and the bounds of what is beneath it; $4 is its parent, $5 to
	// $7 the same for the parent: a permission refers to its binding's path.
	deleteBindingsFrom = `DELETE FROM bindings WHERE path = $1 OR path >= $2 AND path < $3
    OR path = '/' AND (action_path = $1 OR action_path >= $2 AND action_path < $3)
    OR path = $4 AND (action_path = $5 OR action_path >= $6 AND action_path < $7)`

	insertRole     = `INSERT INTO roles (name, permissions, owner) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`
	setPermissions = `UPDATE roles SET permissions = $2 WHERE name = $1`
	deleteRole     = `DELETE FROM roles WHERE name = $1`
	roleExists     = `SELECT 1 FROM roles WHERE name = $1`
)

// Collections returns every collection in the order of their ids.
func (r *Registry) Collections(ctx context.Context) ([]records.Collection, error) {
	return query.All(ctx, r.db, func(scan engine.Scanner) (c records.Collection, err error) {
		return c, scan(&c.ID, &c.Name, &c.Owner)
	}, selectCollections)
}

// CollectionNames returns the names of those of at most records.MaxNames ids that are
// collections.
func (r *Registry) CollectionNames(ctx context.Context, ids []int64) (map[int64]string, error) {
	found, err := query.LookUp(ctx, r.db, "SELECT id, name FROM collections WHERE id", ids, func(scan engine.Scanner) (c records.Collection, err error) {
		return c, scan(&c.ID, &c.Name)
	})
	names := make(map[int64]string, len(found))
	for _, c := range found {
		names[c.ID] = c.Name
	}
	return names, err
}

// Collection returns the collection that has an id. If there is none, the error is
// fault.NotFound.
func (r *Registry) Collection(ctx context.Context, id int64) (n records.Collection, err error) {
	err = r.db.Read(ctx, func(ctx context.Context, c engine.Conn) error {
		return query.OrNotFound(c.Row(ctx, "SELECT id, name, owner FROM collections WHERE id = $1", []any{id}, &n.ID, &n.Name, &n.Owner), "there is no such collection")
	})
	return n, err
}

// Roles returns every role in the order of their names.
func (r *Registry) Roles(ctx context.Context) ([]access.Role, error) {
	return query.All(ctx, r.db, scanRole, selectRoles)
}

// RolesNamed returns those of at most records.MaxNames names that are roles, in the order
// of their names.
func (r *Registry) RolesNamed(ctx context.Context, names []string) ([]access.Role, error) {
	return query.LookUp(ctx, r.db, "SELECT name, permissions, owner FROM roles WHERE name", names, scanRole)
}

func scanRole(scan engine.Scanner) (r access.Role, err error) {
	return r, scan(&r.Name, column.List(&r.Permissions), &r.Owner)
}

const collectionExists = "a collection of that id or name exists already"

// nameFree checks that no other collection has the name.
func nameFree(ctx context.Context, c engine.Conn, one records.Collection) error {
	found, err := query.Exists(ctx, c, otherCollection, one.ID, one.Name)
	if err == nil && found {
		return fault.New(fault.Conflict, "%s", collectionExists).In("name")
	}
	return err
}

func removeCollection(ctx context.Context, c engine.Conn, o op.RemoveCollection) error {
	whole := string(access.CollectionPath(o.ID))
	parent, last := whole[:strings.LastIndexByte(whole, '/')], whole[strings.LastIndexByte(whole, '/'):]
	// '0' is the character after '/', so what begins with path and a slash is between.
	if err := c.Post(ctx, deleteBindingsFrom, whole, whole+"/", whole+"0", parent, last, last+"/", last+"0"); err != nil {
		return err
	}
	return query.Change(ctx, c, "no such collection", deleteCollection, o.ID)
}

func createCollection(ctx context.Context, c engine.Conn, one records.Collection) error {
	if err := nameFree(ctx, c, one); err != nil {
		return err
	}
	return query.Taken("id", query.UnlessConflict(ctx, c, collectionExists, insertCollection, one.ID, one.Name, one.Owner))
}

func changeCollection(ctx context.Context, c engine.Conn, one records.Collection) error {
	if err := nameFree(ctx, c, one); err != nil {
		return err
	}
	return query.Change(ctx, c, "no such collection", renameCollection, one.ID, one.Name)
}
