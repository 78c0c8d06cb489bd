package store_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/postgres"
	"github.com/bearerd/bearerd/internal/store/storekit"
)

// result is what became of a batch.
type result struct {
	seq revocation.Seq
	err error
}

// together commits batches that wait together: the first by itself, because it waits
// for what hold locks, then the others. It returns when all have their results.
func together(t *testing.T, dsn string, s *store.Store, hold string, batches []op.Batch, meanwhile func(done func() int)) []result {
	t.Helper()
	holder, look := storekit.RawPostgres(t, dsn, nil), storekit.RawPostgres(t, dsn, nil)
	storekit.MustExec(t, holder, "BEGIN")
	storekit.MustExec(t, holder, hold)
	results := make([]result, len(batches))
	var mu sync.Mutex
	finished := 0
	var all sync.WaitGroup
	commit := func(i int) {
		all.Go(func() {
			seq, err := s.Commit(t.Context(), batches[i])
			mu.Lock()
			defer mu.Unlock()
			results[i] = result{seq, err}
			finished++
		})
	}
	commit(0)
	waiting(t, look)
	for i := range batches[1:] {
		commit(i + 1)
		eventually(t, func() error {
			if n := s.Queued(); n != i+1 {
				return fmt.Errorf("%d wait, want %d", n, i+1)
			}
			return nil
		})
	}
	storekit.MustExec(t, holder, "ROLLBACK")
	if meanwhile != nil {
		meanwhile(func() int {
			mu.Lock()
			defer mu.Unlock()
			return finished
		})
	}
	all.Wait()
	return results
}

// slow are options with which nothing is given up while a test prepares, and with
// which there is one lane.
func slow() store.Options {
	return store.Options{Postgres: postgres.Limits{Connections: 2, StatementTimeout: 20 * time.Second}}
}

// wantEntries wants every batch that was done to have its sequence in the log.
func wantEntries(t *testing.T, s *store.Store, batches []op.Batch, results []result) {
	t.Helper()
	told := map[revocation.Seq]string{}
	for i, r := range results {
		if r.err == nil {
			told[r.seq] = batches[i].Log[len(batches[i].Log)-1].ID
		}
	}
	wantGapless(t, s, told)
}

// tooLong is a text that fits into no index.
func tooLong() string {
	var text strings.Builder
	for n := range 3000 {
		fmt.Fprintf(&text, "%x", n*2654435761)
	}
	return text.String()
}

func TestRevocationsThatWaitTogetherAreOneTransaction(t *testing.T) {
	t.Parallel()
	dsn, s := storekit.OnPostgres(t, 1, slow())
	var batches []op.Batch
	for n := range 200 {
		b := revoked(fmt.Sprint("id-", n))
		b.Log = append(b.Log, b.Log[0])
		b.Log[0].ID = "first"
		batches = append(batches, b)
		mustCommit(t, s[0], op.AddToken{Token: stored(fmt.Sprint("id-", n))})
	}
	results := together(t, dsn, s[0], "UPDATE log_head SET seq = seq", batches, nil)
	for i, r := range results {
		if r.err != nil {
			t.Errorf("batch %d: %v", i, r.err)
		}
		wantAllDead(t, s[0], fmt.Sprint("id-", i))
	}
	wantEntries(t, s[0], batches, results)
	if n := storekit.Ask[int](t, storekit.RawPostgres(t, dsn, nil), "SELECT count(DISTINCT xmin::text) FROM log_entries"); n != 2 {
		t.Errorf("%d transactions for %d revocations, want that of the first and that of the others", n, len(batches))
	}
	if n := storekit.Ask[int](t, storekit.RawPostgres(t, dsn, nil), "SELECT count(*) FROM audit_events"); n != len(batches) {
		t.Errorf("%d events for %d revocations", n, len(batches))
	}
}

func TestOperationsThatWaitTogetherAreOneTransactionAndFailAlone(t *testing.T) {
	t.Parallel()
	dsn, s := storekit.OnPostgres(t, 1, slow())
	mustCommit(t, s[0], op.CreateClient{Client: identity.Client{ID: "taken"}})
	var batches []op.Batch
	for n := range 31 {
		b := kill(fmt.Sprint("id-", n))
		b.Ops = []op.Op{op.CreateClient{Client: identity.Client{ID: fmt.Sprint("client", n)}}}
		switch n % 3 {
		case 2:
			b.Ops = append(b.Ops, op.CreateClient{Client: identity.Client{ID: "taken"}})
		case 1: // which the server refuses
			b.Ops = append(b.Ops, op.CreateRole{Role: access.Role{Name: tooLong()}})
		}
		batches = append(batches, b)
	}
	results := together(t, dsn, s[0], "LOCK TABLE clients IN SHARE MODE", batches, nil)
	for n, r := range results {
		switch {
		case n%3 == 0 && r.err != nil, n%3 == 2 && !fault.Is(r.err, fault.Conflict), n%3 == 1 && (r.err == nil || !strings.Contains(r.err.Error(), "54000")):
			t.Errorf("batch %d: %v", n, r.err)
		}
		_, err := s[0].Principal(t.Context(), records.Who{ClientID: fmt.Sprint("client", n)})
		if done := err == nil; done != (n%3 == 0) {
			t.Errorf("batch %d is done: %t", n, done)
		}
	}
	wantEntries(t, s[0], batches, results)
	if n := storekit.Ask[int](t, storekit.RawPostgres(t, dsn, nil), "SELECT count(DISTINCT xmin::text) FROM log_entries"); n != 2 {
		t.Errorf("%d transactions appended, want that of the first and that of the others", n)
	}
}

