package store_test

import (
	"database/sql"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/pgtest"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/postgres"
	"github.com/bearerd/bearerd/internal/store/storekit"
)

var (
	crowdUsers    = flag.Int("crowd.users", 20_000, "how many users the lists are measured with; on SQLite a tenth")
	crowdTokens   = flag.Int("crowd.tokens", 200_000, "how many tokens the lists are measured with; on SQLite a tenth")
	crowdPostgres = flag.String("crowd.postgres", "", "the PostgreSQL database to measure, which is filled when it is empty; otherwise one of the benchmark's own")
	crowdSQLite   = flag.String("crowd.sqlite", "", "the SQLite database to measure, likewise")
)

// crowdBegun is when the first token was created; another follows each second.
var crowdBegun = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// crowdTables are filled without their indexes and triggers, which follow.
var crowdTables = []string{
	"users", "user_groups", "user_links", "source_users", "source_groups", "owned_users", "collections", "roles", "bindings", "clients", "issuers",
	"tokens", "token_scopes", "audit_events",
}

// crowdText fills a database. Half of the tokens are API tokens and keys, the rest sessions
// and refresh tokens; a third are revoked, and one in a thousand has a rare scope. Each user
// has ten tokens, an account at a source, and two groups; every second is provisioned.
// In it @N{count} is the numbers n from 1 to a count, @hash a text of 32 hexadecimal digits,
// @digest 32 bytes, @pad n with eight digits, and @T the time of token n.
const crowdText = `
INSERT INTO users (id, username, folded, name, email, disabled, password_hash, search, owner)
SELECT 'u' || n, 'user' || p, 'user' || p, 'Person ' || h, 'p' || n || '@example.org', CASE WHEN n % 50 = 0 THEN 1 ELSE 0 END, '',
    'user' || p || @nl || 'person ' || h || @nl || 'p' || n || '@example.org', CASE WHEN n % 2 = 0 THEN 'hr' ELSE '' END
FROM (SELECT n, @pad AS p, @hash AS h FROM @N{users}) x;
INSERT INTO owned_users (owner, part, n) SELECT owner, substr(id, 1, 3), count(*) FROM users WHERE owner <> '' GROUP BY owner, substr(id, 1, 3);
INSERT INTO user_links (source, external_id, user_id, linked_at) SELECT 'hr', 'x' || n, 'u' || n, 0 FROM @N{users};
INSERT INTO source_users (user_id, given_name, family_name, email_type, inactive) SELECT 'u' || n, 'Ada', 'B', 'work', 0 FROM @N{users} WHERE n % 2 = 0;
INSERT INTO source_groups (id, owner, name, folded, external_id) SELECT 'g' || n, 'hr', 'group' || n, 'group' || n, 'x' || n FROM @N{groups};
INSERT INTO user_groups (user_id, group_name, set_by) SELECT 'u' || n, 'group' || (1 + n % {groups}), CASE WHEN n % 2 = 0 THEN 'hr' ELSE '' END FROM @N{users};
INSERT INTO user_groups (user_id, group_name, set_by) SELECT 'u' || n, 'everybody', '' FROM @N{users};
INSERT INTO collections (id, name, owner) SELECT n, 'Collection ' || @hash, '' FROM @N{things};
INSERT INTO roles (name, permissions) SELECT 'role' || n, '[{"action":"access","path":"/"},{"action":"data.read","path":"/a"}]' FROM @N{few};
INSERT INTO bindings (id, user_id, group_name, role, path)
SELECT @hash, CASE WHEN n % 2 = 0 THEN 'u' || n END, CASE WHEN n % 2 = 1 THEN 'group' || (1 + n % {groups}) END, 'role' || (1 + n % {few}), '/collections/' || n FROM @N{things};
INSERT INTO clients (id, secret_digest, grants, scopes, audiences, name) SELECT 'client' || @pad, @digest, '["client_credentials"]', '["read","write"]', '[]', 'Service ' || @hash FROM @N{few};
INSERT INTO issuers (name, issuer, version, definition)
SELECT 'issuer' || @pad, 'https://' || n || '.example', '1', '{"Name":"issuer' || @pad || '","Issuer":"https://' || n || '.example"}' FROM @N{groups};
INSERT INTO tokens (id, kind, digest, prefix, last4, owner, client_id, name, scope, chain, family, seq, created_at, expires_at, last_used_at,
    last_used_by, revoked_at, reason, audience, replaces, ends_at)
SELECT h, CASE n % 4 WHEN 0 THEN 'session' WHEN 1 THEN 'refresh-token' WHEN 2 THEN 'api-token' ELSE 'api-key' END, @digest, 'bda_', substr(h, 29),
    'u' || (1 + n % {users}), '', CASE WHEN n % 4 > 1 THEN 'job ' || h ELSE '' END,
    CASE WHEN n % 1000 = 2 THEN '["rare"]' WHEN n % 4 > 1 THEN '["read","write"]' ELSE '[]' END, '[]', '', 1, @T,
    CASE WHEN n % 5 = 0 THEN 0 ELSE @T + 2592000000000 END, CASE WHEN n % 7 = 0 THEN 0 ELSE @T END,
    '', CASE WHEN n % 3 = 0 THEN @T ELSE 0 END, '', '', '', 0
FROM (SELECT n, @hash AS h FROM @N{tokens}) x;
INSERT INTO token_scopes (scope, created_at, token_id)
SELECT s, created_at, id FROM tokens, (SELECT 'read' AS s UNION ALL SELECT 'write') scopes WHERE scope = '["read","write"]' UNION ALL
SELECT 'rare', created_at, id FROM tokens WHERE scope = '["rare"]';
INSERT INTO audit_events (at, actor, action, target, token_id, address, request_id, outcome, reason, actor_name, target_name, address_key)
SELECT @T, 'u' || (1 + n % {users}), CASE WHEN n % 1000 = 0 THEN 'token.revoke' ELSE 'token.issue' END, 'u' || (1 + n % {users}), @hash, '192.0.2.' || n % 250,
    @hash, CASE WHEN n % 100 = 0 THEN 'refused' ELSE 'ok' END, '', 'user', 'user', '4c0000201' FROM @N{tokens};
ANALYZE`

