package revocation_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/bearerd/bearerd/internal/revocation"
)

var errStore = errors.New("the store is away")

func away(context.Context) error { return errStore }

func hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func after(d time.Duration) func(context.Context) error {
	return func(context.Context) error {
		time.Sleep(d)
		return nil
	}
}

func TestZeroLeaseDoesNotHold(t *testing.T) {
	t.Parallel()
	if (revocation.Lease{}).Holds() {
		t.Error("it holds")
	}
}

func TestNodeSaysNoYesBeforeItsFirstCatchUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.asking.set(away)
		time.Sleep(time.Second)
		if b.Fresh() || b.Status().Ready {
			t.Errorf("fresh %v, ready %v before any question", b.Fresh(), b.Status().Ready)
		}
		if err := b.CatchUp(t.Context()); !errors.Is(err, errStore) {
			t.Errorf("catching up returned %v", err)
		}
		if b.Fresh() || b.Status().Ready {
			t.Errorf("fresh %v, ready %v after a failed question", b.Fresh(), b.Status().Ready)
		}
		if !errors.Is(b.Status().Err, errStore) || b.Status().Unwritten || b.Ledger().LeaseAge() != time.Second {
			t.Errorf("last error %v, age %v", b.Status().Err, b.Ledger().LeaseAge())
		}
		b.log.asking.set(nil)
		b.catchUp(t)
		if !b.Fresh() || !b.Status().Ready || b.Status().Unwritten || b.Status().Err != nil || b.Ledger().LeaseAge() != 0 {
			t.Errorf("fresh %v, ready %v, error %v, age %v", b.Fresh(), b.Status().Ready, b.Status().Err, b.Ledger().LeaseAge())
		}
	})
}

// A revocation that doesn't find the node on the list doesn't wait for it. The node must
// know it before it accepts a token for the first time.
func TestNodeAsksAgainOnceItIsOnTheList(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.revoke("before")
		b.log.confirming.set(func(context.Context) error {
			if b.Fresh() {
				t.Error("the node accepts tokens before it is on the list")
			}
			b.log.confirming.set(nil)
			b.log.revoke("between")
			return nil
		})
		b.catchUp(t)
		if !b.Fresh() || !b.killed("before") || !b.killed("between") {
			t.Errorf("fresh %v, killed %v and %v", b.Fresh(), b.killed("before"), b.killed("between"))
		}
		want := []string{"ask 0", "confirm 1", "ask 1", "confirm 2"}
		if diff := cmp.Diff(want, b.log.take()); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	})
}

func TestNodeThatCanNotConfirmGetsNoFirstLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.revoke("x")
		b.log.confirming.set(away)
		b.catchUp(t)
		if !b.killed("x") || b.Applied() != 1 {
			t.Errorf("killed %v, applied %d: what was read doesn't count", b.killed("x"), b.Applied())
		}
		if b.Fresh() || b.Status().Ready || !b.Status().Unwritten || !errors.Is(b.Status().Err, errStore) {
			t.Errorf("fresh %v, ready %v, error %v", b.Fresh(), b.Status().Ready, b.Status().Err)
		}
	})
}

func TestLeaseRunsOutWhileAQuestionHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		stop := b.run(t)
		defer stop()
		synctest.Wait()
		b.log.asking.set(hang)
		b.log.revoke("x")
		time.Sleep(staleness - time.Millisecond)
		if !b.Fresh() {
			t.Fatal("the lease is gone before its time")
		}
		time.Sleep(time.Millisecond)
		if b.Fresh() {
			t.Fatal("the lease holds although no question was answered for L")
		}
		if !b.Status().Ready {
			t.Error("a node that was ready is no more")
		}
	})
}

func TestLeaseCountsFromTheStartOfTheQuestion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.catchUp(t)
		b.log.answering.set(after(1500 * time.Millisecond))
		b.catchUp(t)
		if !b.Fresh() {
			t.Fatal("no lease")
		}
		time.Sleep(500*time.Millisecond - time.Nanosecond)
		if !b.Fresh() {
			t.Error("the lease ends too early")
		}
		time.Sleep(time.Nanosecond)
		if b.Fresh() {
			t.Error("the lease counts from the answer")
		}
	})
}

func TestAnswerThatComesAfterLGivesNoLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.catchUp(t)
		b.log.answering.set(after(staleness)) // this log doesn't heed the end of ctx
		b.log.revoke("x")
		b.catchUp(t)
		if !b.killed("x") {
			t.Error("the answer doesn't count")
		}
		if b.Fresh() {
			t.Error("the node accepts tokens by an answer that was L old when it came")
		}
	})
}

func TestLeaseIsGoneAfterSuspension(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		stop := b.run(t)
		defer stop()
		synctest.Wait()
		held := b.Ledger().Lease()
		b.suspended.Add(int64(staleness))
		if b.Fresh() || held.Holds() {
			t.Error("the lease holds after L of suspension")
		}
		if b.Ledger().LeaseAge() != staleness {
			t.Errorf("age %v", b.Ledger().LeaseAge())
		}
		time.Sleep(staleness / 4)
		synctest.Wait()
		if !b.Fresh() {
			t.Error("no lease after the next question")
		}
		if held.Holds() {
			t.Error("a lease that was taken before the suspension holds again")
		}
	})
}

