package storetest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/token"
)

// tokenCrowd stores tokens of every sort, and returns them.
func tokenCrowd(t *testing.T, s *Suite, now time.Time) []records.StoredToken {
	t.Helper()
	names := []string{"laptop", "Laptop 2", "ci%", "ci_deploy", "ciXdeploy", "Größe", "größe", "", `back\slash`}
	scopes := [][]string{nil, {"read"}, {"read", "write"}, {"read%"}, {"a&b"}, {"rea"}}
	kinds := []token.Kind{token.KindAPIToken, token.KindSession, token.KindExchangeKey, token.KindRefresh, token.KindGrant}
	var all []records.StoredToken
	for n := range 180 {
		one := tok(n)
		one.ID = fmt.Sprintf("id-%03d", (n*37)%180)
		one.CreatedAt = start.Add(time.Duration(n/4) * time.Minute)
		one.Owner = []string{"ann", "bob", "cy"}[n%3]
		one.ClientID, one.Chain, one.Family = []string{"", "app"}[n%2], nil, ""
		one.Kind, one.Name, one.Scope = kinds[n%len(kinds)], names[n%len(names)], scopes[n%len(scopes)]
		one.Last4 = fmt.Sprintf("%c%cxY", 'a'+n%26, 'A'+n%7)
		one.ExpiresAt = []time.Time{{}, now.Add(-time.Minute), now, now.Add(time.Microsecond), now.Add(time.Hour), now.Add(48 * time.Hour), now.Add(9000 * time.Hour)}[n%7]
		if n%4 == 1 {
			one.LastUsedAt, one.LastUsedBy = one.CreatedAt.Add(time.Second), "192.0.2.1"
		}
		if n%11 == 3 {
			one.RevokedAt, one.Reason = now.Add(-time.Second), "revoked"
		}
		s.do(t, op.AddToken{Token: one})
		all = append(all, one)
	}
	return all
}

