package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/clustertest"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/pgtest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/postgres"
	"github.com/bearerd/bearerd/internal/store/storekit"
)

// lease is revocation.max_staleness in these tests.
const lease = time.Second

func TestSessionsKeepThePromiseWhateverTheDatabaseSays(t *testing.T) {
	t.Parallel()
	dsn := pgtest.New(t)
	for name, value := range map[string]string{
		"synchronous_commit": "off", "idle_in_transaction_session_timeout": "0", "statement_timeout": "0", "lock_timeout": "0",
		"default_transaction_isolation": "serializable", "standard_conforming_strings": "off", "tcp_user_timeout": "0",
	} {
		pgtest.Exec(t, dsn, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET `+name+` = `+value+`', current_database()); END $$`)
	}
	if got := storekit.Ask[string](t, storekit.RawPostgres(t, dsn, nil), "SHOW synchronous_commit"); got != "off" {
		t.Fatalf("the default is %s", got)
	}
	o := postgres.Limits{Staleness: lease, StatementTimeout: 800 * time.Millisecond}
	s := storekit.Open(t, dsn, store.Options{Postgres: o})
	for name, want := range map[string]string{
		"synchronous_commit": "on", "idle_in_transaction_session_timeout": "250ms", "statement_timeout": "800ms", "lock_timeout": "720ms",
		"default_transaction_isolation": "read committed", "standard_conforming_strings": "on", "tcp_user_timeout": "5000",
	} {
		var got string
		if err := s.Sole(t.Context(), "SHOW "+name, &got); err != nil || got != want {
			t.Errorf("%s is %s, want %s; %v", name, got, want, err)
		}
	}
}

// The sequence is given as late as possible, so a transaction that ends late comes
// late in the log too, and no reader has gone past it.
func TestLogOfATransactionThatCommitsLate(t *testing.T) {
	t.Parallel()
	dsn, s := storekit.OnPostgres(t, 3, store.Options{})
	begun, goOn := make(chan struct{}), make(chan struct{})
	late := kill("late")
	late.Ops = []op.Op{op.ChangeKeys{Plan: func([]keyring.Key) ([]keyring.Key, error) {
		begun <- struct{}{}
		<-goOn
		return nil, nil
	}}}
	var lateSeq revocation.Seq
	var all sync.WaitGroup
	all.Go(func() {
		var err error
		if lateSeq, err = s[0].Commit(t.Context(), late); err != nil {
			t.Error(err)
		}
	})
	<-begun
	early, err := s[1].Commit(t.Context(), kill("early"))
	if err != nil || early != 1 {
		t.Fatalf("%d, %v", early, err)
	}
	if h := head(t, s[2]); h != 1 {
		t.Errorf("a reader sees %d", h)
	}
	close(goOn)
	all.Wait()
	if lateSeq != 2 {
		t.Errorf("what committed last is entry %d", lateSeq)
	}

	// Held between its append and its commit, it makes all later appends wait.
	raw := storekit.RawPostgres(t, dsn, nil)
	storekit.MustExec(t, raw, "BEGIN")
	storekit.MustExec(t, raw, "UPDATE log_head SET seq = seq + 1")
	storekit.MustExec(t, raw, "INSERT INTO log_entries (seq, what, id, until, at) VALUES (3, 'token', 'held', 0, 1)")
	var overtaking revocation.Seq
	all.Go(func() {
		var err error
		if overtaking, err = s[1].Commit(t.Context(), kill("behind")); err != nil {
			t.Error(err)
		}
	})
	waiting(t, storekit.RawPostgres(t, dsn, nil))
	if p, err := s[2].Entries(t.Context(), 0, 10); err != nil || p.Head != 2 || len(p.Entries) != 2 {
		t.Errorf("meanwhile a reader sees %+v, %v", p, err)
	}
	storekit.MustExec(t, raw, "COMMIT")
	all.Wait()
	p, err := s[2].Entries(t.Context(), 2, 10)
	if err != nil || overtaking != 4 || len(p.Entries) != 2 || p.Entries[0].ID != "held" || p.Entries[1].ID != "behind" {
		t.Errorf("entry %d; %+v, %v", overtaking, p, err)
	}
}

// A node that falls silent in the middle of what others wait for.
func TestASilentNodeDoesNotBlockTheOthers(t *testing.T) {
	t.Parallel()
	for name, held := range map[string]string{
		"in an append":           "UPDATE log_head SET seq = seq + 1",
		"adding a token":         "SELECT pg_advisory_xact_lock_shared(1650815588, 3)",
		"taking back tokens":     "SELECT pg_advisory_xact_lock(1650815588, 3)",
		"on the row of a token":  "UPDATE tokens SET name = name",
		"on the row of a user":   "UPDATE users SET name = name",
		"in a change of keys":    "SELECT pg_advisory_xact_lock(1650815588, 1)",
		"on the list of nodes":   "UPDATE nodes SET seq = seq",
		"in a purge":             "SELECT pg_advisory_xact_lock(1650815588, 2)",
		"on a failed attempt":    "UPDATE attempts SET count = count",
		"on a row of what's new": "INSERT INTO roles (name, permissions) VALUES ('new', '[]')",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := store.Options{Now: func() time.Time { return at }, Postgres: postgres.Limits{Staleness: lease}}
			dsn, s := storekit.OnPostgres(t, 1, o)
			everything := func() error {
				_, err := s[0].Commit(t.Context(), taken("ada"))
				_, failed := s[0].RecordFailure(t.Context(), []string{"k"}, at, time.Hour)
				disabled := true
				return errors.Join(err, failed,
					batch(t, s[0], op.AddToken{Token: stored(fmt.Sprint(time.Now().UnixNano()))}, op.UpdateUser{ID: "id-ada", Disabled: &disabled}),
					s[0].ChangeSigningKeys(t.Context(), func([]keyring.Key) ([]keyring.Key, error) { return nil, nil }),
					s[0].Confirm(t.Context(), revocation.Confirmation{Node: "n", Seq: 1, Lease: lease}), s[0].Purge(t.Context(), at))
			}
			mustCommit(t, s[0], op.CreateUser{User: ada()})
			if err := everything(); err != nil {
				t.Fatal(err)
			}
			var idle string
			if err := s[0].Sole(t.Context(), "SHOW idle_in_transaction_session_timeout", &idle); err != nil {
				t.Fatal(err)
			}
			silent := storekit.RawPostgres(t, dsn, map[string]string{"idle_in_transaction_session_timeout": idle})
			storekit.MustExec(t, silent, "BEGIN")
			storekit.MustExec(t, silent, held)
			begun := time.Now()
			if err := everything(); err != nil {
				t.Error(err)
			}
			if took := time.Since(begun); took > lease {
				t.Errorf("the others took %s, more than a lease", took)
			}
		})
	}
}

