package confirming_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/confirming"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/records/upkeep"
	"github.com/bearerd/bearerd/internal/revocation"
)

const l = 2 * time.Second

// kit is a room whose clock the test moves.
type kit struct {
	*confirming.Room
	clock     atomic.Int64
	published atomic.Int64
}

func (k *kit) now() time.Duration { return time.Duration(k.clock.Load()) }

func (k *kit) pass(d time.Duration) { k.clock.Add(int64(d)) }

func newKit(t *testing.T, change ...func(*confirming.Config)) *kit {
	t.Helper()
	k := &kit{}
	k.clock.Store(int64(time.Hour))
	c := confirming.Config{
		Node: "here", Staleness: l, Clock: k.now, PerClient: 3,
		Publish: func(context.Context) error { k.published.Add(1); return nil },
	}
	for _, f := range change {
		f(&c)
	}
	var err error
	if k.Room, err = confirming.New(c); err != nil {
		t.Fatal(err)
	}
	return k
}

func (k *kit) open(t *testing.T, label string) *confirming.Stream {
	t.Helper()
	s, err := k.Open(confirming.Reader{Client: "api", Label: label}, 0)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (k *kit) say(t *testing.T, s *confirming.Stream, seq revocation.Seq) error {
	t.Helper()
	return k.Confirm(t.Context(), confirming.Confirmation{Node: "here", Stream: s.Name(), Client: "api", Seq: seq})
}

// services is what the list of nodes gets to read when the node has applied that much.
func (k *kit) services(applied revocation.Seq) revocation.Readers {
	return k.Outside(applied, false).Verifiers
}

func want(t *testing.T, what string, got, want any) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %+v, want %+v", what, got, want)
	}
}

func readers(count, behind int, seq revocation.Seq) revocation.Readers {
	return revocation.Readers{Count: count, Behind: behind, Seq: seq}
}

func TestAVerifierIsWaitedForFromItsFirstHeartbeat(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	s := k.open(t, "a")
	want(t, "before", k.services(5), readers(0, 0, 5))
	want(t, "written", s.Write(5, k.now()), true)
	want(t, "registered at what it was written", k.services(9), readers(1, 1, 5))
	want(t, "written", s.Write(9, k.now()), true)
	want(t, "a heartbeat is no confirmation", k.services(9), readers(1, 1, 5))
	want(t, "taken", k.say(t, s, 9), error(nil))
	want(t, "confirmed", k.services(9), readers(1, 0, 9))
}

// What the list says stays true: nobody registers behind it.
func TestNobodyRegistersBehindWhatIsWritten(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	s := k.open(t, "a")
	want(t, "nobody is there", k.services(7), readers(0, 0, 7))
	want(t, "a heartbeat from before", s.Write(6, k.now()), false)
	want(t, "still nobody", k.services(7), readers(0, 0, 7))
	want(t, "the next one", s.Write(7, k.now()), true)
}

// It is waited for until no lease of its last heartbeat can hold, open or not, whenever it
// last confirmed.
func TestARegistrationEndsWithTheLeaseOfTheLastHeartbeat(t *testing.T) {
	t.Parallel()
	for _, open := range []bool{true, false} {
		k := newKit(t)
		s := k.open(t, "a")
		started := k.now()
		k.pass(l / 2) // the question took a while
		s.Write(5, started)
		want(t, "taken", k.say(t, s, 5), error(nil))
		if !open {
			s.Close()
		}
		k.pass(l/2 + l/1000 - 1)
		want(t, "until 1.001 L after the question", k.services(6), readers(1, 1, 5))
		k.pass(1)
		want(t, "from then on", k.services(6), readers(0, 0, 6))
		if !open {
			want(t, "a confirmation of it", fault.KindOf(k.say(t, s, 5)), fault.NotFound)
			continue
		}
		want(t, "an old heartbeat", s.Write(5, k.now()), false)
		want(t, "registered again", s.Write(6, k.now()), true)
		want(t, "at the later sequence", k.services(8), readers(1, 1, 6))
	}
}

func TestAGoodbyeEndsARegistrationAndItsStream(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	s := k.open(t, "a")
	s.Write(5, k.now())
	err := k.Confirm(t.Context(), confirming.Confirmation{Node: "here", Stream: s.Name(), Client: "api", Bye: true})
	want(t, "taken", err, error(nil))
	want(t, "afterwards", k.services(6), readers(0, 0, 6))
	want(t, "a heartbeat", s.Write(6, k.now()), false)
	select {
	case <-s.Ended():
		want(t, "why", s.Why(), confirming.ErrBye)
	default:
		t.Error("the stream goes on")
	}
}

