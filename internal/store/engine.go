package store

import (
	"context"
	"time"

	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
)

// work is what is done on a connection. It may be run again from the start, in a new
// transaction, when it was rolled back.
type work func(context.Context, conn) error

// engine has the operations that differ between SQLite and PostgreSQL.
type engine interface {
	// read runs do on a connection of its own. Each of its statements sees what is
	// committed when it begins.
	read(ctx context.Context, do work) error
	// snapshot runs do so that all of its statements see the same state.
	snapshot(ctx context.Context, do work) error
	// write runs do in a transaction and returns once that is committed, or with an
	// error. It waits for its turn for as long as ctx allows, and less than a second;
	// after that it runs to its end.
	write(ctx context.Context, do work) error
	// commit carries out a batch, alone or with others that wait, and returns the
	// sequence of its last log entry.
	commit(ctx context.Context, b op.Batch) (revocation.Seq, error)
	// touch records last uses in one transaction. They are in the order of their ids.
	touch(ctx context.Context, uses []records.Use) error
	// clock returns the database's own clock; ok is false when it has none.
	clock(ctx context.Context) (at time.Time, ok bool, err error)
	// alone runs do in a transaction during which no other process migrates, and waits
	// for that as long as ctx allows. Then do runs to its end, whatever becomes of ctx.
	alone(ctx context.Context, do work) error
	// schema returns where the migrations are and how to ask which ones have run.
	schema() schema
	// listen calls wake soon after others appended to the log, until ctx ends.
	listen(ctx context.Context, wake func()) error
	// follow makes everything except questions to the log use only the server that origin
	// names; "" stands for any.
	follow(origin func() string)
	// backup writes a copy of the database to a new file.
	backup(ctx context.Context, path string) error
	// restored reports whether the database is a restored copy that adopt was not called
	// for yet.
	restored(ctx context.Context, c conn) (bool, error)
	// adopt makes restored return false from now on.
	adopt(ctx context.Context, c conn) error
	close() error
}

// conn is a connection within one of the engine's transactions, or in none.
type conn interface {
	// exec runs a statement and returns the number of rows that it changed.
	exec(ctx context.Context, text string, args ...any) (int64, error)
	// post is exec where the number doesn't matter. The statement may be sent with the
	// next one or with the commit, which then returns its error.
	post(ctx context.Context, text string, args ...any) error
	// row reads the one row of a query into dest; sql.ErrNoRows when there is none.
	row(ctx context.Context, text string, args []any, dest ...any) error
	// each reads every row of a query.
	each(ctx context.Context, text string, args []any, read func(scanner) error) error
	// script runs statements that have no parameters.
	script(ctx context.Context, text string) error
	// append assigns sequences to entries and puts the last of them into head, at the
	// latest when the transaction is committed.
	append(ctx context.Context, entries []revocation.Entry, head *revocation.Seq) error
	// origin returns which server the connection leads to, as Page.Origin says it.
	origin() string
	// lock makes this transaction wait for others that hold the lock, until it ends.
	lock(ctx context.Context, l lock) error
}

// lock is what concurrent transactions take before they read what others may be changing,
// in this order and before any row.
type lock int

const (
	// lockKeys is for changing signing keys.
	lockKeys lock = iota
	// lockPurge is for purging: two that purge the same rows would wait for each other.
	lockPurge
	// lockKill is for revoking stored tokens: it waits for transactions that add tokens,
	// so that none is missed, and they wait for it, so that they find it in the log.
	lockKill
	// lockTokens is for adding and touching tokens; many may hold it at once.
	lockTokens
	// lockUses is for writing what tokens were used for, whose rows are read and written whole.
	lockUses
)

// schema is where an engine's migrations are and how to ask for what is there.
type schema struct {
	migrations string // the directory
	ours       string // selects a row when the table of migrations is there
	any        string // selects a row when any table is there
	create     string // makes the table of migrations

	insertPassed    string                      // passes on what $4 has, an object of lists by node, and returns the nodes that are listed
	usersContaining string                      // what is FROM users u whose search has what $1 says
	askGrams        func(grams []string) string // returns $1 for users that have each three characters
}

// scanner is a row that can be read.
type scanner func(dest ...any) error

// list reads every row of a query.
func list[T any](ctx context.Context, c conn, scan func(scanner) (T, error), text string, args ...any) ([]T, error) {
	var items []T
	err := c.each(ctx, text, args, func(row scanner) error {
		item, err := scan(row)
		items = append(items, item)
		return err
	})
	if err != nil {
		return nil, err
	}
	return items, nil
}

// query reads every row of a single query, which is a snapshot by itself.
func query[T any](ctx context.Context, s *Store, scan func(scanner) (T, error), text string, args ...any) (items []T, err error) {
	err = s.read(ctx, func(ctx context.Context, c conn) error {
		items, err = list(ctx, c, scan, text, args...)
		return err
	})
	return items, err
}

// exists reports whether a query has a row.
func exists(ctx context.Context, c conn, text string, args ...any) (found bool, err error) {
	err = c.each(ctx, text, args, func(scanner) error {
		found = true
		return nil
	})
	return found, err
}
