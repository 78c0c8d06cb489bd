package store_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/storekit"
)

// TestBackupOfABusyStore copies while others write: the copy is one state of the
// store, with nothing half done.
func TestBackupOfABusyStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := storekit.Open(t, filepath.Join(dir, "bearerd.db"), store.Options{})
	stop := make(chan struct{})
	var all sync.WaitGroup
	for n := range 4 {
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				b := kill("x")
				b.Ops = []op.Op{op.CreateClient{Client: identity.Client{ID: fmt.Sprint(n, "-", i)}}}
				if _, err := s.Commit(t.Context(), b); err != nil && !fault.Is(err, fault.Unavailable) {
					t.Error(err)
				}
			}
		})
	}
	for n := range 3 {
		path := filepath.Join(dir, fmt.Sprint("backup", n))
		if err := s.Backup(t.Context(), path); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
		db := storekit.Raw(t, path)
		if got := storekit.Values(t, db, "PRAGMA integrity_check"); len(got) != 1 || got[0] != "ok" {
			t.Errorf("the copy is broken: %q", got)
		}
		counts := storekit.Values(t, db, "SELECT (SELECT count(*) FROM clients) || ' ' || (SELECT count(*) FROM log_entries) || ' ' || (SELECT seq FROM log_head)")
		if f := strings.Fields(counts[0]); f[0] != f[1] || f[1] != f[2] {
			t.Errorf("a mixture: clients, entries, head %q", counts[0])
		}
	}
	close(stop)
	all.Wait()
	if left, err := filepath.Glob(filepath.Join(dir, "*.part")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

func TestBackupReplacesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := storekit.Open(t, filepath.Join(dir, "bearerd.db"), store.Options{})
	path := filepath.Join(dir, "precious")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Backup(t.Context(), path); !fault.Is(err, fault.Conflict) {
		t.Errorf("got %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "precious" {
		t.Errorf("the file has %q, %v", b, err)
	}
	if err := os.Symlink(filepath.Join(dir, "elsewhere"), path+".link"); err != nil {
		t.Fatal(err)
	}
	if err := s.Backup(t.Context(), path+".link"); !fault.Is(err, fault.Conflict) {
		t.Errorf("through a link: %v", err)
	}
	if err := s.Backup(t.Context(), filepath.Join(dir, "no", "backup")); err == nil || fault.Is(err, fault.Conflict) {
		t.Errorf("into no directory: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*.part")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// TestRestoredBackupGoesOnAbove loses what came after a backup, as a restore does.
// No sequence that was given out may be given out again, not even while a reader
// that knows the lost ones, or one that knows nothing, follows the log.
func TestRestoredBackupGoesOnAbove(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := storekit.Open(t, filepath.Join(dir, "bearerd.db"), store.Options{})
	commit := func(s *store.Store, id string) revocation.Seq {
		t.Helper()
		seq, err := s.Commit(t.Context(), kill(id))
		if err != nil {
			t.Fatal(err)
		}
		return seq
	}
	for n := range 5 {
		commit(s, fmt.Sprint("kept", n))
	}
	if err := s.Confirm(t.Context(), revocation.Confirmation{Node: "old", Seq: 5, Lease: time.Second}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "restored.db")
	if err := s.Backup(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if s.Restored() {
		t.Error("the store that was backed up says that it was restored")
	}
	lost := commit(s, "lost")

	var log bytes.Buffer
	r := storekit.Open(t, path, store.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if !r.Restored() || !strings.Contains(log.String(), "restored") || !strings.Contains(log.String(), " from=2") || !strings.Contains(log.String(), " to=2") {
		t.Errorf("nothing says what the restore may have revived: %s", &log)
	}
	if seq := commit(r, "after"); seq != 5+store.Raise+1 || seq <= lost {
		t.Errorf("the log goes on at %d", seq)
	}
	if nodes, err := r.Nodes(t.Context(), ""); err != nil || len(nodes) != 0 {
		t.Errorf("nodes of before: %v, %v", nodes, err)
	}
	for _, after := range []revocation.Seq{0, lost} {
		p, err := r.Entries(t.Context(), after, 100)
		if err != nil || p.Purged != 5+store.Raise || p.Entries[len(p.Entries)-1].ID != "after" || !p.Complete(after) {
			t.Errorf("after %d: %+v, %v", after, p, err)
		}
	}
	f, err := revocation.NewFollower(revocation.Config{
		Log: r, Ledger: revocation.NewLedger(revocation.BootClock, time.Now), Node: "new", Staleness: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.CatchUp(t.Context()); err != nil || !f.Fresh() || f.Applied() != 5+store.Raise+1 {
		t.Errorf("a node that follows the restored log: %v, at %d", err, f.Applied())
	}

	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	again := storekit.Open(t, path, store.Options{})
	if again.Restored() || commit(again, "later") != 5+store.Raise+2 {
		t.Error("opened again, it was raised again")
	}
}

// TestRestoredOverARunningDatabase leaves the old database's write-ahead log beside
// the backup that takes its place.
func TestRestoredOverARunningDatabase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bearerd.db")
	s := storekit.Open(t, path, store.Options{})
	if err := s.Backup(t.Context(), path+".backup"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Commit(t.Context(), kill("x")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".backup", path); err != nil {
		t.Fatal(err)
	}
	_, err := store.Open(t.Context(), path, store.Options{Now: time.Now})
	if err == nil || !strings.Contains(err.Error(), path+"-wal") {
		t.Errorf("the old log doesn't stand in the way, or isn't named: %v", err)
	}
	for _, end := range []string{"-wal", "-shm"} {
		if err := os.Remove(path + end); err != nil {
			t.Fatal(err)
		}
	}
	if r := storekit.Open(t, path, store.Options{}); !r.Restored() || head(t, r) != store.Raise {
		t.Errorf("restored: %t, at %d", r.Restored(), head(t, r))
	}
}