func TestWhatWasNotWrittenToTheClientsOwnStreamIsRefused(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	s := k.open(t, "a")
	want(t, "before the first heartbeat", fault.KindOf(k.say(t, s, 1)), fault.Conflict)
	s.Write(5, k.now())
	for name, c := range map[string]struct {
		confirming.Confirmation
		kind fault.Kind
	}{
		"beyond":           {confirming.Confirmation{Node: "here", Stream: s.Name(), Client: "api", Seq: 6}, fault.Conflict},
		"another client's": {confirming.Confirmation{Node: "here", Stream: s.Name(), Client: "web", Seq: 5}, fault.NotFound},
		"its goodbye":      {confirming.Confirmation{Node: "here", Stream: s.Name(), Client: "web", Bye: true}, fault.NotFound},
		"no stream":        {confirming.Confirmation{Node: "here", Stream: "x", Client: "api", Seq: 5}, fault.NotFound},
		"another node":     {confirming.Confirmation{Node: "there", Stream: s.Name(), Client: "api", Seq: 5}, fault.NotFound},
	} {
		want(t, name, fault.KindOf(k.Confirm(t.Context(), c.Confirmation)), c.kind)
	}
	want(t, "registered all the same", k.services(6), readers(1, 1, 5))
	want(t, "counted", k.Status().Refused, uint64(6))
}

func TestANodeThatLeavesWritesNoHeartbeat(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	s, late := k.open(t, "a"), k.open(t, "b")
	s.Write(5, k.now())
	want(t, "its verifiers", k.Outside(6, true).Verifiers, readers(1, 1, 5))
	want(t, "a registered one", s.Write(6, k.now()), false)
	want(t, "a new one", late.Write(6, k.now()), false)
	want(t, "a confirmation", k.say(t, s, 5), error(nil))
	k.pass(l + l/1000)
	want(t, "when their leases have ended", k.Outside(6, true).Verifiers, readers(0, 0, 6))
}

func TestEdgesAndServicesAreCountedApart(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	s := k.open(t, "a")
	e, err := k.Open(confirming.Reader{Client: "edge", Label: "e", Edge: true}, 0)
	want(t, "opened", err, error(nil))
	s.Write(3, k.now())
	e.Write(4, k.now())
	want(t, "both", k.Outside(9, false), revocation.Outside{Edges: readers(1, 1, 4), Verifiers: readers(1, 1, 3)})
}

func TestTheRegistrationsOfAClientAreBounded(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	for i := range 3 {
		s := k.open(t, fmt.Sprint(i))
		s.Write(1, k.now())
		s.Close() // it is waited for all the same
	}
	_, err := k.Open(confirming.Reader{Client: "api", Label: "more"}, 0)
	want(t, "one more", fault.KindOf(err), fault.Unavailable)
	if _, err := k.Open(confirming.Reader{Client: "web", Label: "more"}, 0); err != nil {
		t.Errorf("another client: %v", err)
	}
	k.pass(l + l/1000)
	k.open(t, "more")
}

func run(t *testing.T, k *kit) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never came: " + what)
		}
	}
}

// What a verifier that was cut off has not confirmed never reached it, and it says so by
// where it continues.
func TestWhoWasCutOffMayComeBack(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	run(t, k)
	for ended := range uint64(3) {
		s := k.open(t, "cut off")
		k.lag(t, s)
		eventually(t, "its end", func() bool { return k.Status().Ended == ended+1 })
		want(t, "why", s.Why(), confirming.ErrLags)
		s.Close()
		who := confirming.Reader{Client: "api", Label: "cut off"}
		for _, had := range []revocation.Seq{2, 3, -1} {
			_, err := k.Open(who, had)
			want(t, fmt.Sprintf("after %d", had), fault.KindOf(err), fault.Limited)
		}
		back, err := k.Open(who, 1)
		want(t, "after 1", err, error(nil))
		back.Write(1, k.now())
		back.Write(2, k.now())
		want(t, "taken", k.say(t, back, 2), error(nil))
		back.Close()
		k.pass(time.Minute)
	}
}

// lag writes heartbeats to a stream of which nothing is confirmed, for long enough.
func (k *kit) lag(t *testing.T, s *confirming.Stream) {
	t.Helper()
	s.Write(1, k.now())
	s.Write(2, k.now())
	for range 11 { // heartbeats go on
		k.pass(l / 2)
		s.Write(2, k.now())
	}
}

