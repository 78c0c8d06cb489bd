package store_test

import (
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bearerd/bearerd/clustertest"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/storekit"
)

// behind returns a line to a server whose weather can be made, and the DSN through it.
func behind(tb testing.TB, dsn string) (*clustertest.Forwarder, string) {
	tb.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	f, err := clustertest.NewForwarder(u.Host)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = f.Close() })
	u.Host = f.Addr()
	return f, u.String()
}

func weather(tb testing.TB, f *clustertest.Forwarder, w clustertest.Weather) {
	tb.Helper()
	if err := f.Set(w); err != nil {
		tb.Fatal(err)
	}
}

// waiting waits until a session of the database waits for a lock.
func waiting(tb testing.TB, c *pgx.Conn) {
	tb.Helper()
	for range 5000 {
		if storekit.Ask[bool](tb, c, `SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) {
			return
		}
		time.Sleep(time.Millisecond)
	}
	tb.Error("nobody waits for a lock")
}

// midway commits a batch that stops before its end and does what is given meanwhile,
// until that waits for a lock.
func midway(t *testing.T, dsn string, s *store.Store, b op.Batch, meanwhile func() error) (first, second error) {
	t.Helper()
	look := storekit.RawPostgres(t, dsn, nil)
	begun, goOn := make(chan struct{}), make(chan struct{})
	b.Ops = append(slices.Clone(b.Ops), op.ChangeKeys{Plan: func([]keyring.Key) ([]keyring.Key, error) {
		begun <- struct{}{}
		<-goOn
		return nil, nil
	}})
	results := make(chan error, 1)
	go func() {
		_, err := s.Commit(t.Context(), b)
		results <- err
	}()
	<-begun
	other := make(chan error, 1)
	go func() { other <- meanwhile() }()
	waiting(t, look)
	close(goOn)
	return <-results, <-other
}