var crowdNumbers = regexp.MustCompile(`@N\{\w+\}`)

// crowdScript returns the statements for an engine: numbers is a table of numbers up to
// COUNT, and words are what the engine has for the rest.
func crowdScript(users, tokens int, numbers string, words ...string) []string {
	text := crowdNumbers.ReplaceAllStringFunc(crowdText, func(count string) string {
		return strings.Replace(numbers, "COUNT", strings.TrimPrefix(count, "@N"), 1)
	})
	at := strconv.FormatInt(crowdBegun.UnixMicro(), 10)
	text = strings.NewReplacer(append(words, "@T", "("+at+" + n * 1000000)")...).Replace(text)
	counts := strings.NewReplacer("{users}", strconv.Itoa(users), "{tokens}", strconv.Itoa(tokens), "{things}", strconv.Itoa(users/10),
		"{few}", strconv.Itoa(max(1, users/100)), "{groups}", strconv.Itoa(max(1, users/1000)))
	return strings.Split(strings.TrimSpace(counts.Replace(text)), ";\n")
}

// postgresCrowd returns a store on PostgreSQL with a crowd.
func postgresCrowd(b *testing.B) *store.Store {
	b.Helper()
	dsn := *crowdPostgres
	if dsn == "" {
		dsn = pgtest.Start(b, "shared_buffers=512MB", "max_wal_size=8GB").DSN()
	}
	// What is slow is to be seen, and not cut off.
	s := storekit.Open(b, dsn, store.Options{Postgres: postgres.Limits{StatementTimeout: 10 * time.Second}})
	look := storekit.RawPostgres(b, dsn, map[string]string{"maintenance_work_mem": "1GB", "work_mem": "256MB"})
	if storekit.Ask[bool](b, look, "SELECT EXISTS (SELECT 1 FROM users)") {
		return s
	}
	begun := time.Now()
	tables := "'" + strings.Join(crowdTables, "', '") + "'"
	about := ` FROM pg_constraint WHERE conrelid IN (SELECT oid FROM pg_class WHERE relname IN (` + tables + `)) AND contype IN ('p', 'u', 'f')
    OR confrelid IN (SELECT oid FROM pg_class WHERE relname IN (` + tables + `))`
	constraints := storekit.Ask[string](b, look, `SELECT string_agg('ALTER TABLE ' || conrelid::regclass || ' ADD CONSTRAINT ' || conname || ' ' || pg_get_constraintdef(oid), ';' ORDER BY contype = 'f')`+about)
	indexes := storekit.Ask[string](b, look, `SELECT string_agg(indexdef, ';') FROM pg_indexes i WHERE tablename IN (`+tables+`)
    AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conname = i.indexname)`)
	storekit.MustExec(b, look, storekit.Ask[string](b, look, `SELECT string_agg('ALTER TABLE ' || conrelid::regclass || ' DROP CONSTRAINT ' || conname, ';' ORDER BY contype <> 'f')`+about))
	storekit.MustExec(b, look, storekit.Ask[string](b, look, `SELECT string_agg('DROP INDEX ' || indexname, ';') FROM pg_indexes WHERE tablename IN (`+tables+`)`))
	storekit.MustExec(b, look, "SET session_replication_role = replica") // no triggers
	for _, text := range crowdScript(*crowdUsers, *crowdTokens, "generate_series(1::bigint, COUNT) AS n", "@hash", "md5(n::text)",
		"@digest", "sha256(n::text::bytea)", "@pad", "lpad(n::text, 8, '0')", "@nl", `E'\n'`) {
		storekit.MustExec(b, look, text)
	}
	storekit.MustExec(b, look, "SET session_replication_role = origin")
	for text := range strings.SplitSeq(constraints+";"+indexes, ";") {
		storekit.MustExec(b, look, text)
	}
	storekit.MustExec(b, look, "VACUUM ANALYZE")
	b.Logf("filled in %s: %d bytes", time.Since(begun).Round(time.Second), storekit.Ask[int64](b, look, "SELECT pg_database_size(current_database())"))
	return s
}

