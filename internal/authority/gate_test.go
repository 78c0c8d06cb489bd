package authority_test

import (
	"context"
	"sync"

	"github.com/bearerd/bearerd/internal/records"

	"github.com/bearerd/bearerd/internal/revocation"
)

// gate is a store that lets a test act at a point of somebody's look-up: when it
// is about to read, or has read and is about to return.
type gate struct {
	records.Store
	mu     sync.Mutex
	points map[string]func()
	fails  error // what every read answers; nil: what the store does
}

// through gives the options of a fixture with a gate in front of its store.
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

// fail makes every read fail with that error until it is nil again.
func (g *gate) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fails = err
}

func (g *gate) failure() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.fails
}

func (g *gate) Principal(ctx context.Context, who records.Who) (records.Principal, error) {
	g.pass("principal asked for")
	if err := g.failure(); err != nil {
		return records.Principal{}, err
	}
	defer g.pass("principal read")
	return g.Store.Principal(ctx, who)
}

func (g *gate) TokenByDigest(ctx context.Context, digest [32]byte) (records.StoredToken, revocation.Seq, error) {
	g.pass("token asked for")
	if err := g.failure(); err != nil {
		return records.StoredToken{}, 0, err
	}
	defer g.pass("token read")
	return g.Store.TokenByDigest(ctx, digest)
}

func (g *gate) LogEntry(ctx context.Context, what revocation.What, id string) (revocation.Entry, bool, error) {
	if err := g.failure(); err != nil {
		return revocation.Entry{}, false, err
	}
	return g.Store.LogEntry(ctx, what, id)
}

func (g *gate) Commit(ctx context.Context, b records.Batch) (revocation.Seq, error) {
	g.pass("commit asked for")
	return g.Store.Commit(ctx, b)
}
