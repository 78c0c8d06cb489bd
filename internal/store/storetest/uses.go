package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/uses"
)

// testUses has two nodes add to what a token was used for.
func testUses(t *testing.T, s *Suite) {
	ctx := t.Context()
	const key, session, grant = "7c8de6f0-31d5-4f4b-a6c2-93a1b1b0f0a4", "0b6a3f52-3d0b-4d0e-8c0e-52f3a2f9f6a8", "5c1f6f0e-8f4e-4f0a-9a53-0d6f2b8f4c11"
	for id, kind := range map[string]token.Kind{key: token.KindAPIToken, session: token.KindSession, grant: token.KindGrant} {
		s.do(t, records.AddToken{Token: records.StoredToken{ID: id, Kind: kind, CreatedAt: start}})
	}
	ids := func(texts ...string) (list []uses.ID) {
		for _, text := range texts {
			id, ok := uses.IDOf(text)
			if !ok {
				t.Fatal(text)
			}
			list = append(list, id)
		}
		return list
	}
	at := start.Truncate(time.Second)
	read := uses.Use{Place: uses.Place{Route: "/api", Safe: true}, Scope: "read", Collection: uses.NoCollection}
	write := uses.Use{Place: uses.Place{Route: "/api"}, Scope: "write", Collection: 4}
	noted := func(u uses.Use, after time.Duration, n int64, texts ...string) uses.Noted {
		return uses.Noted{Use: u, IDs: ids(texts...), First: at.Add(after), Last: at.Add(after + time.Second), Count: n}
	}
	other := s.open()
	const unknown = "9d2c1b7e-0f6a-4a53-8f4e-2b8f4c110d6f"
	s.fine(t, s.store.AddUses(ctx, []uses.Noted{noted(read, time.Minute, 5, key, session, unknown), noted(write, 0, 1, key)}))
	s.fine(t, other.AddUses(ctx, []uses.Noted{noted(read, 0, 2, key, grant), noted(read, 2*time.Minute, 1, key)}))
	of := func(text string) []records.TokenUse {
		return must[[]records.TokenUse](t)(s.store.TokenUses(ctx, ids(text)[0]))
	}
	same(t, "uses of the key", of(key), []records.TokenUse{
		{Use: read, FirstAt: at.UTC(), LastAt: at.Add(2*time.Minute + time.Second).UTC(), Count: 8},
		{Use: write, FirstAt: at.UTC(), LastAt: at.Add(time.Second).UTC(), Count: 1},
	})
	same(t, "uses of the grant", of(grant), []records.TokenUse{{Use: read, FirstAt: at.UTC(), LastAt: at.Add(time.Second).UTC(), Count: 2}})
	if len(of(session)) != 0 || len(of(unknown)) != 0 {
		t.Errorf("a session has %v, what is no token %v", of(session), of(unknown))
	}

	// More ways than a token has lines.
	var many []uses.Noted
	for i := range 60 {
		many = append(many, noted(uses.Use{Place: uses.Place{Route: fmt.Sprintf("/r%d", i)}, Collection: uses.NoCollection}, 0, 1, grant))
	}
	for i := range 40 {
		many = append(many, noted(uses.Use{Place: uses.Place{Route: uses.Elsewhere}, Scope: fmt.Sprint("s", i), Collection: uses.NoCollection}, 0, 1, grant))
	}
	s.fine(t, s.store.AddUses(ctx, many))
	s.fine(t, other.AddUses(ctx, []uses.Noted{noted(read, 0, 1, grant)})) // what is there is still added to
	got := of(grant)
	if len(got) > uses.MaxLines || len(got) < 48 {
		t.Errorf("%d lines", len(got))
	}
	for _, u := range got {
		if u.Use == read && u.Count != 3 {
			t.Errorf("%+v", u)
		}
	}

	// What names one place too many is kept without it, so that no scope is lost: another
	// node, or this one after a restart, may not know how many places there are.
	for i := range 60 {
		s.fine(t, s.store.AddUses(ctx, []uses.Noted{noted(uses.Use{Place: uses.Place{Route: fmt.Sprintf("/r%d", i)}, Scope: "read", Collection: 7}, 0, 1, key)}))
	}
	s.fine(t, s.store.AddUses(ctx, []uses.Noted{noted(uses.Use{Place: uses.Place{Route: "/late"}, Scope: "late", Collection: 7}, 0, 1, key)}))
	elsewhere, lines := map[string]int64{}, 0
	for _, u := range of(key) {
		if u.Route == uses.Elsewhere && u.Collection == uses.NoCollection {
			elsewhere[u.Scope] += u.Count
		}
		lines++
	}
	same(t, "uses of the key elsewhere", elsewhere, map[string]int64{"read": 14, "late": 1})
	if lines != 50 {
		t.Errorf("%d lines of the key", lines)
	}

	// A line is purged 90 days after its last use.
	s.pass(uses.Kept + 30*time.Second)
	s.tick(t)
	s.fine(t, s.store.Purge(ctx, s.now()))
	if n := len(of(grant)); n != 0 {
		t.Errorf("%d lines of the grant are left", n)
	}
	if got := of(key); len(got) != 1 || got[0].Use != read {
		t.Errorf("of the key %+v", got)
	}
}

func (s *Suite) fine(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