// inOrder sorts tokens as a query asks.
func inOrder(q records.TokenQuery, all []records.StoredToken) []records.StoredToken {
	order := q.Order
	if order == records.NaturalOrder {
		switch {
		case q.Search != "":
			order = records.ByName
		case !q.ExpiresBy.IsZero():
			order = records.ExpiryFirst
		}
	}
	end := func(t records.StoredToken) time.Time {
		if t.ExpiresAt.IsZero() {
			return start.AddDate(1000, 0, 0)
		}
		return t.ExpiresAt
	}
	slices.SortFunc(all, func(a, b records.StoredToken) int {
		switch order {
		case records.ExpiryFirst:
			return cmp.Or(end(a).Compare(end(b)), cmp.Compare(a.ID, b.ID))
		case records.ByName:
			return cmp.Or(cmp.Compare(records.LowerASCII(a.Name), records.LowerASCII(b.Name)), cmp.Compare(a.ID, b.ID))
		case records.OldestFirst:
			return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
		case records.NewestFirst, records.NaturalOrder:
		}
		return -cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return all
}

// testTokenFilters asks for lists in every way, and holds each against what a list in
// memory says.
func testTokenFilters(t *testing.T, s *Suite) {
	now := start.Add(24 * time.Hour)
	all := tokenCrowd(t, s, now)
	for _, who := range []records.TokenQuery{{}, {Owner: "ann"}, {ClientID: "app"}, {Owner: "bob", ClientID: "app"}} {
		for _, order := range []records.TokenOrder{records.NaturalOrder, records.NewestFirst, records.OldestFirst, records.ExpiryFirst, records.ByName} {
			for _, filter := range []records.TokenQuery{
				{},
				{State: records.ValidOnly},
				{State: records.EndedOnly},
				{NeverUsed: true},
				{ExpiresBy: now.Add(time.Hour)},
				{Scope: "read"},
				{Scope: "read%"},
				{Scope: "a&b"},
				{Scope: "none"},
				{Scope: "rea"},
				{Kinds: []token.Kind{token.KindAPIToken}},
				{Search: "lap"},
				{Search: "LAPTOP"},
				{Search: "ci%"},
				{Search: "ci_"},
				{Search: "gr"},
				{Search: "größ"},
				{Search: `back\`},
				{Search: "i"},
				{Search: "aAxY"},
				{Search: "bda_…aAxY"},
				{Search: "id-007"},
				{Search: "🙂"},
				{NeverUsed: true, Scope: "read", State: records.ValidOnly},
				{Search: "ci", ExpiresBy: now.Add(72 * time.Hour), NeverUsed: true},
			} {
				q := filter
				q.Owner, q.ClientID, q.Order, q.Now, q.Limit = who.Owner, who.ClientID, order, now, 7
				across := q.Owner == "" && q.ClientID == ""
				peoples := across && (q.NeverUsed || !q.ExpiresBy.IsZero() || q.Scope != "" || q.Search != "" || order == records.ExpiryFirst || order == records.ByName)
				var want []string
				for _, one := range inOrder(q, slices.Clone(all)) {
					_, _, ended := one.End(now)
					made := one.Kind == token.KindAPIToken || one.Kind == token.KindExchangeKey || one.Kind == token.KindGrant
					if q.Asks(one) && (!peoples || made) && (order != records.ExpiryFirst || !ended) {
						want = append(want, one.ID)
					}
				}
				name := fmt.Sprintf("%+v", q)
				got := s.listed(t, q)
				if exact := across && q.Search != "" && (order == records.ByName || order == records.NaturalOrder); exact {
					// What is found by an id or the last four characters stands in front.
					slices.Sort(got)
					slices.Sort(want)
				}
				same(t, name, got, want)
				total := must[records.Total](t)(s.store.TokenTotal(t.Context(), q))
				same(t, "the total of "+name, total, records.Total{Count: len(want)})
			}
		}
	}
	if got := s.listed(t, records.TokenQuery{State: records.ValidOnly, Now: now, Kinds: []token.Kind{token.KindSession}}); len(got) == 0 {
		t.Error("no valid session is listed")
	}
	for name, q := range map[string]records.TokenQuery{
		"sessions by name":         {Kinds: []token.Kind{token.KindSession}, Order: records.ByName},
		"sessions never used":      {Kinds: []token.Kind{token.KindSession}, NeverUsed: true},
		"a search that is long":    {Search: strings.Repeat("x", 257)},
		"a search that is no text": {Search: "\xff"},
		"a search with a NUL":      {Search: "a\x00"},
		"no cursor":                {After: "!", NeverUsed: true},
		"another list's cursor":    {After: must[records.Page[records.StoredToken]](t)(s.store.StoredTokens(t.Context(), records.TokenQuery{Limit: 3})).Next, Order: records.ByName},
	} {
		q.Now = now
		_, err := s.store.StoredTokens(t.Context(), q)
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A use is seen at once, and scopes go with their token.
	used := s.listed(t, records.TokenQuery{NeverUsed: true, Now: now})[0]
	if err := s.store.Touch(t.Context(), []records.Use{{ID: used, At: now, Address: "192.0.2.9"}}); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(s.listed(t, records.TokenQuery{NeverUsed: true, Now: now}), used) {
		t.Error("a token that was used counts as never used")
	}
}

func testUsernamesOf(t *testing.T, s *Suite) {
	want := map[string]string{}
	var ids []string
	for n := range 150 {
		u := user(n)
		s.do(t, op.CreateUser{User: u})
		want[u.ID] = u.Username
		ids = append(ids, u.ID, u.ID)
	}
	got := must[map[string]string](t)(s.store.Usernames(t.Context(), append(ids, "", "nobody")))
	same(t, "the names", got, want)
	none := must[map[string]string](t)(s.store.Usernames(t.Context(), nil))
	same(t, "nobody's names", len(none), 0)
	_, err := s.store.Usernames(t.Context(), make([]string, records.MaxNames+1))
	wantFault(t, err, fault.Invalid)
}
