package store

import (
	"context"
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

// Pragma reads a pragma of the connection that writes.
func (s *Store) Pragma(ctx context.Context, name string) (value string) {
	_ = s.db.Write(ctx, func(ctx context.Context, c engine.Conn) error {
		return c.Row(ctx, "PRAGMA "+name, nil, &value)
	})
	return value
}

// Queued is how many batches wait for a group of PostgreSQL, or for SQLite's writer.
func (s *Store) Queued() int {
	db, ok := s.db.(interface{ Queued() int })
	if !ok {
		return 0
	}
	return db.Queued()
}

// Sole asks a question of one row, on a connection of the store.
func (s *Store) Sole(ctx context.Context, text string, dest ...any) error {
	return s.db.Read(ctx, func(ctx context.Context, c engine.Conn) error { return c.Row(ctx, text, nil, dest...) })
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
