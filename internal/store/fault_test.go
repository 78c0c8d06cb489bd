package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/storekit"
)

// kill is a batch that revokes a token.
func kill(id string) op.Batch {
	return op.Batch{Log: []revocation.Entry{{What: revocation.Token, ID: id, At: time.Now()}}}
}

func head(t *testing.T, s *store.Store) revocation.Seq {
	t.Helper()
	p, err := s.Entries(t.Context(), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	return p.Head
}

// wantUnavailable wants an error that says when to ask again, that names the file
// in the log, and doesn't to the client.
func wantUnavailable(t *testing.T, err error, path string) {
	t.Helper()
	if !fault.Is(err, fault.Unavailable) || fault.RetryAfter(err) <= 0 {
		t.Fatalf("got %v, retry after %v; want unavailable", err, fault.RetryAfter(err))
	}
	if !strings.Contains(err.Error(), path) || strings.Contains(fault.Message(err), path) {
		t.Errorf("the log gets %q, the client %q", err, fault.Message(err))
	}
}

// TestFullDisk fills the disk to the brim: what can't be stored isn't acknowledged,
// reading goes on, and writing does when there is room again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bearerd.db")
	s := storekit.Open(t, path, store.Options{})
	if err := s.Alter(t.Context(), "PRAGMA max_page_count = 1"); err != nil { // as many as there are
		t.Fatal(err)
	}
	big := strings.Repeat("x", 200)
	acknowledged := map[revocation.Seq]string{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for i := range 200 {
				id := fmt.Sprint(big, n, i)
				seq, err := s.Commit(t.Context(), kill(id))
				if err != nil && strings.Contains(fault.Message(err), "busy") {
					continue // a slow disk is not yet a full one
				}
				if err != nil {
					wantUnavailable(t, err, path)
					if !strings.Contains(fault.Message(err), "disk is full") {
						t.Errorf("the client is told %q", fault.Message(err))
					}
					return
				}
				mu.Lock()
				acknowledged[seq] = id
				mu.Unlock()
			}
			t.Error("the disk was never full")
		})
	}
	all.Wait()

	p, err := s.Entries(t.Context(), 0, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	if int(p.Head) != len(acknowledged) || len(p.Entries) != len(acknowledged) {
		t.Errorf("%d are stored and the head is %d, %d were acknowledged", len(p.Entries), p.Head, len(acknowledged))
	}
	for _, e := range p.Entries {
		if acknowledged[e.Seq] != e.ID {
			t.Errorf("entry %d was not acknowledged as such", e.Seq)
		}
	}
	if err := s.Alter(t.Context(), "PRAGMA max_page_count = 100000"); err != nil {
		t.Fatal(err)
	}
	if seq, err := s.Commit(t.Context(), kill("room again")); err != nil || seq != p.Head+1 {
		t.Errorf("with room again: %d, %v", seq, err)
	}
}

func TestReadOnlyDatabase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bearerd.db")
	s := storekit.Open(t, path, store.Options{})
	if err := s.Alter(t.Context(), "PRAGMA query_only = 1"); err != nil {
		t.Fatal(err)
	}
	_, err := s.Commit(t.Context(), kill("x"))
	wantUnavailable(t, err, path)
	if h := head(t, s); h != 0 {
		t.Errorf("the log is at %d", h)
	}
}

// TestMovedDatabase takes the file's name away: what is written to it then would
// be gone after a restart.
func TestMovedDatabase(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bearerd.db")
	s := storekit.Open(t, path, store.Options{})
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	_, err := s.Commit(t.Context(), kill("x"))
	wantUnavailable(t, err, path)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = s.Commit(t.Context(), kill("x"))
	wantUnavailable(t, err, path)
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Commit(t.Context(), kill("x")); err != nil {
		t.Errorf("back in its place: %v", err)
	}
}

// locked holds the write lock as another process does, until the function that it returns
// is called.
func locked(t *testing.T, path string) (unlock func()) {
	t.Helper()
	db := storekit.Raw(t, path)
	if _, err := db.ExecContext(t.Context(), "BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	return sync.OnceFunc(func() {
		if _, err := db.ExecContext(t.Context(), "ROLLBACK"); err != nil {
			t.Error(err)
		}
	})
}

func TestAnotherWriterIsWaitedForOnlySoLong(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bearerd.db")
	s := storekit.Open(t, path, store.Options{})
	unlock := locked(t, path)
	begun := time.Now()
	_, err := s.Commit(t.Context(), kill("x"))
	if !fault.Is(err, fault.Unavailable) || fault.RetryAfter(err) <= 0 {
		t.Errorf("got %v", err)
	}
	if waited := time.Since(begun); waited < 500*time.Millisecond || waited > 5*time.Second {
		t.Errorf("waited for %v", waited)
	}
	if _, err := s.Entries(t.Context(), 0, 1); err != nil {
		t.Errorf("reading beside a writer: %v", err)
	}
	unlock()
	if seq, err := s.Commit(t.Context(), kill("x")); err != nil || seq != 1 {
		t.Errorf("after it: %d, %v", seq, err)
	}
}

