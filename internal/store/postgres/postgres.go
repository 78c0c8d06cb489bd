// Package postgres is the engine for PostgreSQL, on which any number of nodes write side by side
// (READ COMMITTED, synchronous_commit=on).
//
// An operation locks what it reads before it writes. Batches that wait together at a node
// share a transaction, and the entries of the revocation log are appended last, in one message with
// the commit: a client that is cut off anywhere in its message never leaves the log's row
// locked. A commit that is under way is never cancelled; its caller gets an error after a
// second, that the store doesn't answer.
package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/store/column"
	"github.com/bearerd/bearerd/internal/store/engine"
)

// selectClock asks for the server's wall clock.
const selectClock = `SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint`

// DB is a PostgreSQL database, and the connections to it.
type DB struct {
	name      string
	config    *pgxpool.Config
	limits    Limits
	queries   *atomic.Int64
	waiting   atomic.Int64  // for a connection
	places    chan struct{} // one for each connection in use that isn't for the log
	stop      chan struct{} // closed: nothing new is begun
	pool      *pgxpool.Pool // nil until Serve
	committer committer
	stuck     stuck
	followed  atomic.Pointer[func() string] // names the server to use; nil: any
}

// Open checks that the server can be used, with the settings of a session. Until Serve
// is called only Alone may be used.
func Open(ctx context.Context, dsn string, o Options) (*DB, error) {
	db, err := configure(dsn, o)
	if err != nil {
		return nil, err
	}
	c, err := db.dial(ctx, nil)
	if err != nil {
		return nil, err
	}
	return db, c.Close(engine.Detached(ctx))
}

// configure reads the URL. It connects to nothing yet.
func configure(dsn string, o Options) (*DB, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("its URL is not valid: %s", withoutSecrets(err, dsn))
	}
	db := &DB{name: Name(dsn), config: config, limits: o.Limits.withDefaults(), queries: o.Queries, stop: make(chan struct{})}
	db.places = make(chan struct{}, max(db.limits.Connections-1, 1))
	db.committer.db = db
	config.ConnConfig.ConnectTimeout = db.limits.ConnectTimeout
	params := config.ConnConfig.RuntimeParams
	params["application_name"] = cmp.Or(params["application_name"], "bearerd")
	maps.Copy(params, db.limits.session())
	if o.Bulk {
		// A plan that was made when a table was empty reads all of it when it no longer is.
		params["plan_cache_mode"] = "force_custom_plan"
	}
	config.BeforeConnect = func(_ context.Context, one *pgx.ConnConfig) error {
		own(one)
		return nil
	}
	config.MaxConns = int32(min(db.limits.Connections, 10_000)) //nolint:gosec // bounded
	config.MinIdleConns = 1
	config.MaxConnLifetime, config.MaxConnLifetimeJitter = time.Hour, 10*time.Minute
	config.MaxConnIdleTime = 5 * time.Minute
	config.HealthCheckPeriod = 5 * time.Second
	config.PingTimeout = db.limits.StatementTimeout / 2
	return db, nil
}

// Serve opens the pool. Each new connection is checked before it is used: behind the same
// name there may be another server by now, and a database that isn't the one it was needs
// resume. Resuming opens connections of its own, so whether it is done is checked on the
// connection that is to be used.
func (db *DB) Serve(ctx context.Context, resume func(context.Context) error) error {
	uncounted := &DB{queries: new(atomic.Int64)} // these are not counted
	db.config.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		if err := checkServer(ctx, c, db.limits.session()); err != nil {
			return err
		}
		asked := &conn{db: uncounted, c: c}
		moved, err := db.Restored(ctx, asked)
		if err == nil && moved {
			if err = resume(ctx); err == nil {
				moved, err = db.Restored(ctx, asked) // the resumed database may be another server's
			}
		}
		if err == nil && moved {
			err = errAmbiguous
		}
		return err
	}
	pool, err := pgxpool.NewWithConfig(engine.Detached(ctx), db.config)
	if err != nil {
		return err
	}
	db.pool = pool
	return nil
}

// dial makes one connection, outside the pool.
func (db *DB) dial(ctx context.Context, settings map[string]string) (*pgx.Conn, error) {
	config := db.config.ConnConfig.Copy()
	maps.Copy(config.RuntimeParams, settings)
	own(config)
	c, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, explain(err)
	}
	if err := checkServer(ctx, c, config.RuntimeParams); err != nil {
		return nil, errors.Join(err, c.Close(engine.Detached(ctx)))
	}
	return c, nil
}

