package store_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/storetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.RunOnProcessClock(t, func(t *testing.T, now func() time.Time) func() contract.Store {
		path := filepath.Join(t.TempDir(), "bearerd.db")
		return func() contract.Store { return mustOpen(t, path, store.Options{Now: now}) }
	})
}

// mustOpen opens a store that is closed when the test ends.
func mustOpen(tb testing.TB, path string, o store.Options) *store.Store {
	tb.Helper()
	if o.Now == nil {
		o.Now = time.Now
	}
	s, err := store.Open(tb.Context(), path, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}