func TestCancelledWhileWaitingWritesNothing(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bearerd.db")
	s := storekit.Open(t, path, store.Options{})
	unlock := locked(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan error)
	for range 3 {
		go func() {
			_, err := s.Commit(ctx, kill("x"))
			got <- err
		}()
	}
	cancel()
	for range 3 {
		if err := <-got; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	unlock()
	if seq, err := s.Commit(t.Context(), kill("y")); err != nil || seq != 1 {
		t.Errorf("the next one: %d, %v", seq, err)
	}
}

// TestCancelledTooLateIsDone ends the context of a write that is under way: the
// answer returns what became of it.
func TestCancelledTooLateIsDone(t *testing.T) {
	t.Parallel()
	s := storekit.Open(t, filepath.Join(t.TempDir(), "bearerd.db"), store.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	err := s.ChangeSigningKeys(ctx, func([]keyring.Key) ([]keyring.Key, error) {
		cancel()
		time.Sleep(20 * time.Millisecond) // so that the waiter sees the end of ctx first
		return []keyring.Key{{KID: "k", State: keyring.Active}}, nil
	})
	if err != nil {
		t.Errorf("got %v", err)
	}
	if keys, err := s.SigningKeys(t.Context()); err != nil || len(keys) != 1 {
		t.Errorf("stored %v, %v", keys, err)
	}
}

func TestTooManyWaitingWritesAreRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bearerd.db")
	s := storekit.Open(t, path, store.Options{})
	unlock := locked(t, path)
	defer unlock()
	const extra = 50
	refused := 0
	got := make(chan error)
	for range 1025 + extra {
		go func() {
			_, err := s.Commit(t.Context(), kill("x"))
			got <- err
		}()
	}
	for range 1025 + extra {
		err := <-got
		if !fault.Is(err, fault.Unavailable) || fault.RetryAfter(err) <= 0 {
			t.Errorf("got %v", err)
		}
		if strings.Contains(fault.Message(err), "too many") {
			refused++
		}
	}
	if refused == 0 {
		t.Error("every write was let in")
	}
}

// TestOneFailureDoesNotTakeOthersWithIt has writes that wait together, some of
// which can't be done.
func TestOneFailureDoesNotTakeOthersWithIt(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bearerd.db")
	s := storekit.Open(t, path, store.Options{})
	if _, err := s.Commit(t.Context(), op.Batch{Ops: []op.Op{op.CreateClient{Client: identity.Client{ID: "taken"}}}}); err != nil {
		t.Fatal(err)
	}
	unlock := locked(t, path)
	results := make([]error, 30)
	var all sync.WaitGroup
	for n := range results {
		all.Go(func() {
			b := kill(fmt.Sprint(n))
			b.Ops = []op.Op{op.CreateClient{Client: identity.Client{ID: fmt.Sprint("client", n)}}}
			switch n % 3 {
			case 1:
				b.Ops = append(b.Ops, op.CreateClient{Client: identity.Client{ID: "taken"}})
			case 2:
				b.Ops = append(b.Ops, op.ChangeKeys{Plan: panicking})
			}
			_, results[n] = s.Commit(t.Context(), b)
		})
	}
	unlock()
	all.Wait()
	for n, err := range results {
		switch {
		case n%3 == 0 && err != nil, n%3 == 1 && !fault.Is(err, fault.Conflict), n%3 == 2 && (err == nil || !strings.Contains(err.Error(), "a plan with a mistake")):
			t.Errorf("write %d: %v", n, err)
		}
		_, err := s.Principal(t.Context(), records.Who{ClientID: fmt.Sprint("client", n)})
		if done := err == nil; done != (n%3 == 0) {
			t.Errorf("write %d is done: %t", n, done)
		}
	}
	if h := head(t, s); h != 10 {
		t.Errorf("the log is at %d, want 10", h)
	}
}

// TestReadersDoNotWaitForAWriter reads while a write is under way.
func TestReadersDoNotWaitForAWriter(t *testing.T) {
	t.Parallel()
	s := storekit.Open(t, filepath.Join(t.TempDir(), "bearerd.db"), store.Options{})
	err := s.ChangeSigningKeys(t.Context(), func([]keyring.Key) ([]keyring.Key, error) {
		for range 20 {
			if _, err := s.SigningKeys(t.Context()); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestQueriesAreCounted(t *testing.T) {
	t.Parallel()
	s := storekit.Open(t, filepath.Join(t.TempDir(), "bearerd.db"), store.Options{})
	before := s.Queries()
	if _, err := s.SigningKeys(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := s.Queries() - before; n != 1 {
		t.Errorf("a look-up sent %d statements", n)
	}
	before = s.Queries()
	if _, err := s.Commit(t.Context(), kill("x")); err != nil {
		t.Fatal(err)
	}
	if n := s.Queries() - before; n != 6 { // begin, savepoint, head, entry, release, commit
		t.Errorf("a write sent %d statements", n)
	}
}

// panicking is a plan that fails as no plan should.
func panicking([]keyring.Key) ([]keyring.Key, error) { panic("a plan with a mistake") }
