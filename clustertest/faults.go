package clustertest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// Breakage is one way to break a node, and how to repair it. Both functions return
// when that is done.
type Breakage struct {
	Name          string
	Break, Repair func(c *Cluster, n *Node) error
}

func weather(name string, w Weather) Breakage {
	return Breakage{
		Name:   name,
		Break:  func(_ *Cluster, n *Node) error { return n.Link.Set(w) },
		Repair: func(_ *Cluster, n *Node) error { return n.Link.Restore() },
	}
}

// lineBreakages returns the faults of a line.
func lineBreakages() []Breakage {
	return []Breakage{
		weather("cut off", Weather{Cut: true}),
		weather("blackholed", Weather{Up: Lose, Down: Lose}),
		weather("half open, up lost", Weather{Up: Lose}),
		weather("half open, down lost", Weather{Down: Lose}),
		weather("held", Weather{Up: Hold, Down: Hold}),
		weather("held on the way back", Weather{Down: Hold}),
		weather("slow", Weather{Delay: 60 * time.Millisecond}),
		weather("very slow", Weather{Delay: 250 * time.Millisecond}),
	}
}

// Breakages returns the faults of a single node or edge that random tests choose from.
func Breakages() []Breakage {
	return append(lineBreakages(), []Breakage{
		{
			Name:   "paused",
			Break:  func(_ *Cluster, n *Node) error { return n.Pause() },
			Repair: func(_ *Cluster, n *Node) error { return n.Resume() },
		},
		{
			Name:   "killed",
			Break:  func(_ *Cluster, n *Node) error { return n.Kill() },
			Repair: restart,
		},
		{
			Name:   "restarted",
			Break:  func(_ *Cluster, n *Node) error { return n.Stop() },
			Repair: restart,
		},
	}...)
}

func restart(c *Cluster, n *Node) error {
	if err := n.StartAgain(); err != nil {
		return err
	}
	return n.WaitReady(context.Background(), c.Client.HTTP)
}

// Break breaks a node and records that. The function it returns repairs the node.
func (c *Cluster) Break(n *Node, b Breakage) (repair func() error) {
	repaired := c.History.Break(b.Name, n.Number)
	n.broken.Store(true)
	err := b.Break(c, n)
	return func() error {
		if err == nil {
			err = b.Repair(c, n)
		}
		n.broken.Store(false)
		repaired()
		if err != nil {
			return fmt.Errorf("%s: %w", b.Name, err)
		}
		return nil
	}
}

// CutAll breaks the lines of all nodes at once: the database is unreachable.
func (c *Cluster) CutAll(w Weather) (repair func() error) {
	repaired := c.History.Break("the database is gone", everyNode)
	for _, n := range c.Nodes {
		_ = n.Link.Set(w)
	}
	return func() error {
		defer repaired()
		for _, n := range c.Nodes {
			if err := n.Link.Restore(); err != nil {
				return err
			}
		}
		return nil
	}
}

// breaker breaks one thing. It returns a function that repairs it, and the longest time until
// that function is called.
type breaker func(random *rand.Rand) (repair func() error, longest time.Duration)

// breakers returns the breakers that work at the same time: one for nodes and their database,
// and one for external verifiers.
func (c *Cluster) breakers() []breaker {
	if len(c.Edges)+len(c.Services) == 0 {
		return []breaker{c.breakSomething}
	}
	return []breaker{c.breakSomething, c.breakOutside}
}

// breakAtRandom breaks and repairs one thing after another until stop is closed.
func (c *Cluster) breakAtRandom(random *rand.Rand, breaks breaker, stop <-chan struct{}) error {
	for {
		repair, longest := breaks(random)
		stopped := sleepUntil(stop, 100*time.Millisecond+time.Duration(random.Int64N(int64(longest))))
		if err := repair(); err != nil {
			return err
		}
		// Sometimes there is time to recover completely, so that recovery is checked.
		calm := time.Duration(random.Int64N(int64(Staleness)))
		if random.IntN(4) == 0 {
			calm += Staleness + recovery
		}
		if c.config.isOutside() && random.IntN(16) == 0 {
			calm += Staleness + outsideRecovery
		}
		if stopped || sleepUntil(stop, calm) {
			return nil
		}
	}
}

// breakSomething is the breaker of nodes and their database.
func (c *Cluster) breakSomething(random *rand.Rand) (repair func() error, longest time.Duration) {
	n := c.Nodes[random.IntN(len(c.Nodes))]
	switch all, ofPair := Breakages(), PairBreakages(); {
	case c.config.Pair != nil && random.IntN(3) == 0:
		// After L nodes answer 503. That must be tested too.
		return c.BreakPair(ofPair[random.IntN(len(ofPair))], n), 4 * Staleness
	case random.IntN(8) == 0:
		return c.CutAll([]Weather{{Cut: true}, {Up: Lose, Down: Lose}, {Up: Hold, Down: Hold}}[random.IntN(3)]), 2 * Staleness
	default:
		return c.Break(n, all[random.IntN(len(all))]), 2 * Staleness
	}
}

// sleepUntil sleeps, and reports whether stop was closed before the time was over.
func sleepUntil(stop <-chan struct{}, d time.Duration) bool {
	select {
	case <-stop:
		return true
	case <-time.After(d):
		return false
	}
}
