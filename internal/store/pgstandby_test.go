package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/pgtest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/postgres"
	"github.com/bearerd/bearerd/internal/store/storekit"
)

// silentStandby starts a server and opens a store on it. From then on the server
// waits at each COMMIT for a standby that doesn't answer, until answered is called.
func silentStandby(t *testing.T, o store.Options) (s *store.Store, look *pgx.Conn, answered func()) {
	t.Helper()
	c := pgtest.Start(t)
	s = storekit.Open(t, c.DSN(), o)
	mustCommit(t, s, op.CreateUser{User: ada()}, op.AddToken{Token: stored("t1")})
	look = storekit.RawPostgres(t, c.DSN(), map[string]string{"synchronous_commit": "local"})
	storekit.MustExec(t, look, "ALTER SYSTEM SET synchronous_standby_names = 'silent'")
	storekit.MustExec(t, look, "SELECT pg_reload_conf()")
	storekit.MustExec(t, look, "CREATE TABLE probe (n int)")
	probe := storekit.RawPostgres(t, c.DSN(), nil)
	for waits := false; !waits; { // until the server has read its configuration
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = probe.Exec(context.WithoutCancel(t.Context()), "INSERT INTO probe VALUES (1)")
		}()
		for over := false; !over; {
			select {
			case <-done:
				over = true
			default:
				waits = storekit.Ask[bool](t, look, "SELECT coalesce(bool_or(pg_cancel_backend(pid)), false) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") || waits
			}
		}
	}
	return s, look, func() {
		storekit.MustExec(t, look, "ALTER SYSTEM RESET synchronous_standby_names")
		storekit.MustExec(t, look, "SELECT pg_reload_conf()")
	}
}

