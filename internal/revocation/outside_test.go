package revocation_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/revocation"
)

// Edges count among the nodes, and verifiers are waited for with All alone.
func TestAwaitWaitsForTheGroupsThatItIsAskedFor(t *testing.T) {
	t.Parallel()
	const expires = staleness + staleness/1000
	group := func(count, behind int, seq revocation.Seq) revocation.Readers {
		return revocation.Readers{Count: count, Behind: behind, Seq: seq}
	}
	row := func(seq revocation.Seq, edges, verifiers revocation.Readers) revocation.Confirmation {
		return revocation.Confirmation{Node: "a", Seq: seq, Lease: staleness, Outside: revocation.Outside{Edges: edges, Verifiers: verifiers}}
	}
	type ack = revocation.Acknowledgement
	counts := func(count, confirmed, expired int) *revocation.Verifiers {
		return &revocation.Verifiers{Count: count, Confirmed: confirmed, Expired: expired}
	}
	for name, test := range map[string]struct {
		row  revocation.Confirmation
		all  bool
		want ack
		took time.Duration
	}{
		"edges that have confirmed": {row(5, group(2, 0, 5), group(0, 0, 5)), false, ack{Nodes: 3, Confirmed: 3}, 0},
		"an edge that is silent":    {row(5, group(2, 1, 4), group(0, 0, 5)), false, ack{Nodes: 3, Confirmed: 2, Expired: 1}, expires},
		"verifiers that nobody asked for": {
			row(5, group(0, 0, 5), group(3, 3, 1)), false, ack{Nodes: 1, Confirmed: 1}, 0,
		},
		"verifiers that have confirmed": {
			row(5, group(1, 0, 5), group(3, 0, 5)), true, ack{Nodes: 2, Confirmed: 2, Verifiers: counts(3, 3, 0)}, 0,
		},
		"verifiers that are silent": {
			row(5, group(0, 0, 5), group(3, 2, 4)), true, ack{Nodes: 1, Confirmed: 1, Verifiers: counts(3, 1, 2)}, expires,
		},
		"a silent edge, all asked for": {
			row(5, group(1, 1, 4), group(3, 0, 5)), true, ack{Nodes: 2, Confirmed: 1, Expired: 1, Verifiers: counts(3, 3, 0)}, expires,
		},
		"a silent node: of none of its verifiers anything is known": {
			row(4, group(2, 0, 4), group(3, 0, 4)), true, ack{Nodes: 3, Expired: 3, Verifiers: counts(3, 0, 3)}, expires,
		},
		"a node that registers nobody": {row(5, group(0, 0, 0), group(0, 0, 0)), true, ack{Nodes: 1, Confirmed: 1, Verifiers: counts(0, 0, 0)}, 0},
		"nobody yet, but who comes may be behind": {
			row(5, group(0, 0, 5), group(0, 0, 4)), true, ack{Nodes: 1, Confirmed: 1, Verifiers: counts(0, 0, 0)}, expires,
		},
		"a node that left, and its edge": {
			row(revocation.SeqOfLeft, group(1, 1, 4), group(0, 0, 5)), false, ack{Nodes: 1, Expired: 1}, expires,
		},
		"a node that left, and who confirmed before": {
			row(revocation.SeqOfLeft, group(1, 0, 5), group(1, 0, 5)), true, ack{Nodes: 1, Confirmed: 1, Verifiers: counts(1, 1, 0)}, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				if err := b.log.Confirm(t.Context(), test.row); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				got, err := revocation.Await(t.Context(), revocation.AwaitConfig{
					Target: 5, All: test.all, Started: b.clock(), Clock: b.clock, Nodes: b.log.list, Drop: b.log.drop,
				})
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("acknowledged (-want +got):\n%s", diff)
				}
				if d := time.Since(began); d != test.took {
					t.Errorf("it took %v, want %v", d, test.took)
				}
			})
		})
	}
}

// The entry of a node that left is dropped when its verifiers' leases have ended, and that of
// a node that lives is not, however silent its verifiers are.
func TestAwaitDropsTheEntryOfANodeThatLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		behind := revocation.Outside{Edges: revocation.Readers{Count: 1, Behind: 1, Seq: 4}}
		for node, seq := range map[string]revocation.Seq{"left": revocation.SeqOfLeft, "lives": 5} {
			if err := b.log.Confirm(t.Context(), revocation.Confirmation{Node: node, Seq: seq, Lease: staleness, Outside: behind}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.wait(t.Context(), 5); err != nil {
			t.Fatal(err)
		}
		if _, stays := b.log.nodes["left"]; stays {
			t.Error("the node that left is still waited for")
		}
		if _, stays := b.log.nodes["lives"]; !stays {
			t.Error("a node that holds a lease was dropped")
		}
	})
}