// on runs do on a connection of the pool. It fails when no connection becomes free, or
// the server doesn't answer, within the time limit; and afterwards when the server
// doesn't answer a statement in time. Once it commits it is not rolled back any more:
// when reply ends before, the commit keeps the connection for as long as it takes.
func (db *DB) on(ctx, reply context.Context, timeout time.Duration, do func(context.Context, *conn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if db.stopped() {
		return engine.ErrClosed
	}
	defer db.waiting.Add(-1)
	if db.waiting.Add(1) > queueLength && !engine.IsFirst(ctx) {
		return errCrowded
	}
	within, cancel := context.WithCancelCause(engine.Detached(ctx))
	defer cancel(nil)
	timer := time.AfterFunc(timeout, func() { cancel(errSlow) })
	defer timer.Stop()
	given := context.AfterFunc(ctx, func() { cancel(ctx.Err()) })
	defer given()
	leave, err := db.enter(within)
	if err != nil {
		return cause(within, err)
	}
	held, err := db.acquire(within)
	if err != nil {
		leave()
		if db.stopped() {
			return engine.ErrClosed
		}
		return cause(within, err)
	}
	c := &conn{db: db, c: held.Conn(), reply: reply.Done(), calm: func() { timer.Stop() }}
	c.heard = func() { timer.Reset(db.limits.StatementTimeout) }
	giveBack := func() {
		held.Release()
		leave()
	}
	defer func() {
		if c.pending == nil {
			giveBack()
		} else {
			db.stuck.add(ctx, held.Conn(), c.pending, giveBack)
		}
	}()
	if !given() { // from here on, the caller waits for the outcome
		return ctx.Err()
	}
	return cause(within, do(within, c))
}

// maxElsewhere is how many connections to another server are closed in a row for one
// caller. When there are more, the address of the database leads there.
const maxElsewhere = 4

// acquire takes a connection of the pool that leads to the server whose log is followed.
// Those that lead to another one, usually a primary that was replaced, are closed.
func (db *DB) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	for range maxElsewhere {
		held, err := db.pool.Acquire(ctx)
		if err != nil {
			return nil, err //nolint:wrapcheck // classified by the callers
		}
		followed := db.followed.Load()
		if followed == nil || engine.OnAnyServer(ctx) {
			return held, nil
		}
		if want := (*followed)(); want == "" || lineOf(held.Conn()).origin == want {
			return held, nil
		}
		drop(held.Hijack())
	}
	return nil, engine.ErrElsewhere
}

// Follow implements engine.DB.
func (db *DB) Follow(origin func() string) { db.followed.Store(&origin) }

