package store_test

import (
	"context"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/clustertest"
	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/pgtest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/postgres"
	"github.com/bearerd/bearerd/internal/store/storekit"
	"github.com/bearerd/bearerd/internal/token"
)

// refused opens a database that must not open, and returns the error's text.
func refused(t *testing.T, dsn string) string {
	t.Helper()
	s, err := store.Open(t.Context(), dsn, store.Options{Now: time.Now, Postgres: postgres.Limits{ConnectTimeout: time.Second}})
	if err == nil {
		_ = s.Close()
		t.Fatalf("%s opened", dsn)
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the error shows the password: %v", err)
	}
	return err.Error()
}

// edited returns a DSN with something about it changed.
func edited(t *testing.T, dsn string, change func(*url.URL)) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	change(u)
	return u.String()
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t)
	as := func(user, password string) string {
		return edited(t, dsn, func(u *url.URL) { u.User = url.UserPassword(user, password) })
	}
	for name, c := range map[string]struct {
		dsn, want string
	}{
		"port":      {"postgres://ada:hunter2@127.0.0.1:1/x", "its server can't be reached"},
		"port name": {"postgres://ada:hunter2@127.0.0.1:port/x", "its URL is not valid"},
		"host":      {"postgres://ada:hunter2@nowhere.invalid/x", "its server can't be reached"},
		"escape":    {"postgres://ada:hunter2@%zz/x", "its URL is not valid"},
		"option":    {"postgres://ada:hunter2@127.0.0.1/x?sslmode=sometimes", "its URL is not valid"},
		"query":     {"postgres://ada@127.0.0.1:1/x?password=hunter2", "its server can't be reached"},
		"parameter": {edited(t, dsn, func(u *url.URL) { u.RawQuery += "&no_such_setting=1" }), "no_such_setting"},
		"database":  {edited(t, dsn, func(u *url.URL) { u.Path = "/nowhere" }), "there is no such database"},
		"user":      {as("nobody", "hunter2"), "refuses the user or the password"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := refused(t, c.dsn); !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestOpenRefusesADatabaseThatWontDo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sql, want string
	}{
		"read-only":       {`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$`, "it is read-only"},
		"another program": {`CREATE TABLE notes (text text)`, "it is the database of another program"},
		"its migrations":  {`CREATE TABLE migrations (version int)`, "it is the database of another program"},
		"later version": {
			`CREATE TABLE migrations (name text PRIMARY KEY, at bigint); INSERT INTO migrations VALUES ('0001_initial', 1), ('9999_later', 1)`,
			"its schema is of version 9999_later, but this bearerd knows none after",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := pgtest.New(t)
			pgtest.Exec(t, dsn, c.sql)
			before := tables(t, dsn)
			if got := refused(t, dsn); !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if diff := cmp.Diff(before, tables(t, dsn)); diff != "" {
				t.Errorf("it was not left as it was (-want +got):\n%s", diff)
			}
			if _, err := store.Pending(t.Context(), dsn, store.Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("pending: %v, want %q", err, c.want)
			}
		})
	}
}

// tables names the tables of a database.
func tables(t *testing.T, dsn string) []string {
	t.Helper()
	return storekit.Ask[[]string](t, storekit.RawPostgres(t, dsn, nil), `SELECT coalesce(array_agg(tablename::text ORDER BY tablename), '{}') FROM pg_tables WHERE schemaname = 'public'`)
}

func TestOpenNamesAMissingPrivilege(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t)
	role := "guest_" + strconv.FormatInt(time.Now().UnixNano(), 36)
	pgtest.Exec(t, dsn, `CREATE ROLE "`+role+`" LOGIN PASSWORD 'hunter2'`)
	t.Cleanup(func() { pgtest.Exec(t, pgtest.Server(t), `DROP ROLE IF EXISTS "`+role+`"`) })
	pgtest.Exec(t, dsn, `REVOKE CREATE ON SCHEMA public FROM PUBLIC`)
	as := edited(t, dsn, func(u *url.URL) { u.User = url.UserPassword(role, "hunter2") })
	if got := refused(t, as); !strings.Contains(got, "the user lacks a privilege") {
		t.Errorf("got %q", got)
	}
	if left := tables(t, dsn); len(left) != 0 {
		t.Errorf("it left %v", left)
	}
}

