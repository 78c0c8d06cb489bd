package store_test

import (
	"context"
	"crypto/sha256"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/storekit"
)

var update = flag.Bool("update", false, "write the golden files again")

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
	storekit.Open(t, path, store.Options{})
	got := strings.Join(storekit.Values(t, storekit.Raw(t, path), "SELECT sql || ';' FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY tbl_name, type DESC, name"), "\n\n") + "\n"
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
	if s := storekit.Open(t, path, store.Options{}); !slices.Equal(s.Migrated(), pending) {
		t.Errorf("opening ran %q", s.Migrated())
	}
	if pending, err := store.Pending(t.Context(), path, store.Options{}); err != nil || len(pending) != 0 {
		t.Errorf("pending of an open database: %q, %v", pending, err)
	}
	if got := storekit.Values(t, storekit.Raw(t, path), "SELECT name FROM migrations ORDER BY name"); !slices.Equal(got, pending) {
		t.Errorf("the database remembers %q", got)
	}
}

// A migration that is begun is not cut off, neither by the time-out of a start nor by who asked
// for it: it would begin again at the next start, and be cut off again.
func TestAMigrationThatIsBegunRunsToItsEnd(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) *store.Store{
		"SQLite": func(t *testing.T) *store.Store {
			return storekit.Open(t, filepath.Join(t.TempDir(), "bearerd.db"), store.Options{})
		},
		"PostgreSQL": func(t *testing.T) *store.Store { _, all := storekit.OnPostgres(t, 1, store.Options{}); return all[0] },
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
	s := storekit.Open(t, path, store.Options{})
	last := s.Migrated()[len(s.Migrated())-1]
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	storekit.ExecAll(t, path, "INSERT INTO migrations VALUES ('0417_from_the_future', 1)")
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
	storekit.ExecAll(t, path, "CREATE TABLE theirs (id INTEGER)")
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
	s := storekit.Open(t, filepath.Join(dir, "odd ?%20#name.db"), store.Options{})
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
	s := storekit.Open(t, path, store.Options{})
	if got := storekit.Values(t, storekit.Raw(t, path), "PRAGMA journal_mode"); got[0] != "wal" {
		t.Errorf("journal mode %s", got[0])
	}
	for pragma, want := range map[string]string{"synchronous": "2", "foreign_keys": "1"} {
		if got := s.Pragma(t.Context(), pragma); got != want {
			t.Errorf("the writer's %s is %s, want %s", pragma, got, want)
		}
	}
}

func TestAfterCloseNothingHangs(t *testing.T) {
	t.Parallel()
	s := storekit.Open(t, filepath.Join(t.TempDir(), "bearerd.db"), store.Options{})
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
