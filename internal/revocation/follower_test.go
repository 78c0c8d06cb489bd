package revocation_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/revocation"
)

func TestFollowerNeedsItsWholeConfig(t *testing.T) {
	t.Parallel()
	good := revocation.Config{
		Log: &memoryLog{}, Ledger: revocation.NewLedger(revocation.BootClock, time.Now), Node: "n", Staleness: time.Second,
	}
	if _, err := revocation.NewFollower(good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*revocation.Config){
		"no log":             func(c *revocation.Config) { c.Log = nil },
		"no ledger":          func(c *revocation.Config) { c.Ledger = nil },
		"no node":            func(c *revocation.Config) { c.Node = "" },
		"no staleness":       func(c *revocation.Config) { c.Staleness = 0 },
		"negative staleness": func(c *revocation.Config) { c.Staleness = -time.Second },
	} {
		bad := good
		spoil(&bad)
		if _, err := revocation.NewFollower(bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// The answer to a question that was under way may not hold what the caller has
// committed; only one that started later must.
func TestCatchUpWaitsForAQuestionThatStartedAfterTheCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.catchUp(t)
		release := make(chan struct{})
		b.log.answering.set(func(context.Context) error { <-release; return nil })
		first := make(chan error, 1)
		go func() { first <- b.CatchUp(t.Context()) }()
		synctest.Wait() // the snapshot is read, the answer is on its way
		b.log.revoke("x")
		second := make(chan error, 1)
		go func() { second <- b.CatchUp(t.Context()) }()
		synctest.Wait()
		b.log.answering.set(nil)
		close(release)
		if err := <-second; err != nil {
			t.Fatal(err)
		}
		if !b.killed("x") {
			t.Error("caught up without what was committed before the call")
		}
		if err := <-first; err != nil {
			t.Error(err)
		}
	})
}

func TestCatchUpSharesOneQuestionAmongAllWhoWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.catchUp(t)
		b.log.answering.set(after(100 * time.Millisecond))
		go func() { _ = b.CatchUp(t.Context()) }()
		synctest.Wait()
		b.log.revoke("x")
		b.log.take()
		var group sync.WaitGroup
		for range 100 {
			group.Go(func() {
				if err := b.CatchUp(t.Context()); err != nil || !b.killed("x") {
					t.Errorf("error %v, killed %v", err, b.killed("x"))
				}
			})
		}
		group.Wait()
		want := []string{"ask 0", "confirm 1"}
		if diff := cmp.Diff(want, b.log.take()); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	})
}

func TestCatchUpSharesAFailureToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.asking.set(func(context.Context) error { time.Sleep(time.Second); return errStore })
		go func() { _ = b.CatchUp(t.Context()) }()
		synctest.Wait()
		began := time.Now()
		var group sync.WaitGroup
		for range 100 {
			group.Go(func() {
				if err := b.CatchUp(t.Context()); !errors.Is(err, errStore) {
					t.Errorf("caught up with %v", err)
				}
			})
		}
		group.Wait()
		if d := time.Since(began); d != 2*time.Second {
			t.Errorf("a hundred callers waited %v for one failure", d)
		}
	})
}

func TestCatchUpEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.asking.set(hang)
		asking, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		waiting, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		first := make(chan error, 1)
		go func() { first <- b.CatchUp(asking) }()
		synctest.Wait()
		if err := b.CatchUp(waiting); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 100*time.Millisecond {
			t.Errorf("who waited: %v after %v", err, time.Since(began))
		}
		if err := <-first; !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 300*time.Millisecond {
			t.Errorf("who asked: %v after %v", err, time.Since(began))
		}
		if b.Status().Err != nil {
			t.Errorf("a caller's own end counts as %v", b.Status().Err)
		}
	})
}

func TestCatchUpOutlivesTheCallerWhoAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.asking.set(hang)
		asking, cancel := context.WithCancel(t.Context())
		first := make(chan error, 1)
		go func() { first <- b.CatchUp(asking) }()
		synctest.Wait()
		second := make(chan error, 1)
		go func() { second <- b.CatchUp(t.Context()) }()
		synctest.Wait()
		b.log.asking.set(nil)
		b.log.revoke("x")
		cancel()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("who asked: %v", err)
		}
		if err := <-second; err != nil || !b.killed("x") {
			t.Errorf("who waited: %v, killed %v", err, b.killed("x"))
		}
	})
}

