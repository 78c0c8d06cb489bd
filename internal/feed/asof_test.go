package feed_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/node"

	"github.com/bearerd/bearerd/internal/records/op"

	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/revocation"
)

// clock is a boot-time clock that a test moves on.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Duration {
	return revocation.BootClock() + time.Duration(c.offset.Load())
}

// TestLeaseOfAClientNeverOutlivesWhatItHasNotSeen: any time may pass between a
// question, its snapshot, its answer and the reading of the stream, what a client
// hasn't been told was committed after the instant that its lease counts from.
func TestLeaseOfAClientNeverOutlivesWhatItHasNotSeen(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			clock := &clock{}
			dice := rand.New(rand.NewPCG(seed, 3))
			e := newEnv(t, options{Options: nodetest.Options{
				Clock: clock.now, Settings: func(p *node.Settings) { p.Staleness = 300 * time.Millisecond },
			}})
			raw := e.reader(t)
			must(t, e.Follower.CatchUp(t.Context()))
			h := &history{committed: map[int64]time.Duration{}, clock: clock}
			e.log.before.Store(h.pass(dice.Int64N(40)))
			e.log.after.Store(h.pass(dice.Int64N(40)))
			done := make(chan struct{})
			go func() { defer close(done); h.commit(t, e, seed) }()
			defer func() { <-done }()
			var last int64
			for round := 0; ; round++ {
				sent := clock.now()
				s := e.subscribe(t, fmt.Sprintf("?after=%d", max(last, e.Follower.Applied()-2)), raw)
				for range 6 {
					ev := s.next(t)
					last = ev.seq
					if ev.name == "heartbeat" {
						h.check(t, ev, sent+time.Duration(ev.asOf)*time.Microsecond)
					}
				}
				s.close()
				select {
				case <-done:
					t.Logf("%d streams, %d entries", round+1, len(h.list()))
					return
				default:
				}
			}
		})
	}
}

// history is when entries were committed at the latest, on the one clock of all.
type history struct {
	clock     *clock
	mu        sync.Mutex
	committed map[int64]time.Duration
}

func (h *history) pass(ms int64) *func() {
	f := func() { h.clock.offset.Add(ms * int64(time.Millisecond)) }
	return &f
}

func (h *history) list() map[int64]time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.committed)
}

func (h *history) add(seq int64, at time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.committed[seq] = at
}

func (h *history) commit(t *testing.T, e *env, seed uint64) {
	dice := rand.New(rand.NewPCG(seed, 4))
	for range 120 {
		seq, err := e.Store.Commit(context.Background(), op.Batch{Log: []revocation.Entry{entry("x", e.Time().Add(time.Hour), e.Time())}})
		if err != nil {
			t.Error(err)
			return
		}
		at := h.clock.now() // it was committed before
		h.add(seq, at)
		if dice.IntN(3) == 0 {
			e.Follower.Wake()
		}
		time.Sleep(time.Duration(dice.IntN(20)) * time.Millisecond)
	}
}

// check holds a heartbeat against everything that was committed by now.
func (h *history) check(t *testing.T, beat event, asOf time.Duration) {
	t.Helper()
	if now := h.clock.now(); asOf > now {
		t.Errorf("%s claims to be of %v, and it is %v", beat.text, asOf, now)
	}
	for seq, at := range h.list() {
		if seq > beat.seq && at < asOf {
			t.Errorf("%s says as of %v that it is all, but %d was committed by %v", beat.text, asOf, seq, at)
		}
	}
}
