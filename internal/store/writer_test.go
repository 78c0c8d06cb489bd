package store_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store"
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
			s := mustOpen(t, filepath.Join(t.TempDir(), "bearerd.db"), store.Options{Bulk: c.bulk})
			begun, goOn := make(chan struct{}), make(chan struct{})
			results := make(chan error)
			commit := func(b records.Batch) { results <- second(s.Commit(t.Context(), b)) }
			go commit(records.Batch{Ops: []records.Op{records.ChangeKeys{Plan: func(now []keyring.Key) ([]keyring.Key, error) {
				close(begun)
				<-goOn
				return now, nil
			}}}})
			<-begun
			for n := range c.writes {
				go commit(records.Batch{Log: []revocation.Entry{{What: revocation.Token, ID: fmt.Sprint(n), At: time.Unix(1, 0)}}})
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
