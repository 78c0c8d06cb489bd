package upkeep_test

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/pgtest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/postgres"
	"github.com/bearerd/bearerd/internal/store/storekit"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/uses"
)

// usedTokens creates so many API tokens and returns their ids.
func usedTokens(tb testing.TB, s *store.Store, n int) []uses.ID {
	tb.Helper()
	ids := make([]uses.ID, 0, n)
	for len(ids) < n {
		var ops []op.Op
		for range min(1000, n-len(ids)) {
			text := uuid.NewString()
			id, _ := uses.IDOf(text)
			ids = append(ids, id)
			ops = append(ops, op.AddToken{Token: records.StoredToken{ID: text, Digest: token.Digest(text), Kind: token.KindAPIToken, CreatedAt: time.Now()}})
		}
		if _, err := s.Commit(tb.Context(), op.Batch{Ops: ops}); err != nil {
			tb.Fatal(err)
		}
	}
	return ids
}

// useOf is the nth way to use a token. The names have the given number of bytes.
func useOf(n, route, scope int) uses.Use {
	return uses.Use{
		Place: uses.Place{Route: fmt.Sprintf("%-*d", route, n), Safe: n%2 == 0}, Scope: strings.Repeat("s", scope), Collection: int64(n%3) * 100,
	}
}

// useAll has every token used in so many ways, in random order.
func useAll(tb testing.TB, s *store.Store, ids []uses.ID, names usesNames, at time.Time) {
	tb.Helper()
	shuffled := rand.Perm(len(ids))
	for len(shuffled) > 0 {
		some := shuffled[:min(1000, len(shuffled))]
		shuffled = shuffled[len(some):]
		var noted []uses.Noted
		for _, i := range some {
			for n := range names.lines {
				noted = append(noted, uses.Noted{Use: useOf(n, names.route, names.scope), IDs: ids[i : i+1], First: at, Last: at, Count: 1 + rand.Int64N(2000)})
			}
		}
		if err := s.AddUses(tb.Context(), noted); err != nil {
			tb.Fatal(err)
		}
	}
}

// usesNames are how many lines a token has, and how long the names in them are.
type usesNames struct{ lines, route, scope int }

// usesSizes are what is measured: with short names, and with the longest that are kept.
var usesSizes = []struct {
	usesNames

	tokens       int
	first, after float64 // at most so many bytes a line, with everything
}{
	{usesNames{1, 4, 4}, 8000, 100, 120},
	{usesNames{2, 8, 8}, 4000, 80, 100},
	{usesNames{8, 8, 8}, 3000, 50, 70},
	{usesNames{8, 28, 24}, 2500, 100, 150},
}

// TestALineOfUseIsSmall holds what is kept of a token's use to 100 bytes a line with its key,
// on both engines, and of tokens that are used in several ways also after every row has been
// written ten times more. A token that is used in one way alone pays for its row and its key by
// itself, and PostgreSQL keeps old versions of rows that are many on no page. PostgreSQL is a server with
// nothing else to do, because transactions of other databases would keep old versions of rows
// there; it finds room on the pages themselves, without a vacuum.
func TestALineOfUseIsSmall(t *testing.T) {
	t.Parallel()
	measure := func(t *testing.T, s *store.Store, size func() int64, clear func()) {
		t.Helper()
		at := time.Now().Add(-80 * 24 * time.Hour)
		for _, c := range usesSizes {
			ids := usedTokens(t, s, c.tokens)
			var sizes []string
			for round := range 11 {
				useAll(t, s, ids, c.usesNames, at.Add(time.Duration(round)*24*time.Hour))
				got, most := float64(size())/float64(c.tokens*c.lines), c.after
				if round == 0 {
					most = c.first
				}
				if sizes = append(sizes, fmt.Sprintf("%.1f", got)); got > most {
					t.Errorf("%+v, written %d times: %.1f bytes a line, want at most %.0f", c.usesNames, round+1, got, most)
				}
			}
			t.Logf("%+v, bytes a line: %s", c.usesNames, strings.Join(sizes, " "))
			clear()
		}
	}
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		dsn := pgtest.Start(t, "fsync=off", "autovacuum=off").DSN()
		s := storekit.Open(t, dsn, store.Options{Postgres: postgres.Limits{StatementTimeout: time.Minute}})
		c := storekit.RawPostgres(t, dsn, nil)
		measure(t, s, func() int64 { return storekit.Ask[int64](t, c, "SELECT pg_total_relation_size('token_uses')") }, func() {
			storekit.MustExec(t, c, "TRUNCATE token_uses")
		})
	})
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "bearerd.db")
		s := storekit.Open(t, path, store.Options{})
		db := storekit.Raw(t, path)
		measure(t, s, func() int64 { return pagesOf(t, db, "token_uses") }, func() { storekit.ExecAll(t, path, "DELETE FROM token_uses") })
	})
}

// pagesOf returns how many bytes of the file a table takes with its indexes.
func pagesOf(tb testing.TB, db *sql.DB, table string) (bytes int64) {
	tb.Helper()
	err := db.QueryRowContext(tb.Context(), `SELECT sum(pgsize) FROM dbstat WHERE name IN (SELECT name FROM sqlite_schema WHERE tbl_name = ?)`, table).Scan(&bytes)
	if err != nil {
		tb.Fatal(err)
	}
	return bytes
}

// Every row is looked through, wherever a purge begins and however few it looks at.
func TestPurgeLooksThroughAllUses(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bearerd.db")
	s := storekit.Open(t, path, store.Options{})
	db := storekit.Raw(t, path)
	ids := usedTokens(t, s, 2500)
	old, now := time.Now().Add(-100*24*time.Hour), time.Now()
	left := func() (n int) {
		for _, id := range ids {
			lines, err := s.TokenUses(context.WithoutCancel(t.Context()), id)
			if err != nil {
				t.Fatal(err)
			}
			n += len(lines)
		}
		return n
	}
	for _, c := range []struct {
		rows, purges int
		from         int64
	}{{1000, 4, math.MinInt64}, {1000, 4, math.MinInt64 + 1<<61}, {100_000, 1, math.MinInt64 + 1<<61}, {100_000, 1, math.MaxInt64}, {100_000, 1, 0}} {
		useAll(t, s, ids, usesNames{3, 4, 4}, old)
		useAll(t, s, ids[:1000], usesNames{1, 4, 4}, now)
		s.WalkFrom(c.from)
		for range c.purges {
			if err := s.PurgeSome(t.Context(), now.Add(-uses.Kept), c.rows); err != nil {
				t.Fatal(err)
			}
		}
		var rows, bytes int64
		if err := db.QueryRowContext(t.Context(), "SELECT count(*), sum(length(lines)) FROM token_uses").Scan(&rows, &bytes); err != nil {
			t.Fatal(err)
		}
		if n := left(); n != 1000 || rows != 1000 || bytes > 30*1000 {
			t.Errorf("%d rows at a time from %d: %d lines in %d rows of %d bytes are left", c.rows, c.from, n, rows, bytes)
		}
	}
}
