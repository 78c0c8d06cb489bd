package store_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/pgtest"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/postgres"
	"github.com/bearerd/bearerd/internal/store/storekit"
)

// cuts are the places at which to cut what a client says, or a server answers: around the
// end of every message, and every so often between.
func cuts(said []byte) []int {
	at := map[int]bool{}
	for n := 0; n < len(said); n += 48 {
		at[n] = true
	}
	for n := 0; n+5 <= len(said); {
		n += 1 + int(binary.BigEndian.Uint32(said[n+1:n+5]))
		at[n-1], at[n], at[n+1] = true, true, true
	}
	delete(at, len(said)+1)
	return slices.Sorted(maps.Keys(at))
}

// revoked is a revocation as the authority commits it.
func revoked(id string) op.Batch {
	b := kill(id)
	b.Ops = []op.Op{op.KillTokens{IDs: []string{id}, At: at, Reason: "revoked"}}
	b.Audit = []audit.Event{{At: at, Actor: audit.ActorSystem, Action: audit.TokenRevoke, TokenID: id, Outcome: audit.OK}}
	return b
}

// A client that falls silent anywhere in what it says leaves the log's row free. The
// same holds when that row must wait for an operation that looks before it writes.
func TestASilentClientNeverHoldsTheLog(t *testing.T) {
	t.Parallel()
	changed := func(id string) op.Batch {
		b := revoked(id)
		b.Ops = append(b.Ops, op.CreateRole{Role: access.Role{Name: id}})
		return b
	}
	for name, batch := range map[string]func(id string) op.Batch{"revoking": revoked, "changing": changed} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn := pgtest.New(t)
			p, through := newProxy(t, dsn)
			s := storekit.Open(t, through, store.Options{Postgres: postgres.Limits{Connections: 1}})
			look := storekit.RawPostgres(t, dsn, nil)
			told := map[revocation.Seq]string{}
			n := 0
			commit := func() error {
				n++
				id := fmt.Sprint("id-", n)
				seq, err := s.Commit(t.Context(), batch(id))
				if err == nil {
					told[seq] = id
				}
				return err
			}
			eventually(t, commit) // prepares the statements
			p.listen()
			if err := commit(); err != nil {
				t.Fatal(err)
			}
			said, _ := p.heard()
			places := cuts(said)
			for _, place := range places {
				eventually(t, commit)
				p.listen()
				p.silenceAfter(place)
				var one sync.WaitGroup
				one.Go(func() { _ = commit() })
				settled(t, p, look, place)
				if _, err := look.Exec(t.Context(), "SELECT seq FROM log_head FOR UPDATE NOWAIT"); err != nil {
					t.Errorf("silent after %d bytes: %v", place, err)
				}
				p.silenceAfter(-1)
				p.cut()
				one.Wait()
			}
			eventually(t, commit)
			wantGapless(t, s, told)
			t.Logf("cut at %d places", len(places))
		})
	}
}

// settled waits until so many bytes were said and the server has done with them what
// it does.
func settled(t *testing.T, p *proxy, look *pgx.Conn, bytes int) {
	t.Helper()
	eventually(t, func() error {
		if n := len(p.soFar()); n < bytes {
			return fmt.Errorf("%d bytes were said, want %d", n, bytes)
		}
		return nil
	})
	for quiet := 0; quiet < 3; time.Sleep(time.Millisecond) {
		busy := storekit.Ask[bool](t, look, `SELECT count(*) > 0 FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND wait_event IS DISTINCT FROM 'ClientRead'`)
		if quiet++; busy {
			quiet = 0
		}
	}
}

// wantGapless wants every acknowledged entry under its sequence, and no sequence
// without an entry.
func wantGapless(t *testing.T, s *store.Store, told map[revocation.Seq]string) {
	t.Helper()
	p, err := s.Entries(t.Context(), 0, 1_000_000)
	if err != nil || int(p.Head) != len(p.Entries) {
		t.Fatalf("the head is %d, and there are %d entries; %v", p.Head, len(p.Entries), err)
	}
	found := map[revocation.Seq]string{}
	for _, e := range p.Entries {
		found[e.Seq] = e.ID
	}
	for seq, id := range told {
		if found[seq] != id {
			t.Errorf("entry %d is %q, and %q was acknowledged", seq, found[seq], id)
		}
	}
}
