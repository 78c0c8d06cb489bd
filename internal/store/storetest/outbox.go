package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/records/upkeep"
	"github.com/bearerd/bearerd/internal/token"
)

func aNotice(id, subject string, receivers ...string) op.AddNotice {
	o := op.AddNotice{Notice: upkeep.Notice{ID: id, Event: "urn:x", Subject: subject, At: start, Fact: []byte(`{"by":"admin"}`)}}
	for _, r := range receivers {
		o.Due = append(o.Due, upkeep.Due{Receiver: r, At: start})
	}
	return o
}

// due returns the ids of the notices that are due for a receiver.
func (s *Suite) due(t *testing.T, store contract.Store, receiver string, limit int) (ids []string) {
	t.Helper()
	for _, o := range must[[]upkeep.Outgoing](t)(store.DueNotices(t.Context(), upkeep.DueQuery{Receiver: receiver, Now: s.now(), Limit: limit})) {
		ids = append(ids, o.ID)
	}
	return ids
}

// testOutbox adds notices, each for some receivers, and has them sent, put off and dropped.
func testOutbox(t *testing.T, s *Suite) {
	ctx := t.Context()
	late := aNotice("later", "ada", "a")
	late.Due[0].At = start.Add(time.Minute)
	s.do(t, aNotice("1", "bob", "a", "b"), late, aNotice("2", "ada", "a"), aNotice("3", "bob", "a"))
	same(t, "of one time, those of one subject are beside each other", s.due(t, s.store, "a", 10), []string{"2", "1", "3"})
	same(t, "the first", s.due(t, s.store, "a", 1), []string{"2"})
	same(t, "of another receiver", s.due(t, s.store, "b", 10), []string{"1"})
	all := must[[]upkeep.Outgoing](t)(s.store.DueNotices(ctx, upkeep.DueQuery{Receiver: "a", Now: s.now(), Limit: 10}))
	want := aNotice("2", "ada").Notice
	same(t, "a notice", all[0].Notice, want)
	if err := s.store.SettleNotices(ctx, []int64{all[0].Seq}, []upkeep.Postponed{{Seq: all[1].Seq, At: start.Add(time.Hour)}}); err != nil {
		t.Fatal(err)
	}
	same(t, "what is left", s.due(t, s.store, "a", 10), []string{"3"})
	same(t, "of the other receiver", s.due(t, s.store, "b", 10), []string{"1"})
	s.set(start.Add(time.Hour))
	same(t, "an hour later", s.due(t, s.store, "a", 10), []string{"3", "later", "1"})
	all = must[[]upkeep.Outgoing](t)(s.store.DueNotices(ctx, upkeep.DueQuery{Receiver: "a", Now: s.now(), Limit: 10}))
	same(t, "attempts", []int{all[0].Attempts, all[1].Attempts, all[2].Attempts}, []int{0, 0, 1})
	same(t, "waiting", must[upkeep.Waiting](t)(s.store.WaitingNotices(ctx, "a", 10)), upkeep.Waiting{Count: 3, Oldest: start})
	same(t, "waiting, up to a limit", must[upkeep.Waiting](t)(s.store.WaitingNotices(ctx, "a", 2)), upkeep.Waiting{Count: 2, Oldest: start})
	same(t, "waiting for nobody", must[upkeep.Waiting](t)(s.store.WaitingNotices(ctx, "c", 2)), upkeep.Waiting{})
}

// testOutboxIsOfTheBatch has a notice share the fate of what it reports, and never takes the
// number of one that was sent for another.
func testOutboxIsOfTheBatch(t *testing.T, s *Suite) {
	ctx := t.Context()
	s.do(t, op.CreateUser{User: user(1)})
	s.refuse(t, fault.Conflict, aNotice("lost", "ada", "a"), op.CreateUser{User: user(1)})
	s.do(t, op.CreateUser{User: user(2)}, aNotice("kept", "ada", "a"))
	same(t, "notices", s.due(t, s.open(), "a", 10), []string{"kept"})
	first := must[[]upkeep.Outgoing](t)(s.store.DueNotices(ctx, upkeep.DueQuery{Receiver: "a", Now: s.now(), Limit: 10}))[0].Seq
	if err := s.store.SettleNotices(ctx, []int64{first}, nil); err != nil {
		t.Fatal(err)
	}
	s.do(t, aNotice("next", "ada", "a"))
	if err := s.store.SettleNotices(ctx, []int64{first}, nil); err != nil { // a node that is late
		t.Fatal(err)
	}
	same(t, "after a late node", s.due(t, s.store, "a", 10), []string{"next"})
}

