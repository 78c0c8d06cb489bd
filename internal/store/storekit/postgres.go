package storekit

import (
	"context"
	"maps"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/bearerd/bearerd/internal/pgtest"
	"github.com/bearerd/bearerd/internal/store"
)

// OnPostgres opens a number of stores on one new database, as so many nodes.
func OnPostgres(tb testing.TB, nodes int, o store.Options) (dsn string, stores []*store.Store) {
	tb.Helper()
	dsn = pgtest.New(tb)
	for range nodes {
		stores = append(stores, Open(tb, dsn, o))
	}
	return dsn, stores
}

// RawPostgres returns a connection beside the stores.
func RawPostgres(tb testing.TB, dsn string, settings map[string]string) *pgx.Conn {
	tb.Helper()
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	maps.Copy(config.RuntimeParams, settings)
	c, err := pgx.ConnectConfig(tb.Context(), config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// MustExec runs a statement on a connection that a test holds.
func MustExec(tb testing.TB, c *pgx.Conn, text string) {
	tb.Helper()
	if _, err := c.Exec(tb.Context(), text); err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
}

// Ask reads one value on a connection that a test holds.
func Ask[T any](tb testing.TB, c *pgx.Conn, text string) (value T) {
	tb.Helper()
	if err := c.QueryRow(tb.Context(), text).Scan(&value); err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	return value
}

// Lines returns the texts of the one column that a query has.
func Lines(tb testing.TB, c *pgx.Conn, query string) (all []string) {
	tb.Helper()
	rows, err := c.Query(tb.Context(), query)
	if err != nil {
		tb.Fatal(err)
	}
	all, err = pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		tb.Fatal(err)
	}
	return all
}
