package pgtest_test

import (
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/pgtest"
)

// pair starts a primary that waits for its one standby.
func pair(t *testing.T) (primary, standby *pgtest.Cluster) {
	t.Helper()
	primary = pgtest.Start(t)
	standby, err := primary.Follow("standby", primary.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := standby.Remove(); err != nil {
			t.Error(err)
		}
	})
	if err := primary.Synchronize("standby"); err != nil {
		t.Fatal(err)
	}
	return primary, standby
}

func do(t *testing.T, step func() error) {
	t.Helper()
	if err := step(); err != nil {
		t.Fatal(err)
	}
}

func TestAPromotedStandbyHasWhatThePrimaryAcknowledged(t *testing.T) {
	t.Parallel()
	primary, standby := pair(t)
	pgtest.Exec(t, primary.DSN(), "CREATE TABLE things (n int)")
	for range 20 {
		pgtest.Exec(t, primary.DSN(), "INSERT INTO things VALUES (1)")
	}
	do(t, primary.Crash)
	do(t, standby.Promote)
	pgtest.Exec(t, standby.DSN(), "INSERT INTO things VALUES (1)") // it takes writes, and waits for nobody
	if n := number(t, standby.DSN(), "SELECT count(*) FROM things"); n != 21 {
		t.Errorf("%d rows of 21 are there", n)
	}
}

func TestACommitWaitsForASilentStandby(t *testing.T) {
	t.Parallel()
	primary, standby := pair(t)
	pgtest.Exec(t, primary.DSN(), "CREATE TABLE things (n int)")
	do(t, standby.Pause)
	committed := make(chan error, 1)
	go func() { committed <- primary.Exec("INSERT INTO things VALUES (1)") }()
	select {
	case err := <-committed:
		t.Errorf("a commit returned while the standby was paused: %v", err)
	case <-time.After(500 * time.Millisecond):
	}
	if n := number(t, primary.DSN(), "SELECT count(*) FROM things"); n != 0 {
		t.Error("a commit that waits for its standby is visible")
	}
	do(t, standby.Resume)
	select {
	case err := <-committed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Error("a commit still waits although the standby is back")
	}
}
