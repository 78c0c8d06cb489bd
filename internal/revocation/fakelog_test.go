package revocation_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/revocation"
)

// memoryLog is a log in memory that answers as a store must. The hooks stand for
// what happens on the way: they may wait, fail, or look.
type memoryLog struct {
	mu      sync.Mutex
	entries []revocation.Entry
	head    revocation.Seq
	purged  revocation.Seq
	nodes   map[string]revocation.Confirmation
	calls   []string
	written int // confirmations

	asking     hook // before the snapshot is read
	answering  hook // after it was read
	confirming hook
	forge      func(p *revocation.Page)
}

// hook is a function that a test may change at any time; at first it does nothing.
type hook struct {
	do atomic.Pointer[func(context.Context) error]
}

func (h *hook) set(do func(context.Context) error) { h.do.Store(&do) }

func (h *hook) call(ctx context.Context) error {
	if do := h.do.Load(); do != nil && *do != nil {
		return (*do)(ctx)
	}
	return nil
}

func (l *memoryLog) Entries(ctx context.Context, after revocation.Seq, limit int) (revocation.Page, error) {
	l.note("ask %d", after)
	if err := l.asking.call(ctx); err != nil {
		return revocation.Page{}, err
	}
	page := l.page(after, limit)
	return page, l.answering.call(ctx)
}

func (l *memoryLog) page(after revocation.Seq, limit int) revocation.Page {
	l.mu.Lock()
	defer l.mu.Unlock()
	first, _ := slices.BinarySearchFunc(l.entries, after+1, func(e revocation.Entry, seq revocation.Seq) int {
		return int(e.Seq - seq)
	})
	page := revocation.Page{Entries: slices.Clone(l.entries[first:min(len(l.entries), first+limit)]), Head: l.head, Purged: l.purged}
	if l.forge != nil {
		l.forge(&page)
	}
	return page
}

func (l *memoryLog) Confirm(ctx context.Context, c revocation.Confirmation) error {
	l.note("confirm %d", c.Seq)
	if err := l.confirming.call(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.nodes == nil {
		l.nodes = map[string]revocation.Confirmation{}
	}
	l.written++
	c.SeenAt = time.Now().Add(time.Duration(l.written)) // fake time stands still between two calls
	l.nodes[c.Node] = c
	return nil
}

// list is what a waiter reads.
func (l *memoryLog) list(context.Context) ([]revocation.Confirmation, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []revocation.Confirmation
	for _, c := range l.nodes {
		all = append(all, c)
	}
	return all, nil
}

func (l *memoryLog) drop(_ context.Context, said revocation.Confirmation) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.nodes[said.Node] == said {
		delete(l.nodes, said.Node)
	}
	return nil
}

// revoke commits a kill of that token, as of the test's time.
func (l *memoryLog) revoke(id string) revocation.Seq {
	return l.add(revocation.Entry{What: revocation.Token, ID: id, At: time.Now(), Until: time.Now().Add(day)})
}

func (l *memoryLog) add(e revocation.Entry) revocation.Seq {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.head++
	e.Seq = l.head
	l.entries = append(l.entries, e)
	return e.Seq
}

// purge deletes an entry, as when it has run out.
func (l *memoryLog) purge(seq revocation.Seq) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = slices.DeleteFunc(l.entries, func(e revocation.Entry) bool { return e.Seq == seq })
	l.purged = max(l.purged, seq)
}

func (l *memoryLog) note(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, fmt.Sprintf(format, args...))
}

// take returns the calls since the last time.
func (l *memoryLog) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	calls := l.calls
	l.calls = nil
	return calls
}

const staleness = 2 * time.Second

// bench is a follower with all that it needs, inside a bubble of fake time.
type bench struct {
	*revocation.Follower
	log       *memoryLog
	suspended atomic.Int64 // what the boot-time clock counts and timers don't
	start     time.Time
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{log: &memoryLog{}, start: time.Now()}
	b.Follower = b.follow(t, revocation.Config{Node: "node-a", Log: b.log})
	return b
}

// follow returns a follower with a ledger of its own.
func (b *bench) follow(t *testing.T, cfg revocation.Config) *revocation.Follower {
	t.Helper()
	cfg.Staleness, cfg.Ledger = staleness, revocation.NewLedger(b.clock, time.Now)
	f, err := revocation.NewFollower(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (b *bench) clock() time.Duration {
	return time.Since(b.start) + time.Duration(b.suspended.Load())
}

// run follows the log until the test or the returned function ends it.
func (b *bench) run(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
}

func (b *bench) killed(id string) bool {
	return b.Ledger().Set().Killed(revocation.KeyOf(revocation.Token, id))
}

func (b *bench) catchUp(t *testing.T) {
	t.Helper()
	if err := b.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
}