// A node whose line dies between its questions and its commit leaves nothing behind,
// and knows that it doesn't know.
func TestALineThatDiesBeforeTheCommit(t *testing.T) {
	t.Parallel()
	dsn, s := storekit.OnPostgres(t, 1, store.Options{})
	line, through := behind(t, dsn)
	cut := storekit.Open(t, through, store.Options{})
	b := kill("never")
	b.Ops = []op.Op{op.ChangeKeys{Plan: func([]keyring.Key) ([]keyring.Key, error) {
		weather(t, line, clustertest.Weather{Up: clustertest.Lose})
		return nil, nil
	}}}
	begun := time.Now()
	_, err := cut.Commit(t.Context(), b)
	if took := time.Since(begun); !fault.Is(err, fault.Unavailable) || took > 1200*time.Millisecond {
		t.Errorf("after %s: %v", took, err)
	}
	if seq, err := s[0].Commit(t.Context(), kill("next")); err != nil || seq != 1 {
		t.Errorf("the next entry is %d, %v", seq, err)
	}
	weather(t, line, clustertest.Weather{})
	eventually(t, func() error {
		_, err := cut.Commit(t.Context(), kill("again"))
		return err
	})
}

// eventually wants something to succeed within a while.
func eventually(t *testing.T, do func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if err = do(); err == nil {
			return
		}
	}
	t.Fatalf("still: %v", err)
}

func TestAStoreThatDoesNotAnswerIsAnErrorWithinASecond(t *testing.T) {
	t.Parallel()
	for name, w := range map[string]clustertest.Weather{
		"no answer":   {Down: clustertest.Hold},
		"no question": {Up: clustertest.Lose},
		"refused":     {Cut: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := pgtest.New(t)
			line, through := behind(t, dsn)
			s := storekit.Open(t, through, store.Options{})
			mustCommit(t, s, op.CreateUser{User: ada()})
			weather(t, line, w)
			var all sync.WaitGroup
			for range 50 { // more than there are connections
				all.Go(func() {
					begun := time.Now()
					_, reading := s.Principal(t.Context(), records.Who{Username: "ada"})
					read := time.Since(begun)
					_, writing := s.Commit(t.Context(), kill("x"))
					wrote := time.Since(begun) - read
					if read > time.Second || wrote > time.Second {
						t.Errorf("reading took %s, writing %s", read, wrote)
					}
					for _, err := range []error{reading, writing} {
						if !fault.Is(err, fault.Unavailable) || fault.RetryAfter(err) <= 0 {
							t.Errorf("got %v", err)
						}
					}
				})
			}
			all.Wait()
			weather(t, line, clustertest.Weather{})
			eventually(t, func() error {
				_, err := s.Principal(t.Context(), records.Who{Username: "ada"})
				return err
			})
		})
	}
}

