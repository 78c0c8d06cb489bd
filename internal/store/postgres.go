package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strconv"
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

// Postgres configures the use of a PostgreSQL server. The zero value has the defaults.
type Postgres struct {
	// Connections is how many there are at most, plus one that listens to the log; 0: 16.
	// Where there are two or more, one of them is for the log alone.
	Connections int
	// ConnectTimeout is how long making a connection may take; 0: 5 s.
	ConnectTimeout time.Duration
	// StatementTimeout is how long to wait for an answer, a free connection
	// included; 0: 900 ms.
	StatementTimeout time.Duration
	// Staleness is revocation.max_staleness: the server rolls back a transaction that its
	// node leaves idle for a quarter of that, because others may wait for it; 0: 2 s.
	Staleness time.Duration
}

// selectClock asks for the server's wall clock.
const selectClock = `SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint`

// longestSilence is how long a transaction may be idle at most. Transactions that wait
// for it wait longer.
const longestSilence = 500 * time.Millisecond

func (p Postgres) withDefaults() Postgres {
	p.Connections = cmp.Or(p.Connections, 16)
	p.ConnectTimeout = cmp.Or(p.ConnectTimeout, 5*time.Second)
	p.StatementTimeout = cmp.Or(p.StatementTimeout, 900*time.Millisecond)
	p.Staleness = cmp.Or(p.Staleness, 2*time.Second)
	return p
}

// lockTimeout is how long a session waits for a lock, in milliseconds.
func (p Postgres) lockTimeout() string { return ms(p.StatementTimeout * 9 / 10) }

// mostStuck is how many commits may go on without a caller that waits for them.
func (p Postgres) mostStuck() int { return max(p.Connections/4, 1) }

func ms(d time.Duration) string { return strconv.FormatInt(max(d.Milliseconds(), 1), 10) }

// session are the settings of every connection, whatever the server's defaults. A
// disconnected node must not keep locks that others wait for, and what is acknowledged
// must be on the disk.
func (p Postgres) session() map[string]string {
	return map[string]string{
		"synchronous_commit":                  "on",
		"default_transaction_isolation":       "read committed",
		"standard_conforming_strings":         "on",
		"client_encoding":                     "UTF8",
		"statement_timeout":                   ms(p.StatementTimeout),
		"lock_timeout":                        p.lockTimeout(),
		"idle_in_transaction_session_timeout": ms(min(p.Staleness/4, longestSilence)),
		"tcp_keepalives_idle":                 "5",
		"tcp_keepalives_interval":             "1",
		"tcp_keepalives_count":                "3",
		"tcp_user_timeout":                    "5000",
	}
}

// patient are the settings of a connection that migrates: it may have to wait for others,
// and its statements may take long.
func patient() map[string]string {
	return map[string]string{"statement_timeout": "0", "lock_timeout": "0", "idle_in_transaction_session_timeout": "60000"}
}

func isPostgres(database string) bool {
	return strings.HasPrefix(database, "postgres://") || strings.HasPrefix(database, "postgresql://")
}

// nameOf returns how messages name a database, without secrets.
func nameOf(database string) string {
	if !isPostgres(database) {
		return database
	}
	u, err := url.Parse(database)
	if err != nil {
		return "postgres://[redacted]"
	}
	return "postgres://" + u.Host + u.Path
}

// postgresDB is a PostgreSQL database, and the connections to it.
type postgresDB struct {
	name      string
	config    *pgxpool.Config
	limits    Postgres
	queries   *atomic.Int64
	waiting   atomic.Int64  // for a connection
	places    chan struct{} // one for each connection in use that isn't for the log
	stop      chan struct{} // closed: nothing new is begun
	pool      *pgxpool.Pool // nil until serve
	committer committer
	stuck     stuck
	followed  atomic.Pointer[func() string] // names the server to use; nil: any
}

// openPostgres reads the URL. It connects to nothing yet.
func openPostgres(dsn string, o Options, queries *atomic.Int64) (*postgresDB, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, fmt.Errorf("its URL is not valid: %s", withoutSecrets(err, dsn))
	}
	db := &postgresDB{name: nameOf(dsn), config: config, limits: o.Postgres.withDefaults(), queries: queries, stop: make(chan struct{})}
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

// withoutSecrets returns the text of an error about a URL without the URL's secrets.
func withoutSecrets(err error, dsn string) string {
	text := err.Error()
	u, parseErr := url.Parse(dsn)
	if parseErr != nil {
		return "it is not well-formed"
	}
	password, _ := u.User.Password()
	for _, secret := range []string{dsn, password, u.Query().Get("password"), u.Query().Get("sslpassword")} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "xxxxx")
		}
	}
	return text
}

