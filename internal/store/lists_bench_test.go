package store_test

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/pgtest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/token"
)

var (
	crowdUsers  = flag.Int("crowd.users", 20_000, "how many users the lists are measured with")
	crowdTokens = flag.Int("crowd.tokens", 200_000, "how many tokens the lists are measured with")
)

// crowd is the text that fills a PostgreSQL database: half of the tokens are API tokens, the
// rest sessions and refresh tokens; a third are revoked, and one in a thousand has a rare scope.
const crowd = `
INSERT INTO users (id, username, folded, name, email, disabled, password_hash, search)
SELECT 'u' || n, 'user' || lpad(n::text, 8, '0'), 'user' || lpad(n::text, 8, '0'), 'Person ' || md5(n::text), 'p' || n || '@example.org', (n %% 50 = 0)::int, '',
    'user' || lpad(n::text, 8, '0') || E'\n' || 'person ' || md5(n::text) || E'\n' || 'p' || n || '@example.org'
FROM generate_series(1, %[1]d) AS n;
INSERT INTO tokens (id, kind, digest, prefix, last4, owner, client_id, name, scope, chain, family, seq, created_at, expires_at, last_used_at,
    last_used_by, revoked_at, reason, audience, replaces, ends_at)
SELECT md5(n::text), CASE n %% 4 WHEN 0 THEN 'session' WHEN 1 THEN 'refresh-token' WHEN 2 THEN 'api-token' ELSE 'api-key' END, sha256(n::text::bytea), 'bda_', right(md5(n::text), 4),
    'u' || (1 + n %% %[1]d), '', CASE WHEN n %% 4 > 1 THEN 'job ' || md5(n::text) ELSE '' END,
    CASE WHEN n %% 1000 = 2 THEN '["rare"]' WHEN n %% 4 > 1 THEN '["read","write"]' ELSE '[]' END, '[]', '', 1, %[3]d + n * 1000000::bigint,
    CASE WHEN n %% 5 = 0 THEN 0 ELSE %[3]d + (n * 1000000::bigint) + 2592000000000 END, CASE WHEN n %% 7 = 0 THEN 0 ELSE %[3]d + n * 1000000::bigint END,
    '', CASE WHEN n %% 3 = 0 THEN %[3]d + n * 1000000::bigint ELSE 0 END, '', '', '', 0
FROM generate_series(1, %[2]d) AS n;
ANALYZE`

// BenchmarkBudgetListsOnPostgres is how long the pages of lists take, of users and of tokens
// across users, by every order and filter. The budget is 200 ms for a page and 20 ms for a
// search (slowest-ms of ten). With -crowd.users and -crowd.tokens it is measured at other sizes.
func BenchmarkBudgetListsOnPostgres(b *testing.B) {
	dsn := pgtest.Start(b).DSN()
	s := mustOpen(b, dsn, store.Options{})
	begun := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	look := rawPG(b, dsn, nil)
	for text := range strings.SplitSeq(fmt.Sprintf(crowd, *crowdUsers, *crowdTokens, begun.UnixMicro()), ";\n") {
		mustExec(b, look, text)
	}
	now := begun.Add(time.Duration(*crowdTokens) * time.Second)
	ops := map[string]func() (int, error){}
	for name, q := range map[string]records.TokenQuery{
		"newest": {Kinds: []token.Kind{token.KindAPIToken, token.KindExchangeKey}, State: records.ValidOnly}, "ended": {State: records.EndedOnly},
		"oldest": {Order: records.OldestFirst}, "expiring": {ExpiresBy: now.Add(7 * 24 * time.Hour)}, "by expiry": {Order: records.ExpiryFirst},
		"never used": {NeverUsed: true, State: records.ValidOnly}, "by name": {Order: records.ByName}, "rare scope": {Scope: "rare"}, "scope": {Scope: "read", State: records.ValidOnly},
		"no scope": {Scope: "none"}, "rare and never used": {Scope: "rare", NeverUsed: true, State: records.ValidOnly},
		"search a name": {Search: "job 0a1b"}, "search many": {Search: "job"}, "search last four": {Search: "0a1b"}, "search nothing": {Search: "nothing at all"},
		"an owner's": {Owner: "u7", State: records.ValidOnly}, "sessions": {Kinds: []token.Kind{token.KindSession}, State: records.ValidOnly},
	} {
		q.Now = now
		ops["tokens "+name] = func() (int, error) {
			page, err := s.StoredTokens(b.Context(), q)
			return len(page.Items), err
		}
		ops["total of tokens "+name] = func() (int, error) {
			total, err := s.TokenTotal(b.Context(), q)
			return total.Count, err
		}
	}
	for name, q := range map[string]records.UserQuery{
		"all": {}, "disabled": {Disabled: new(true)}, "from the end": {Descending: true}, "search one": {Search: "user00012345"}, "search part": {Search: "0a1b2"},
		"search many": {Search: "example"}, "search nothing": {Search: "nothing at all"}, "search short": {Search: "zz"}, "search percent": {Search: "%%%"},
	} {
		ops["users "+name] = func() (int, error) {
			page, err := s.Users(b.Context(), q)
			return len(page.Items), err
		}
		ops["total of users "+name] = func() (int, error) {
			total, err := s.UserTotal(b.Context(), q)
			return total.Count, err
		}
	}
	for b.Loop() {
		var slowest time.Duration
		for _, name := range slices.Sorted(maps.Keys(ops)) {
			var took []time.Duration
			found := 0
			for range 10 {
				asked := time.Now()
				n, err := ops[name]()
				if err != nil {
					b.Fatalf("%s: %v", name, err)
				}
				took, found = append(took, time.Since(asked)), n
			}
			slices.Sort(took)
			b.Logf("%-40s %6d found, median %v, slowest %v", name, found, took[len(took)/2].Round(10*time.Microsecond), took[len(took)-1].Round(10*time.Microsecond))
			slowest = max(slowest, took[len(took)-1])
		}
		b.ReportMetric(float64(slowest.Microseconds())/1000, "slowest-ms")
	}
}