// Several nodes start at once on an empty database: the schema is made once, and one
// signing key.
func TestManyNodesStartAtOnce(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t)
	master, err := keyring.MakeMaster(t.TempDir() + "/master.key")
	if err != nil {
		t.Fatal(err)
	}
	var ran atomic.Int32
	var all sync.WaitGroup
	var mu sync.Mutex
	var kids []string
	for range 8 {
		all.Go(func() {
			s := storekit.Open(t, dsn, store.Options{})
			ran.Add(int32(len(s.Migrated())))
			r, err := keyring.Open(t.Context(), keyring.Config{
				Store: s, Master: master, Algorithm: token.EdDSA, LongestToken: time.Hour, Now: time.Now,
			})
			if err != nil {
				t.Error(err)
				return
			}
			k, err := r.Signing()
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			kids = append(kids, k.KID)
			mu.Unlock()
		})
	}
	all.Wait()
	if got := storekit.Ask[int32](t, storekit.RawPostgres(t, dsn, nil), "SELECT count(*)::int FROM migrations"); ran.Load() != got {
		t.Errorf("%d migrations were run, and %d are noted", ran.Load(), got)
	}
	if slices.Sort(kids); len(kids) != 8 || len(slices.Compact(kids)) != 1 {
		t.Errorf("the nodes sign with %v", kids)
	}
}

func TestAStartWaitsForAnotherThatMigrates(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t)
	raw := storekit.RawPostgres(t, dsn, nil)
	storekit.MustExec(t, raw, "BEGIN")
	storekit.MustExec(t, raw, "SELECT pg_advisory_xact_lock(1650815588, 0)")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := store.Open(ctx, dsn, store.Options{Now: time.Now})
	if err == nil || !strings.Contains(err.Error(), "waiting for another process that migrates") {
		t.Errorf("got %v", err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		storekit.Open(t, dsn, store.Options{})
	}()
	waiting(t, storekit.RawPostgres(t, dsn, nil))
	storekit.MustExec(t, raw, "COMMIT")
	<-done
}

// TestAStartMigratesForAsLongAsThatTakes has a migration build an index for longer than a start
// waits for anything: it waits for a transaction that writes to the table.
func TestAStartMigratesForAsLongAsThatTakes(t *testing.T) {
	t.Parallel()
	const wait = 300 * time.Millisecond
	dsn, _ := storekit.OnPostgres(t, 1, store.Options{})
	pgtest.Exec(t, dsn, `DROP INDEX audit_events_action, audit_events_outcome, bindings_listed, bindings_role_listed`)
	pgtest.Exec(t, dsn, `DELETE FROM migrations WHERE name = '0024_lists'`)
	writer := storekit.RawPostgres(t, dsn, nil)
	storekit.MustExec(t, writer, "BEGIN")
	storekit.MustExec(t, writer, "LOCK TABLE audit_events IN ROW EXCLUSIVE MODE")
	done := make(chan error, 1)
	begun := time.Now()
	go func() {
		s, err := store.Open(t.Context(), dsn, store.Hurried(store.Options{Now: time.Now}, wait))
		if err == nil {
			err = s.Close()
		}
		done <- err
	}()
	waiting(t, storekit.RawPostgres(t, dsn, nil))
	time.Sleep(2*wait - time.Since(begun)) // the time-out of the first step is over
	storekit.MustExec(t, writer, "COMMIT")
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// copied makes a copy of a database that is not in use, as a dump and its restore do.
func copied(t *testing.T, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	name := u.Path[1:] + "_copy"
	pgtest.Exec(t, pgtest.Server(t), `CREATE DATABASE "`+name+`" TEMPLATE "`+u.Path[1:]+`"`)
	t.Cleanup(func() { pgtest.Exec(t, pgtest.Server(t), `DROP DATABASE "`+name+`" WITH (FORCE)`) })
	return edited(t, dsn, func(u *url.URL) { u.Path = "/" + name })
}

func TestARestoredDatabaseGoesOnHigher(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t)
	s := storekit.Open(t, dsn, store.Options{})
	if _, err := s.Commit(t.Context(), kill("before")); err != nil {
		t.Fatal(err)
	}
	if s.Restored() {
		t.Error("a new database is said to be restored")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s := storekit.Open(t, dsn, store.Options{}); s.Restored() || head(t, s) != 1 {
		t.Errorf("opened again, the log is at %d", head(t, s))
	} else if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	restored := copied(t, dsn)
	var all sync.WaitGroup
	var raised atomic.Int32
	for range 4 {
		all.Go(func() {
			if s := storekit.Open(t, restored, store.Options{}); s.Restored() {
				raised.Add(1)
			}
		})
	}
	all.Wait()
	s = storekit.Open(t, restored, store.Options{})
	p, err := s.Entries(t.Context(), 0, 10)
	if err != nil || raised.Load() != 1 || p.Head != 1+store.Raise || p.Purged != p.Head {
		t.Errorf("%d nodes raised the log: %+v, %v", raised.Load(), p, err)
	}
	told := storekit.Open(t, restored, store.Options{Restored: true})
	if h := head(t, told); h != 1+2*store.Raise || !told.Restored() {
		t.Errorf("told of a restore, the log is at %d", h)
	}
}

// A server that was recovered to an earlier moment, or was a standby, has another
// timeline: nodes that run notice it when they come back to it.
func TestNodesNoticeARecoveredServer(t *testing.T) {
	t.Parallel()
	c := pgtest.Start(t, "restore_command=false")
	s := storekit.Open(t, c.DSN(), store.Options{})
	if _, err := s.Commit(t.Context(), kill("before")); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, c.DSN(), "COPY (SELECT '') TO PROGRAM 'touch recovery.signal'")
	c.Restart(t)
	eventually(t, func() error {
		_, err := s.Commit(t.Context(), kill("after"))
		return err
	})
	if h := head(t, s); h <= store.Raise || !s.Restored() {
		t.Errorf("the log goes on at %d", h)
	}
}

