package nodetest

import (
	"context"
	"sync"

	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
)

// HookedStore is a store that lets a test act at a point of a question that is under
// way, or makes questions fail.
type HookedStore struct {
	contract.Store
	mu     sync.Mutex
	points map[Point]func()
	fails  error // what every reading of a principal, a token or an entry answers; nil: what the store does
}

// Point is a point of a question to the store.
type Point string

// The points at which a test may act.
const (
	PrincipalAsked Point = "principal asked for"
	PrincipalRead  Point = "principal read"
	TokenAsked     Point = "token asked for"
	TokenRead      Point = "token read"
	CommitAsked    Point = "commit asked for"
)

// Hook returns a hooked store, and the option that puts it between a fixture's node
// and its store.
func Hook() (*HookedStore, func(contract.Store) contract.Store) {
	h := &HookedStore{points: map[Point]func(){}}
	return h, func(s contract.Store) contract.Store { h.Store = s; return h }
}

// At has do called once, when that point is next reached.
func (h *HookedStore) At(point Point, do func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.points[point] = do
}

func (h *HookedStore) pass(point Point) {
	h.mu.Lock()
	do := h.points[point]
	delete(h.points, point)
	h.mu.Unlock()
	if do != nil {
		do()
	}
}

// Fail makes every reading fail with that error until it is nil again.
func (h *HookedStore) Fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fails = err
}

func (h *HookedStore) failure() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.fails
}

// Principal reads a principal, with the points before and after it.
func (h *HookedStore) Principal(ctx context.Context, who records.Who) (records.Principal, error) {
	h.pass(PrincipalAsked)
	if err := h.failure(); err != nil {
		return records.Principal{}, err
	}
	defer h.pass(PrincipalRead)
	return h.Store.Principal(ctx, who)
}

// TokenByDigest reads a token, with the points before and after it.
func (h *HookedStore) TokenByDigest(ctx context.Context, digest [32]byte) (records.StoredToken, revocation.Seq, error) {
	h.pass(TokenAsked)
	if err := h.failure(); err != nil {
		return records.StoredToken{}, 0, err
	}
	defer h.pass(TokenRead)
	return h.Store.TokenByDigest(ctx, digest)
}

// ImportedTokens reads imported tokens, with the points before and after it.
func (h *HookedStore) ImportedTokens(ctx context.Context, digests [][]byte) ([]records.StoredToken, revocation.Seq, error) {
	h.pass(TokenAsked)
	if err := h.failure(); err != nil {
		return nil, 0, err
	}
	defer h.pass(TokenRead)
	return h.Store.ImportedTokens(ctx, digests)
}

// LogEntry reads an entry of the log.
func (h *HookedStore) LogEntry(ctx context.Context, what revocation.What, id string) (revocation.Entry, bool, error) {
	if err := h.failure(); err != nil {
		return revocation.Entry{}, false, err
	}
	return h.Store.LogEntry(ctx, what, id)
}

// Commit writes, with the point before it.
func (h *HookedStore) Commit(ctx context.Context, b op.Batch) (revocation.Seq, error) {
	h.pass(CommitAsked)
	return h.Store.Commit(ctx, b)
}
