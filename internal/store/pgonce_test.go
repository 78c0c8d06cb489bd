package store_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/pgtest"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/postgres"
	"github.com/bearerd/bearerd/internal/store/storekit"
)

// taker is a batch whose operation can be done once, with an event and an entry that would
// show a second time.
func taker(id string) op.Batch {
	b := revoked(id)
	b.Ops = []op.Op{op.CreateRole{Role: access.Role{Name: id}}}
	return b
}

// noter is a batch that can be done any number of times.
func noter(id string) op.Batch {
	return op.Batch{Audit: []audit.Event{{At: at, Actor: audit.ActorSystem, Action: audit.TokenIssue, TokenID: id, Outcome: audit.OK}}}
}

// unlogged is a batch without its entries.
func unlogged(of func(id string) op.Batch) func(id string) op.Batch {
	return func(id string) op.Batch {
		b := of(id)
		b.Log = nil
		return b
	}
}

// onceCase is a kind of batches whose line to the server is cut everywhere.
type onceCase struct {
	batch func(id string) op.Batch
	hold  string // makes the first batch wait, so that the others become one group; "": there is one
	cold  bool   // the statements aren't prepared on the connection
}

// onceRun commits batches through a line that is cut, and keeps what it was told of each.
type onceRun struct {
	onceCase

	s            *store.Store
	p            *proxy
	look, holder *pgx.Conn
	n            int
	told         map[string]error
}

const (
	holdRoles = "LOCK TABLE roles IN SHARE MODE"
	holdLog   = "UPDATE log_head SET seq = seq"
)

func newOnceRun(t *testing.T, c onceCase) *onceRun {
	t.Helper()
	dsn := pgtest.New(t)
	p, through := newProxy(t, dsn)
	s := storekit.Open(t, through, store.Options{Postgres: postgres.Limits{Connections: 1, StatementTimeout: 20 * time.Second}})
	return &onceRun{onceCase: c, s: s, p: p, look: storekit.RawPostgres(t, dsn, nil), holder: storekit.RawPostgres(t, dsn, nil), told: map[string]error{}}
}

// next returns the ids of the batches to commit together.
func (r *onceRun) next() (ids []string) {
	r.n++
	ids = []string{fmt.Sprintf("id-%05d", r.n)}
	for n := 0; n < 2 && r.hold != ""; n++ {
		ids = append(ids, fmt.Sprintf("%s-%d", ids[0], n))
	}
	return ids
}

// commit commits the next batches. It calls armed when the first of them has nothing to
// wait for any more.
func (r *onceRun) commit(t *testing.T, armed func()) {
	t.Helper()
	ids := r.next()
	results := make([]error, len(ids))
	var all sync.WaitGroup
	start := func(i int) {
		all.Go(func() { _, results[i] = r.s.Commit(t.Context(), r.batch(ids[i])) })
	}
	if r.hold == "" {
		armed()
		start(0)
	} else {
		storekit.MustExec(t, r.holder, "BEGIN")
		storekit.MustExec(t, r.holder, r.hold)
		start(0)
		waiting(t, r.look)
		for i := range ids[1:] {
			start(i + 1)
			eventually(t, func() error {
				if n := r.s.Queued(); n != i+1 {
					return fmt.Errorf("%d wait, want %d", n, i+1)
				}
				return nil
			})
		}
		armed()
		storekit.MustExec(t, r.holder, "ROLLBACK")
	}
	all.Wait()
	for i, id := range ids {
		r.told[id] = results[i]
	}
}

// ready waits for a connection, which has all statements or, if it is to be cold, none.
func (r *onceRun) ready(t *testing.T) {
	t.Helper()
	if r.cold {
		r.p.cut()
	}
	eventually(t, func() error {
		if r.cold {
			_, err := r.s.Entries(t.Context(), 0, 1)
			return err
		}
		return second(r.s.Commit(t.Context(), r.batch(r.next()[0])))
	})
}