// A statement that the server refuses to prepare fails before its savepoint is there to go
// back to, and takes the transaction of the group with it. The others are done nevertheless.
func TestABatchWhoseStatementsCannotBePreparedFailsAlone(t *testing.T) {
	t.Parallel()
	dsn, s := storekit.OnPostgres(t, 1, slow())
	storekit.MustExec(t, storekit.RawPostgres(t, dsn, nil), "ALTER TABLE devices RENAME TO gone")
	var batches []op.Batch
	for n := range 9 {
		b := kill(fmt.Sprint("id-", n))
		b.Ops = []op.Op{op.CreateClient{Client: identity.Client{ID: fmt.Sprint("client", n)}}}
		if n%3 == 1 {
			b.Ops = []op.Op{op.AddDevice{Device: records.Device{UserCode: fmt.Sprint("code", n)}}}
		}
		batches = append(batches, b)
	}
	results := together(t, dsn, s[0], "LOCK TABLE clients IN SHARE MODE", batches, nil)
	for n, r := range results {
		if refused := r.err != nil && strings.Contains(r.err.Error(), "42P01"); refused != (n%3 == 1) || !refused && r.err != nil {
			t.Errorf("batch %d: %v", n, r.err)
		}
	}
	wantEntries(t, s[0], batches, results)
}

// A batch that has to wait for a row leaves its group, and is done when the row is
// free: the others don't wait with it.
func TestABatchThatWaitsForARowLeavesItsGroup(t *testing.T) {
	t.Parallel()
	name := "Ada"
	waits := kill("waits")
	waits.Ops = []op.Op{op.CreateRole{Role: access.Role{Name: "with it"}}, op.UpdateUser{ID: "id-ada", Name: &name}}
	goes := func(n int) op.Batch {
		b := kill(fmt.Sprint("goes-", n))
		b.Ops = []op.Op{op.CreateClient{Client: identity.Client{ID: fmt.Sprint("client", n)}}}
		return b
	}
	dsn, s := storekit.OnPostgres(t, 1, slow())
	mustCommit(t, s[0], op.CreateUser{User: ada()})
	row := storekit.RawPostgres(t, dsn, nil)
	storekit.MustExec(t, row, "BEGIN")
	storekit.MustExec(t, row, "UPDATE users SET name = name")
	batches := []op.Batch{goes(0), goes(1), waits, goes(2), goes(3)}
	results := together(t, dsn, s[0], "LOCK TABLE clients IN SHARE MODE", batches, func(done func() int) {
		eventually(t, func() error {
			if n := done(); n != 4 {
				return fmt.Errorf("%d are done", n)
			}
			return nil
		})
		if n := storekit.Ask[int](t, row, "SELECT count(*) FROM roles"); n != 0 {
			t.Error("half of it is done")
		}
		storekit.MustExec(t, row, "ROLLBACK")
	})
	for i, r := range results {
		if r.err != nil {
			t.Errorf("batch %d: %v", i, r.err)
		}
	}
	wantEntries(t, s[0], batches, results)
	if results[2].seq != 5 {
		t.Errorf("the one that waited is entry %d", results[2].seq)
	}
}

func TestARevocationThatWaitsForARowLeavesItsGroup(t *testing.T) {
	t.Parallel()
	dsn, s := storekit.OnPostgres(t, 1, store.Options{Postgres: postgres.Limits{Connections: 2, StatementTimeout: 50 * time.Second}})
	for _, id := range []string{"held", "free", "one", "two"} {
		mustCommit(t, s[0], op.AddToken{Token: stored(id)})
	}
	waits := revoked("held")
	waits.Ops = append(waits.Ops, op.KillTokens{IDs: []string{"free"}, At: at, Reason: "revoked"})
	row := storekit.RawPostgres(t, dsn, nil)
	storekit.MustExec(t, row, "BEGIN")
	storekit.MustExec(t, row, "UPDATE tokens SET name = name WHERE id = 'held'")
	batches := []op.Batch{revoked("one"), waits, revoked("two")}
	results := together(t, dsn, s[0], "UPDATE log_head SET seq = seq", batches, func(done func() int) {
		eventually(t, func() error {
			if n := done(); n != 2 {
				return fmt.Errorf("%d are done", n)
			}
			return nil
		})
		if token, _, err := s[0].TokenByID(t.Context(), "free"); err != nil || !token.RevokedAt.IsZero() {
			t.Errorf("half of it is done: %+v, %v", token, err)
		}
		if err := second(s[0].Commit(t.Context(), revoked("after"))); err != nil {
			t.Errorf("who revokes meanwhile: %v", err)
		}
		storekit.MustExec(t, row, "ROLLBACK")
	})
	for i, r := range results {
		if r.err != nil {
			t.Errorf("batch %d: %v", i, r.err)
		}
	}
	for _, id := range []string{"held", "free", "one", "two"} {
		wantAllDead(t, s[0], id)
	}
	wantEntries(t, s[0], batches, results)
	if results[1].seq != 4 {
		t.Errorf("the one that waited is entry %d", results[1].seq)
	}
}

