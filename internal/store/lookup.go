package store

import (
	"context"
	"slices"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
)

// Usernames returns the usernames of those of at most records.MaxNames subjects who are
// users.
func (s *Store) Usernames(ctx context.Context, subjects []string) (map[string]string, error) {
	if err := query.CheckNames(len(subjects)); err != nil {
		return nil, err
	}
	subjects = slices.DeleteFunc(slices.Clone(subjects), func(id string) bool { return id == "" })
	pairs, err := query.LookUp(ctx, s.db, "SELECT id, username FROM users WHERE id", subjects, func(scan engine.Scanner) (p [2]string, err error) {
		return p, scan(&p[0], &p[1])
	})
	names := make(map[string]string, len(pairs))
	for _, p := range pairs {
		names[p[0]] = p[1]
	}
	return names, err
}

// CollectionNames returns the names of those of at most records.MaxNames ids that are
// collections.
func (s *Store) CollectionNames(ctx context.Context, ids []int64) (map[int64]string, error) {
	found, err := query.LookUp(ctx, s.db, "SELECT id, name FROM collections WHERE id", ids, func(scan engine.Scanner) (c records.Collection, err error) {
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
func (s *Store) Collection(ctx context.Context, id int64) (n records.Collection, err error) {
	err = s.db.Read(ctx, func(ctx context.Context, c engine.Conn) error {
		return query.OrNotFound(c.Row(ctx, "SELECT id, name, owner FROM collections WHERE id = $1", []any{id}, &n.ID, &n.Name, &n.Owner), "there is no such collection")
	})
	return n, err
}

// RolesNamed returns those of at most records.MaxNames names that are roles, in the order
// of their names.
func (s *Store) RolesNamed(ctx context.Context, names []string) ([]access.Role, error) {
	return query.LookUp(ctx, s.db, "SELECT name, permissions, owner FROM roles WHERE name", names, scanRole)
}

func scanRole(scan engine.Scanner) (r access.Role, err error) {
	return r, scan(&r.Name, column.List(&r.Permissions), &r.Owner)
}