// wantOnce wants every batch that succeeded done once, all others once or not at all, and
// none to be told that what it adds was there.
func (r *onceRun) wantOnce(t *testing.T) {
	t.Helper()
	unknown := 0
	for id, err := range r.told {
		want := r.batch(id)
		var ops, entries, events int
		if err := r.look.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM roles WHERE name = $1),
    (SELECT count(*) FROM log_entries WHERE id = $1), (SELECT count(*) FROM audit_events WHERE token_id = $1)`, id).Scan(&ops, &entries, &events); err != nil {
			t.Fatal(err)
		}
		added := 0
		for _, o := range want.Ops {
			if _, ok := o.(op.CreateRole); ok {
				added++
			}
		}
		once := ops == added && entries == len(want.Log) && events == len(want.Audit)
		never := ops+entries+events == 0
		switch {
		case err == nil && !once:
			t.Errorf("%s succeeded and is done not once: %d roles, %d entries, %d events", id, ops, entries, events)
		case err != nil && !fault.Is(err, fault.Unavailable):
			t.Errorf("%s: %v; %d roles, %d entries, %d events", id, err, ops, entries, events)
		case err != nil && !once && !never:
			t.Errorf("%s may have happened and is done neither once nor never: %d roles, %d entries, %d events", id, ops, entries, events)
		}
		if err != nil {
			unknown++
		}
	}
	t.Logf("%d batches, %d of them with an unknown outcome", len(r.told), unknown)
	if unknown == 0 {
		t.Error("no outcome was unknown: nothing was cut")
	}
}

// Wherever the line to the server is cut, in what the client says or in what the server
// answers, no batch is done twice, and none fails because of what it has done itself.
func TestABatchWhoseAnswerIsLostIsNotDoneAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]onceCase{
		"a change":                 {batch: taker},
		"a change, unprepared":     {batch: taker, cold: true},
		"a change without entries": {batch: unlogged(taker)},
		"the same, unprepared":     {batch: unlogged(taker), cold: true},
		"a revocation":             {batch: revoked},
		"a revocation, unprepared": {batch: revoked, cold: true},
		"an event":                 {batch: noter},
		"a group of changes":       {batch: taker, hold: holdRoles},
		"a group of revocations":   {batch: revoked, hold: holdLog},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newOnceRun(t, c)
			p := r.p
			r.ready(t)
			r.commit(t, p.listen)
			said, answered := p.heard()
			for way, places := range map[*way][]int{&p.up: cuts(said), &p.down: cuts(answered)} {
				for _, place := range places {
					r.ready(t)
					r.commit(t, func() { p.cutAfter(way, place) })
					p.pass()
				}
			}
			settled(t, p, r.look, 0)
			r.wantOnce(t)
		})
	}
}

// The same for a line that looks well while it loses what the client says, and then ends.
func TestABatchOnASilentLineIsNotDoneAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]onceCase{
		"a change": {batch: taker}, "a change without entries": {batch: unlogged(taker)}, "a revocation": {batch: revoked},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newOnceRun(t, c)
			p := r.p
			r.ready(t)
			r.commit(t, p.listen)
			said, _ := p.heard()
			for _, place := range cuts(said) {
				r.ready(t)
				p.listen()
				var one sync.WaitGroup
				one.Go(func() { r.commit(t, func() { p.silenceAfter(place) }) })
				settled(t, p, r.look, place)
				p.pass()
				p.cut()
				one.Wait()
			}
			settled(t, p, r.look, 0)
			r.wantOnce(t)
		})
	}
}

// A server that ends with an error may have committed before. That is no reason to leave out
// one of a group and to do the others again.
func TestABatchBehindWhichTheServerEndsIsNotDoneAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]onceCase{
		"alone": {batch: unlogged(taker)}, "in a group": {batch: unlogged(taker), hold: holdRoles}, "revocations": {batch: revoked, hold: holdLog},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newOnceRun(t, c)
			commit := 1
			if c.hold != "" {
				commit = 2 // that of the group
			}
			r.ready(t)
			r.commit(t, func() { r.p.panicAtCommit(commit) })
			r.wantOnce(t)
		})
	}
}
