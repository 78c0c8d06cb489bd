package clustertest

import (
	"errors"
	"fmt"
)

// PairBreakage is one way to break a pair. Of all nodes one is chosen, to which some of
// them do more than to the others. After Repair there is a primary with a synchronous
// standby again, every node is connected to it, and those that run are ready.
type PairBreakage struct {
	Name          string
	Break, Repair func(c *Cluster, chosen *Node) error
}

// PairBreakages returns the faults of a pair that random tests choose from.
func PairBreakages() []PairBreakage {
	return []PairBreakage{
		{
			Name:   "the standby is silent",
			Break:  func(c *Cluster, _ *Node) error { return c.config.Pair.Silence() },
			Repair: func(c *Cluster, _ *Node) error { return c.config.Pair.Heal() },
		},
		{
			Name:   "the standby is paused",
			Break:  func(c *Cluster, _ *Node) error { return c.config.Pair.PauseStandby() },
			Repair: func(c *Cluster, _ *Node) error { return c.config.Pair.ResumeStandby() },
		},
		{
			Name:   "the primary is lost behind a silent standby",
			Break:  func(c *Cluster, _ *Node) error { return c.config.Pair.Silence() },
			Repair: loseThePrimary,
		},
		{
			Name:   "the former primary is not fenced",
			Break:  leaveOnTheFormerPrimary,
			Repair: fenceTheFormerPrimary,
		},
	}
}

// loseThePrimary fails over, and restarts a node: what it remembers must not be what
// keeps the promise.
func loseThePrimary(c *Cluster, restarted *Node) error {
	p := c.config.Pair
	if err := p.KillPrimary(); err != nil {
		return err
	}
	if err := p.Promote(); err != nil {
		return err
	}
	if err := errors.Join(p.Fence(), c.Reconnect(c.Nodes...), c.ReconnectCommands(), p.AddStandby()); err != nil {
		return err
	}
	if restarted.Running() {
		if err := restarted.Kill(); err != nil {
			return err
		}
		if err := restarted.Start(); err != nil {
			return err
		}
	}
	return c.waitReady()
}

// leaveOnTheFormerPrimary promotes the standby while the primary runs on, and leaves one
// node on that.
func leaveOnTheFormerPrimary(c *Cluster, left *Node) error {
	left.broken.Store(true)
	p := c.config.Pair
	if err := errors.Join(p.Silence(), p.Promote(), c.ReconnectCommands()); err != nil {
		return err
	}
	for _, n := range c.Nodes {
		if n == left {
			continue
		}
		if err := c.Reconnect(n); err != nil {
			return err
		}
	}
	return nil
}

func fenceTheFormerPrimary(c *Cluster, left *Node) error {
	p := c.config.Pair
	err := errors.Join(p.Fence(), c.Reconnect(left), p.AddStandby())
	left.broken.Store(false)
	if err != nil {
		return err
	}
	return c.waitReady()
}

// Reconnect connects nodes to the primary of the pair: after a promotion, to the new
// one. Their connections to another server are reset.
func (c *Cluster) Reconnect(nodes ...*Node) error {
	for _, n := range nodes {
		if err := n.Link.Redirect(c.config.Pair.Addr()); err != nil {
			return err
		}
	}
	return nil
}

// ReconnectCommands is Reconnect for the commands.
func (c *Cluster) ReconnectCommands() error { return c.link.Redirect(c.config.Pair.Addr()) }

// waitReady waits until every node that runs is ready.
func (c *Cluster) waitReady() error {
	for _, n := range c.Nodes {
		if n.Running() {
			if err := n.WaitReady(c.Context(), c.Client.HTTP); err != nil {
				return err
			}
		}
	}
	return nil
}

// BreakPair breaks the pair and records that. The function it returns repairs it.
func (c *Cluster) BreakPair(b PairBreakage, chosen *Node) (repair func() error) {
	repaired := c.History.Break(b.Name, everyNode)
	err := b.Break(c, chosen)
	return func() error {
		if err == nil {
			err = b.Repair(c, chosen)
		}
		repaired()
		if err != nil {
			return fmt.Errorf("%s: %w", b.Name, err)
		}
		return nil
	}
}