// awaiting is how many sessions wait for a standby.
func awaiting(t *testing.T, look *pgx.Conn) int {
	t.Helper()
	return storekit.Ask[int](t, look, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
}

// A server that is made to stop waiting for its standby has committed, on its disk
// alone: that is no success.
func TestACommitThatNoStandbyHasIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	s, look, answered := silentStandby(t, store.Options{Postgres: postgres.Limits{StatementTimeout: 20 * time.Second}})
	changed := revoked("changed")
	changed.Ops = append(changed.Ops, op.CreateRole{Role: access.Role{Name: "changed"}})
	for name, write := range map[string]func() error{
		"a revocation":     func() error { return second(s.Commit(t.Context(), revoked("one"))) },
		"a change":         func() error { return second(s.Commit(t.Context(), changed)) },
		"an audit event":   func() error { return second(s.Commit(t.Context(), issued(1))) },
		"a confirmation":   func() error { return s.Confirm(t.Context(), revocation.Confirmation{Node: "n", Lease: time.Second}) },
		"a use":            func() error { return s.Touch(t.Context(), []records.Use{{ID: "t1", At: at.Add(time.Hour)}}) },
		"a failed attempt": func() error { return second(s.RecordFailure(t.Context(), []string{"k"}, at, time.Hour)) },
	} {
		result := make(chan error, 1)
		go func() { result <- write() }()
		eventually(t, func() error {
			if !storekit.Ask[bool](t, look, "SELECT coalesce(bool_or(pg_cancel_backend(pid)), false) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") {
				return errors.New("nobody waits for the standby")
			}
			return nil
		})
		err := <-result
		if !fault.Is(err, fault.Unavailable) || fault.RetryAfter(err) <= 0 || !strings.Contains(err.Error(), "on this server alone") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if p, err := s.Entries(t.Context(), 0, 10); err != nil || p.Head != 2 {
		t.Errorf("the server has committed: %+v, %v", p, err)
	}
	answered()
	eventually(t, func() error { return second(s.Commit(t.Context(), revoked("two"))) })
	if err := s.Confirm(t.Context(), revocation.Confirmation{Node: "n", Lease: time.Second}); err != nil {
		t.Error(err)
	}
}

// A commit that waits is cancelled by nobody: its caller has an answer within a
// second, and it goes on. A quarter of the connections may wait so; then writes are
// refused at once, and reading goes on.
func TestACommitUnderWayIsNeverCancelled(t *testing.T) {
	t.Parallel()
	s, look, answered := silentStandby(t, store.Options{Postgres: postgres.Limits{Connections: 8}})
	gone, cancel := context.WithCancel(t.Context())
	write := func(n int) error {
		ctx := t.Context()
		if n == 0 {
			time.AfterFunc(100*time.Millisecond, cancel) // its caller goes
			ctx = gone
		}
		return second(s.Commit(ctx, issued(int64(n))))
	}
	for n := range 2 {
		begun := time.Now()
		err := write(n)
		if took := time.Since(begun); !fault.Is(err, fault.Unavailable) || fault.RetryAfter(err) <= 0 || took > 1500*time.Millisecond {
			t.Errorf("after %s: %v", took, err)
		}
	}
	eventually(t, func() error { // the first has waited for longer than any time-out by now
		if n := awaiting(t, look); n != 2 {
			return fmt.Errorf("%d commits wait", n)
		}
		return nil
	})
	for _, refused := range []func() error{
		func() error { return write(2) },
		func() error { return second(s.Commit(t.Context(), revoked("x"))) },
		func() error { return batch(t, s, op.CreateRole{Role: access.Role{Name: "x"}}) },
		func() error { return s.Touch(t.Context(), []records.Use{{ID: "t1", At: at}}) },
		func() error { return second(s.RecordFailure(t.Context(), []string{"k"}, at, time.Hour)) },
	} {
		begun := time.Now()
		err := refused()
		if took := time.Since(begun); !fault.Is(err, fault.Unavailable) || fault.RetryAfter(err) <= 0 || took > 500*time.Millisecond ||
			!strings.Contains(fault.Message(err), "too many commits") {
			t.Errorf("after %s: %v", took, err)
		}
	}
	if _, err := s.Principal(t.Context(), records.Who{Username: "ada"}); err != nil {
		t.Errorf("reading: %v", err)
	}
	// A node confirms nevertheless, but not without end either.
	for range 3 {
		if err := s.Confirm(t.Context(), revocation.Confirmation{Node: "n", Lease: time.Second}); !fault.Is(err, fault.Unavailable) {
			t.Errorf("confirming: %v", err)
		}
	}
	if n := awaiting(t, look); n != 3 { // the second confirmation waits for the row of the first
		t.Errorf("%d commits wait, want 3", n)
	}
	answered()
	eventually(t, func() error { return write(3) })
	if n := storekit.Ask[int](t, look, "SELECT count(*) FROM audit_events"); n != 3 {
		t.Errorf("%d events are stored, want those of the two that waited and of the last", n)
	}
}

// Closing waits for a commit no longer than its caller does, and doesn't cancel it.
func TestClosingLeavesACommitThatWaitsToTheServer(t *testing.T) {
	t.Parallel()
	s, look, answered := silentStandby(t, store.Options{})
	if err := second(s.Commit(t.Context(), revoked("x"))); !fault.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it doesn't close")
	}
	if n := awaiting(t, look); n != 1 {
		t.Errorf("%d commits wait, want 1", n)
	}
	answered()
	eventually(t, func() error {
		if storekit.Ask[int](t, look, "SELECT count(*) FROM log_entries") != 1 {
			return errors.New("it isn't committed")
		}
		return nil
	})
}

// Many callers wait for commits that don't come: each has its answer in time.
func TestManyWaitForASilentStandby(t *testing.T) {
	t.Parallel()
	s, _, answered := silentStandby(t, store.Options{})
	var all sync.WaitGroup
	for n := range 100 {
		all.Go(func() {
			begun := time.Now()
			err := second(s.Commit(t.Context(), revoked(fmt.Sprint(n))))
			if took := time.Since(begun); !fault.Is(err, fault.Unavailable) || fault.RetryAfter(err) <= 0 || took > 2*time.Second {
				t.Errorf("after %s: %v", took, err)
			}
		})
	}
	all.Wait()
	answered()
	eventually(t, func() error { return second(s.Commit(t.Context(), revoked("last"))) })
	p, err := s.Entries(t.Context(), 0, 1000)
	if err != nil || int(p.Head) != len(p.Entries) {
		t.Errorf("the head is %d, with %d entries, %v", p.Head, len(p.Entries), err)
	}
}
