package store_test

import (
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/pgtest"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/storekit"
	"github.com/bearerd/bearerd/internal/store/storetest"
)

// The clocks of a server on this machine and of this process are one.
func TestTheServersClockIsCompared(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{0, 26 * time.Hour, -26 * time.Hour} {
		s := storekit.Open(t, pgtest.New(t), store.Options{Now: func() time.Time { return time.Now().Add(ahead) }})
		if got, err := s.ClockOffset(t.Context()); err != nil || (got-ahead).Abs() > 10*time.Second {
			t.Errorf("a clock that is %v ahead is said to be %v, %v", ahead, got, err)
		}
	}
}

func TestPostgresConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T, now func() time.Time) func() contract.Store {
		dsn := pgtest.New(t)
		return func() contract.Store { return storekit.Open(t, dsn, store.Options{Now: now}) }
	})
}