// sqliteCrowd returns a store on SQLite with a tenth of a crowd.
func sqliteCrowd(b *testing.B) *store.Store {
	b.Helper()
	path := *crowdSQLite
	if path == "" {
		path = filepath.Join(b.TempDir(), "bearerd.db")
	}
	s := storekit.Open(b, path, store.Options{})
	db, err := sql.Open("sqlite", path)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	exec := func(text string) {
		if _, err := db.ExecContext(b.Context(), text); err != nil {
			b.Fatalf("%s: %v", text, err)
		}
	}
	var filled bool
	if err := db.QueryRowContext(b.Context(), "SELECT EXISTS (SELECT 1 FROM users)").Scan(&filled); err != nil || filled {
		return s
	}
	begun := time.Now()
	exec("PRAGMA cache_size = -500000")
	rows, err := db.QueryContext(b.Context(), `SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND type IN ('index', 'trigger') ORDER BY type`)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var drops, later []string
	for rows.Next() {
		var kind, name, text string
		if err := rows.Scan(&kind, &name, &text); err != nil {
			b.Fatal(err)
		}
		drops, later = append(drops, "DROP "+kind+" "+name), append(later, text)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		b.Fatal(err)
	}
	texts := slices.Concat(drops, crowdScript(*crowdUsers/10, *crowdTokens/10,
		"(WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < COUNT) SELECT n FROM c) numbers",
		"@hash", "lower(hex(randomblob(16)))", "@digest", "randomblob(32)", "@pad", "printf('%08d', n)", "@nl", "char(10)"), []string{
		"INSERT INTO user_search (user_id, text) SELECT id, search FROM users", "INSERT INTO user_search_grams (user_search_grams) VALUES ('rebuild')",
	}, later, []string{"ANALYZE"})
	for _, text := range texts {
		exec(text)
	}
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Logf("filled in %s: %d bytes", time.Since(begun).Round(time.Second), info.Size())
	return s
}
