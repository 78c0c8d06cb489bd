package main

import (
	"database/sql"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestAnImportThatFillsTheDisk runs out of room for its rows: it says so, nothing is imported, the
// server beside it goes on, and with room again the same file is imported.
func TestAnImportThatFillsTheDisk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(dir, "bearerd.db")+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	m := newMoving(t, dir, "bearerd.db", func(text string) (n int) {
		if err := db.QueryRowContext(t.Context(), text).Scan(&n); err != nil && !errors.Is(err, sql.ErrNoRows) {
			t.Fatal(err)
		}
		return n
	})
	f := m.newFile(20_000)
	stop := m.beside()
	cmd := exec.Command("sh", "-c", `ulimit -f 8000; exec bearerd token import "$0" --config bearerd.yaml`, f.name())
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "nothing was imported: the store") {
		t.Errorf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	if n := m.exported(); n != 0 {
		t.Errorf("%d tokens are published", n)
	}
	m.wantAll(false, f, 0)
	m.again(f)
	stop()
}
