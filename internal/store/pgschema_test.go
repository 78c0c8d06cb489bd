package store_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/storekit"
)

// The tables with their columns, then the constraints and indexes, in the words of
// the server, of which only the first version it appeared in could differ.
const describe = `
SELECT format('%s.%s %s%s%s', c.table_name, c.column_name, c.data_type, CASE c.collation_name WHEN 'C' THEN ' "C"' ELSE '' END,
    CASE WHEN c.is_identity = 'YES' THEN ' identity' ELSE '' END || CASE WHEN c.is_nullable = 'YES' THEN '' ELSE ' not null' END || coalesce(' default ' || c.column_default, '')) AS line
FROM information_schema.columns c WHERE c.table_schema = 'public'
UNION ALL
SELECT format('%s: %s', conrelid::regclass, pg_get_constraintdef(oid)) FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
UNION ALL
SELECT replace(indexdef, 'public.', '') FROM pg_indexes WHERE schemaname = 'public'
UNION ALL
SELECT format('%s(%s)', proname, pg_get_function_arguments(oid)) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
ORDER BY 1`

func TestPostgresMigrationsGiveTheGoldenSchema(t *testing.T) {
	t.Parallel()
	dsn, _ := storekit.OnPostgres(t, 1, store.Options{})
	all := storekit.Lines(t, storekit.RawPostgres(t, dsn, nil), describe)
	slices.Sort(all)
	got := strings.Join(all, "\n") + "\n"
	golden := filepath.Join("testdata", "schema.postgres.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("the schema has changed; run the test with -update when that is meant (-want +got)\n%s", diff)
	}
}

func TestBothEnginesHaveTheSameMigrationsAndColumns(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bearerd.db")
	lite := storekit.Open(t, path, store.Options{})
	dsn, s := storekit.OnPostgres(t, 1, store.Options{})
	if diff := cmp.Diff(lite.Migrated(), s[0].Migrated()); diff != "" {
		t.Errorf("migrations (-SQLite +PostgreSQL):\n%s", diff)
	}
	types := strings.NewReplacer("INTEGER", "bigint", "TEXT", "text", "BLOB", "bytea")
	var want []string
	// The search for users rests on tables in SQLite, and on an index in PostgreSQL.
	for _, c := range storekit.Values(t, storekit.Raw(t, path), `SELECT m.name || '.' || c.name || ' ' || c.type FROM sqlite_schema m, pragma_table_xinfo(m.name) c
WHERE m.type = 'table' AND m.name NOT GLOB 'sqlite_*' AND m.name NOT GLOB 'user_search*'`) {
		want = append(want, types.Replace(c))
	}
	got := storekit.Lines(t, storekit.RawPostgres(t, dsn, nil), `SELECT format('%s.%s %s', table_name, column_name, data_type) FROM information_schema.columns WHERE table_schema = 'public'`)
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-SQLite +PostgreSQL):\n%s", diff)
	}
	for _, c := range storekit.Lines(t, storekit.RawPostgres(t, dsn, nil), `SELECT table_name || '.' || column_name FROM information_schema.columns
WHERE table_schema = 'public' AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'`) {
		t.Errorf("%s is not compared bytewise", c)
	}
}