// An edge of a node that leaves may hold a lease from a heartbeat that was written after
// another revocation was committed. Whoever waits for that one must not drop the node's entry,
// because a later revocation has nothing else to wait for the edge by.
func TestAnEarlierWaitLeavesTheEntryOfANodeThatLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		confirm := func(c revocation.Confirmation) {
			c.Lease = staleness
			if err := b.log.Confirm(t.Context(), c); err != nil {
				t.Error(err)
			}
		}
		confirm(revocation.Confirmation{Node: "silent", Seq: 4})
		var waits sync.WaitGroup
		waits.Go(func() {
			if _, err := b.wait(t.Context(), 5); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(staleness * 3 / 4) // the edge's last heartbeat is of now, and has 5
		confirm(revocation.Confirmation{Node: "left", Seq: revocation.SeqOfLeft, Outside: revocation.Outside{Edges: revocation.Readers{Count: 1, Behind: 1, Seq: 5}}})
		began := time.Now()
		ack, err := b.wait(t.Context(), 6)
		if err != nil {
			t.Fatal(err)
		}
		if d := time.Since(began); d != staleness+staleness/1000 || ack.Expired != 1 {
			t.Errorf("it took %v: %+v", d, ack)
		}
		waits.Wait()
	})
}

// outside is a bench whose node registers verifiers.
type outside struct {
	*bench
	says   atomic.Pointer[revocation.Outside]
	leaves atomic.Int64 // how often it was told that the node leaves
	fresh  atomic.Bool  // whether the node held a lease then
}

func newOutside(t *testing.T) *outside {
	t.Helper()
	o := &outside{bench: &bench{log: &memoryLog{}, start: time.Now()}}
	o.says.Store(&revocation.Outside{})
	o.Follower = o.follow(t, revocation.Config{Node: "node-a", Log: o.log, Outside: func(_ revocation.Seq, leaves bool) revocation.Outside {
		if leaves {
			o.leaves.Add(1)
			o.fresh.Store(o.Fresh())
		}
		return *o.says.Load()
	}})
	return o
}

func (o *outside) have(count, behind int, seq revocation.Seq) revocation.Outside {
	says := revocation.Outside{Verifiers: revocation.Readers{Count: count, Behind: behind, Seq: seq}}
	o.says.Store(&says)
	return says
}

func TestConfirmAgainWritesWhatVerifiersHaveConfirmed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOutside(t)
		o.have(1, 1, 0)
		o.log.revoke("x")
		o.catchUp(t)
		want := o.have(1, 0, 1)
		o.log.take()
		if err := o.ConfirmAgain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"confirm 1"}, o.log.take()); diff != "" {
			t.Errorf("the store was asked (-want +got):\n%s", diff)
		}
		got := o.log.nodes["node-a"]
		if got.Outside != want || got.Seq != 1 || got.Lease != staleness {
			t.Errorf("the list says %+v", got)
		}
	})
}

// A node that isn't on the list for certain must not come onto it between two questions.
func TestConfirmAgainWritesNothingForANodeThatIsNotOnTheList(t *testing.T) {
	t.Parallel()
	silent := func(t *testing.T, o *outside) {
		t.Helper()
		o.log.take()
		if err := o.ConfirmAgain(t.Context()); err != nil {
			t.Error(err)
		}
		if calls := o.log.take(); calls != nil {
			t.Errorf("the store was asked: %q", calls)
		}
	}
	for name, story := range map[string]func(*testing.T, *outside){
		"before its first question": func(*testing.T, *outside) {},
		"L after its last one": func(t *testing.T, o *outside) {
			o.catchUp(t)
			o.suspended.Add(int64(staleness))
		},
		"after it left": func(t *testing.T, o *outside) {
			stop := o.run(t)
			synctest.Wait()
			stop()
		},
		"after the log went back": func(t *testing.T, o *outside) {
			o.log.revoke("x")
			o.catchUp(t)
			o.log.forge = func(p *revocation.Page) { *p = revocation.Page{} }
			if o.CatchUp(t.Context()) == nil {
				t.Error("that the log went back is no error")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o := newOutside(t)
				story(t, o)
				silent(t, o)
			})
		})
	}
}

func TestConfirmAgainWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOutside(t)
		o.catchUp(t)
		o.log.asking.set(hang)
		go func() { _ = o.CatchUp(t.Context()) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := o.ConfirmAgain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("returned %v while a question was under way", err)
		}
	})
}

// A confirmation that fails is an error, for the caller to try again.
func TestConfirmAgainReturnsTheStoresError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOutside(t)
		o.catchUp(t)
		o.log.confirming.set(away)
		if err := o.ConfirmAgain(t.Context()); !errors.Is(err, errStore) {
			t.Errorf("returned %v", err)
		}
	})
}

// A node that stops leaves its entry for as long as verifiers may hold a lease of it, and
// says so after its own has ended.
func TestANodeThatLeavesKeepsItsEntryForItsVerifiers(t *testing.T) {
	t.Parallel()
	for name, count := range map[string]int{"with a verifier": 1, "without": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o := newOutside(t)
				says := o.have(count, count, 0)
				stop := o.run(t)
				synctest.Wait()
				if !o.Fresh() {
					t.Fatal("it holds no lease")
				}
				stop()
				if o.leaves.Load() != 1 || o.fresh.Load() {
					t.Errorf("it was said %d times that it leaves, while it held a lease: %t", o.leaves.Load(), o.fresh.Load())
				}
				got := o.log.nodes["node-a"]
				want := revocation.Confirmation{Node: "node-a", Outside: says, SeenAt: got.SeenAt}
				if count > 0 {
					want.Seq, want.Lease = revocation.SeqOfLeft, staleness
				}
				if got != want {
					t.Errorf("the list says %+v, want %+v", got, want)
				}
			})
		})
	}
}
