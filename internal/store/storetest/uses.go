package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/uses"
)

// testUses has two nodes add to what a token was used for.
func testUses(t *testing.T, s *Suite) {
	ctx := t.Context()
	const key, session, grant = "7c8de6f0-31d5-4f4b-a6c2-93a1b1b0f0a4", "0b6a3f52-3d0b-4d0e-8c0e-52f3a2f9f6a8", "5c1f6f0e-8f4e-4f0a-9a53-0d6f2b8f4c11"
	for id, kind := range map[string]token.Kind{key: token.KindAPIToken, session: token.KindSession, grant: token.KindGrant} {
		s.do(t, op.AddToken{Token: records.StoredToken{ID: id, Kind: kind, CreatedAt: start}})
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

	wantPurgedUses(t, s, of, read, key, grant)
}

// wantPurgedUses wants a line to be shown for 90 days after its last use, and purged then: a
// clock that goes back doesn't bring it back. Only the key was used to read later.
func wantPurgedUses(t *testing.T, s *Suite, of func(string) []records.TokenUse, read uses.Use, key, grant string) {
	t.Helper()
	want := func(when string) {
		t.Helper()
		if n := len(of(grant)); n != 0 {
			t.Errorf("%s: %d lines of the grant are left", when, n)
		}
		if got := of(key); len(got) != 1 || got[0].Use != read {
			t.Errorf("%s: of the key %+v", when, got)
		}
	}
	s.pass(uses.Kept + 30*time.Second)
	want("before the purge")
	s.tick(t)
	s.fine(t, s.store.Purge(t.Context(), s.now()))
	s.set(start)
	want("purged")
}

// testUsesOfManyNodes has two nodes add to one token at the same time, which has no lines
// before: no count is lost.
func testUsesOfManyNodes(t *testing.T, s *Suite) {
	const key, each = "7c8de6f0-31d5-4f4b-a6c2-93a1b1b0f0a4", 20
	s.do(t, op.AddToken{Token: records.StoredToken{ID: key, Kind: token.KindAPIToken, CreatedAt: start}})
	id, _ := uses.IDOf(key)
	s.each(func(node, n int, store contract.Store) {
		for i := range each {
			u := uses.Noted{Use: uses.Use{Place: uses.Place{Route: fmt.Sprintf("/r%d", i)}}, IDs: []uses.ID{id}, First: start, Last: start, Count: int64(n + 1)}
			if err := patiently(func() error { return store.AddUses(t.Context(), []uses.Noted{u}) }); err != nil {
				t.Errorf("node %d: %v", node, err)
			}
		}
	})
	counts := map[string]int64{}
	for _, u := range must[[]records.TokenUse](t)(s.store.TokenUses(t.Context(), id)) {
		counts[u.Route] = u.Count
	}
	for i := range each {
		if got, want := counts[fmt.Sprintf("/r%d", i)], int64(2*(1+2+3+4)); got != want {
			t.Errorf("/r%d was counted %d times, want %d", i, got, want)
		}
	}
}

// testUsesOfManyPlaces names more places of a token than it has lines for: what is new is
// kept without its place, so that no scope is lost. Another node, or one after a restart,
// doesn't know how many places there are.
func testUsesOfManyPlaces(t *testing.T, s *Suite) {
	ctx := t.Context()
	const key = "7c8de6f0-31d5-4f4b-a6c2-93a1b1b0f0a4"
	s.do(t, op.AddToken{Token: records.StoredToken{ID: key, Kind: token.KindAPIToken, CreatedAt: start}})
	id, _ := uses.IDOf(key)
	use := func(route, scope string) {
		s.fine(t, s.store.AddUses(ctx, []uses.Noted{{
			Use: uses.Use{Place: uses.Place{Route: route}, Scope: scope, Collection: 7}, IDs: []uses.ID{id}, First: start, Last: start, Count: 1,
		}}))
	}
	for i := range 60 {
		use(fmt.Sprintf("/r%d", i), "read")
	}
	use("/late", "late")
	use("/r0", "read") // what is there is added to by its place
	got := map[string]int64{}
	for _, u := range must[[]records.TokenUse](t)(s.store.TokenUses(ctx, id)) {
		switch {
		case u.Route != uses.Elsewhere:
			got["placed"] += u.Count
		case u.Collection == uses.NoCollection:
			got[u.Scope] += u.Count
		}
	}
	same(t, "uses", got, map[string]int64{"placed": 49, "read": 12, "late": 1})
}

func (s *Suite) fine(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
