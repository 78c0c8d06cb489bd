package revocation_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/revocation"
)

// beating makes the bench's node one that beats, beside a roll that watches it.
func beating(t *testing.T, b *bench) *revocation.Roll {
	t.Helper()
	b.Follower = b.follow(t, revocation.Config{Node: "node-a", Log: b.log, Beats: true})
	roll := revocation.NewRoll(b.log.list, b.clock)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- roll.Run(ctx, staleness) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run gave %v", err)
		}
	})
	return roll
}

// waitKnowing waits as a node does that watches the list.
func (b *bench) waitKnowing(t *testing.T, roll *revocation.Roll, target revocation.Seq) (revocation.Acknowledgement, time.Duration) {
	t.Helper()
	began := time.Now()
	ack, err := revocation.Await(t.Context(), revocation.AwaitConfig{
		Target: target, Started: b.clock(), Clock: b.clock, Nodes: roll.Read, Silent: roll.Silent, Drop: b.log.drop,
	})
	if err != nil {
		t.Fatal(err)
	}
	return ack, time.Since(began)
}

func TestWhoFellSilentLongAgoIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		roll := beating(t, b)
		stop := b.run(t)
		defer stop()
		b.log.confirmed(t, "dead", 0, staleness)
		time.Sleep(2 * staleness)
		ack, took := b.waitKnowing(t, roll, b.log.revoke("one"))
		if want := (revocation.Acknowledgement{Nodes: 2, Confirmed: 1, Expired: 1}); ack != want {
			t.Errorf("acknowledged %+v", ack)
		}
		if took > staleness/4+100*time.Millisecond {
			t.Errorf("it took %v, although the node was silent for %v", took, 2*staleness)
		}
		if ack, _ := b.waitKnowing(t, roll, b.log.revoke("two")); ack.Nodes != 1 {
			t.Errorf("it is still on the list: %+v", ack)
		}
	})
}

// Silence is what was seen of it: a node that the list has had unchanged for a
// year may have confirmed a moment before this one first read the list.
func TestSilenceCountsFromTheFirstReading(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.confirmed(t, "dead", 0, staleness)
		time.Sleep(time.Hour)
		roll := revocation.NewRoll(b.log.list, b.clock)
		ack, took := b.waitKnowing(t, roll, b.log.revoke("one"))
		if want := (revocation.Acknowledgement{Nodes: 1, Expired: 1}); ack != want || took < staleness {
			t.Errorf("acknowledged %+v after %v", ack, took)
		}
	})
}

func TestWhoBeatsIsNotSilent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		roll := beating(t, b)
		stop := b.run(t)
		defer stop()
		for range 50 {
			time.Sleep(staleness / 5)
			list, err := roll.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range list {
				if roll.Silent(c) {
					t.Fatalf("%+v is held for silent", c)
				}
			}
		}
	})
}

// What was said of a node before it spoke again says nothing of it.
func TestWhoSpokeAgainIsNotSilent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		roll := revocation.NewRoll(b.log.list, b.clock)
		read := func() revocation.Confirmation {
			t.Helper()
			list, err := roll.Read(t.Context())
			if err != nil || len(list) != 1 {
				t.Fatalf("%+v, %v", list, err)
			}
			return list[0]
		}
		b.log.confirmed(t, "a", 3, staleness)
		read()
		time.Sleep(2 * staleness)
		if c := read(); !roll.Silent(c) {
			t.Fatal("a silent node is not known for it")
		}
		b.log.confirmed(t, "a", 3, staleness)
		if c := read(); roll.Silent(c) {
			t.Error("a node that has just confirmed is held for silent")
		}
	})
}

func TestRollThatCanNotBeReadMakesNobodySilent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.confirmed(t, "a", 0, staleness)
		var trouble hook
		roll := revocation.NewRoll(func(ctx context.Context) ([]revocation.Confirmation, error) {
			if err := trouble.call(ctx); err != nil {
				return nil, err
			}
			return b.log.list(ctx)
		}, b.clock)
		first, err := roll.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		trouble.set(away)
		time.Sleep(time.Hour)
		if _, err := roll.Read(t.Context()); err == nil {
			t.Error("the failure is not told")
		}
		if roll.Silent(first[0]) {
			t.Error("nobody has read the list for an hour, and a node is held for silent")
		}
		if diff := cmp.Diff(false, roll.Silent(revocation.Confirmation{Node: "b", Lease: 1})); diff != "" {
			t.Error("a node that is on no list is held for silent")
		}
	})
}

// A node that beats holds no lease that its last confirmation does not carry.
func TestNodeThatBeatsConfirmsEveryAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		beating(t, b)
		stop := b.run(t)
		defer stop()
		time.Sleep(4 * staleness)
		b.log.confirming.set(away)
		time.Sleep(staleness + time.Millisecond)
		if b.Fresh() {
			t.Error("it holds a lease although it could not confirm for as long as L")
		}
		b.log.confirming.set(nil)
		time.Sleep(staleness)
		if !b.Fresh() {
			t.Error("it holds no lease although it confirms again")
		}
	})
}
