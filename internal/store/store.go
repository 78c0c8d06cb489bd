// Package store keeps bearerd's data in an SQLite or a PostgreSQL database. It opens a
// database, brings its schema up to date, resumes a restored backup, inspects and purges;
// what it keeps is read and changed by its parts:
//
//   - people: users and what belongs to them
//   - registry: collections, roles, bindings, clients, issuers, signing keys
//   - tokens: stored tokens, imports, device codes and authorization codes
//   - logs: the revocation log with its nodes, and the audit log
//   - upkeep: what nodes keep on their own account
//
// The parts stand on packages engine, query and column. Package batch does the operations
// of a batch with them, and the engines, packages sqlite and postgres, run it. The
// statements are the same for both engines, except for their own and those of a Dialect.
//
// Every write is one transaction and is answered after its commit has reached the disk.
// Reads see a snapshot and don't wait for writers.
//
// The revocation log gets its sequence from one row that every append updates, in the
// transaction that the entry is about. So entries are committed in the order of their
// sequences and without gaps, and a reader that has seen one has seen all before it.
//
// Times are microseconds in UTC. Identifiers and names are compared bytewise, except
// usernames, which are compared by identity.FoldName.
package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/logs"
	"github.com/bearerd/bearerd/internal/store/people"
	"github.com/bearerd/bearerd/internal/store/postgres"
	"github.com/bearerd/bearerd/internal/store/registry"
	"github.com/bearerd/bearerd/internal/store/sqlite"
	"github.com/bearerd/bearerd/internal/store/tokens"
	"github.com/bearerd/bearerd/internal/store/upkeep"
)

var _ contract.Store = (*Store)(nil)

// Options configure a store. Now is required.
type Options struct {
	Now func() time.Time
	// Logger logs migrations and that a backup was restored; nil: nothing is logged.
	Logger *slog.Logger
	// MustExist makes a missing database an error instead of an empty one.
	MustExist bool
	// Restored is set when the database is a restored copy, where the store can't see
	// that itself: the revocation log then continues at a higher sequence.
	Restored bool

	// Bulk is set by a process that writes very many rows: its connection to SQLite then
	// keeps more pages in memory (192 MiB) and copies them into the database less often.
	Bulk bool

	// Postgres bounds the use of a PostgreSQL server.
	Postgres postgres.Limits

	startTimeout time.Duration // 0: the constant; tests have less
}

// Store is an open database. It is safe for use by many goroutines.
type Store struct {
	*people.People
	*registry.Registry
	*tokens.Tokens
	*logs.Logs
	*upkeep.Upkeep

	db      engine.DB
	name    string // of the database, without secrets
	now     func() time.Time
	logger  *slog.Logger
	queries atomic.Int64

	startTimeout time.Duration

	migrated []string
	restored atomic.Bool

	closed   sync.Once
	closeErr error
}

