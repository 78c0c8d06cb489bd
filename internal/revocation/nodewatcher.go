package revocation

import (
	"context"
	"sync"
	"time"

	"github.com/bearerd/bearerd/internal/sleep"

	"github.com/bearerd/bearerd/internal/machine"
)

// NodeWatcher watches the list of nodes, so that nobody waits for a node that failed long
// ago. It is for nodes with ConfirmAlways: such a node renews its lease only with a
// confirmation that has been committed, and the lease counts from before that. So when
// its entry on the list has been the same for longer than L, its lease has expired.
//
// How long that was is measured by the watcher's own clock, between readings of its own:
// the times in the list were written by another clock.
type NodeWatcher struct {
	nodes func(context.Context) ([]Confirmation, error)
	clock func() time.Duration

	mu   sync.Mutex
	seen map[string]observation
}

// observation is a node's entry on the list, and for how long it is known to have been
// there: from the end of the first reading that had it, because it may have been written
// while that was under way, to the start of the last one, because it may have been
// replaced since.
type observation struct {
	said        Confirmation
	since, till time.Duration
}

// NewNodeWatcher returns a watcher of the list that nodes reads, as committed at the time
// of the call. The clock is BootClock.
func NewNodeWatcher(nodes func(context.Context) ([]Confirmation, error), clock func() time.Duration) *NodeWatcher {
	return &NodeWatcher{nodes: nodes, clock: clock}
}

// Run reads the list every quarter of the staleness, until ctx ends. A reading that
// fails lets no lease expire.
func (w *NodeWatcher) Run(ctx context.Context, staleness time.Duration) error {
	quarter := staleness / 4
	for ctx.Err() == nil {
		reading, cancel := context.WithTimeout(ctx, max(staleness, minAskTimeout))
		_, _ = w.Read(reading)
		cancel()
		sleep.For(ctx, quarter-machine.Within(ctx, quarter/8+1))
	}
	return nil
}

// Read returns the list and remembers it.
func (w *NodeWatcher) Read(ctx context.Context) ([]Confirmation, error) {
	began := w.clock()
	list, err := w.nodes(ctx)
	if err != nil {
		return nil, err
	}
	ended := w.clock()
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := make(map[string]observation, len(list))
	for _, c := range list {
		o, known := w.seen[c.Node]
		if known && o.said.same(c) {
			o.till = max(o.till, began) // readings may overtake one another
		} else {
			o = observation{said: c, since: ended, till: began}
		}
		seen[c.Node] = o
	}
	w.seen = seen
	return list, nil
}

// LeaseExpired reports whether a node with this entry on a list that was read held no
// lease any more at that time.
func (w *NodeWatcher) LeaseExpired(c Confirmation) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	o, known := w.seen[c.Node]
	return known && o.said.same(c) && c.expiredAfter(o.till-o.since)
}
