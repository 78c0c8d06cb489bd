package revocation_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/revocation"
)

// vouches checks the claim on which leases outside rest: what is not
// among the first Seq entries was committed after Started.
func (b *bench) vouches(t *testing.T) {
	t.Helper()
	k, ok := b.Known()
	if !ok {
		return
	}
	for _, e := range b.log.page(k.Seq, 1000).Entries {
		if committed := e.At.Sub(b.start); committed < k.Started {
			t.Fatalf("known up to %d as of %v, but %d was committed at %v", k.Seq, k.Started, e.Seq, committed)
		}
	}
	if k.Seq > b.Applied() {
		t.Fatalf("known up to %d, applied up to %d", k.Seq, b.Applied())
	}
}

// Questions, answers and confirmations take as long as they like, and entries are
// committed at any moment between.
func TestKnownNeverBelongsToALaterQuestionThanItsSequence(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			source := rand.New(rand.NewPCG(seed, 1))
			var mu sync.Mutex
			dice := func(limit time.Duration) time.Duration {
				mu.Lock()
				defer mu.Unlock()
				return time.Duration(source.Int64N(int64(limit)))
			}
			slow := func(context.Context) error { time.Sleep(dice(300 * time.Millisecond)); return nil }
			b.log.asking.set(slow)
			b.log.answering.set(slow)
			b.log.confirming.set(slow)
			stop := b.run(t)
			defer stop()
			for range 300 {
				time.Sleep(dice(40 * time.Millisecond))
				b.vouches(t)
				if dice(4) == 0 {
					b.log.revoke("x")
				}
				if dice(4) == 0 {
					b.Wake()
				}
				b.vouches(t)
			}
		})
	}
}

// An answer that the node can't confirm may come from a primary that was replaced: it is
// not passed on to anybody.
func TestKnownIsPublishedOnceTheNodeHasConfirmed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		if _, ok := b.Known(); ok {
			t.Fatal("something is known before the first question")
		}
		b.catchUp(t)
		before, _ := b.Known()
		b.log.confirming.set(away)
		b.log.revoke("x")
		news := b.Ledger().Watch()
		time.Sleep(time.Second)
		b.catchUp(t)
		if got, _ := b.Known(); got != before || !b.killed("x") {
			t.Errorf("unconfirmed: known %+v, want %+v; x killed: %v", got, before, b.killed("x"))
		}
		select {
		case <-news:
			t.Error("the watchers were notified of what is not confirmed")
		default:
		}
		b.log.confirming.set(nil)
		time.Sleep(time.Second)
		asked := b.clock()
		b.catchUp(t)
		<-news
		if got, _ := b.Known(); got != (revocation.Known{Seq: 1, Started: asked}) {
			t.Errorf("confirmed: known %+v, asked at %v", got, asked)
		}
	})
}

func TestNothingIsKnownOfALogThatWentBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.revoke("x")
		b.log.revoke("y")
		b.catchUp(t)
		tick := b.Ledger().Watch()
		b.log.forge = func(p *revocation.Page) { *p = revocation.Page{Head: 1} }
		if err := b.CatchUp(t.Context()); err == nil {
			t.Fatal("a shorter log was accepted")
		}
		if k, ok := b.Known(); ok {
			t.Errorf("known still: %+v", k)
		}
		select {
		case <-tick:
		default:
			t.Error("the watchers were not notified")
		}
		b.log.forge = nil
		b.catchUp(t)
		if k, ok := b.Known(); !ok || k.Seq != 2 {
			t.Errorf("known after it was read again: %+v, %v", k, ok)
		}
	})
}

func TestKnownHasThePurgeMark(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.log.revoke("x")
	b.log.revoke("y")
	b.log.purge(1)
	b.catchUp(t)
	if k, _ := b.Known(); k.Purged != 1 || k.Seq != 2 {
		t.Errorf("known: %+v", k)
	}
}

func TestHookThatComesLateLearnsWhereItStands(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.log.revoke("x")
	b.catchUp(t)
	var got []revocation.Change
	if after := b.OnApply(func(c revocation.Change) { got = append(got, c) }); after != 1 {
		t.Errorf("it stands after %d", after)
	}
	b.log.revoke("y")
	b.log.revoke("z")
	b.catchUp(t)
	if len(got) != 1 || got[0].After != 1 || len(got[0].Entries) != 2 || got[0].Missed {
		t.Errorf("changes: %+v", got)
	}
}

func TestCountsShowTrouble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.catchUp(t)
		if got := b.Status().Counts; got.Failed != 0 || got.Unconfirmed != 0 || got.Permits != 0 || got.Questions == 0 {
			t.Errorf("without trouble: %+v", got)
		}
		before := b.Status().Counts
		if _, err := b.Permit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, b.Status().Counts); diff != "" {
			t.Errorf("a permit under the lease (-want +got):\n%s", diff)
		}
		time.Sleep(2 * staleness)
		b.log.asking.set(func(context.Context) error { return errStore })
		if _, err := b.Permit(t.Context()); err == nil {
			t.Fatal("permitted")
		}
		b.log.asking.set(nil)
		b.log.confirming.set(func(context.Context) error { return errStore })
		if _, err := b.Permit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := b.Status().Counts; got.Failed != 1 || got.Unconfirmed != 1 || got.Permits != 2 {
			t.Errorf("after trouble: %+v", got)
		}
	})
}

// While there are pages to read still, the head is ahead.
func TestHeadIsAheadWhileThereArePagesToRead(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for range 5001 {
		b.log.revoke("x")
	}
	var lag []revocation.Seq
	b.OnApply(func(revocation.Change) { lag = append(lag, b.Status().Head-b.Applied()) })
	b.catchUp(t)
	if diff := cmp.Diff([]revocation.Seq{5001, 1}, lag); diff != "" {
		t.Errorf("behind the head (-want +got):\n%s", diff)
	}
	if b.Status().Head != 5001 || b.Applied() != 5001 {
		t.Errorf("at the end: head %d, applied %d", b.Status().Head, b.Applied())
	}
}
