package store_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/bearerd/bearerd/internal/store"
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

func lines(t *testing.T, c *pgx.Conn, query string) (all []string) {
	t.Helper()
	rows, err := c.Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	all, err = pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestPostgresMigrationsGiveTheGoldenSchema(t *testing.T) {
	t.Parallel()
	dsn, _ := onPostgres(t, 1, store.Options{})
	all := lines(t, rawPG(t, dsn, nil), describe)
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
	lite := mustOpen(t, path, store.Options{})
	dsn, s := onPostgres(t, 1, store.Options{})
	if diff := cmp.Diff(lite.Migrated(), s[0].Migrated()); diff != "" {
		t.Errorf("migrations (-SQLite +PostgreSQL):\n%s", diff)
	}
	types := strings.NewReplacer("INTEGER", "bigint", "TEXT", "text", "BLOB", "bytea")
	var want []string
	// The search for users rests on tables in SQLite, and on an index in PostgreSQL.
	for _, c := range column(t, raw(t, path), `SELECT m.name || '.' || c.name || ' ' || c.type FROM sqlite_schema m, pragma_table_xinfo(m.name) c
WHERE m.type = 'table' AND m.name NOT GLOB 'sqlite_*' AND m.name NOT GLOB 'user_search*'`) {
		want = append(want, types.Replace(c))
	}
	got := lines(t, rawPG(t, dsn, nil), `SELECT format('%s.%s %s', table_name, column_name, data_type) FROM information_schema.columns WHERE table_schema = 'public'`)
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-SQLite +PostgreSQL):\n%s", diff)
	}
	for _, c := range lines(t, rawPG(t, dsn, nil), `SELECT table_name || '.' || column_name FROM information_schema.columns
WHERE table_schema = 'public' AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C'`) {
		t.Errorf("%s is not compared bytewise", c)
	}
}