// Open opens a database and brings its schema up to date: a URL that begins with
// postgres:// or postgresql:// names one of a PostgreSQL server, everything else an
// SQLite file, which is created unless it must exist. For a database of a later version,
// or one that can't be written, it returns an error and changes nothing. The first Open
// of a restored backup raises the sequence of the revocation log above any that was
// assigned since the backup was made.
func Open(ctx context.Context, database string, o Options) (*Store, error) {
	if o.Now == nil {
		return nil, errors.New("opening a store: Now is missing")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Store{name: nameOf(database), now: o.Now, logger: o.Logger, startTimeout: cmp.Or(o.startTimeout, startTimeout)}
	var err error
	if isPostgres(database) {
		err = s.openPostgres(ctx, database, o)
	} else {
		err = sqlite.Explain(database, s.openSQLite(ctx, database, o))
	}
	if err != nil {
		return nil, fmt.Errorf("opening the database %s: %w", s.name, err)
	}
	s.People = people.New(s.db)
	s.Registry = registry.New(s.db)
	s.Tokens = tokens.New(s.db)
	s.Logs = logs.New(s.db, o.Now)
	s.Upkeep = upkeep.New(s.db, o.Now)
	return s, nil
}

func (s *Store) openSQLite(ctx context.Context, path string, o Options) (err error) {
	var db *sqlite.DB
	err = s.within(ctx, func(ctx context.Context) error {
		db, err = sqlite.Open(ctx, path, sqlite.Options{MustExist: o.MustExist, Bulk: o.Bulk, Queries: &s.queries})
		return err
	})
	if err != nil {
		return err
	}
	s.db = db
	if err := s.prepare(ctx, o); err != nil {
		return errors.Join(err, db.Disconnect())
	}
	db.Serve(ctx)
	return nil
}

func (s *Store) openPostgres(ctx context.Context, dsn string, o Options) (err error) {
	var db *postgres.DB
	err = s.within(ctx, func(ctx context.Context) error {
		db, err = postgres.Open(ctx, dsn, postgres.Options{Limits: o.Postgres, Bulk: o.Bulk, Queries: &s.queries})
		return err
	})
	if err != nil {
		return err
	}
	s.db = db
	if err := s.prepare(ctx, o); err != nil {
		return err
	}
	return db.Serve(ctx, func(ctx context.Context) error { return s.resume(ctx, false) })
}

// startTimeout is how long each step of a start waits: for the database to answer, and for
// another process that migrates it. What this process then changes has no time-out: building an
// index takes as long as the table is large.
const startTimeout = 30 * time.Second

// within runs a step of a start that changes nothing.
func (s *Store) within(ctx context.Context, step func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.startTimeout)
	defer cancel()
	return step(ctx)
}

// alone runs do in a transaction during which no other process migrates. It waits for its turn
// for the time of a step.
func (s *Store) alone(ctx context.Context, do engine.Work) error {
	return s.within(ctx, func(ctx context.Context) error { return s.db.Alone(ctx, do) })
}

// prepare brings the schema up to date and a restored backup back into service.
func (s *Store) prepare(ctx context.Context, o Options) error {
	for {
		name, err := s.migrateOne(ctx)
		if err != nil {
			return fmt.Errorf("migrating the schema: %w", err)
		}
		if name == "" {
			if err := s.foldNames(ctx); err != nil {
				return fmt.Errorf("folding usernames: %w", err)
			}
			return s.resume(ctx, o.Restored)
		}
		s.migrated = append(s.migrated, name)
		s.logger.LogAttrs(ctx, slog.LevelInfo, "database migrated", slog.String("migration", name))
	}
}

// Commit carries out a batch: its operations in their order, its audit events and its log
// entries, all of it durably or nothing. It returns the sequence of its last log entry, 0
// when it has none. An invalid event makes it fail.
//
// The error is a fault when an operation can't be done: NotFound when what it changes is
// missing, Conflict when what it adds exists, Invalid when something else that it names
// is missing.
func (s *Store) Commit(ctx context.Context, b op.Batch) (revocation.Seq, error) {
	return s.db.Commit(ctx, b)
}

// Close waits for the transactions under way and closes the database. Writes that still
// wait and later calls fail with fault.Unavailable. Closing again does nothing.
func (s *Store) Close() error {
	s.closed.Do(func() { s.closeErr = s.db.Close() })
	if s.closeErr != nil {
		return fmt.Errorf("closing the database %s: %w", s.name, s.closeErr)
	}
	return nil
}

// Migrated names the migrations that this Open ran.
func (s *Store) Migrated() []string { return slices.Clone(s.migrated) }

// Queries returns how many statements were sent since the store was opened.
func (s *Store) Queries() int64 { return s.queries.Load() }

// Listen calls wake soon after any node appended to the revocation log, until ctx ends,
// and once whenever it may have missed that. It reconnects when the connection is lost.
// On SQLite, which has no notifications, it only waits.
func (s *Store) Listen(ctx context.Context, wake func()) error { return s.db.Listen(ctx, wake) }

// Follow makes the store read and write only on the server that origin names as
// revocation.Page does; "" stands for any. Connections to others are closed. One address
// may lead to a primary and to the one that has replaced it, and the two may differ in
// what is revoked and which keys sign, while this node follows the log of only one.
func (s *Store) Follow(origin func() string) { s.db.Follow(origin) }
