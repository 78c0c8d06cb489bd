package store_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
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
		"search some": {Search: "0a1"}, "search many": {Search: "example"}, "search common characters": {Search: "000000000"}, "search nothing": {Search: "nothing at all"}, "search short": {Search: "zz"}, "search percent": {Search: "%%%"},
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
	addThings(ops, s)
	for name, f := range map[string]audit.Filter{
		"newest": {}, "of a target": {Target: "u7"}, "rare action": {Action: "token.revoke"}, "no such action": {Action: audit.CollectionRemove}, "refused": {Outcome: "refused"},
		"refused, no such actor": {Outcome: "refused", Actor: "nobody"}, "from an address": {Address: "192.0.2.1"}, "long ago": {Until: crowdBegun.Add(10 * time.Minute)},
		"long ago, an actor": {Until: crowdBegun.Add(10 * time.Minute), Actor: "u7"}, "long ago, frequent": {Until: now.Add(-time.Duration(tokens) * time.Second / 2), Action: audit.TokenIssue}, "a large network": {Address: "10.0.0.0/8"},
		"a quarter": {Since: crowdBegun.Add(time.Duration(tokens/4) * time.Second), Until: crowdBegun.Add(time.Duration(tokens/2) * time.Second)}, "refused and rare": {Outcome: "refused", Action: "token.revoke", Since: crowdBegun},
		"since an hour, no such reason": {Since: now.Add(-time.Hour), Action: audit.CollectionRemove}, "since tomorrow": {Since: now.Add(24 * time.Hour)},
	} {
		f.Limit = 100
		ops["audit "+name] = func() (int, error) {
			page, err := s.AuditPage(b.Context(), f)
			return len(page.Events), err
		}
	}
	for name, q := range map[string]records.OwnedQuery{"first": {}, "far": {Skip: *crowdUsers / 25}, "by name": {Username: "user00000012"}, "by external id": {ExternalID: "x12"}} {
		q.Owner, q.Limit = "hr", 100
		ops["provisioned users "+name] = func() (int, error) {
			w, err := s.OwnedUsers(b.Context(), q)
			return len(w.Items), err
		}
	}
	for b.Loop() {
		var slowest, search, best time.Duration
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
			b.Logf("%-40s %6d found, least %v, median %v, slowest %v", name, found, took[0].Round(10*time.Microsecond),
				took[len(took)/2].Round(10*time.Microsecond), took[len(took)-1].Round(10*time.Microsecond))
			median := took[len(took)/2]
			slowest = max(slowest, median)
			best = max(best, took[0])
			if strings.HasPrefix(name, "users search") {
				search = max(search, median)
			}
		}
		b.ReportMetric(float64(slowest.Microseconds())/1000, "slowest-ms")
		b.ReportMetric(float64(best.Microseconds())/1000, "best-ms")
		b.ReportMetric(float64(search.Microseconds())/1000, "search-ms")
	}
}

// addThings adds the lists of what access rests on.
func addThings(ops map[string]func() (int, error), s *store.Store) {
	things := func(list string, ask func(q records.ThingQuery) (n int, next string, err error)) {
		_, far, _ := ask(records.ThingQuery{Limit: 1000})
		for name, q := range map[string]records.ThingQuery{
			"counted": {}, "a thousand": {Limit: 1000}, "from the end": {Descending: true}, "after a thousand": {After: far}, "search many": {Search: "1"}, "search nothing": {Search: "nothing"},
		} {
			q.Count = true
			ops[list+" "+name] = func() (int, error) {
				n, _, err := ask(q)
				return n, err
			}
		}
	}
	ctx := context.Background()
	things("collections", func(q records.ThingQuery) (int, string, error) {
		page, err := s.CollectionPage(ctx, q)
		return len(page.Items), page.Next, err
	})
	things("roles", func(q records.ThingQuery) (int, string, error) {
		page, err := s.RolePage(ctx, q)
		return len(page.Items), page.Next, err
	})
	things("clients", func(q records.ThingQuery) (int, string, error) {
		page, err := s.ClientPage(ctx, q)
		return len(page.Items), page.Next, err
	})
	things("issuers", func(q records.ThingQuery) (int, string, error) {
		page, err := s.IssuerPage(ctx, q)
		return len(page.Items), page.Next, err
	})
	for name, by := range map[string]records.BindingListQuery{"": {}, " of a user": {User: "u8"}, " of a group": {Group: "group1"}, " of a role": {Role: "role1"}, " at a path": {At: "/collections/4"}} {
		things("bindings"+name, func(q records.ThingQuery) (int, string, error) {
			by.ThingQuery = q
			page, err := s.BindingPage(ctx, by)
			return len(page.Items), page.Next, err
		})
	}
	ops["links of a user"] = func() (int, error) {
		links, err := s.Links(ctx, records.LinkQuery{User: "u7"})
		return len(links), err
	}
}