// A caller that gets no connection soon gets an error, and at once when very many wait.
func TestAnExhaustedPoolHasNoEndlessQueue(t *testing.T) {
	t.Parallel()
	dsn, s := storekit.OnPostgres(t, 1, store.Options{Postgres: postgres.Limits{Connections: 2}})
	raw := storekit.RawPostgres(t, dsn, nil)
	storekit.MustExec(t, raw, "BEGIN")
	storekit.MustExec(t, raw, "LOCK TABLE users, log_head")
	var all sync.WaitGroup
	var crowded atomic.Int32
	for range 1200 {
		all.Go(func() {
			begun := time.Now()
			_, err := s[0].Principal(t.Context(), records.Who{Username: "ada"})
			if took := time.Since(begun); !fault.Is(err, fault.Unavailable) || took > 1500*time.Millisecond {
				t.Errorf("after %s: %v", took, err)
			}
			if strings.Contains(fault.Message(err), "too many") {
				crowded.Add(1)
			}
		})
	}
	all.Wait()
	if n := crowded.Load(); n < 100 {
		t.Errorf("%d of 1200 were turned away at once", n)
	}
	storekit.MustExec(t, raw, "ROLLBACK")
	if _, err := s[0].Commit(t.Context(), kill("x")); err != nil {
		t.Error(err)
	}
}

// A node whose connections are all busy follows the log nevertheless, or it would
// soon answer nobody.
func TestTheLogIsFollowedWhileThePoolIsExhausted(t *testing.T) {
	t.Parallel()
	dsn, s := storekit.OnPostgres(t, 1, store.Options{Postgres: postgres.Limits{Connections: 2, StatementTimeout: 5 * time.Second}})
	if _, err := s[0].Commit(t.Context(), kill("x")); err != nil {
		t.Fatal(err)
	}
	raw := storekit.RawPostgres(t, dsn, nil)
	storekit.MustExec(t, raw, "BEGIN")
	storekit.MustExec(t, raw, "LOCK TABLE users")
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 1100 {
		all.Go(func() { _, _ = s[0].Principal(ctx, records.Who{Username: "ada"}) })
	}
	waiting(t, storekit.RawPostgres(t, dsn, nil))
	for range 20 {
		begun := time.Now()
		page, err := s[0].Entries(t.Context(), 0, 10)
		if err != nil || page.Head != 1 {
			t.Fatalf("the log is at %d, %v", page.Head, err)
		}
		if err := s[0].Confirm(t.Context(), revocation.Confirmation{Node: "n", Seq: 1, Lease: time.Second}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("it took %s", took)
		}
	}
	storekit.MustExec(t, raw, "ROLLBACK")
	cancel()
	all.Wait()
}

func TestGivingUpWhileWaitingForAConnection(t *testing.T) {
	t.Parallel()
	dsn, s := storekit.OnPostgres(t, 1, store.Options{Postgres: postgres.Limits{Connections: 1}})
	raw := storekit.RawPostgres(t, dsn, nil)
	storekit.MustExec(t, raw, "BEGIN")
	storekit.MustExec(t, raw, "LOCK TABLE log_head")
	var all sync.WaitGroup
	all.Go(func() { _, _ = s[0].Commit(t.Context(), kill("first")) })
	waiting(t, storekit.RawPostgres(t, dsn, nil))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s[0].Commit(ctx, kill("second")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	storekit.MustExec(t, raw, "ROLLBACK")
	all.Wait()
	if h := head(t, s[0]); h != 1 {
		t.Errorf("the log is at %d", h)
	}
}

// The server is killed with all that it has under way, again and again: what was
// acknowledged is there, in order, and the store goes on by itself.
func TestAcknowledgedEntriesSurviveTheServersDeath(t *testing.T) {
	t.Parallel()
	c := pgtest.Start(t)
	pgtest.Exec(t, c.DSN(), "ALTER SYSTEM SET synchronous_commit = off") // ours are on nevertheless
	s := storekit.Open(t, c.DSN(), store.Options{})
	var mu sync.Mutex
	acknowledged := map[revocation.Seq]string{}
	for round := range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for n := range 4 {
			all.Go(func() {
				for i := 0; ctx.Err() == nil; i++ {
					id := fmt.Sprint(round, "/", n, "/", i)
					if seq, err := s.Commit(t.Context(), kill(id)); err == nil {
						mu.Lock()
						acknowledged[seq] = id
						mu.Unlock()
					} else if !fault.Is(err, fault.Unavailable) {
						t.Error(err)
					}
				}
			})
		}
		enough := func() error {
			mu.Lock()
			defer mu.Unlock()
			if len(acknowledged) < 50*(round+1) {
				return errors.New("too few were acknowledged")
			}
			return nil
		}
		eventually(t, enough)
		c.Kill(t)
		cancel()
		all.Wait()
		c.Restart(t)
		eventually(t, func() error {
			_, err := s.Commit(t.Context(), op.Batch{})
			_, reading := s.Entries(t.Context(), 0, 1)
			return errors.Join(err, reading)
		})
	}
	p, err := s.Entries(t.Context(), 0, 1_000_000)
	if err != nil || int(p.Head) != len(p.Entries) {
		t.Fatalf("the head is %d, and there are %d entries; %v", p.Head, len(p.Entries), err)
	}
	found := map[revocation.Seq]string{}
	for _, e := range p.Entries {
		found[e.Seq] = e.ID
	}
	for seq, id := range acknowledged {
		if found[seq] != id {
			t.Errorf("entry %d is %q, and %q was acknowledged", seq, found[seq], id)
		}
	}
}
