package revocation_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearerd/bearerd/internal/revocation"
)

// net stands between one node and the store: it delays, loses and cuts off, and
// what it loses may have happened.
type net struct {
	log    *memoryLog
	rand   *rand.Rand
	mu     sync.Mutex
	cutOff bool
}

func (n *net) Entries(ctx context.Context, after revocation.Seq, limit int) (page revocation.Page, err error) {
	return page, n.carry(ctx, func() (err error) {
		page, err = n.log.Entries(ctx, after, limit)
		return err
	})
}

func (n *net) Confirm(ctx context.Context, c revocation.Confirmation) error {
	return n.carry(ctx, func() error { return n.log.Confirm(ctx, c) })
}

func (n *net) carry(ctx context.Context, do func() error) error {
	if err := n.leg(ctx); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return n.leg(ctx)
}

// leg is one way: mostly quick, at times longer than L, at times lost.
func (n *net) leg(ctx context.Context) error {
	n.mu.Lock()
	cut, dice := n.cutOff, n.rand.IntN(100)
	d := time.Duration(n.rand.Int64N(int64(20 * time.Millisecond)))
	if dice < 10 {
		d = time.Duration(n.rand.Int64N(int64(staleness * 3 / 2)))
	}
	n.mu.Unlock()
	if cut || dice < 3 {
		<-ctx.Done()
		return ctx.Err()
	}
	if dice < 6 {
		return errors.New("connection reset")
	}
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (n *net) cut(off bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cutOff = off
}

// world is a few nodes on one log, and what was revoked.
type world struct {
	log     *memoryLog
	nodes   []*bench
	nets    []*net
	watcher *revocation.NodeWatcher // nil: nobody knows whose lease has expired
	mu      sync.Mutex
	acked   []string             // acknowledged: no node accepts
	late    map[string]time.Time // committed: no node accepts after that
	total   revocation.Acknowledgement
}

// accepts is what a verifier does. What has been acknowledged before it starts
// must be refused.
func (w *world) accepts(node *bench, id string) bool {
	lease := node.Ledger().Lease()
	killed := node.killed(id)
	return lease.Holds() && !killed
}

func (w *world) check(t *testing.T) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, node := range w.nodes {
		for _, id := range w.acked {
			if w.accepts(node, id) {
				t.Errorf("node %d accepts to %s, whose revocation was acknowledged", i, id)
			}
		}
		for id, end := range w.late {
			if !time.Now().Before(end) && w.accepts(node, id) {
				t.Errorf("node %d accepts to %s more than L after its revocation", i, id)
			}
		}
	}
}

func (w *world) revoke(t *testing.T, id string) {
	t.Helper()
	seq := w.log.revoke(id)
	w.mu.Lock()
	w.late[id] = time.Now().Add(staleness)
	w.mu.Unlock()
	clock := w.nodes[0].clock
	cfg := revocation.AwaitConfig{Target: seq, Started: clock(), Clock: clock, Nodes: w.log.list, Drop: w.log.drop}
	if w.watcher != nil {
		cfg.Nodes, cfg.LeaseExpired = w.watcher.Read, w.watcher.LeaseExpired
	}
	ack, err := revocation.Await(t.Context(), cfg)
	if err != nil {
		t.Errorf("waiting for %s: %v", id, err)
	}
	w.mu.Lock()
	w.acked = append(w.acked, id)
	w.total.Nodes += ack.Nodes
	w.total.Confirmed += ack.Confirmed
	w.total.Expired += ack.Expired
	w.mu.Unlock()
	w.check(t)
}

func newWorld(t *testing.T, seed uint64, always bool) *world {
	t.Helper()
	w := &world{log: &memoryLog{}, late: map[string]time.Time{}}
	for i := range 3 {
		n := &net{log: w.log, rand: rand.New(rand.NewPCG(seed, uint64(i)))}
		b := &bench{log: w.log, start: time.Now()}
		b.Follower = b.follow(t, revocation.Config{Node: fmt.Sprint("node-", i), Log: n, ConfirmAlways: always})
		w.nodes, w.nets = append(w.nodes, b), append(w.nets, n)
	}
	if always {
		w.watcher = revocation.NewNodeWatcher(w.log.list, w.nodes[0].clock)
	}
	return w
}

// request is one that may ask the store for itself. What was acknowledged before
// it came must be refused, however long the asking took.
func (w *world) request(ctx context.Context, t *testing.T, i int) {
	t.Helper()
	w.mu.Lock()
	before := slices.Clone(w.acked)
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	lease, err := w.nodes[i].Permit(ctx)
	if err != nil {
		return
	}
	for _, id := range before {
		if killed := w.nodes[i].killed(id); lease.Holds() && !killed {
			t.Errorf("node %d permits %s, whose revocation was acknowledged", i, id)
		}
	}
}

// trouble cuts nodes off and brings them back, suspends them, and checks.
func (w *world) trouble(ctx context.Context, t *testing.T, r *rand.Rand) {
	t.Helper()
	var requests sync.WaitGroup
	defer requests.Wait()
	for ctx.Err() == nil {
		time.Sleep(time.Duration(r.IntN(40)) * time.Millisecond)
		i := 1 + r.IntN(len(w.nodes)-1) // the first node's clock is the waiters'
		switch r.IntN(60) {
		case 0:
			w.nets[i].cut(true)
		case 1, 2, 3:
			w.nets[i].cut(false)
		case 4:
			w.nodes[i].suspended.Add(r.Int64N(int64(3 * staleness)))
		}
		w.check(t)
		requests.Go(func() { w.request(ctx, t, i) })
	}
}

// The promise itself: when a revocation has been acknowledged, every node has applied it
// or stopped accepting tokens, and L after the commit at the latest, whatever the network
// does and which nodes are dropped from the list and joins again.
func TestNoNodeAcceptsWhatWasAcknowledged(t *testing.T) {
	t.Parallel()
	for _, always := range []bool{false, true} {
		t.Run(fmt.Sprint("always=", always), func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(20) {
				synctest.Test(t, func(t *testing.T) { newWorld(t, seed, always).turn(t, seed) })
			}
		})
	}
}

// turn lets the world go on until 60 revocations have been acknowledged.
func (w *world) turn(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 99))
	ctx, cancel := context.WithCancel(t.Context())
	var running, revoking sync.WaitGroup
	for _, node := range w.nodes {
		running.Go(func() { _ = node.Run(ctx) })
	}
	if w.watcher != nil {
		running.Go(func() { _ = w.watcher.Run(ctx, staleness) })
	}
	running.Go(func() { w.trouble(ctx, t, rand.New(rand.NewPCG(seed, 7))) })
	for i := range 60 {
		time.Sleep(time.Duration(r.IntN(800)) * time.Millisecond)
		revoking.Go(func() { w.revoke(t, fmt.Sprint(i)) })
	}
	revoking.Wait()
	cancel()
	running.Wait()
	t.Logf("%d acknowledged: %+v", len(w.acked), w.total)
	if len(w.acked) != 60 || w.total.Confirmed == 0 || w.total.Expired == 0 {
		t.Errorf("of 60 revocations %d were acknowledged: %+v", len(w.acked), w.total)
	}
}
