package store_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/storekit"
	"github.com/bearerd/bearerd/internal/store/storetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.RunOnProcessClock(t, func(t *testing.T, now func() time.Time) func() contract.Store {
		path := filepath.Join(t.TempDir(), "bearerd.db")
		return func() contract.Store { return storekit.Open(t, path, store.Options{Now: now}) }
	})
}
