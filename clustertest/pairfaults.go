package clustertest

import (
	"errors"
	"fmt"
	"time"
)

// PairBreakage is one way to break a pair. Something more happens to one of the nodes,
// which the caller chooses. After repair there is a primary with a synchronous standby
// again, every node is connected to it, and those that run are ready.
type PairBreakage struct {
	Name  string
	Break func(c *Cluster, chosen *Node) (repair func() error, err error)
}

// PairBreakages returns the faults of a pair that random tests choose from.
func PairBreakages() []PairBreakage {
	return []PairBreakage{
		{"the standby is silent", func(c *Cluster, _ *Node) (func() error, error) {
			return c.config.Pair.Heal, c.config.Pair.Silence()
		}},
		{"the standby is paused", func(c *Cluster, _ *Node) (func() error, error) {
			return c.config.Pair.ResumeStandby, c.config.Pair.PauseStandby()
		}},
		{"the primary is lost behind a silent standby", func(c *Cluster, restarted *Node) (func() error, error) {
			return func() error { return c.loseThePrimary(restarted) }, c.config.Pair.Silence()
		}},
		{Lost + ": its primary no longer waits for it", (*Cluster).cancelBehindASilentStandby},
		{Lost + ": its primary restarts", (*Cluster).restartBehindASilentStandby},
		{"the former primary is not fenced", (*Cluster).leaveOnTheFormerPrimary},
	}
}

// loseThePrimary fails over, and restarts a node: the promise must not depend on what it
// has in memory.
func (c *Cluster) loseThePrimary(restarted *Node) error {
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
		if err := restarted.StartAgain(); err != nil {
			return err
		}
	}
	return c.waitReady()
}

// cancelBehindASilentStandby silences the standby, and has no commit wait for it.
// Repairing loses the primary.
func (c *Cluster) cancelBehindASilentStandby(restarted *Node) (repair func() error, err error) {
	err = c.config.Pair.Silence()
	end := c.config.Pair.CancelCommits()
	return func() error { return errors.Join(end(), c.loseThePrimary(restarted)) }, err
}

// restartBehindASilentStandby silences the standby. Repairing restarts the primary, and
// loses it when the workers have had time to ask again.
func (c *Cluster) restartBehindASilentStandby(restarted *Node) (repair func() error, err error) {
	return func() error {
		if err := c.config.Pair.RestartPrimary(); err != nil {
			return err
		}
		time.Sleep(Staleness)
		return c.loseThePrimary(restarted)
	}, c.config.Pair.Silence()
}

// leaveOnTheFormerPrimary promotes the standby while the primary runs on, and leaves one
// node there. Repairing fences the former primary.
func (c *Cluster) leaveOnTheFormerPrimary(left *Node) (repair func() error, err error) {
	p := c.config.Pair
	returned := c.LeaveBehind(left)
	if err := errors.Join(p.Silence(), p.Promote(), c.ReconnectCommands()); err != nil {
		return nil, err
	}
	for _, n := range c.Nodes {
		if n == left {
			continue
		}
		if err := c.Reconnect(n); err != nil {
			return nil, err
		}
	}
	return func() error {
		err := errors.Join(p.Fence(), c.Reconnect(left), p.AddStandby())
		returned()
		if err != nil {
			return err
		}
		return c.waitReady()
	}, nil
}

// LeaveBehind records that a node stays on the primary while the standby is promoted.
// Call it before that. The function it returns records that the node was reconnected.
func (c *Cluster) LeaveBehind(n *Node) (returned func()) {
	reconnected := c.History.Break(formerPrimary, n.Number)
	n.broken.Store(true)
	return func() {
		n.broken.Store(false)
		reconnected()
	}
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
	undo, err := b.Break(c, chosen)
	return func() error {
		if err == nil {
			err = undo()
		}
		repaired()
		if err != nil {
			return fmt.Errorf("%s: %w", b.Name, err)
		}
		return nil
	}
}
