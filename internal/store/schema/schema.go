// Package schema has the migrations of both databases, which have the same names and make the
// same tables, and runs those that a database doesn't have yet.
package schema

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
)

//go:embed migrations
var migrations embed.FS

// Migration is one step of the schema.
type Migration struct {
	Name string // the file's without ".sql": it begins with a number, and is recorded in the database
	Text string // its statements
}

const (
	selectMigrations = `SELECT name FROM migrations ORDER BY name`
	insertMigration  = `INSERT INTO migrations (name, at) VALUES ($1, $2)`
)

// Missing returns the migrations that the database doesn't have, and an error when
// it has some that this version doesn't know, or tables of another program.
func Missing(ctx context.Context, c engine.Conn, d engine.Dialect) ([]Migration, error) {
	// The migrations of the directory in their order.
	files, err := fs.Glob(migrations, d.Migrations+"/*.sql")
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	var all []Migration
	for _, file := range files {
		text, err := migrations.ReadFile(file)
		if err != nil {
			return nil, err
		}
		all = append(all, Migration{strings.TrimSuffix(path.Base(file), ".sql"), string(text)})
	}
	done, err := applied(ctx, c, d)
	if err != nil {
		return nil, err
	}
	for _, name := range done {
		if !slices.ContainsFunc(all, func(m Migration) bool { return m.Name == name }) {
			return nil, fmt.Errorf("its schema is of version %s, but this bearerd knows none after %s: use the later bearerd",
				done[len(done)-1], all[len(all)-1].Name)
		}
	}
	return slices.DeleteFunc(all, func(m Migration) bool { return slices.Contains(done, m.Name) }), nil
}

// applied names the migrations that the database has.
func applied(ctx context.Context, c engine.Conn, d engine.Dialect) ([]string, error) {
	ours, err := query.Exists(ctx, c, d.Ours)
	if err != nil {
		return nil, err
	}
	if ours {
		return query.List(ctx, c, func(scan engine.Scanner) (name string, err error) { return name, scan(&name) }, selectMigrations)
	}
	foreign, err := query.Exists(ctx, c, d.Any)
	if err == nil && foreign {
		err = engine.ErrForeign
	}
	return nil, err
}

// Run carries out a migration, and records that it was at an instant.
func (m Migration) Run(ctx context.Context, c engine.Conn, d engine.Dialect, now time.Time) error {
	if _, err := c.Exec(ctx, d.Create); err != nil {
		return err
	}
	if err := c.Script(ctx, m.Text); err != nil {
		return fmt.Errorf("migration %s: %w", m.Name, err)
	}
	_, err := c.Exec(ctx, insertMigration, m.Name, column.Micros(now))
	return err
}
