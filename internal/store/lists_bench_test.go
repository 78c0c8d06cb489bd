package store_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/token"
)

// BenchmarkBudgetListsOnPostgres is how long the pages of lists take, by every order and
// filter. The budget is 200 ms for a page and 20 ms for a search for users (slowest-ms and
// search-ms of the medians of ten). With -crowd.users and -crowd.tokens it is measured at
// other sizes.
func BenchmarkBudgetListsOnPostgres(b *testing.B) { measureLists(b, postgresCrowd(b), *crowdTokens) }

// BenchmarkBudgetListsOnSQLite is the same on SQLite, with a tenth of the users and tokens.
func BenchmarkBudgetListsOnSQLite(b *testing.B) { measureLists(b, sqliteCrowd(b), *crowdTokens/10) }

func measureLists(b *testing.B, s *store.Store, tokens int) {
	b.Helper()
	now := crowdBegun.Add(time.Duration(tokens) * time.Second)
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
