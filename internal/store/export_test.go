package store

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/store/engine"
)

// Raise is by how much a restored log goes up.
const Raise = raise

// Alter runs a pragma on the connection that writes.
func (s *Store) Alter(ctx context.Context, pragma string) error {
	return s.db.Write(ctx, func(ctx context.Context, c engine.Conn) error {
		return c.Script(ctx, pragma)
	})
}

// Lookups are the statements that must be served by an index, by name.
func Lookups() map[string]string {
	all := map[string]string{
		"touch":       touch,
		"advanceHead": advanceHead,
	}
	return all
}

// Pragma reads a pragma of the connection that writes.
func (s *Store) Pragma(ctx context.Context, name string) (value string) {
	_ = s.db.Write(ctx, func(ctx context.Context, c engine.Conn) error {
		return c.Row(ctx, "PRAGMA "+name, nil, &value)
	})
	return value
}

// Session are the settings of every session of PostgreSQL.
func Session(p Postgres) map[string]string { return p.withDefaults().session() }

// CheckServer judges a server of PostgreSQL by what it says of itself.
func CheckServer(version int, encoding string, standby, readOnly bool) error {
	return server{version: version, encoding: encoding, standby: standby, readOnly: readOnly}.check(nil)
}

// Queued is how many batches wait for a group of PostgreSQL, or for SQLite's writer.
func (s *Store) Queued() int {
	if db, ok := s.db.(*sqliteDB); ok {
		return len(db.queue)
	}
	db, ok := s.db.(*postgresDB)
	if !ok {
		return 0
	}
	db.committer.mu.Lock()
	defer db.committer.mu.Unlock()
	return db.committer.queued
}

// Relied are the settings that a connection must have.
func Relied() []string { return slices.Clone(relied) }

// Sole asks a question of one row, on a connection of the store.
func (s *Store) Sole(ctx context.Context, text string, dest ...any) error {
	return s.db.Read(ctx, func(ctx context.Context, c engine.Conn) error { return c.Row(ctx, text, nil, dest...) })
}

// Statements are all that are prepared, by name, with those of Lookups.
func Statements() map[string]string {
	all := Lookups()
	maps.Copy(all, map[string]string{})
	return all
}

// Hurried returns options by which each step of a start waits for so long only.
func Hurried(o Options, wait time.Duration) Options {
	o.startTimeout = wait
	return o
}

// Alone runs a statement as a migration is run, after its context has ended.
func (s *Store) Alone(ctx context.Context, text string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	return s.alone(ctx, func(ctx context.Context, c engine.Conn) error {
		cancel()
		return c.Script(ctx, text)
	})
}