func TestListenWakes(t *testing.T) {
	t.Parallel()
	dsn, s := storekit.OnPostgres(t, 1, store.Options{})
	line, through := behind(t, dsn)
	far := storekit.Open(t, through, store.Options{Postgres: postgres.Limits{Staleness: 100 * time.Millisecond}})
	woken := make(chan struct{}, 100)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- far.Listen(ctx, func() { woken <- struct{}{} }) }()
	wake := func(why string) {
		t.Helper()
		select {
		case <-woken:
		case <-time.After(15 * time.Second):
			t.Fatalf("not woken: %s", why)
		}
	}
	wake("once at the start")
	mustCommit(t, s[0], op.CreateUser{User: ada()}) // which is not in the log
	if _, err := s[0].Commit(t.Context(), kill("x")); err != nil {
		t.Fatal(err)
	}
	wake("an append")
	if len(woken) > 0 {
		t.Error("woken by what is not in the log")
	}
	weather(t, line, clustertest.Weather{Cut: true})
	if _, err := s[0].Commit(t.Context(), kill("y")); err != nil {
		t.Fatal(err)
	}
	weather(t, line, clustertest.Weather{})
	wake("the line is there again")
	if _, err := s[0].Commit(t.Context(), kill("z")); err != nil {
		t.Fatal(err)
	}
	wake("an append after that")
	// A line on which nothing comes is given up, though it may come back.
	weather(t, line, clustertest.Weather{Down: clustertest.Hold})
	time.Sleep(2500 * time.Millisecond) // a second without news, and one without an answer
	weather(t, line, clustertest.Weather{})
	wake("after a silent line")
	cancel()
	if err := <-ended; err == nil {
		t.Error("listening ended without a reason")
	}
}

func TestTextThatPostgresCannotKeep(t *testing.T) {
	t.Parallel()
	_, s := storekit.OnPostgres(t, 1, store.Options{})
	for _, bad := range []string{"a\x00b", "\xff"} {
		u := ada()
		u.Name = bad
		if err := batch(t, s[0], op.CreateUser{User: u}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q is stored: %v", bad, err)
		}
		if _, err := s[0].Principal(t.Context(), records.Who{Username: bad}); !fault.Is(err, fault.NotFound) {
			t.Errorf("%q is looked for: %v", bad, err)
		}
		if _, err := s[0].Users(t.Context(), records.UserQuery{Search: bad}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q is searched for: %v", bad, err)
		}
		if _, err := s[0].Commit(t.Context(), kill(bad)); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q is in the log: %v", bad, err)
		}
		e := audit.Event{At: at, Actor: audit.ActorSystem, Action: audit.Login, Target: bad, Outcome: audit.OK}.Clean()
		if _, err := s[0].Commit(t.Context(), op.Batch{Audit: []audit.Event{e}}); err != nil {
			t.Errorf("%q can't be told of: %v", bad, err)
		}
	}
}

// The longest binding that there may be fits into PostgreSQL's indexes.
func TestLongestBindingIsKept(t *testing.T) {
	t.Parallel()
	_, s := storekit.OnPostgres(t, 1, store.Options{})
	noise := func(n int) string { // that can't be compressed
		b := make([]byte, n)
		for i := range b {
			b[i] = 'a' + byte(rand.N(26))
		}
		return string(b)
	}
	b := access.Binding{ID: "b", Group: noise(255), Path: access.Path("/" + noise(1023)), Permission: &access.Permission{
		Action: noise(64), Path: access.Path("/" + noise(1023)),
	}}
	if err := b.Validate(); err != nil {
		t.Fatal(err)
	}
	mustCommit(t, s[0], op.AddBinding{Binding: b})
	b.ID = "c"
	if err := batch(t, s[0], op.AddBinding{Binding: b}); !fault.Is(err, fault.Conflict) {
		t.Errorf("the same again: %v", err)
	}
}
