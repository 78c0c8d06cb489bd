package store_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/storekit"
)

// Writes that don't fit in a transaction are made by the next one: none is lost.
func TestWritesBeyondATransaction(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		bulk   bool
		writes int
	}{"together": {false, 300}, "one by one": {true, 5}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := storekit.Open(t, filepath.Join(t.TempDir(), "bearerd.db"), store.Options{Bulk: c.bulk})
			begun, goOn := make(chan struct{}), make(chan struct{})
			results := make(chan error)
			commit := func(b op.Batch) { results <- second(s.Commit(t.Context(), b)) }
			go commit(op.Batch{Ops: []op.Op{op.ChangeKeys{Plan: func(now []keyring.Key) ([]keyring.Key, error) {
				close(begun)
				<-goOn
				return now, nil
			}}}})
			<-begun
			for n := range c.writes {
				go commit(op.Batch{Log: []revocation.Entry{{What: revocation.Token, ID: fmt.Sprint(n), At: time.Unix(1, 0)}}})
			}
			for s.Queued() < c.writes {
				runtime.Gosched()
			}
			close(goOn)
			for range c.writes + 1 {
				if err := <-results; err != nil {
					t.Error(err)
				}
			}
			if page, err := s.Entries(t.Context(), 0, 1000); err != nil || len(page.Entries) != c.writes {
				t.Errorf("%d of %d writes are stored: %v", len(page.Entries), c.writes, err)
			}
		})
	}
}

// A batch that is one statement shares a transaction with others and fails alone, although it
// has no savepoint.
func TestAnEventThatCantBeStoredFailsAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bearerd.db")
	s := storekit.Open(t, path, store.Options{})
	_, err := storekit.Raw(t, path).ExecContext(t.Context(), `CREATE TRIGGER refuse AFTER INSERT ON audit_events
WHEN NEW.reason = 'refuse' BEGIN SELECT RAISE(ABORT, 'refused'); END`)
	if err != nil {
		t.Fatal(err)
	}
	event := func(reason string) op.Batch {
		e := audit.Event{At: time.Unix(1, 0), Actor: "ada", Action: audit.TokenIssue, Outcome: audit.OK, Reason: reason}
		return op.Batch{Audit: []audit.Event{e.Clean()}}
	}
	invalid := event("invalid")
	invalid.Audit[0].Outcome = "perhaps"
	batches := map[string]op.Batch{"first": event("first"), "refuse": event("refuse"), "invalid": invalid, "last": event("last")}
	begun, goOn := make(chan struct{}), make(chan struct{})
	results := make(chan error)
	go func() {
		results <- second(s.Commit(t.Context(), op.Batch{Ops: []op.Op{op.ChangeKeys{Plan: func(now []keyring.Key) ([]keyring.Key, error) {
			close(begun)
			<-goOn
			return now, nil
		}}}}))
	}()
	<-begun
	var mu sync.Mutex
	var failed []string
	for name, b := range batches {
		go func() {
			if _, err := s.Commit(t.Context(), b); err != nil {
				mu.Lock()
				failed = append(failed, name)
				mu.Unlock()
			}
			results <- nil
		}()
	}
	for s.Queued() < len(batches) {
		runtime.Gosched()
	}
	close(goOn)
	for range len(batches) + 1 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if slices.Sort(failed); !slices.Equal(failed, []string{"invalid", "refuse"}) {
		t.Errorf("failed: %v", failed)
	}
	events, err := s.AuditEvents(t.Context(), audit.Filter{})
	if err != nil || len(events) != 2 {
		t.Errorf("%d events: %v", len(events), err)
	}
}
