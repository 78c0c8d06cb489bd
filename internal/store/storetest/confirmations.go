package storetest

import (
	"slices"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/records/upkeep"
	"github.com/bearerd/bearerd/internal/revocation"
)

// Confirmations are passed on to the nodes on the list, and each is taken once.
func testPassedConfirmations(t *testing.T, s *Suite) {
	ctx := t.Context()
	take := func() (streams []string) {
		t.Helper()
		for _, p := range must[[]upkeep.PassedConfirmation](t)(s.store.TakeConfirmations(ctx, "a")) {
			streams = append(streams, p.Stream)
		}
		slices.Sort(streams)
		return streams
	}
	pass := func(from string, n int64, to map[string][]upkeep.PassedConfirmation) []string {
		t.Helper()
		return must[[]string](t)(s.store.PassConfirmations(ctx, upkeep.PassedBatch{From: from, Count: n, To: to}))
	}
	one := func(stream string) []upkeep.PassedConfirmation {
		return []upkeep.PassedConfirmation{{Stream: stream, Client: "api", Seq: 7, Bye: true}}
	}
	for _, node := range []string{"a", "b"} {
		if err := s.store.Confirm(ctx, revocation.Confirmation{Node: node, Seq: 3, Lease: time.Second}); err != nil {
			t.Fatal(err)
		}
	}
	same(t, "of nothing", take(), []string(nil))
	same(t, "unknown", pass("c", 1, map[string][]upkeep.PassedConfirmation{"a": one("1"), "nobody": one("2"), "b": one("3")}), []string{"nobody"})
	pass("c", 2, map[string][]upkeep.PassedConfirmation{"a": one("4")})
	pass("b", 1, map[string][]upkeep.PassedConfirmation{"a": one("5")})
	all := must[[]upkeep.PassedConfirmation](t)(s.store.TakeConfirmations(ctx, "b"))
	same(t, "as it was passed on", all, one("3"))
	same(t, "of all nodes", take(), []string{"1", "4", "5"})
	same(t, "a second time", take(), []string(nil))

	pass("c", 3, map[string][]upkeep.PassedConfirmation{"a": one("6")})
	s.pass(25 * time.Hour)
	s.log(t, entry(revocation.Token, "so that time has passed"))
	if err := s.store.Purge(ctx, s.now()); err != nil {
		t.Fatal(err)
	}
	if s.processClock {
		same(t, "what was too old", take(), []string(nil))
	}
}