func TestWhoConfirmsTooLateIsRefusedForAMinute(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	run(t, k)
	slow, good := k.open(t, "slow"), k.open(t, "good")
	beat := func(seq revocation.Seq) {
		slow.Write(seq, k.now())
		good.Write(seq, k.now())
		want(t, "the good one", k.say(t, good, seq), error(nil))
	}
	beat(1)
	beat(2)
	for range 11 { // heartbeats go on
		k.pass(l / 2)
		beat(2)
	}
	eventually(t, "its end", func() bool { return k.Status().Ended == 1 })
	want(t, "why", slow.Why(), confirming.ErrLags)
	want(t, "the good one", good.Why(), error(nil))
	want(t, "still waited for", k.services(2), readers(2, 1, 1))
	_, err := k.Open(confirming.Reader{Client: "api", Label: "slow"}, 2)
	want(t, "at once", fault.KindOf(err), fault.Limited)
	slow.Close()
	k.pass(time.Minute)
	k.open(t, "slow")
}

func TestWhatIsConfirmedIsWrittenSoon(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	s := k.open(t, "a")
	s.Write(1, k.now())
	k.services(2)
	s.Write(2, k.now())
	run(t, k)
	want(t, "taken", k.say(t, s, 2), error(nil))
	eventually(t, "a writing", func() bool { return k.published.Load() > 0 })
}

// passed is a store that two rooms share.
type passed struct {
	contract.Confirmations
	taken chan []upkeep.PassedConfirmation
}

func (p *passed) PassConfirmations(_ context.Context, b upkeep.PassedBatch) (unknown []string, err error) {
	for node, list := range b.To {
		if node != "here" {
			unknown = append(unknown, node)
			continue
		}
		p.taken <- list
	}
	return unknown, nil
}

func (p *passed) TakeConfirmations(context.Context, string) ([]upkeep.PassedConfirmation, error) {
	select {
	case list := <-p.taken:
		return list, nil
	default:
		return nil, nil
	}
}

func TestAConfirmationThatReachesAnotherNodeIsPassedOn(t *testing.T) {
	t.Parallel()
	store := &passed{taken: make(chan []upkeep.PassedConfirmation, 10)}
	here := newKit(t, func(c *confirming.Config) { c.Store = store })
	there := newKit(t, func(c *confirming.Config) { c.Node, c.Store = "there", store })
	run(t, here)
	run(t, there)
	s := here.open(t, "a")
	s.Write(1, here.now())
	s.Write(2, here.now())
	post := func(node, client string) error {
		return there.Confirm(t.Context(), confirming.Confirmation{Node: node, Stream: s.Name(), Client: client, Seq: 2})
	}
	want(t, "an unknown node", fault.KindOf(post("nowhere", "api")), fault.NotFound)
	want(t, "of another client", post("here", "web"), error(nil)) // it is refused where it arrives
	eventually(t, "the refusal", func() bool { return here.Status().Refused == 1 })
	want(t, "not confirmed", here.services(2), readers(1, 1, 1))
	want(t, "passed on", post("here", "api"), error(nil))
	eventually(t, "the confirmation", func() bool { return here.services(2) == readers(1, 0, 2) })
}

// One client that sends more than any can mean keeps nobody else's confirmations from being
// passed on.
func TestAClientThatFloodsFillsAPartOfABatch(t *testing.T) {
	t.Parallel()
	for name, node := range map[string]func(int) string{
		"for one node":   func(int) string { return "here" },
		"for many nodes": func(i int) string { return fmt.Sprint("node ", i) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			there := newKit(t, func(c *confirming.Config) {
				c.Node, c.Store = "there", &passed{taken: make(chan []upkeep.PassedConfirmation, 10)}
			})
			const many = 1300
			kinds := make(chan fault.Kind, many)
			post := func(client, node string, n int) error {
				return there.Confirm(t.Context(), confirming.Confirmation{Node: node, Stream: fmt.Sprint(n), Client: client})
			}
			for i := range many {
				go func() { kinds <- fault.KindOf(post("flood", node(i), i)) }()
			}
			want(t, "the flood", <-kinds, fault.Unavailable) // the others wait: nothing takes the batch
			run(t, there)
			want(t, "another client's", post("api", "here", 0), error(nil))
		})
	}
}

// What is passed on for a node without registrations is taken all the same, and doesn't pile
// up in the store.
func TestConfirmationsForNobodyAreTaken(t *testing.T) {
	t.Parallel()
	store := &passed{taken: make(chan []upkeep.PassedConfirmation, 10)}
	store.taken <- []upkeep.PassedConfirmation{{Stream: "x", Client: "api", Seq: 1}}
	here := newKit(t, func(c *confirming.Config) { c.Store, c.Staleness = store, 100*time.Millisecond })
	run(t, here)
	eventually(t, "the refusal", func() bool { return here.Status().Refused == 1 })
}

func TestThePaceGrowsWithTheStreams(t *testing.T) {
	t.Parallel()
	want(t, "few", confirming.PaceOf(3), 20*time.Millisecond)
	want(t, "many", confirming.PaceOf(10_000), 500*time.Millisecond)
}
