package revocation_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/revocation"
)

// confirmsAlways makes the bench's node confirm with every answer, beside a watcher.
func confirmsAlways(t *testing.T, b *bench) *revocation.NodeWatcher {
	t.Helper()
	b.Follower = b.follow(t, revocation.Config{Node: "node-a", Log: b.log, ConfirmAlways: true})
	watcher := revocation.NewNodeWatcher(b.log.list, b.clock)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- watcher.Run(ctx, staleness) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
	return watcher
}

// waitWatching waits as a node does that watches the list.
func (b *bench) waitWatching(t *testing.T, watcher *revocation.NodeWatcher, target revocation.Seq) (revocation.Acknowledgement, time.Duration) {
	t.Helper()
	began := time.Now()
	ack, err := revocation.Await(t.Context(), revocation.AwaitConfig{
		Target: target, Started: b.clock(), Clock: b.clock, Nodes: watcher.Read, LeaseExpired: watcher.LeaseExpired, Drop: b.log.drop,
	})
	if err != nil {
		t.Fatal(err)
	}
	return ack, time.Since(began)
}

func TestNodeThatDiedLongAgoIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		watcher := confirmsAlways(t, b)
		stop := b.run(t)
		defer stop()
		b.log.confirmed(t, "dead", 0, staleness)
		time.Sleep(2 * staleness)
		ack, took := b.waitWatching(t, watcher, b.log.revoke("one"))
		if want := (revocation.Acknowledgement{Nodes: 2, Confirmed: 1, Expired: 1}); ack != want {
			t.Errorf("acknowledged %+v", ack)
		}
		if took > staleness/4+100*time.Millisecond {
			t.Errorf("it took %v, although the node has been dead for %v", took, 2*staleness)
		}
		if ack, _ := b.waitWatching(t, watcher, b.log.revoke("two")); ack.Nodes != 1 {
			t.Errorf("it is still on the list: %+v", ack)
		}
	})
}

// Expiry is what was seen of it: a node that the list has had unchanged for a
// year may have confirmed a moment before this one first read the list.
func TestExpiryCountsFromTheFirstReading(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.confirmed(t, "dead", 0, staleness)
		time.Sleep(time.Hour)
		watcher := revocation.NewNodeWatcher(b.log.list, b.clock)
		ack, took := b.waitWatching(t, watcher, b.log.revoke("one"))
		if want := (revocation.Acknowledgement{Nodes: 1, Expired: 1}); ack != want || took < staleness {
			t.Errorf("acknowledged %+v after %v", ack, took)
		}
	})
}

func TestLeaseOfANodeThatConfirmsHasNotExpired(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		watcher := confirmsAlways(t, b)
		stop := b.run(t)
		defer stop()
		for range 50 {
			time.Sleep(staleness / 5)
			list, err := watcher.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range list {
				if watcher.LeaseExpired(c) {
					t.Fatalf("%+v is taken for expired", c)
				}
			}
		}
	})
}

// What was said of a node before it confirmed again says nothing of it.
func TestLeaseOfANodeThatConfirmedAgainHasNotExpired(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		watcher := revocation.NewNodeWatcher(b.log.list, b.clock)
		read := func() revocation.Confirmation {
			t.Helper()
			list, err := watcher.Read(t.Context())
			if err != nil || len(list) != 1 {
				t.Fatalf("%+v, %v", list, err)
			}
			return list[0]
		}
		b.log.confirmed(t, "a", 3, staleness)
		read()
		time.Sleep(2 * staleness)
		if c := read(); !watcher.LeaseExpired(c) {
			t.Fatal("the lease of a dead node has not expired")
		}
		b.log.confirmed(t, "a", 3, staleness)
		if c := read(); watcher.LeaseExpired(c) {
			t.Error("a node that has just confirmed is taken for expired")
		}
	})
}

func TestReadingThatFailsLetsNoLeaseExpire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.confirmed(t, "a", 0, staleness)
		var trouble hook
		watcher := revocation.NewNodeWatcher(func(ctx context.Context) ([]revocation.Confirmation, error) {
			if err := trouble.call(ctx); err != nil {
				return nil, err
			}
			return b.log.list(ctx)
		}, b.clock)
		first, err := watcher.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		trouble.set(away)
		time.Sleep(time.Hour)
		if _, err := watcher.Read(t.Context()); err == nil {
			t.Error("the failure is not returned")
		}
		if watcher.LeaseExpired(first[0]) {
			t.Error("nobody has read the list for an hour, and a node is taken for expired")
		}
		if diff := cmp.Diff(false, watcher.LeaseExpired(revocation.Confirmation{Node: "b", Lease: 1})); diff != "" {
			t.Error("a node that is on no list is taken for expired")
		}
	})
}

// A node with ConfirmAlways holds no lease that its last confirmation does not carry.
func TestConfirmAlwaysConfirmsEveryAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		confirmsAlways(t, b)
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