// serve opens the pool. Each new connection is checked before it is used: behind the same
// name there may be another server by now, and a database that isn't the one it was needs
// resume. Resuming opens connections of its own, so whether it is done is checked on the
// connection that is to be used.
func (db *postgresDB) serve(ctx context.Context, resume func(context.Context) error) error {
	uncounted := &postgresDB{queries: new(atomic.Int64)} // these are not counted
	db.config.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
		if err := checkServer(ctx, c, db.limits.session()); err != nil {
			return err
		}
		asked := &pgConn{db: uncounted, c: c}
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

// look checks that the server can be used, with the settings of a session.
func (db *postgresDB) look(ctx context.Context) error {
	c, err := db.dial(ctx, nil)
	if err != nil {
		return err
	}
	return c.Close(engine.Detached(ctx))
}

// dial makes one connection, outside the pool.
func (db *postgresDB) dial(ctx context.Context, settings map[string]string) (*pgx.Conn, error) {
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
func (db *postgresDB) on(ctx, reply context.Context, timeout time.Duration, do func(context.Context, *pgConn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if db.stopped() {
		return engine.ErrClosed
	}
	defer db.waiting.Add(-1)
	if db.waiting.Add(1) > pgQueueLength && !engine.IsFirst(ctx) {
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
	c := &pgConn{db: db, c: held.Conn(), reply: reply.Done(), calm: func() { timer.Stop() }}
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
func (db *postgresDB) acquire(ctx context.Context) (*pgxpool.Conn, error) {
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
func (db *postgresDB) Follow(origin func() string) { db.followed.Store(&origin) }

// enter waits for a place, and returns the function that leaves it.
func (db *postgresDB) enter(ctx context.Context) (leave func(), err error) {
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

func (db *postgresDB) Read(ctx context.Context, do engine.Work) error {
	return db.patiently(ctx, func(ctx context.Context, c *pgConn) error { return do(ctx, c) })
}

func (db *postgresDB) Snapshot(ctx context.Context, do engine.Work) error {
	return db.patiently(ctx, func(ctx context.Context, c *pgConn) error {
		c.begin(beginSnapshot)
		defer c.rollback(ctx)
		return do(ctx, c)
	})
}

func (db *postgresDB) Write(ctx context.Context, do engine.Work) error {
	if db.stuck.crowded(ctx, db.limits.mostStuck()) {
		return errStuck
	}
	return db.patiently(ctx, func(ctx context.Context, c *pgConn) error {
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
func (db *postgresDB) patiently(ctx context.Context, do func(context.Context, *pgConn) error) error {
	const attempts = 5
	timeout := db.limits.StatementTimeout
	reply, cancel := context.WithTimeout(engine.Detached(ctx), db.limits.StatementTimeout)
	defer cancel()
	for n := 1; ; n++ {
		again := false
		err := db.on(ctx, reply, timeout, func(ctx context.Context, c *pgConn) error {
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

func (db *postgresDB) Alone(ctx context.Context, do engine.Work) (err error) {
	dialed, err := db.dial(ctx, patient())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dialed.Close(engine.Detached(ctx))) }()
	c := &pgConn{db: db, c: dialed}
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
func (db *postgresDB) Clock(ctx context.Context) (at time.Time, ok bool, err error) {
	err = db.Read(ctx, func(ctx context.Context, c engine.Conn) error { return c.Row(ctx, selectClock, nil, column.Time(&at)) })
	return at, err == nil, err
}

// stopped reports whether the database is closed.
func (db *postgresDB) stopped() bool {
	select {
	case <-db.stop:
		return true
	default:
		return false
	}
}

// close waits for what is under way. A commit that nobody waits for any more goes on at
// the server.
func (db *postgresDB) Close() error {
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
func (*postgresDB) Dialect() engine.Dialect {
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

// lookPostgres implements look.
func lookPostgres(ctx context.Context, dsn string, o Options, do engine.Work) error {
	db, err := openPostgres(dsn, o, new(atomic.Int64))
	if err != nil {
		return err
	}
	if err := db.look(ctx); err != nil {
		return err
	}
	c, err := db.dial(ctx, patient())
	if err != nil {
		return err
	}
	looking := &pgConn{db: db, c: c}
	looking.begin(beginSnapshot)
	err = explain(do(ctx, looking))
	return errors.Join(err, c.Close(engine.Detached(ctx)))
}
