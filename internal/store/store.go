// Package store keeps bearerd's data in an SQLite or a PostgreSQL database: users,
// clients and bindings, stored tokens, signing keys, the revocation log, and the audit
// log. The statements are the same for both, except for those in sqlite.go and the
// postgres files.
//
// Every write is one transaction and is answered after its commit has reached the disk.
// Reads see a snapshot and don't wait for writers.
//
// On SQLite (write-ahead log, synchronous=FULL) one goroutine does all of a process's
// writes. It does all waiting writes in one transaction, each in a savepoint, so that a
// hundred of them take little longer than one. Another process may write to the same file
// at the same time.
//
// On PostgreSQL any number of nodes write side by side (READ COMMITTED,
// synchronous_commit=on). An operation locks what it reads before it writes. Batches that
// wait together at a node share a transaction, and the entries of the log are appended
// last, in one message with the commit. A commit that is under way is never cancelled;
// its caller gets an error after a second, that the store doesn't answer.
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
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bearerd/bearerd/internal/records/contract"
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

	Postgres Postgres

	startTimeout time.Duration // 0: the constant; tests have less
}

// Store is an open database. It is safe for use by many goroutines.
type Store struct {
	engine  engine
	name    string // of the database, without secrets
	now     func() time.Time
	logger  *slog.Logger
	queries atomic.Int64

	startTimeout time.Duration

	usesWalk atomic.Int64 // the key of token_uses where the next purge begins

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
	s.usesWalk.Store(math.MinInt64 + rand.Int64N(1<<62)) //nolint:gosec // among the keys of UUIDs, so that short-lived processes look through all in the end
	var err error
	if isPostgres(database) {
		err = s.openPostgres(ctx, database, o)
	} else {
		err = explainFile(database, s.openSQLite(ctx, database, o))
	}
	if err != nil {
		return nil, fmt.Errorf("opening the database %s: %w", s.name, err)
	}
	return s, nil
}

func (s *Store) openSQLite(ctx context.Context, path string, o Options) error {
	// The writer doesn't run yet.
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if err := ensureFile(path, !o.MustExist); err != nil {
		return err
	}
	db := &sqliteDB{
		path: path, queries: &s.queries, bulk: o.Bulk,
		queue: make(chan *job, queueLength), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	if db.file, err = os.Stat(path); err != nil {
		return err
	}
	if err := s.within(ctx, func(ctx context.Context) error {
		return patiently(ctx, func() error { return db.connect(ctx) })
	}); err != nil {
		return err
	}
	s.engine = db
	if err := s.prepare(ctx, o); err != nil {
		return errors.Join(err, db.disconnect())
	}
	go db.serve(detached(ctx))
	return nil
}

func (s *Store) openPostgres(ctx context.Context, dsn string, o Options) error {
	db, err := openPostgres(dsn, o, &s.queries)
	if err != nil {
		return err
	}
	s.engine = db
	if err := s.within(ctx, db.look); err != nil {
		return err
	}
	if err := s.prepare(ctx, o); err != nil {
		return err
	}
	return db.serve(ctx, func(ctx context.Context) error { return s.resume(ctx, false) })
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
func (s *Store) alone(ctx context.Context, do work) error {
	return s.within(ctx, func(ctx context.Context) error { return s.engine.alone(ctx, do) })
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

// Close waits for the transactions under way and closes the database. Writes that still
// wait and later calls fail with fault.Unavailable. Closing again does nothing.
func (s *Store) Close() error {
	s.closed.Do(func() { s.closeErr = s.engine.close() })
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
func (s *Store) Listen(ctx context.Context, wake func()) error { return s.engine.listen(ctx, wake) }

// Follow makes the store read and write only on the server that origin names as
// revocation.Page does; "" stands for any. Connections to others are closed. One address
// may lead to a primary and to the one that has replaced it, and the two may differ in
// what is revoked and which keys sign, while this node follows the log of only one.
func (s *Store) Follow(origin func() string) { s.engine.follow(origin) }

func (s *Store) read(ctx context.Context, do work) error  { return s.engine.read(ctx, do) }
func (s *Store) write(ctx context.Context, do work) error { return s.engine.write(ctx, do) }
