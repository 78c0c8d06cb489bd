package storetest

import (
	"database/sql"
	"fmt"
	"strings"
	"testing"
)

// Dump returns every row of every table of the SQLite database in a file, as text, by
// table. The driver is the one that package store registers.
func Dump(tb testing.TB, path string) map[string][]string {
	tb.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	all := map[string][]string{}
	for _, table := range rowsOf(tb, db, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'") {
		all[table] = rowsOf(tb, db, "SELECT * FROM "+table+" ORDER BY 1")
	}
	return all
}

func rowsOf(tb testing.TB, db *sql.DB, query string) (out []string) {
	tb.Helper()
	rows, err := db.QueryContext(tb.Context(), query)
	if err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		tb.Fatal(err)
	}
	for rows.Next() {
		values, fields := make([]any, len(columns)), make([]string, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		if err := rows.Scan(values...); err != nil {
			tb.Fatal(err)
		}
		for i := range values {
			fields[i] = fmt.Sprint(*values[i].(*any)) //nolint:errcheck // made so above
		}
		out = append(out, strings.Join(fields, "|"))
	}
	if err := rows.Err(); err != nil {
		tb.Fatal(err)
	}
	return out
}
