package store_test

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/store"
)

var update = flag.Bool("update", false, "write the golden files again")

// raw opens the file beside the store.
func raw(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func column(t *testing.T, db *sql.DB, query string) (values []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			t.Fatal(err)
		}
		values = append(values, v)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return values
}

func execAll(t *testing.T, path string, statements ...string) {
	t.Helper()
	db := raw(t, path)
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func fingerprint(t *testing.T, path string) [32]byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return sha256.Sum256(b)
}

func TestMigrationsGiveTheGoldenSchema(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bearerd.db")
	mustOpen(t, path, store.Options{})
	got := strings.Join(column(t, raw(t, path), "SELECT sql || ';' FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY tbl_name, type DESC, name"), "\n\n") + "\n"
	golden := filepath.Join("testdata", "schema.sqlite.sql")
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

func TestPendingNamesWhatOpenRuns(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bearerd.db")
	if _, err := store.Pending(t.Context(), path, store.Options{}); err == nil {
		t.Error("a database that doesn't exist has pending migrations")
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("asking made the file")
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	pending, err := store.Pending(t.Context(), path, store.Options{})
	if err != nil || len(pending) == 0 || pending[0] != "0001_initial" {
		t.Errorf("pending of an empty database: %q, %v", pending, err)
	}
	if s := mustOpen(t, path, store.Options{}); !slices.Equal(s.Migrated(), pending) {
		t.Errorf("opening ran %q", s.Migrated())
	}
	if pending, err := store.Pending(t.Context(), path, store.Options{}); err != nil || len(pending) != 0 {
		t.Errorf("pending of an open database: %q, %v", pending, err)
	}
	if got := column(t, raw(t, path), "SELECT name FROM migrations ORDER BY name"); !slices.Equal(got, pending) {
		t.Errorf("the database remembers %q", got)
	}
}

// A migration that is begun is not cut off, neither by the time-out of a start nor by who asked
// for it: it would begin again at the next start, and be cut off again.
func TestAMigrationThatIsBegunRunsToItsEnd(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) *store.Store{
		"SQLite": func(t *testing.T) *store.Store {
			return mustOpen(t, filepath.Join(t.TempDir(), "bearerd.db"), store.Options{})
		},
		"PostgreSQL": func(t *testing.T) *store.Store { _, all := onPostgres(t, 1, store.Options{}); return all[0] },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			if err := s.Alone(t.Context(), "CREATE TABLE later (n bigint)"); err != nil {
				t.Fatal(err)
			}
			var n int
			if err := s.Sole(t.Context(), "SELECT count(*) FROM later", &n); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOpenRefusesALaterVersionAndLeavesItAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bearerd.db")
	s := mustOpen(t, path, store.Options{})
	last := s.Migrated()[len(s.Migrated())-1]
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	execAll(t, path, "INSERT INTO migrations VALUES ('0417_from_the_future', 1)")
	before := fingerprint(t, path)
	_, err := store.Open(t.Context(), path, store.Options{Now: time.Now})
	if err == nil || !strings.Contains(err.Error(), "0417_from_the_future") || !strings.Contains(err.Error(), last) || !strings.Contains(err.Error(), path) {
		t.Errorf("the error doesn't name both versions and the file: %v", err)
	}
	if fingerprint(t, path) != before {
		t.Error("the file has changed")
	}
}

func TestOpenRefusesAForeignDatabaseAndLeavesItAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "other.db")
	execAll(t, path, "CREATE TABLE theirs (id INTEGER)")
	before := fingerprint(t, path)
	if _, err := store.Open(t.Context(), path, store.Options{Now: time.Now}); err == nil || !strings.Contains(err.Error(), "another program") {
		t.Errorf("opened, or refused for the wrong reason: %v", err)
	}
	if fingerprint(t, path) != before {
		t.Error("the file has changed")
	}
	junk := filepath.Join(t.TempDir(), "junk.db")
	if err := os.WriteFile(junk, []byte(strings.Repeat("this is no database ", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	before = fingerprint(t, junk)
	if _, err := store.Open(t.Context(), junk, store.Options{Now: time.Now}); err == nil || !strings.Contains(err.Error(), junk) {
		t.Errorf("opened junk, or didn't name it: %v", err)
	}
	if fingerprint(t, junk) != before {
		t.Error("the junk has changed")
	}
}

func TestOpenWhatCantBeOpened(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing.db")
	if _, err := store.Open(t.Context(), missing, store.Options{Now: time.Now, MustExist: true}); err == nil {
		t.Error("opened a database that must exist and doesn't")
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("made a database that must exist")
	}
	for name, path := range map[string]string{"no such directory": filepath.Join(dir, "no", "x.db"), "a directory": dir} {
		if _, err := store.Open(t.Context(), path, store.Options{Now: time.Now}); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := store.Open(t.Context(), missing, store.Options{}); err == nil {
		t.Error("opened without a clock")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := store.Open(ctx, missing, store.Options{Now: time.Now}); err == nil {
		t.Error("opened with a context that had ended")
	}
}

func TestManyOpenANewDatabaseAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bearerd.db")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			s, err := store.Open(t.Context(), path, store.Options{Now: time.Now})
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestFilesAreForTheOwnerAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := mustOpen(t, filepath.Join(dir, "odd ?%20#name.db"), store.Options{})
	if _, err := s.Commit(t.Context(), kill("x")); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 3 {
		t.Fatalf("files %v, %v; want the database, its log and its index", files, err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 || !strings.HasPrefix(f.Name(), "odd ?%20#name.db") {
			t.Errorf("%s has mode %v", f.Name(), info.Mode())
		}
	}
}

func TestEveryConnectionIsSetUp(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bearerd.db")
	s := mustOpen(t, path, store.Options{})
	if got := column(t, raw(t, path), "PRAGMA journal_mode"); got[0] != "wal" {
		t.Errorf("journal mode %s", got[0])
	}
	for pragma, want := range map[string]string{"synchronous": "2", "foreign_keys": "1"} {
		if got := s.Pragma(t.Context(), pragma); got != want {
			t.Errorf("the writer's %s is %s, want %s", pragma, got, want)
		}
	}
}

// TestLookupsHaveAnIndex wants no statement of a request to read a whole table, nor to sort
// what it finds but for a few.
func TestLookupsHaveAnIndex(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bearerd.db")
	mustOpen(t, path, store.Options{})
	db := raw(t, path)
	for name, text := range store.Lookups() {
		for _, detail := range plan(t, db, text) {
			page := detail == "SCAN e LEFT-JOIN" && name == "selectEntries"    // the entries that were found
			counted := detail == "SCAN i" && strings.HasPrefix(name, "events") // what an index has found
			scan := strings.HasPrefix(detail, "SCAN") && detail != "SCAN CONSTANT ROW" && !page && !counted
			sort := strings.Contains(detail, "TEMP B-TREE") && name != "selectGrants" && name != "selectReachingBindings" && name != "eventsFromFew" && name != "trimNetworks"
			if scan || sort {
				t.Errorf("%s: %s", name, detail)
			}
		}
	}
}

// plan returns how a statement is carried out.
func plan(t *testing.T, db *sql.DB, text string) (details []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+text, make([]any, maxParameter(text))...)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		details = append(details, detail)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return details
}

func TestAfterCloseNothingHangs(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, filepath.Join(t.TempDir(), "bearerd.db"), store.Options{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Commit(t.Context(), kill("x")); !fault.Is(err, fault.Unavailable) {
		t.Errorf("writing: %v", err)
	}
	if _, err := s.Entries(t.Context(), 0, 1); !fault.Is(err, fault.Unavailable) {
		t.Errorf("reading: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
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
