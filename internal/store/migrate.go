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

// migration is one step of the schema; its name, without ".sql", begins with its
// number and is what the database remembers of it.
type migration struct {
	name, text string
}

// steps gives the migrations in their order.
func steps() ([]migration, error) {
	files, err := fs.Glob(migrations, migrationFiles+"/*.sql")
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
	return all, nil
}

const (
	selectMigrations = `SELECT name FROM migrations ORDER BY name`
	insertMigration  = `INSERT INTO migrations (name, at) VALUES ($1, $2)`
)

// Pending names the migrations that opening the database would run. It changes
// nothing; a database that doesn't exist, or is of a later version, is an error.
func Pending(ctx context.Context, path string) ([]string, error) {
	names, err := pending(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("looking for migrations of the database %s: %w", path, err)
	}
	return names, nil
}

func pending(ctx context.Context, path string) (names []string, err error) {
	if err := ensureFile(path, false); err != nil {
		return nil, err
	}
	if err := checkLog(path); err != nil {
		return nil, err
	}
	s := &Store{path: path}
	c, err := s.dial(ctx, reading(path))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	todo, err := missing(ctx, c)
	for _, m := range todo {
		names = append(names, m.name)
	}
	return names, err
}

// missing gives the migrations that the database doesn't have, and an error when
// it has some that this version doesn't know.
func missing(ctx context.Context, c *conn) ([]migration, error) {
	all, err := steps()
	if err != nil {
		return nil, err
	}
	done, err := applied(ctx, c)
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

// applied names the migrations that the database has.
func applied(ctx context.Context, c *conn) ([]string, error) {
	ours, err := c.exists(ctx, selectMigrationTable)
	if err != nil {
		return nil, err
	}
	if ours {
		return list(ctx, c, func(scan scanner) (name string, err error) { return name, scan(&name) }, selectMigrations)
	}
	foreign, err := c.exists(ctx, selectAnyTable)
	if err == nil && foreign {
		err = errors.New("it is the database of another program")
	}
	return nil, err
}

// migrateOne runs the first migration that is missing, alone among all processes,
// and gives its name; none when there is nothing to do.
func (s *Store) migrateOne(ctx context.Context, c *conn) (name string, err error) {
	err = alone(ctx, c, func() error {
		todo, err := missing(ctx, c)
		if err != nil || len(todo) == 0 {
			return err
		}
		name = todo[0].name
		return s.run(ctx, c, todo[0])
	})
	return name, err
}

func (s *Store) run(ctx context.Context, c *conn, m migration) error {
	if _, err := c.exec(ctx, createMigrations); err != nil {
		return err
	}
	// Not through conn, which keeps a statement for the next time.
	if _, err := c.db.ExecContext(ctx, m.text); err != nil {
		return fmt.Errorf("migration %s: %w", m.name, err)
	}
	_, err := c.exec(ctx, insertMigration, m.name, micros(s.now()))
	return err
}

// alone runs do in a transaction that no other process writes beside.
func alone(ctx context.Context, c *conn, do func() error) error {
	if _, err := c.exec(ctx, beginWrite); err != nil {
		return err
	}
	err := do()
	if err == nil {
		_, err = c.exec(ctx, commit)
	}
	if err != nil {
		_, _ = c.exec(ctx, rollback)
	}
	return err
}
