// Package store keeps bearerd's facts in an SQLite database: users, clients and
// bindings, stored tokens, signing keys, the revocation log, and the audit log.
//
// Every write is one transaction and is answered after its commit has reached the
// disk (write-ahead log, synchronous=FULL). One goroutine does all of a process's
// writes, those that wait together in one transaction, each in a savepoint, so
// that a hundred of them cost little more than one. Another process may write to
// the same file at the same time. Reads have connections of their own that see a
// snapshot and wait for no writer.
//
// The revocation log gets its sequence from one row that every append updates, in
// the transaction of what it tells of. So entries are committed in the order of
// their sequences and without gaps, and a reader that saw one has seen all before.
//
// Times are microseconds in UTC. Names and identifiers are compared bytewise.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bearerd/bearerd/internal/authority"
)

var _ authority.Store = (*Store)(nil)

// Options say how to open a store. Now is required.
type Options struct {
	Now func() time.Time
	// Logger tells of migrations and of a restored backup; nil: silent.
	Logger *slog.Logger
	// MustExist makes a missing database an error instead of an empty one.
	MustExist bool
}

// Store is an open database. It is safe for use by many goroutines.
type Store struct {
	path    string
	file    os.FileInfo // the file as it was opened
	now     func() time.Time
	logger  *slog.Logger
	queries atomic.Int64

	migrated []string
	restored bool

	queue   chan *job
	stop    chan struct{} // closed: the writer ends
	stopped chan struct{} // closed: the writer has ended

	closed   sync.Once
	closeErr error

	writer  *conn // used by the writer's goroutine alone
	readers chan *conn
}

// Open opens the database in the file of that name, making it unless it must
// exist, and brings its schema up to date. A database of a later version, or one
// that can't be written, is an error that says so, and is left as it is. The first
// Open of a restored backup raises the sequence of the revocation log above any
// that was given out since the backup was made.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	if o.Now == nil {
		return nil, errors.New("opening a store: Now is missing")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := open(ctx, path, o)
	if err != nil {
		return nil, fmt.Errorf("opening the database %s: %w", path, err)
	}
	return s, nil
}

func open(ctx context.Context, path string, o Options) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := ensureFile(path, !o.MustExist); err != nil {
		return nil, err
	}
	s := &Store{
		path: path, now: o.Now, logger: o.Logger,
		queue: make(chan *job, queueLength), stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	if s.file, err = os.Stat(path); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	busyUntil := func() bool { return ctx.Err() != nil }
	if err := retry(busyUntil, func() error { return s.connect(ctx) }); err != nil {
		return nil, err
	}
	if err := retry(busyUntil, func() error { return s.prepare(ctx) }); err != nil {
		return nil, errors.Join(err, s.disconnect())
	}
	go s.serve(detached(ctx))
	return s, nil
}

// startPatience is for how long a start waits for another process that migrates
// the same database.
const startPatience = 30 * time.Second

// connect opens every connection. Before the first that may write, it makes sure
// that the database is one to write to.
func (s *Store) connect(ctx context.Context) (err error) {
	if _, err := pending(ctx, s.path); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.disconnect())
		}
	}()
	if s.writer, err = s.dial(ctx, writing(s.path)); err != nil {
		return err
	}
	readers := max(4, runtime.GOMAXPROCS(0))
	s.readers = make(chan *conn, readers)
	for range readers {
		c, err := s.dial(ctx, reading(s.path))
		if err != nil {
			return err
		}
		s.readers <- c
	}
	return nil
}

// disconnect closes the connections that nobody uses.
func (s *Store) disconnect() error {
	var errs []error
	for len(s.readers) > 0 {
		c := <-s.readers
		errs = append(errs, c.close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.close())
	}
	return errors.Join(errs...)
}

// prepare brings the schema up to date and a restored backup back into service.
func (s *Store) prepare(ctx context.Context) error {
	for {
		name, err := s.migrateOne(ctx, s.writer)
		if err != nil {
			return fmt.Errorf("migrating the schema: %w", err)
		}
		if name == "" {
			return s.resume(ctx, s.writer)
		}
		s.migrated = append(s.migrated, name)
		s.logger.LogAttrs(ctx, slog.LevelInfo, "database migrated", slog.String("migration", name))
	}
}

// Close waits for the transactions under way and closes the database. Writes that
// still wait get fault.Unavailable, and so does whatever comes later. Closing again
// does nothing.
func (s *Store) Close() error {
	s.closed.Do(func() { s.closeErr = s.shut() })
	if s.closeErr != nil {
		return fmt.Errorf("closing the database %s: %w", s.path, s.closeErr)
	}
	return nil
}

func (s *Store) shut() error {
	close(s.stop)
	<-s.stopped
	errs := []error{s.writer.close()}
	for range cap(s.readers) {
		c := <-s.readers
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}

// Migrated names the migrations that this Open ran.
func (s *Store) Migrated() []string { return slices.Clone(s.migrated) }

// Queries tells how many statements were sent since the store was opened.
func (s *Store) Queries() int64 { return s.queries.Load() }

// read runs do on a connection of its own. Each of its statements sees what is
// committed when it begins.
func (s *Store) read(ctx context.Context, do func(context.Context, *conn) error) error {
	select {
	case c := <-s.readers:
		defer func() { s.readers <- c }()
		if err := ctx.Err(); err != nil {
			return err
		}
		return s.classify(do(detached(ctx), c))
	case <-ctx.Done():
		return ctx.Err()
	case <-s.stop:
		return errClosed
	}
}

// snapshot runs do so that all of its statements see the same state.
func (s *Store) snapshot(ctx context.Context, do func(context.Context, *conn) error) error {
	return s.read(ctx, func(ctx context.Context, c *conn) error {
		if _, err := c.exec(ctx, beginRead); err != nil {
			return err
		}
		defer func() { _, _ = c.exec(ctx, rollback) }() // nothing was written
		return do(ctx, c)
	})
}
