package revocation

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Roll watches the list of nodes, so that nobody waits for one that fell silent
// long ago. It is for nodes that beat: one of those holds a lease for no longer
// than L after it began to write what the list says of it. So when that has stood
// unchanged for longer, by this node's own clock, the lease has run out.
type Roll struct {
	nodes func(context.Context) ([]Confirmation, error)
	clock func() time.Duration

	mu   sync.Mutex
	seen map[string]sighting
}

// sighting is what the list says of a node, and for how long it is known to have
// said so: from the end of the first reading to the start of the last.
type sighting struct {
	said        Confirmation
	since, till time.Duration
}

// NewRoll makes a roll of the list that nodes reads, as committed at the time of
// the call. The clock is BootClock.
func NewRoll(nodes func(context.Context) ([]Confirmation, error), clock func() time.Duration) *Roll {
	return &Roll{nodes: nodes, clock: clock}
}

// Run reads the list every quarter of that time, until ctx ends. What can't be
// read makes nobody silent.
func (r *Roll) Run(ctx context.Context, staleness time.Duration) error {
	quarter := staleness / 4
	for ctx.Err() == nil {
		reading, cancel := context.WithTimeout(ctx, max(staleness, minPatience))
		_, _ = r.Read(reading)
		cancel()
		sleep(ctx, quarter-rand.N(quarter/8+1)) //nolint:gosec // spreads the nodes' questions, hides nothing
	}
	return nil
}

// Read gives the list and remembers it.
func (r *Roll) Read(ctx context.Context) ([]Confirmation, error) {
	began := r.clock()
	list, err := r.nodes(ctx)
	if err != nil {
		return nil, err
	}
	ended := r.clock()
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := make(map[string]sighting, len(list))
	for _, c := range list {
		s, known := r.seen[c.Node]
		if known && s.said.same(c) {
			s.till = max(s.till, began)
		} else {
			s = sighting{said: c, since: ended, till: began}
		}
		seen[c.Node] = s
	}
	r.seen = seen
	return list, nil
}

// Silent reports whether a node of which a list said this held no lease any more
// when that list was read.
func (r *Roll) Silent(c Confirmation) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, known := r.seen[c.Node]
	return known && s.said.same(c) && c.over(s.till-s.since)
}

// same reports whether the list says the same, written at the same time.
func (c Confirmation) same(d Confirmation) bool {
	return c.Node == d.Node && c.Seq == d.Seq && c.Lease == d.Lease && c.SeenAt.Equal(d.SeenAt)
}