// enter waits for a place, and returns the function that leaves it.
func (db *DB) enter(ctx context.Context) (leave func(), err error) {
	if engine.IsFirst(ctx) {
		return func() {}, nil
	}
	select {
	case db.places <- struct{}{}:
		return func() { <-db.places }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// cause returns the cause of the end of a context, where err comes from that.
func cause(ctx context.Context, err error) error {
	var answer *pgconn.PgError
	var f *fault.Error
	if err == nil || ctx.Err() == nil || errors.As(err, &answer) || errors.As(err, &f) {
		return err
	}
	return context.Cause(ctx)
}

// Read implements engine.DB.
func (db *DB) Read(ctx context.Context, do engine.Work) error {
	return db.patiently(ctx, func(ctx context.Context, c *conn) error { return do(ctx, c) })
}

// Snapshot implements engine.DB.
func (db *DB) Snapshot(ctx context.Context, do engine.Work) error {
	return db.patiently(ctx, func(ctx context.Context, c *conn) error {
		c.begin(beginSnapshot)
		defer c.rollback(ctx)
		return do(ctx, c)
	})
}

// Write implements engine.DB.
func (db *DB) Write(ctx context.Context, do engine.Work) error {
	if db.stuck.crowded(ctx, db.limits.mostStuck()) {
		return errStuck
	}
	return db.patiently(ctx, func(ctx context.Context, c *conn) error {
		c.begin(beginCommitted)
		err := engine.Guarded(func() error { return do(ctx, c) })
		if err == nil {
			return c.commit(ctx)
		}
		c.rollback(ctx)
		return err
	})
}

// patiently repeats something that the server rolled back and that may succeed the next
// time. Then there is little time left for a server that can't be reached.
func (db *DB) patiently(ctx context.Context, do func(context.Context, *conn) error) error {
	const attempts = 5
	timeout := db.limits.StatementTimeout
	reply, cancel := context.WithTimeout(engine.Detached(ctx), db.limits.StatementTimeout)
	defer cancel()
	for n := 1; ; n++ {
		again := false
		err := db.on(ctx, reply, timeout, func(ctx context.Context, c *conn) error {
			err := cause(ctx, do(ctx, c))
			again = err != nil && c.undone(err) // while nobody else uses the connection
			return err
		})
		if !again || n == attempts {
			return db.classify(err)
		}
		timeout = db.limits.StatementTimeout / 3
	}
}

// Alone implements engine.DB.
func (db *DB) Alone(ctx context.Context, do engine.Work) (err error) {
	dialed, err := db.dial(ctx, patient())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dialed.Close(engine.Detached(ctx))) }()
	c := &conn{db: db, c: dialed}
	c.begin(beginCommitted)
	if _, err := c.Exec(ctx, lockMigrations); err != nil {
		return fmt.Errorf("waiting for another process that migrates: %w", err)
	}
	ctx = engine.Detached(ctx)
	if err := do(ctx, c); err != nil {
		c.rollback(ctx)
		return explain(err)
	}
	return explain(c.commit(ctx))
}

// Clock implements engine.DB.
func (db *DB) Clock(ctx context.Context) (at time.Time, ok bool, err error) {
	err = db.Read(ctx, func(ctx context.Context, c engine.Conn) error {
		at, err = ReadClock(ctx, c)
		return err
	})
	return at, err == nil, err
}

// stopped reports whether the database is closed.
func (db *DB) stopped() bool {
	select {
	case <-db.stop:
		return true
	default:
		return false
	}
}

// Close waits for what is under way. A commit that nobody waits for any more goes on at
// the server.
func (db *DB) Close() error {
	close(db.stop)
	// Nothing can be added any more.
	db.committer.mu.Lock()
	db.committer.closed = true
	db.committer.mu.Unlock()
	db.committer.running.Wait()
	db.stuck.hangUp(db.limits.StatementTimeout)
	db.pool.Close()
	return nil
}

// Dialect implements engine.DB.
func (*DB) Dialect() engine.Dialect {
	return engine.Dialect{
		Migrations: "migrations/postgres",
		Ours:       `SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = current_schema() AND tablename = 'migrations'`,
		Any:        `SELECT 1 FROM pg_catalog.pg_tables WHERE schemaname = current_schema() LIMIT 1`,
		Create: `CREATE TABLE IF NOT EXISTS migrations (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    at   BIGINT           NOT NULL
)`,
		InsertPassed: `INSERT INTO passed_confirmations (to_node, from_node, n, confirmations, at)
SELECT n.node, $1, $2, passed.value::text, $3 FROM json_each($4::json) passed JOIN nodes n ON n.node = passed.key RETURNING to_node`,
		// The SELECT hides from the planner how common the characters are: reading the table
		// instead of the index would split the text of each user.
		UsersContaining: `users u WHERE bearerd_grams(u.search) @> (SELECT array_agg(substr($1, i, 3)) FROM generate_series(1, char_length($1), 3) AS i)`,
		AskGrams:        func(grams []string) string { return strings.Join(grams, "") },
	}
}

// Look reads a database in one snapshot, without changing anything.
func Look(ctx context.Context, dsn string, o Options, do engine.LookWork) error {
	db, err := Open(ctx, dsn, o)
	if err != nil {
		return err
	}
	c, err := db.dial(ctx, patient())
	if err != nil {
		return err
	}
	looking := &conn{db: db, c: c}
	looking.begin(beginSnapshot)
	err = explain(do(ctx, looking, db.Dialect()))
	return errors.Join(err, c.Close(engine.Detached(ctx)))
}

// ReadClock returns the server's wall clock.
func ReadClock(ctx context.Context, c engine.Conn) (at time.Time, err error) {
	err = c.Row(ctx, selectClock, nil, column.Time(&at))
	return at, err
}
