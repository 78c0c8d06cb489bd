// Package pgtest starts PostgreSQL servers for tests and benchmarks.
//
// [New] makes an empty database, on the server that BEARERD_TEST_POSTGRES names or
// else on a throwaway one that all tests of a process share. [Start] starts a
// server of a test's own, which keeps what it acknowledged and can be stopped,
// killed and started again. [Cluster.Follow] makes a standby of it, which can be
// paused, resumed and promoted.
//
// A server is watched over by a shell that reads from a pipe: when the test
// process ends, however it ends, the pipe closes, and the shell stops the server
// and removes its directory. Servers run as the user postgres when the tests run
// as root, which PostgreSQL refuses.
//
// Where there is no PostgreSQL the test is skipped, or fails if CI is "true".
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Variable names a server to use, by a DSN in the form of a URL whose user may
// make databases.
const Variable = "BEARERD_TEST_POSTGRES"

// stepTimeout is how long a server may take for one step of a test.
const stepTimeout = time.Minute

// shared is the server of all tests of this process; it ends with the process.
var shared = sync.OnceValues(func() (*Cluster, error) { return start(throwaway) })

// New returns the DSN of a new, empty database, which is dropped when the test ends.
func New(tb testing.TB) string {
	tb.Helper()
	admin := Server(tb)
	name := "bearerd_test_" + uuid.NewString()
	Exec(tb, admin, `CREATE DATABASE "`+name+`" TEMPLATE template0`)
	tb.Cleanup(func() { Exec(tb, admin, `DROP DATABASE IF EXISTS "`+name+`" WITH (FORCE)`) })
	return withDatabase(tb, admin, name)
}

// Server returns the DSN of the server on which New makes databases, as a user who
// may.
func Server(tb testing.TB) string {
	tb.Helper()
	if dsn := os.Getenv(Variable); dsn != "" {
		return dsn
	}
	c, err := shared()
	giveUp(tb, err)
	return c.DSN()
}

// Exec runs SQL on a connection of its own, and fails the test if that fails.
func Exec(tb testing.TB, dsn, sql string) {
	tb.Helper()
	if err := run(dsn, sql); err != nil {
		tb.Fatal(err)
	}
}

// run does not use the test's context, which has ended when its cleanups run.
func run(dsn, sql string) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close(ctx)) }()
	if _, err = c.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
		err = fmt.Errorf("%s: %w", sql, err)
	}
	return err
}

func withDatabase(tb testing.TB, dsn, name string) string {
	tb.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		tb.Fatalf("%s must be a URL", Variable)
	}
	u.Path = "/" + name
	return u.String()
}

// giveUp ends a test that can't have its server.
func giveUp(tb testing.TB, err error) {
	tb.Helper()
	switch {
	case errors.Is(err, errNone) && os.Getenv("CI") != "true":
		tb.Skip(err)
	case err != nil:
		tb.Fatal(err)
	}
}