// fillPG puts so much into a database that a plan which reads all of a table is one
// that the server prefers only when it must.
var fillPG = []string{
	`INSERT INTO users (id, username, name, email, disabled, password_hash, search) SELECT 'id' || n, 'user' || n, 'n', 'e', 0, 'h', 'user' || n FROM generate_series(1, 20000) n`,
	`INSERT INTO user_groups SELECT 'id' || n, 'g' || n % 1000 FROM generate_series(1, 20000) n`,
	`INSERT INTO bindings (id, user_id, action, action_path, path) SELECT 'u' || n, 'id' || n, 'access', '/', '/collections/' || n % 5000 FROM generate_series(1, 20000) n`,
	`INSERT INTO bindings (id, group_name, action, action_path, path) SELECT 'g' || n, 'g' || n % 1000, 'access', '/', '/collections/' || n FROM generate_series(1, 20000) n`,
	`INSERT INTO collections SELECT n, 'c' || n FROM generate_series(1, 20000) n`,
	`INSERT INTO roles SELECT 'r' || n, '[]' FROM generate_series(1, 2000) n`,
	`INSERT INTO clients SELECT 'c' || n, '', '[]', '[]', '[]' FROM generate_series(1, 2000) n`,
	`INSERT INTO tokens SELECT 't' || n, 'api-token', sha256(n::text::bytea), '', '', 'id' || n % 5000, 'c' || n % 2000, '', '[]', NULL, '[]', '', 0,
    n, CASE WHEN n % 2 = 0 THEN n ELSE 0 END, 0, '', CASE WHEN n % 3 = 0 THEN n ELSE 0 END, '', '', '', 0, 0 FROM generate_series(1, 50000) n`,
	`INSERT INTO token_ancestors SELECT 't' || n, 't' || n + 1 FROM generate_series(1, 40000) n`,
	`INSERT INTO log_entries SELECT n, 'token', 't' || n, n, n FROM generate_series(1, 50000) n`,
	`UPDATE log_head SET seq = 50000`,
	`INSERT INTO audit_events (at, actor, action, target, token_id, address, request_id, outcome, reason)
    SELECT n, 'a' || n % 5000, 'login', 't' || n % 5000, 't' || n, '', '', 'ok', '' FROM generate_series(1, 50000) n`,
	`INSERT INTO attempts SELECT 'k' || n, 1, n, n FROM generate_series(1, 100000) n`,
	`INSERT INTO devices SELECT sha256(n::text::bytea), 'code' || n, '', '[]', '', 'pending', '', 0, 0, n FROM generate_series(1, 100000) n`,
	`INSERT INTO known_addresses SELECT 'k' || n % 20000, n, n FROM generate_series(1, 100000) n`,
	`INSERT INTO user_links SELECT 's' || n % 5, 'x' || n, 'id' || n, n FROM generate_series(1, 20000) n`,
	`INSERT INTO spent SELECT sha256(n::text::bytea), n FROM generate_series(1, 100000) n`,
	`INSERT INTO password_links SELECT sha256(n::text::bytea), 'id' || n % 20000 + 1, '', n, n FROM generate_series(1, 100000) n`,
	`INSERT INTO codes SELECT sha256(n::text::bytea), 'g' || n, 'c', '', '', 0, n FROM generate_series(1, 100000) n`,
	`INSERT INTO consents SELECT 'id' || n, 'c' || n % 10, '', '[]', NULL, '', n FROM generate_series(1, 20000) n`,
	`INSERT INTO shadow SELECT '/', 'expired', 't' || n, 1, 0, 0, n, '[]' FROM generate_series(1, 100000) n`,
	`UPDATE tokens SET import_id = 7 WHERE id < 't2'`,
	`INSERT INTO token_uses SELECT n, '' FROM generate_series(1, 100000) n`,
	`INSERT INTO hourly_counts SELECT n / 100, n % 100, 'node', n FROM generate_series(1, 100000) n`,
	`INSERT INTO outbox (receiver, jti, event, subject, fact, at, due_at, attempts) SELECT 'r' || n % 3, n, '', '', '', n, n, 0 FROM generate_series(1, 50000) n`,
	`INSERT INTO token_networks SELECT 't' || n, 'x', n FROM generate_series(1, 50000) n`,
	`ALTER TABLE client_scopes DROP CONSTRAINT client_scopes_client_id_fkey`,
	`INSERT INTO client_scopes SELECT 's' || n, 'c' || n FROM generate_series(1, 50000) n`,
	`ANALYZE`,
}

// TestPostgresLookupsHaveAnIndex wants no statement of a request, nor of a purge, to
// read a whole table that grows, whatever its arguments are.
func TestPostgresLookupsHaveAnIndex(t *testing.T) {
	t.Parallel()
	dsn, _ := onPostgres(t, 1, store.Options{})
	c := rawPG(t, dsn, nil)
	for _, s := range fillPG {
		mustExec(t, c, s)
	}
	mustExec(t, c, "SET plan_cache_mode = force_generic_plan")
	mustExec(t, c, "SET random_page_cost = 1.1") // of what is in memory, or on flash
	// Few rows, or all rows on purpose.
	whole := regexp.MustCompile(`Seq Scan on (log_head|nodes|signing_keys|meta|figures|imports)\b`)
	for name, text := range store.Statements() {
		n := 0
		for strings.Contains(text, fmt.Sprintf("$%d", n+1)) {
			n++
		}
		mustExec(t, c, "PREPARE s AS "+text)
		execute := "EXPLAIN EXECUTE s"
		if n > 0 {
			execute += "(" + strings.TrimSuffix(strings.Repeat("NULL, ", n), ", ") + ")"
		}
		plan := lines(t, c, execute)
		mustExec(t, c, "DEALLOCATE s")
		for _, line := range plan {
			if strings.Contains(line, "Seq Scan") && !whole.MatchString(line) {
				t.Errorf("%s:\n%s", name, strings.Join(plan, "\n"))
				break
			}
		}
	}
}
