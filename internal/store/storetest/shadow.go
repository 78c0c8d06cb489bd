package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/records/upkeep"
)

func testShadows(t *testing.T, s *Suite) {
	example := func(n int) upkeep.ShadowExample {
		return upkeep.ShadowExample{At: start.Add(time.Duration(n) * time.Second), Method: "GET", Path: fmt.Sprintf("/api/%d", n), Status: 200}
	}
	seen := func(token string, n ...int) upkeep.Shadow {
		one := upkeep.Shadow{Route: "/api/", Reason: "revoked", TokenID: token, Count: int64(len(n)), Disagreed: int64(len(n)), LastAt: example(n[0]).At}
		for _, i := range n {
			one.Examples = append(one.Examples, example(i))
		}
		return one
	}
	add := func(store contract.Store, all ...upkeep.Shadow) {
		t.Helper()
		if err := store.AddShadows(t.Context(), all); err != nil {
			t.Fatal(err)
		}
	}
	other := s.open()
	add(s.store, seen("b", 3, 2, 1), seen("a", 1))
	add(other, seen("b", 9, 5, 4, 0)) // another node's, of the same token
	more := seen("c", 2)
	more.Agreed, more.Disagreed, more.Examples = 1, 0, nil
	add(other, more)

	page, err := s.store.ShadowList(t.Context(), "", 2)
	if err != nil || page.Next == "" {
		t.Fatalf("%+v, %v", page, err)
	}
	merged := seen("b", 9, 5, 4, 3, 2)
	merged.Count, merged.Disagreed = 7, 7
	if diff := cmp.Diff([]upkeep.Shadow{seen("a", 1), merged}, page.Items); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	page, err = s.store.ShadowList(t.Context(), page.Next, 2)
	if err != nil || page.Next != "" || len(page.Items) != 1 || page.Items[0].TokenID != "c" || page.Items[0].Agreed != 1 {
		t.Errorf("%+v, %v", page, err)
	}
	if _, err := s.store.ShadowList(t.Context(), "junk", 2); !fault.Is(err, fault.Invalid) {
		t.Errorf("another cursor: %v", err)
	}

	// What was seen last long ago is purged.
	s.pass(31 * 24 * time.Hour)
	late := seen("late", 1)
	late.LastAt = s.now()
	add(s.store, late)
	if err := s.store.Purge(t.Context(), s.now()); err != nil {
		t.Fatal(err)
	}
	page, err = s.store.ShadowList(t.Context(), "", 10)
	if err != nil || len(page.Items) != 1 || page.Items[0].TokenID != "late" {
		t.Errorf("%+v, %v", page, err)
	}
}

// There are no more rows than may be: what is new then counts without its token.
func testManyShadows(t *testing.T, s *Suite) {
	var all []upkeep.Shadow
	for n := range upkeep.MaxShadows {
		all = append(all, upkeep.Shadow{Route: "/", Reason: "expired", TokenID: fmt.Sprintf("t%05d", n), Count: 1, LastAt: start})
	}
	for _, batch := range [][]upkeep.Shadow{all, {
		{Route: "/", Reason: "expired", TokenID: "new", Count: 2, LastAt: start},
		{Route: "/", Reason: "expired", TokenID: "newer", Count: 3, LastAt: start},
		{Route: "/", Reason: "expired", TokenID: "t00001", Count: 4, LastAt: start},
	}} {
		if err := s.store.AddShadows(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	page, err := s.store.ShadowList(t.Context(), "", 3)
	if err != nil || page.Items[0].TokenID != "" || page.Items[0].Count != 5 || page.Items[2].TokenID != "t00001" || page.Items[2].Count != 5 {
		t.Errorf("%+v, %v", page.Items, err)
	}
}