// testOutboxBounds fills an outbox beyond its bounds.
func testOutboxBounds(t *testing.T, s *Suite) {
	ctx := t.Context()
	for n := range 12 {
		o := aNotice(fmt.Sprintf("%02d", n), "", "a", "b")
		o.Notice.At = start.Add(time.Duration(n) * time.Hour)
		s.do(t, o)
	}
	trim := func(what string, b upkeep.OutboxBounds, want int64, left ...string) {
		t.Helper()
		if n := must[int64](t)(s.store.TrimNotices(ctx, b)); n != want {
			t.Errorf("%s: dropped %d, want %d", what, n, want)
		}
		same(t, what, s.due(t, s.store, b.Receiver, 100), left)
	}
	trim("within the bounds", upkeep.OutboxBounds{Receiver: "a", Before: start.Add(-time.Second), Most: 12}, 0,
		"00", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11")
	trim("too old", upkeep.OutboxBounds{Receiver: "a", Before: start.Add(2 * time.Hour), Most: 12}, 3, "03", "04", "05", "06", "07", "08", "09", "10", "11")
	trim("too many", upkeep.OutboxBounds{Receiver: "a", Before: start, Most: 4}, 5, "08", "09", "10", "11")
	if err := s.store.PurgeNotices(ctx, start.Add(9*time.Hour)); err != nil {
		t.Fatal(err)
	}
	same(t, "of receivers that are gone", s.due(t, s.store, "b", 100), []string{"10", "11"})
}

// testTurns has two nodes want to send to one receiver.
func testTurns(t *testing.T, s *Suite) {
	other := s.open()
	take := func(what string, store contract.Store, node, receiver string, length time.Duration, want bool) {
		t.Helper()
		turn := upkeep.Turn{Receiver: receiver, Node: node, Now: s.now(), Until: s.now().Add(length)}
		if got := must[bool](t)(store.TakeTurn(t.Context(), turn)); got != want {
			t.Errorf("%s: %t", what, got)
		}
	}
	take("the first", s.store, "one", "a", time.Minute, true)
	take("the other", other, "two", "a", time.Minute, false)
	take("the other, of another receiver", other, "two", "b", time.Minute, true)
	s.pass(50 * time.Second)
	take("the first again", s.store, "one", "a", time.Minute, true)
	s.pass(59 * time.Second)
	take("the other, within it", other, "two", "a", time.Minute, false)
	s.pass(time.Second)
	take("the other, when the first has died", other, "two", "a", time.Minute, true)
	take("the first, too late", s.store, "one", "a", time.Minute, false)
	take("the other, which leaves", other, "two", "a", 0, true)
	take("the first, after that", s.store, "one", "a", time.Minute, true)
}

// testNetworks uses a token from networks: the first one is no news.
func testNetworks(t *testing.T, s *Suite) {
	ctx := t.Context()
	for n, kind := range []token.Kind{token.KindAPIToken, token.KindExchangeKey, token.KindSession} {
		one := tok(n + 1)
		one.ID, one.Kind, one.Chain, one.Family = fmt.Sprintf("t%d", n), kind, nil, ""
		s.do(t, op.AddToken{Token: one})
	}
	n := 0
	see := func(id, network string) {
		t.Helper()
		n++
		s.do(t, op.SeeNetwork{
			Place: upkeep.Place{TokenID: id, Network: network}, At: start.Add(time.Duration(n) * time.Second),
			Notice: aNotice(id+" "+network, "", "a"),
		})
	}
	for _, id := range []string{"t0", "t1", "t2", "nothing"} {
		see(id, "192.0.2.0/24")
		see(id, "192.0.2.0/24")
	}
	same(t, "from the first network", s.due(t, s.store, "a", 10), []string(nil))
	for _, id := range []string{"t0", "t1", "t2", "nothing"} {
		see(id, "198.51.100.0/24")
		see(id, "192.0.2.0/24")
		see(id, "198.51.100.0/24")
	}
	same(t, "from another network", s.due(t, s.store, "a", 10), []string{"t0 198.51.100.0/24", "t1 198.51.100.0/24"})
	places := []upkeep.Place{{TokenID: "t0", Network: "198.51.100.0/24"}, {TokenID: "t0", Network: "203.0.113.0/24"}, {TokenID: "t2", Network: "192.0.2.0/24"}}
	same(t, "known", must[[]upkeep.Place](t)(s.open().KnownNetworks(ctx, places)), places[:1])
	for i := range upkeep.NetworksKept {
		see("t0", fmt.Sprintf("2001:db8:%d::/48", i))
	}
	same(t, "the latest are known", must[[]upkeep.Place](t)(s.store.KnownNetworks(ctx, []upkeep.Place{
		{TokenID: "t0", Network: "192.0.2.0/24"}, {TokenID: "t0", Network: "198.51.100.0/24"}, {TokenID: "t0", Network: "2001:db8:0::/48"},
	})), []upkeep.Place{{TokenID: "t0", Network: "2001:db8:0::/48"}})
}
