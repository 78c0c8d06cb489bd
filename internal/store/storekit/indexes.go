package storekit

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/store"
)

// fillPG returns statements that put so much into a database that a plan which reads all of a table is one
// that the server prefers only when it must.
func fillPG() []string {
	return []string{
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
}

// IndexedOnPostgres wants no statement of a request, nor of a purge, to read a whole table that
// grows, whatever its arguments are.
func IndexedOnPostgres(t *testing.T, statements map[string]string) {
	t.Helper()
	dsn, _ := OnPostgres(t, 1, store.Options{})
	c := RawPostgres(t, dsn, nil)
	for _, s := range fillPG() {
		MustExec(t, c, s)
	}
	MustExec(t, c, "SET plan_cache_mode = force_generic_plan")
	MustExec(t, c, "SET random_page_cost = 1.1") // of what is in memory, or on flash
	// Few rows, or all rows on purpose.
	whole := regexp.MustCompile(`Seq Scan on (log_head|nodes|signing_keys|meta|figures|imports)\b`)
	for name, text := range statements {
		n := 0
		for strings.Contains(text, fmt.Sprintf("$%d", n+1)) {
			n++
		}
		MustExec(t, c, "PREPARE s AS "+text)
		execute := "EXPLAIN EXECUTE s"
		if n > 0 {
			execute += "(" + strings.TrimSuffix(strings.Repeat("NULL, ", n), ", ") + ")"
		}
		plan := Lines(t, c, execute)
		MustExec(t, c, "DEALLOCATE s")
		for _, line := range plan {
			if strings.Contains(line, "Seq Scan") && !whole.MatchString(line) {
				t.Errorf("%s:\n%s", name, strings.Join(plan, "\n"))
				break
			}
		}
	}
}

// Indexed wants no statement of a request to read a whole table of SQLite, nor to sort what it
// finds, but for what may, by the statement's name and the line of its plan.
func Indexed(t *testing.T, statements map[string]string, may func(name, detail string) bool) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bearerd.db")
	Open(t, path, store.Options{})
	db := Raw(t, path)
	for name, text := range statements {
		for _, detail := range Plan(t, db, text) {
			scan := strings.HasPrefix(detail, "SCAN") && detail != "SCAN CONSTANT ROW"
			if (scan || strings.Contains(detail, "TEMP B-TREE")) && !may(name, detail) {
				t.Errorf("%s: %s", name, detail)
			}
		}
	}
}

// Ordered wants no list to sort or read a whole table of SQLite, so that a page costs the same
// however much is stored. The lists that are named may be sorted.
func Ordered(t *testing.T, lists map[string]string, sorted ...string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bearerd.db")
	Open(t, path, store.Options{})
	db := Raw(t, path)
	for name, text := range lists {
		details := Plan(t, db, text)
		inner := slices.ContainsFunc(details, func(d string) bool { return strings.HasPrefix(d, "CO-ROUTINE") })
		for _, detail := range details {
			whole := strings.HasPrefix(detail, "SCAN") && !strings.Contains(detail, "USING") && (!inner || len(detail) != len("SCAN t"))
			sort := strings.Contains(detail, "TEMP B-TREE") && !slices.Contains(sorted, name)
			if whole || sort || strings.HasPrefix(detail, "MATERIALIZE") {
				t.Errorf("%s: %s", name, strings.Join(details, " / "))
			}
		}
	}
}
