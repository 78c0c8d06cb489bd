package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

//go:embed migrations
var migrations embed.FS

// migration is one step of the schema; its name, without ".sql", begins with its number,
// and is recorded in the database.
type migration struct {
	name, text string
}

const (
	selectMigrations = `SELECT name FROM migrations ORDER BY name`
	insertMigration  = `INSERT INTO migrations (name, at) VALUES ($1, $2)`
)

// Pending names the migrations that opening the database would run. It changes
// nothing; a database that doesn't exist, or is of a later version, is an error.
func Pending(ctx context.Context, database string, o Options) (names []string, err error) {
	err = look(ctx, database, o, func(ctx context.Context, c conn, s schema) error {
		todo, err := missing(ctx, c, s)
		names = namesOf(todo)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("looking for migrations of the database %s: %w", nameOf(database), err)
	}
	return names, nil
}

// look reads a database in one snapshot, without changing anything.
func look(ctx context.Context, database string, o Options, do func(context.Context, conn, schema) error) error {
	if isPostgres(database) {
		return lookPostgres(ctx, database, o, func(ctx context.Context, c conn) error { return do(ctx, c, (*postgresDB)(nil).schema()) })
	}
	return explainFile(database, lookSQLite(ctx, database, func(ctx context.Context, c conn) error { return do(ctx, c, (*sqliteDB)(nil).schema()) }))
}

// missing returns the migrations that the database doesn't have, and an error when
// it has some that this version doesn't know.
func missing(ctx context.Context, c conn, s schema) ([]migration, error) {
	// The migrations of the directory in their order.
	files, err := fs.Glob(migrations, s.migrations+"/*.sql")
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	var all []migration
	for _, file := range files {
		text, err := migrations.ReadFile(file)
		if err != nil {
			return nil, err
		}
		all = append(all, migration{strings.TrimSuffix(path.Base(file), ".sql"), string(text)})
	}
	done, err := applied(ctx, c, s)
	if err != nil {
		return nil, err
	}
	for _, name := range done {
		if !slices.ContainsFunc(all, func(m migration) bool { return m.name == name }) {
			return nil, fmt.Errorf("its schema is of version %s, but this bearerd knows none after %s: use the later bearerd",
				done[len(done)-1], all[len(all)-1].name)
		}
	}
	return slices.DeleteFunc(all, func(m migration) bool { return slices.Contains(done, m.name) }), nil
}

func namesOf(todo []migration) (names []string) {
	for _, m := range todo {
		names = append(names, m.name)
	}
	return names
}

var errForeign = errors.New("it is the database of another program")

// applied names the migrations that the database has.
func applied(ctx context.Context, c conn, s schema) ([]string, error) {
	ours, err := exists(ctx, c, s.ours)
	if err != nil {
		return nil, err
	}
	if ours {
		return list(ctx, c, func(scan scanner) (name string, err error) { return name, scan(&name) }, selectMigrations)
	}
	foreign, err := exists(ctx, c, s.any)
	if err == nil && foreign {
		err = errForeign
	}
	return nil, err
}

// migrateOne runs the first migration that is missing, alone among all processes,
// and returns its name; none when there is nothing to do.
func (s *Store) migrateOne(ctx context.Context) (name string, err error) {
	err = s.alone(ctx, func(ctx context.Context, c conn) error {
		name = ""
		todo, err := missing(ctx, c, s.engine.schema())
		if err != nil || len(todo) == 0 {
			return err
		}
		name = todo[0].name
		return s.run(ctx, c, todo[0])
	})
	return name, err
}

func (s *Store) run(ctx context.Context, c conn, m migration) error {
	if _, err := c.exec(ctx, s.engine.schema().create); err != nil {
		return err
	}
	if err := c.script(ctx, m.text); err != nil {
		return fmt.Errorf("migration %s: %w", m.name, err)
	}
	_, err := c.exec(ctx, insertMigration, m.name, micros(s.now()))
	return err
}