func TestPermitAsksOnlyWithoutALease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.catchUp(t)
		b.log.take()
		if lease, err := b.Permit(t.Context()); err != nil || !lease.Holds() || len(b.log.take()) != 0 {
			t.Errorf("with a lease: %v, holds %v", err, lease.Holds())
		}
		time.Sleep(staleness)
		b.log.confirming.set(away)
		b.log.revoke("x")
		lease, err := b.Permit(t.Context())
		if err != nil || !lease.Holds() || !b.killed("x") {
			t.Errorf("without one: %v, holds %v, killed %v", err, lease.Holds(), b.killed("x"))
		}
		if b.Fresh() {
			t.Error("what was for one request has become a lease for all")
		}
		b.suspended.Add(int64(staleness))
		if lease.Holds() {
			t.Error("the permit outlives a suspension of L")
		}
		b.log.asking.set(away)
		if lease, err := b.Permit(t.Context()); !errors.Is(err, errStore) || lease.Holds() {
			t.Errorf("without a store: %v, holds %v", err, lease.Holds())
		}
	})
}

func TestPermitCountsFromTheStartOfItsQuestion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.confirming.set(away)
		b.log.answering.set(after(1500 * time.Millisecond))
		lease, err := b.Permit(t.Context())
		if err != nil || !lease.Holds() {
			t.Fatalf("error %v, holds %v", err, lease.Holds())
		}
		time.Sleep(staleness - 1500*time.Millisecond)
		if lease.Holds() {
			t.Error("it counts from the answer")
		}
	})
}

// A caller who leaves while the node confirms is no reason not to confirm at the
// next question.
func TestConfirmationIsNotPutOffByACallerWhoLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.confirming.set(hang)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_ = b.CatchUp(ctx)
		if b.Fresh() || b.Status().Err != nil {
			t.Errorf("fresh %v, error %v", b.Fresh(), b.Status().Err)
		}
		b.log.confirming.set(nil)
		b.catchUp(t)
		if !b.Fresh() {
			t.Error("no lease")
		}
	})
}

// A store that takes no writes lets confirmations hang; a request that asks for
// itself must not wait for one each time.
func TestPermitDoesNotWaitForEachConfirmation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.confirming.set(hang)
		b.catchUp(t)
		began := time.Now()
		for range 10 {
			if _, err := b.Permit(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(began); d != 0 {
			t.Errorf("ten requests waited %v", d)
		}
	})
}

func TestPermitAllocatesNothingWithALease(t *testing.T) {
	b := newBench(t)
	b.catchUp(t)
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() {
		if lease, err := b.Permit(ctx); err != nil || !lease.Holds() {
			t.Error("no permit")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestHooksRunBetweenTheSetAndTheLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.log.revoke("x")
		var changes []revocation.Change
		b.OnApply(func(c revocation.Change) {
			changes = append(changes, c)
			if !b.killed("x") || b.Applied() != 0 || b.Fresh() || len(b.log.nodes) != 0 {
				t.Errorf("in the hook: killed %v, applied %d, fresh %v, nodes %v",
					b.killed("x"), b.Applied(), b.Fresh(), b.log.nodes)
			}
		})
		b.log.confirming.set(func(context.Context) error {
			if b.Applied() != 1 || len(changes) != 1 || b.Fresh() {
				t.Errorf("while confirming: applied %d, %d changes, fresh %v", b.Applied(), len(changes), b.Fresh())
			}
			return nil
		})
		b.catchUp(t)
		want := []revocation.Change{{Entries: b.log.entries}}
		if diff := cmp.Diff(want, changes); diff != "" {
			t.Errorf("changes (-want +got):\n%s", diff)
		}
	})
}

func TestWakeAsksAtOnceAndDoesNotBlock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		for range 10 {
			b.Wake() // before Run, nobody listens
		}
		stop := b.run(t)
		defer stop()
		synctest.Wait()
		release := make(chan struct{})
		b.log.answering.set(func(context.Context) error { <-release; return nil })
		b.Wake()
		synctest.Wait()
		b.log.revoke("x") // the question under way doesn't have it
		b.Wake()
		b.log.answering.set(nil)
		close(release)
		synctest.Wait()
		time.Sleep(20 * time.Millisecond) // it was woken a moment ago
		synctest.Wait()
		if !b.killed("x") {
			t.Error("not killed 20 ms after the last question")
		}
		time.Sleep(60 * time.Millisecond) // nobody has woken it for longer than it rests
		b.log.revoke("y")
		b.Wake()
		synctest.Wait()
		if !b.killed("y") {
			t.Error("not killed at once")
		}
	})
}

// Each commit of any node wakes all others: they ask for many at a time.
func TestANodeThatIsWokenAgainAndAgainAsksEvery20ms(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		stop := b.run(t)
		defer stop()
		synctest.Wait()
		b.log.take()
		const woken = 400
		for i := range woken {
			b.log.revoke(fmt.Sprint(i))
			b.Wake()
			time.Sleep(time.Millisecond)
		}
		questions := 0
		for _, call := range b.log.take() {
			if strings.HasPrefix(call, "ask ") {
				questions++
			}
		}
		if questions > woken/20+1 {
			t.Errorf("%d questions in %d ms", questions, woken)
		}
		time.Sleep(20 * time.Millisecond)
		synctest.Wait()
		if b.Applied() != woken {
			t.Errorf("applied %d", b.Applied())
		}
	})
}

