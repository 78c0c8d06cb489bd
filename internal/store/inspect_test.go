package store_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/pgtest"
	"github.com/bearerd/bearerd/internal/store"
)

func inspect(t *testing.T, database string) *store.Inspection {
	t.Helper()
	in, err := store.Inspect(t.Context(), database, store.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func TestInspectingChangesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "bearerd.db")
	if _, err := store.Inspect(t.Context(), path, store.Options{Now: time.Now}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a missing file: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if in := inspect(t, path); !in.New || len(in.Pending) == 0 {
		t.Errorf("an empty file: %+v", in)
	}
	s, err := store.Open(t.Context(), path, store.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "copy.db")
	if err := errors.Join(s.Backup(t.Context(), copied), s.Close()); err != nil {
		t.Fatal(err)
	}
	in := inspect(t, path)
	if in.New || len(in.Pending) > 0 || in.Moved || in.SQLite == nil || in.SQLite.JournalMode != "wal" || in.SQLite.Synchronous != "full" ||
		in.SQLite.Mode.Perm() != 0o600 || !in.Now.IsZero() {
		t.Errorf("a database: %+v, %+v", in, in.SQLite)
	}
	before, err := os.ReadFile(copied)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first Open of a backup changes it; inspecting doesn't
		if in := inspect(t, copied); !in.Moved || in.New {
			t.Errorf("a backup: %+v", in)
		}
	}
	if after, err := os.ReadFile(copied); err != nil || !bytes.Equal(before, after) {
		t.Errorf("inspecting changed it (%v)", err)
	}
}

func TestInspectingPostgres(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t)
	if in := inspect(t, dsn); !in.New || in.Postgres == nil || in.Postgres.SynchronousCommit != "on" || !in.Postgres.MayCreate || in.Postgres.Encrypted {
		t.Errorf("an empty database: %+v, %+v", in, in.Postgres)
	}
	if in := inspect(t, dsn); !in.New {
		t.Error("inspecting made a schema")
	}
	s, err := store.Open(t.Context(), dsn, store.Options{Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	in := inspect(t, dsn)
	if in.New || len(in.Pending) > 0 || in.Moved || time.Since(in.Now).Abs() > time.Minute {
		t.Errorf("a database: %+v", in)
	}
	if _, err := store.Inspect(t.Context(), "postgres://nobody@127.0.0.1:1/none", store.Options{Now: time.Now}); err == nil {
		t.Error("nothing that answers was inspected")
	}
}
