package store_test

import (
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/records"

	"github.com/bearerd/bearerd/internal/pgtest"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/storetest"
)

func TestPostgresConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, now func() time.Time) func() records.Store {
		dsn := pgtest.New(t)
		return func() records.Store { return mustOpen(t, dsn, store.Options{Now: now}) }
	})
}