func TestRevocationReachesTheNodeWithinAQuarterOfLWithoutWaking(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		stop := b.run(t)
		defer stop()
		for i := range 50 {
			time.Sleep(time.Duration(i*37) * time.Millisecond)
			b.log.revoke(fmt.Sprint(i))
			time.Sleep(staleness / 4)
			synctest.Wait()
			if !b.killed(fmt.Sprint(i)) || !b.Fresh() {
				t.Fatalf("revocation %d: killed %v, fresh %v", i, b.killed(fmt.Sprint(i)), b.Fresh())
			}
		}
	})
}

func TestWatchersHearOfNewsAtOnceAndOfNothingEveryHalfL(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		stop := b.run(t)
		defer stop()
		synctest.Wait()
		var heard atomic.Int64
		var group sync.WaitGroup
		for range 1000 {
			tick := b.Ledger().Watch()
			group.Go(func() {
				<-tick
				heard.Add(b.Applied())
			})
		}
		b.log.revoke("x")
		b.Wake()
		group.Wait()
		if heard.Load() != 1000 {
			t.Errorf("%d of 1000 watchers have heard of the entry", heard.Load())
		}
		b.log.answering.set(after(100 * time.Millisecond))
		for range 20 {
			began := time.Now()
			<-b.Ledger().Watch()
			if d := time.Since(began); d > staleness/2 {
				t.Errorf("no news for %v", d)
			}
		}
		b.log.asking.set(away)
		tick := b.Ledger().Watch()
		time.Sleep(10 * time.Second)
		select {
		case <-tick:
			t.Error("a heartbeat without an answer of the store")
		default:
		}
	})
}

// countingLog counts the questions to a large log.
type countingLog struct {
	memoryLog
	asked int
}

func (l *countingLog) Entries(ctx context.Context, after revocation.Seq, limit int) (revocation.Page, error) {
	l.asked++
	time.Sleep(100 * time.Millisecond)
	return l.memoryLog.Entries(ctx, after, limit)
}

func TestLeaseAfterManyPagesCountsFromTheLastQuestion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n = 100_000
		b := newBench(t)
		log := &countingLog{memoryLog: memoryLog{entries: kills(1, n), head: n}}
		f := b.follow(t, revocation.Config{Node: "node-b", Log: log})
		f.OnApply(func(c revocation.Change) {
			if f.Fresh() {
				t.Errorf("a lease after entry %d", c.Entries[0].Seq)
			}
		})
		if err := f.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if f.Applied() != n || f.Ledger().Set().Len() != n || log.asked != n/5000+1 {
			t.Errorf("applied %d, %d held, after %d questions", f.Applied(), f.Ledger().Set().Len(), log.asked)
		}
		if f.Ledger().LeaseAge() != 100*time.Millisecond || !f.Fresh() {
			t.Errorf("the lease is %v old, holds %v", f.Ledger().LeaseAge(), f.Fresh())
		}
	})
}

func TestTroubleIsLoggedOnceAndSoIsItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var lines strings.Builder
		b := newBench(t)
		f := b.follow(t, revocation.Config{Log: b.log, Node: "n", Logger: slog.New(slog.NewTextHandler(&lines, nil))})
		b.log.asking.set(away)
		for range 5 {
			_ = f.CatchUp(t.Context())
		}
		b.log.asking.set(nil)
		for range 5 {
			_ = f.CatchUp(t.Context())
		}
		got := lines.String()
		if strings.Count(got, "\n") != 2 || strings.Count(got, "WARN") != 1 || !strings.Contains(got, errStore.Error()) ||
			strings.Count(got, "INFO") != 1 {
			t.Errorf("logged:\n%s", got)
		}
	})
}

func TestMemoryOverTheBudgetIsLoggedOnceAndSoIsItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var lines strings.Builder
		b := newBench(t)
		f := b.follow(t, revocation.Config{Log: b.log, Node: "n", Logger: slog.New(slog.NewTextHandler(&lines, nil))})
		f.Ledger().Set().Budget = 64 << 10
		catchUp := func() {
			for range 3 {
				if err := f.CatchUp(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		catchUp()
		if lines.Len() > 0 {
			t.Errorf("logged without an entry:\n%s", &lines)
		}
		for range 5000 {
			b.log.revoke(randomUUID())
		}
		catchUp()
		if got := lines.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "WARN") || !strings.Contains(got, "entries=5000") {
			t.Errorf("logged over the budget:\n%s", got)
		}
		lines.Reset()
		time.Sleep(3 * day)
		catchUp()
		if got := lines.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "INFO") {
			t.Errorf("logged once it is under the budget:\n%s", got)
		}
	})
}
