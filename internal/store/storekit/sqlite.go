// Package storekit opens stores for tests, and looks at their databases from beside them.
package storekit

import (
	"database/sql"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/store"
)

// Open opens a store that is closed when the test ends.
func Open(tb testing.TB, path string, o store.Options) *store.Store {
	tb.Helper()
	if o.Now == nil {
		o.Now = time.Now
	}
	s, err := store.Open(tb.Context(), path, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// Raw opens the file beside the store.
func Raw(tb testing.TB, path string) *sql.DB {
	tb.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		tb.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	tb.Cleanup(func() { _ = db.Close() })
	return db
}

// Values returns the texts of the one column that a query has.
func Values(tb testing.TB, db *sql.DB, query string) (values []string) {
	tb.Helper()
	rows, err := db.QueryContext(tb.Context(), query)
	if err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			tb.Fatal(err)
		}
		values = append(values, v)
	}
	if err := rows.Err(); err != nil {
		tb.Fatal(err)
	}
	return values
}

// ExecAll runs statements on the file beside the store.
func ExecAll(tb testing.TB, path string, statements ...string) {
	tb.Helper()
	db := Raw(tb, path)
	for _, s := range statements {
		if _, err := db.ExecContext(tb.Context(), s); err != nil {
			tb.Fatalf("%s: %v", s, err)
		}
	}
	if err := db.Close(); err != nil {
		tb.Fatal(err)
	}
}

// Plan returns how SQLite carries out a statement.
func Plan(tb testing.TB, db *sql.DB, text string) (details []string) {
	tb.Helper()
	rows, err := db.QueryContext(tb.Context(), "EXPLAIN QUERY PLAN "+text, make([]any, maxParameter(text))...)
	if err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			tb.Fatal(err)
		}
		details = append(details, detail)
	}
	if err := rows.Err(); err != nil {
		tb.Fatal(err)
	}
	return details
}

// maxParameter returns how many parameters a statement has.
func maxParameter(text string) (n int) {
	for _, found := range regexp.MustCompile(`\$(\d+)`).FindAllStringSubmatch(text, -1) {
		if one, err := strconv.Atoi(found[1]); err == nil {
			n = max(n, one)
		}
	}
	return n
}
