package store

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/store/column"
)

// keysAt is how many keys one statement looks up.
const keysAt = 100

// checkNames returns fault.Invalid for more names than are looked up at a time.
func checkNames(n int) error {
	if n > records.MaxNames {
		return fault.New(fault.Invalid, "at most %d names are looked up at a time", records.MaxNames)
	}
	return nil
}

// lookUp reads the rows that have one of at most records.MaxNames keys. The text ends with
// the column of the key.
func lookUp[K interface{ ~string | ~int64 }, T any](ctx context.Context, s *Store, text string, keys []K, scan func(scanner) (T, error)) ([]T, error) {
	if err := checkNames(len(keys)); err != nil {
		return nil, err
	}
	var marks strings.Builder
	marks.WriteString(" IN ($1")
	for i := 2; i <= keysAt; i++ {
		marks.WriteString(", $" + strconv.Itoa(i))
	}
	text += marks.String() + ")"
	keys = slices.Compact(slices.Sorted(slices.Values(keys)))
	var found []T
	for some := range slices.Chunk(keys, keysAt) {
		args := make([]any, keysAt) // one length, one statement to prepare
		for i := range args {
			args[i] = some[min(i, len(some)-1)]
		}
		rows, err := query(ctx, s, scan, text, args...)
		if err != nil {
			return nil, err
		}
		found = append(found, rows...)
	}
	return found, nil
}

// Usernames returns the usernames of those of at most records.MaxNames subjects who are
// users.
func (s *Store) Usernames(ctx context.Context, subjects []string) (map[string]string, error) {
	if err := checkNames(len(subjects)); err != nil {
		return nil, err
	}
	subjects = slices.DeleteFunc(slices.Clone(subjects), func(id string) bool { return id == "" })
	pairs, err := lookUp(ctx, s, "SELECT id, username FROM users WHERE id", subjects, func(scan scanner) (p [2]string, err error) {
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
	found, err := lookUp(ctx, s, "SELECT id, name FROM collections WHERE id", ids, func(scan scanner) (c records.Collection, err error) {
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
	err = s.read(ctx, func(ctx context.Context, c conn) error {
		return orNotFound(c.row(ctx, "SELECT id, name, owner FROM collections WHERE id = $1", []any{id}, &n.ID, &n.Name, &n.Owner), "there is no such collection")
	})
	return n, err
}

// RolesNamed returns those of at most records.MaxNames names that are roles, in the order
// of their names.
func (s *Store) RolesNamed(ctx context.Context, names []string) ([]access.Role, error) {
	return lookUp(ctx, s, "SELECT name, permissions, owner FROM roles WHERE name", names, scanRole)
}

func scanRole(scan scanner) (r access.Role, err error) {
	return r, scan(&r.Name, column.List(&r.Permissions), &r.Owner)
}