// Even what can't fail alone does, when it can't be stored.
func TestARevocationThatCannotBeStoredFailsAlone(t *testing.T) {
	t.Parallel()
	dsn, s := storekit.OnPostgres(t, 1, slow())
	var batches []op.Batch
	for n := range 10 {
		b := revoked(fmt.Sprint("id-", n))
		if n == 5 {
			b.Log[0].ID = tooLong()
		}
		batches = append(batches, b)
	}
	results := together(t, dsn, s[0], "UPDATE log_head SET seq = seq", batches, nil)
	for i, r := range results {
		if (r.err == nil) != (i != 5) {
			t.Errorf("batch %d: %v", i, r.err)
		}
	}
	wantEntries(t, s[0], batches, results)
}

// Every way to revoke has the same result in a group as by itself.
func TestRevocationsInAGroupReachWhatTheyReachAlone(t *testing.T) {
	t.Parallel()
	dsn, s := storekit.OnPostgres(t, 1, slow())
	add := func(id string, change func(*records.StoredToken)) {
		one := stored(id)
		one.Owner = "nobody"
		change(&one)
		mustCommit(t, s[0], op.AddToken{Token: one})
	}
	add("own", func(*records.StoredToken) {})
	add("heir", func(one *records.StoredToken) { one.Chain = []string{"own"} })
	add("family", func(one *records.StoredToken) { one.Family = "own" })
	add("owners", func(one *records.StoredToken) { one.Owner = "ada" })
	add("clients", func(one *records.StoredToken) { one.ClientID = "app" })
	add("over", func(one *records.StoredToken) { one.ExpiresAt = at.Add(-time.Second); one.Owner = "ada" })
	add("spent", func(one *records.StoredToken) { one.Owner = "ada" })
	mustCommit(t, s[0], op.SpendToken{ID: "spent", At: at.Add(-time.Hour), Reason: "used"})
	add("lives", func(*records.StoredToken) {})
	o := op.KillTokens{IDs: []string{"own"}, Owner: "ada", ClientID: "app", At: at, Reason: "first"}
	again := o
	again.Reason = "second"
	if err := second(s[0].Commit(t.Context(), op.Batch{Ops: []op.Op{o, again}})); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{
		"own": "first", "heir": "first", "family": "first", "owners": "first", "clients": "first", "over": "", "spent": "used", "lives": "",
	} {
		row, _, err := s[0].TokenByID(t.Context(), id)
		if err != nil || row.Reason != want || row.RevokedAt.IsZero() != (want == "") {
			t.Errorf("%s: %q at %v, %v", id, row.Reason, row.RevokedAt, err)
		}
	}
	if n := storekit.Ask[int](t, storekit.RawPostgres(t, dsn, nil), "SELECT count(*) FROM log_entries"); n != 0 {
		t.Errorf("%d entries that nobody asked for", n)
	}
}

// Whatever is committed side by side, on two nodes, is there once, in order.
func TestTwoNodesCommitTogether(t *testing.T) {
	t.Parallel()
	_, s := storekit.OnPostgres(t, 2, store.Options{})
	var mu sync.Mutex
	told := map[revocation.Seq]string{}
	var all sync.WaitGroup
	for n := range 60 {
		all.Go(func() {
			for i := range 10 {
				id := fmt.Sprint(n, "/", i)
				b := revoked(id)
				switch n % 4 {
				case 1:
					b.Ops = []op.Op{op.AddToken{Token: stored(id)}}
				case 2:
					b.Ops = append(b.Ops, op.CreateRole{Role: access.Role{Name: id}})
				case 3:
					b.Ops = []op.Op{op.ChangeKeys{Plan: func([]keyring.Key) ([]keyring.Key, error) { return nil, nil }}}
				}
				seq, err := s[n%2].Commit(t.Context(), b)
				if err != nil && !fault.Is(err, fault.Unavailable) {
					t.Errorf("%s: %v", id, err)
				}
				if err == nil {
					mu.Lock()
					told[seq] = id
					mu.Unlock()
				}
			}
		})
	}
	all.Wait()
	if len(told) == 0 {
		t.Error("nothing was committed")
	}
	wantGapless(t, s[0], told)
}
