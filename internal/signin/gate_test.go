package signin_test

import (
	"context"
	"sync"

	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/revocation"
)

// gate is a store that lets a test act at a point of somebody's look-up: when it
// has read and is about to return, or is about to commit.
type gate struct {
	records.Store
	mu     sync.Mutex
	points map[string]func()
}

// through returns a gate, and the option that puts it in front of a fixture's store.
func through() (*gate, func(records.Store) records.Store) {
	g := &gate{points: map[string]func(){}}
	return g, func(s records.Store) records.Store { g.Store = s; return g }
}

// at has do run once, when that point is next reached.
func (g *gate) at(point string, do func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.points[point] = do
}

func (g *gate) pass(point string) {
	g.mu.Lock()
	do := g.points[point]
	delete(g.points, point)
	g.mu.Unlock()
	if do != nil {
		do()
	}
}

func (g *gate) Principal(ctx context.Context, who records.Who) (records.Principal, error) {
	defer g.pass("principal read")
	return g.Store.Principal(ctx, who)
}

func (g *gate) Commit(ctx context.Context, b records.Batch) (revocation.Seq, error) {
	g.pass("commit asked for")
	return g.Store.Commit(ctx, b)
}
