package store

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/postgres"
	"github.com/bearerd/bearerd/internal/store/schema"
	"github.com/bearerd/bearerd/internal/store/sqlite"
)

// Pending names the migrations that opening the database would run. It changes
// nothing; a database that doesn't exist, or is of a later version, is an error.
func Pending(ctx context.Context, database string, o Options) (names []string, err error) {
	err = look(ctx, database, o, func(ctx context.Context, c engine.Conn, d engine.Dialect) error {
		todo, err := schema.Missing(ctx, c, d)
		names = namesOf(todo)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("looking for migrations of the database %s: %w", nameOf(database), err)
	}
	return names, nil
}

// look reads a database in one snapshot, without changing anything.
func look(ctx context.Context, database string, o Options, do engine.LookWork) error {
	if isPostgres(database) {
		return postgres.Look(ctx, database, postgres.Options{Limits: o.Postgres, Bulk: o.Bulk, Queries: new(atomic.Int64)}, do)
	}
	return sqlite.Explain(database, sqlite.Look(ctx, database, do))
}

func namesOf(todo []schema.Migration) (names []string) {
	for _, m := range todo {
		names = append(names, m.Name)
	}
	return names
}

// migrateOne runs the first migration that is missing, alone among all processes,
// and returns its name; none when there is nothing to do.
func (s *Store) migrateOne(ctx context.Context) (name string, err error) {
	dialect := s.db.Dialect()
	err = s.alone(ctx, func(ctx context.Context, c engine.Conn) error {
		name = ""
		todo, err := schema.Missing(ctx, c, dialect)
		if err != nil || len(todo) == 0 {
			return err
		}
		name = todo[0].Name
		return todo[0].Run(ctx, c, dialect, s.now())
	})
	return name, err
}

func isPostgres(database string) bool {
	return strings.HasPrefix(database, "postgres://") || strings.HasPrefix(database, "postgresql://")
}

// nameOf returns how messages name a database, without secrets.
func nameOf(database string) string {
	if isPostgres(database) {
		return postgres.Name(database)
	}
	return database
}
