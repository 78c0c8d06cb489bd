// Package engine is what the statements of the store stand on: an open database of either
// kind, its connections, and the errors that both kinds have. Packages sqlite and postgres
// implement it.
package engine

import (
	"context"
	"time"

	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
)

// Work is what is done on a connection. It may be run again from the start, in a new
// transaction, when it was rolled back.
type Work func(context.Context, Conn) error

// LookWork is what is done on a connection to a database that isn't opened, in one snapshot and
// without changing anything.
type LookWork func(context.Context, Conn, Dialect) error

// DB is an open database: what differs between SQLite and PostgreSQL.
type DB interface {
	// Read runs do on a connection of its own. Each of its statements sees what is
	// committed when it begins.
	Read(ctx context.Context, do Work) error
	// Snapshot runs do so that all of its statements see the same state.
	Snapshot(ctx context.Context, do Work) error
	// Write runs do in a transaction and returns once that is committed, or with an
	// error. It waits for its turn for as long as ctx allows, and less than a second;
	// after that it runs to its end.
	Write(ctx context.Context, do Work) error
	// Commit carries out a batch, alone or with others that wait, and returns the
	// sequence of its last log entry.
	Commit(ctx context.Context, b op.Batch) (revocation.Seq, error)
	// Touch records last uses in one transaction. They are in the order of their ids.
	Touch(ctx context.Context, uses []records.Use) error
	// Clock returns the database's own clock; ok is false when it has none.
	Clock(ctx context.Context) (at time.Time, ok bool, err error)
	// Alone runs do in a transaction during which no other process migrates, and waits
	// for that as long as ctx allows. Then do runs to its end, whatever becomes of ctx.
	Alone(ctx context.Context, do Work) error
	// Dialect returns what the engine says in words of its own.
	Dialect() Dialect
	// Listen calls wake soon after others appended to the log, until ctx ends.
	Listen(ctx context.Context, wake func()) error
	// Follow makes everything except questions to the log use only the server that origin
	// names; "" stands for any.
	Follow(origin func() string)
	// Backup writes a copy of the database to a new file.
	Backup(ctx context.Context, path string) error
	// Restored reports whether the database is a restored copy that Adopt was not called
	// for yet.
	Restored(ctx context.Context, c Conn) (bool, error)
	// Adopt makes Restored return false from now on.
	Adopt(ctx context.Context, c Conn) error
	// Close waits for what is under way, and closes the database.
	Close() error
}

// Conn is a connection within one of the engine's transactions, or in none.
type Conn interface {
	// Exec runs a statement and returns the number of rows that it changed.
	Exec(ctx context.Context, text string, args ...any) (int64, error)
	// Post is Exec where the number doesn't matter. The statement may be sent with the
	// next one or with the commit, which then returns its error.
	Post(ctx context.Context, text string, args ...any) error
	// Row reads the one row of a query into dest; sql.ErrNoRows when there is none.
	Row(ctx context.Context, text string, args []any, dest ...any) error
	// Each reads every row of a query.
	Each(ctx context.Context, text string, args []any, read func(Scanner) error) error
	// Script runs statements that have no parameters.
	Script(ctx context.Context, text string) error
	// Append assigns sequences to entries and puts the last of them into head, at the
	// latest when the transaction is committed.
	Append(ctx context.Context, entries []revocation.Entry, head *revocation.Seq) error
	// Origin returns which server the connection leads to, as Page.Origin says it.
	Origin() string
	// Lock makes this transaction wait for others that hold the lock, until it ends.
	Lock(ctx context.Context, l Lock) error
}

// Lock is what concurrent transactions take before they read what others may be changing,
// in this order and before any row.
type Lock int

const (
	// LockKeys is for changing signing keys.
	LockKeys Lock = iota
	// LockPurge is for purging: two that purge the same rows would wait for each other.
	LockPurge
	// LockKill is for revoking stored tokens: it waits for transactions that add tokens,
	// so that none is missed, and they wait for it, so that they find it in the log.
	LockKill
	// LockTokens is for adding and touching tokens; many may hold it at once.
	LockTokens
	// LockUses is for writing what tokens were used for, whose rows are read and written whole.
	LockUses
)

// Dialect is what an engine says in words of its own: where its migrations are, how to ask for
// what is there, and the statements that are not the same for both.
type Dialect struct {
	Migrations string // the directory of package schema that has them
	Ours       string // selects a row when the table of migrations is there
	Any        string // selects a row when any table is there
	Create     string // makes the table of migrations

	InsertPassed    string                      // passes on what $4 has, an object of lists by node, and returns the nodes that are listed
	UsersContaining string                      // what is FROM users u whose search has what $1 says
	AskGrams        func(grams []string) string // returns $1 for users that have each three characters
}

// Scanner is a row that can be read.
type Scanner func(dest ...any) error
