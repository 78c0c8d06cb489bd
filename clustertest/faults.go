package clustertest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// Breakage is one way to break a node, and what mends it again. Both return when it
// is done.
type Breakage struct {
	Name        string
	Break, Mend func(c *Cluster, n *Node) error
}

func weather(name string, w Weather) Breakage {
	return Breakage{
		Name:  name,
		Break: func(_ *Cluster, n *Node) error { return n.Link.Set(w) },
		Mend:  func(_ *Cluster, n *Node) error { return n.Link.Restore() },
	}
}

// Breakages are what the random faults are drawn from.
func Breakages() []Breakage {
	return []Breakage{
		weather("cut off", Weather{Cut: true}),
		weather("blackholed", Weather{Up: Lose, Down: Lose}),
		weather("half open, up lost", Weather{Up: Lose}),
		weather("half open, down lost", Weather{Down: Lose}),
		weather("held", Weather{Up: Hold, Down: Hold}),
		weather("held on the way back", Weather{Down: Hold}),
		weather("slow", Weather{Delay: 60 * time.Millisecond}),
		weather("very slow", Weather{Delay: 250 * time.Millisecond}),
		{
			Name:  "paused",
			Break: func(_ *Cluster, n *Node) error { return n.Pause() },
			Mend:  func(_ *Cluster, n *Node) error { return n.Resume() },
		},
		{
			Name:  "killed",
			Break: func(_ *Cluster, n *Node) error { return n.Kill() },
			Mend:  restart,
		},
		{
			Name:  "restarted",
			Break: func(_ *Cluster, n *Node) error { return n.Stop() },
			Mend:  restart,
		},
	}
}

func restart(c *Cluster, n *Node) error {
	if err := n.Start(); err != nil {
		return err
	}
	return n.WaitReady(context.Background(), c.Client.HTTP)
}

// Break breaks a node, writes it down, and gives what mends it.
func (c *Cluster) Break(n *Node, b Breakage) (mend func() error) {
	mended := c.History.Break(b.Name, n.Number)
	n.broken.Store(true)
	err := b.Break(c, n)
	return func() error {
		if err == nil {
			err = b.Mend(c, n)
		}
		n.broken.Store(false)
		mended()
		if err != nil {
			return fmt.Errorf("%s: %w", b.Name, err)
		}
		return nil
	}
}

// CutAll breaks every node's line at once, as a database that is gone.
func (c *Cluster) CutAll(w Weather) (mend func() error) {
	mended := c.History.Break("the database is gone", everyNode)
	for _, n := range c.Nodes {
		_ = n.Link.Set(w)
	}
	return func() error {
		defer mended()
		for _, n := range c.Nodes {
			if err := n.Link.Restore(); err != nil {
				return err
			}
		}
		return nil
	}
}

// gremlin breaks things at random, one after another, until stop is closed.
func (c *Cluster) gremlin(random *rand.Rand, stop <-chan struct{}) error {
	all := Breakages()
	for {
		var mend func() error
		if random.IntN(8) == 0 {
			mend = c.CutAll([]Weather{{Cut: true}, {Up: Lose, Down: Lose}, {Up: Hold, Down: Hold}}[random.IntN(3)])
		} else {
			mend = c.Break(c.Nodes[random.IntN(len(c.Nodes))], all[random.IntN(len(all))])
		}
		stopped := sleepUntil(stop, 100*time.Millisecond+time.Duration(random.Int64N(int64(2*Staleness))))
		if err := mend(); err != nil {
			return err
		}
		// Now and then there is time to recover in full, and to check that.
		calm := time.Duration(random.Int64N(int64(Staleness)))
		if random.IntN(4) == 0 {
			calm += Staleness + recovery
		}
		if stopped || sleepUntil(stop, calm) {
			return nil
		}
	}
}

// sleepUntil reports whether stop was closed before.
func sleepUntil(stop <-chan struct{}, d time.Duration) bool {
	select {
	case <-stop:
		return true
	case <-time.After(d):
		return false
	}
}