func TestFollowerRecoversByItself(t *testing.T) {
	t.Parallel()
	for name, trouble := range map[string]func(context.Context) error{"refused": away, "hanging": hang} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				stop := b.run(t)
				defer stop()
				synctest.Wait()
				b.log.asking.set(trouble)
				time.Sleep(20*time.Second + 123*time.Millisecond)
				if b.Fresh() || b.Status().Err == nil {
					t.Fatalf("fresh %v, error %v during the trouble", b.Fresh(), b.Status().Err)
				}
				b.log.asking.set(nil)
				b.log.revoke("x")
				time.Sleep(staleness + time.Second)
				if !b.Fresh() || !b.killed("x") || b.Status().Err != nil {
					t.Errorf("fresh %v, killed %v, error %v", b.Fresh(), b.killed("x"), b.Status().Err)
				}
			})
		})
	}
}

func TestIdleNodeDoesNotWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		stop := b.run(t)
		defer stop()
		time.Sleep(time.Minute)
		confirmed := 0
		for _, c := range b.log.take() {
			if c == "confirm 0" {
				confirmed++
			}
		}
		if confirmed != 1 {
			t.Errorf("confirmed %d times in an idle minute", confirmed)
		}
	})
}

func TestFailedConfirmationDelaysTheLeaseAndIsRetried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.catchUp(t)
		b.log.confirming.set(away)
		b.log.revoke("x")
		time.Sleep(time.Second)
		b.catchUp(t)
		if !b.killed("x") || !b.Fresh() || !errors.Is(b.Status().Err, errStore) {
			t.Errorf("killed %v, fresh %v, error %v", b.killed("x"), b.Fresh(), b.Status().Err)
		}
		time.Sleep(time.Second)
		if b.Fresh() {
			t.Error("an answer that was not confirmed has renewed the lease")
		}
		b.log.confirming.set(nil)
		b.log.take()
		b.catchUp(t)
		if !b.Fresh() || b.Status().Err != nil {
			t.Errorf("fresh %v, error %v", b.Fresh(), b.Status().Err)
		}
		want := []string{"ask 1", "confirm 1", "ask 1"}
		if diff := cmp.Diff(want, b.log.take()); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	})
}

// A confirmation that hangs, as on a store that is locked for writing, is given
// up: the questions go on.
func TestHangingConfirmationDoesNotStopTheQuestions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.catchUp(t)
		b.log.confirming.set(hang)
		b.log.revoke("x")
		stop := b.run(t)
		defer stop()
		time.Sleep(10 * time.Second)
		b.log.revoke("y")
		time.Sleep(staleness)
		if !b.killed("y") {
			t.Error("the log is read no more")
		}
		if b.Fresh() {
			t.Error("the node accepts tokens although nobody would wait for it")
		}
	})
}

// Who waited in vain for a confirmation drops the node. One that comes too late
// for that must not bring the lease back before another question.
func TestLateConfirmationMeansJoiningAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.catchUp(t)
		b.log.revoke("x")
		b.log.answering.set(after(1900 * time.Millisecond))
		b.log.confirming.set(func(context.Context) error {
			time.Sleep(200 * time.Millisecond)
			b.log.answering.set(nil)
			b.log.confirming.set(nil)
			b.log.revoke("unnoticed")
			return nil
		})
		b.catchUp(t)
		if !b.Fresh() || !b.killed("unnoticed") {
			t.Errorf("fresh %v, killed %v", b.Fresh(), b.killed("unnoticed"))
		}
	})
}

// unstamped leaves out when a node confirmed.
var unstamped = cmpopts.IgnoreFields(revocation.Confirmation{}, "SeenAt")

func TestRunLeavesTheListWhenItEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		stop := b.run(t)
		b.log.revoke("x")
		time.Sleep(staleness)
		stop()
		if b.Fresh() {
			t.Error("the lease outlives the follower")
		}
		want := map[string]revocation.Confirmation{"node-a": {Node: "node-a", Seq: 1}}
		if diff := cmp.Diff(want, b.log.nodes, unstamped); diff != "" {
			t.Errorf("the list (-want +got):\n%s", diff)
		}
		b.log.revoke("y")
		b.catchUp(t)
		if b.Fresh() || !b.killed("y") {
			t.Errorf("afterwards: fresh %v, killed %v", b.Fresh(), b.killed("y"))
		}
		if diff := cmp.Diff(want, b.log.nodes, unstamped); diff != "" {
			t.Errorf("the list afterwards (-want +got):\n%s", diff)
		}
	})
}

func TestRunEndsAlthoughTheStoreHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		stop := b.run(t)
		synctest.Wait()
		b.log.asking.set(hang)
		b.log.confirming.set(hang)
		time.Sleep(staleness)
		began := time.Now()
		stop()
		if d := time.Since(began); d > staleness/4 {
			t.Errorf("ending took %v", d)
		}
	})
}

// A primary that was replaced and not fenced answers questions and commits nothing. A
// request without a lease gets none from it.
func TestAReadingAloneIsNoPermit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		f := b.follow(t, revocation.Config{Node: "node-b", Log: b.log, ConfirmAlways: true})
		if err := f.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * staleness) // the lease has expired
		b.log.confirming.set(away)
		for range 3 {
			if _, err := f.Permit(t.Context()); err == nil {
				t.Fatal("permitted by a reading that nothing confirms")
			}
			time.Sleep(staleness)
		}
		b.log.confirming.set(nil)
		lease, err := f.Permit(t.Context())
		if err != nil || !lease.Holds() {
			t.Errorf("with a confirmation: %v", err)
		}
	})
}
