package simulation

import (
	"time"

	"github.com/bearerd/bearerd/clustertest"
	"github.com/bearerd/bearerd/internal/revocation"
)

// breakNodes breaks nodes and their lines to the database, one after the other.
func (w *World) breakNodes(c *chance) {
	until := time.Now().Add(w.Length)
	for time.Now().Before(until) {
		time.Sleep(c.upTo(3 * w.Staleness))
		n := w.nodes[c.index(len(w.nodes))]
		if !n.broken.TryLock() {
			continue
		}
		n.ill.Store(true)
		for range 1 + c.index(3) {
			w.aim(c)
			w.breakNode(c, n, c.upTo(2*w.Staleness))
		}
		n.ill.Store(false)
		n.broken.Unlock()
	}
}

// breakVerifiers breaks verifiers and their lines to the nodes.
func (w *World) breakVerifiers(c *chance) {
	until := time.Now().Add(w.Length)
	for time.Now().Before(until) {
		time.Sleep(c.upTo(3 * w.Staleness))
		v := w.verifiers[c.index(len(w.verifiers))]
		for range 1 + c.index(3) {
			w.aim(c)
			w.breakVerifier(c, v, c.upTo(2*w.Staleness))
		}
	}
}

// aim revokes tokens a moment after something breaks, and again a while later, and checks whether
// every process knows: random work rarely does that at the right moment.
func (w *World) aim(c *chance) {
	const moment = 20 * time.Millisecond
	for _, within := range []time.Duration{moment, w.Staleness} {
		pause, own := c.upTo(within), newChance(uint64(c.Below(1<<62)), "aimed") //nolint:gosec // not negative
		w.aside.Go(func() {
			time.Sleep(pause)
			if t := w.work.some(own); t != nil {
				w.revoke(own, w.node(own), t, someWait(own))
				w.lookEverywhere(own, t)
			}
		})
	}
}

// foul returns bad weather.
func (w *World) foul(c *chance) (string, weather) {
	switch c.index(6) {
	case 0:
		return "cut", weather{cut: true}
	case 1:
		return "blackhole", weather{holdAsk: true, holdReply: true}
	case 2:
		return "what it says is held", weather{holdAsk: true}
	case 3:
		return "what it hears is held", weather{holdReply: true}
	case 4:
		return "answers are lost", weather{losesReplies: true}
	}
	return "slow", weather{slow: c.upTo(w.Staleness / time.Duration(2+c.index(10)))}
}

func (w *World) breakNode(c *chance, n *node, long time.Duration) {
	i := n.now()
	switch c.index(9) {
	case 0:
		defer w.fault("stopped", n.number)()
		i.stop(long)
		time.Sleep(long)
	case 1:
		defer w.fault("killed", n.number)()
		i.crash()
		i.running.Wait()
		time.Sleep(long)
		n.start()
		time.Sleep(w.Staleness / 2)
	case 2:
		defer w.fault("restarted", n.number)()
		back := func() {}
		if c.oneIn(2) {
			back = w.cutOffSome(c)
		}
		i.leave()
		time.Sleep(long)
		back()
		n.start()
		time.Sleep(w.Staleness)
	case 3:
		defer w.fault("late answers, and then none", n.number)()
		w.lateThenSilent(c, n)
	case 4:
		defer w.fault("restarted on a slow line", n.number)()
		w.joinUnseen(c, n)
	case 5:
		defer w.fault("what it reads comes late", n.number)()
		n.line.set(weather{slowFacts: c.between(mostDelay, w.Staleness/2)})
		w.moveSome(c)
		time.Sleep(long)
		n.line.set(weather{})
	default:
		kind, bad := w.foul(c)
		defer w.fault(kind, n.number)()
		n.line.set(bad)
		time.Sleep(long)
		n.line.set(weather{})
	}
}

// lateThenSilent holds what a node hears for less than L, lets it go on for as long as a
// confirmation takes, and then holds everything: what the node knows is as old as can be.
func (w *World) lateThenSilent(c *chance, n *node) {
	n.line.set(weather{holdReply: true})
	time.Sleep(c.between(w.Staleness/4, w.Staleness*4/5))
	n.line.set(weather{})
	time.Sleep(c.between(2*mostDelay, 6*mostDelay))
	n.line.set(weather{holdAsk: true, holdReply: true})
	time.Sleep(c.between(w.Staleness, 2*w.Staleness))
	n.line.set(weather{})
}

// cutOffSome holds what some verifiers send and hear, and returns how to end that.
func (w *World) cutOffSome(c *chance) (end func()) {
	var ends []func()
	for range 2 {
		v := w.verifiers[c.index(len(w.verifiers))]
		repaired := w.fault("blackhole", v.number)
		v.setLines(weather{holdAsk: true, holdReply: true})
		ends = append(ends, func() {
			v.setLines(weather{})
			repaired()
		})
	}
	return func() {
		for _, end := range ends {
			end()
		}
	}
}

// joinUnseen restarts a node on a slow line while tokens are revoked. Nobody sends it requests
// until it has a lease, so that it knows only what it read to join the list.
func (w *World) joinUnseen(c *chance, n *node) {
	const times = 4
	n.hidden.Store(true)
	n.now().crash()
	n.now().running.Wait()
	n.line.set(weather{slow: c.between(w.Staleness/8, w.Staleness/2)})
	n.start()
	for range times {
		pause, own := c.upTo(w.Staleness), newChance(uint64(c.Below(1<<62)), "unseen") //nolint:gosec // not negative
		w.aside.Go(func() {
			time.Sleep(pause)
			if t := w.work.some(own); t != nil {
				w.revoke(own, w.node(own), t, revocation.WaitNodes)
			}
		})
	}
	select {
	case <-n.now().follower.Ledger().Ready():
	case <-time.After(4 * w.Staleness):
	}
	n.hidden.Store(false)
	for _, t := range w.work.allRevoked() {
		w.verifyAtNode(n, t, 0)
	}
	n.line.set(weather{})
	time.Sleep(w.Staleness / 2)
}

// moveSome changes the access of some users, in addition to the work.
func (w *World) moveSome(c *chance) {
	const times = 3
	own := newChance(uint64(c.Below(1<<62)), "moves") //nolint:gosec // not negative
	w.aside.Go(func() {
		for range times {
			if t := w.work.some(own); t != nil && t.Collection != 0 {
				w.moveUnderLooks(own, w.node(own), t, revocation.WaitAll)
				w.lookEverywhere(own, t)
			}
		}
	})
}

func (w *World) breakVerifier(c *chance, v *verifier, long time.Duration) {
	switch c.index(8) {
	case 0:
		defer w.fault("stopped", v.number)()
		v.machine().stop(long)
		time.Sleep(long)
	case 1:
		defer w.fault("restarted", v.number)()
		v.leave()
		time.Sleep(long)
		v.start()
	case 2:
		defer w.fault("killed", v.number)()
		v.crash()
		time.Sleep(long)
		v.start()
	case 3, 4: // it connects again, to some node
		defer w.fault("disconnected", v.number)()
		v.setLines(weather{cut: true})
		time.Sleep(time.Nanosecond)
		v.setLines(weather{})
		time.Sleep(c.upTo(w.Staleness / 4))
	case 5:
		defer w.fault("cut", v.number)()
		v.setLines(weather{cut: true})
		time.Sleep(long)
		v.setLines(weather{})
	default:
		kind, bad := w.foul(c)
		defer w.fault(kind, v.number)()
		v.setLines(bad)
		time.Sleep(long)
		v.setLines(weather{})
	}
}

// formerPrimary is the checker's name for a node on a primary that was replaced.
const formerPrimary = "on the former primary"

// breakDatabase silences the standby and loses the primary, again and again.
func (w *World) breakDatabase(c *chance) {
	until := time.Now().Add(w.Length)
	for time.Now().Before(until) {
		time.Sleep(c.upTo(8 * w.Staleness))
		if c.oneIn(2) {
			w.silenceStandby(c)
		} else {
			w.failOver(c)
		}
	}
}

func (w *World) silenceStandby(c *chance) {
	defer w.fault("the standby is silent", -1)()
	w.db.silence()
	time.Sleep(c.upTo(w.Staleness))
	if c.oneIn(3) {
		w.db.cancel()
		time.Sleep(c.upTo(w.Staleness))
	}
	w.db.speak()
}

// failOver loses the primary: behind a silent standby or not, at once or left to some nodes
// as the former one.
func (w *World) failOver(c *chance) {
	repaired := w.fault(clustertest.Lost, -1)
	if !c.oneIn(3) {
		w.db.silence()
		w.insist(c)
		time.Sleep(c.upTo(w.Staleness))
		if !c.oneIn(3) {
			w.db.cancel()
			time.Sleep(c.upTo(3 * w.Staleness))
		}
	}
	behind := w.nodes[c.index(len(w.nodes))]
	fenced := c.oneIn(2)
	forgotten := func() {}
	if !fenced {
		forgotten = w.fault(formerPrimary, behind.number)
		behind.line.set(weather{former: true, both: c.oneIn(2)})
	}
	w.db.promote(fenced)
	if fenced && c.oneIn(2) {
		w.killNodes()
	}
	if !fenced {
		time.Sleep(c.upTo(3 * w.Staleness))
		if c.oneIn(3) {
			w.db.cancel()
			time.Sleep(c.upTo(w.Staleness))
		}
		behind.line.set(weather{})
		w.db.fence()
	}
	time.Sleep(w.Staleness)
	forgotten()
	repaired()
	for _, t := range w.work.allRevoked() {
		w.lookAtNodes(c, t)
	}
	time.Sleep(c.upTo(w.Staleness))
	w.db.attach()
}

// insist revokes a token again and again until a revocation is acknowledged; its commit waits for
// the standby.
func (w *World) insist(c *chance) {
	const times = 6
	own := newChance(uint64(c.Below(1<<62)), "insists") //nolint:gosec // not negative
	w.aside.Go(func() {
		t := w.work.some(own)
		for range times {
			if t == nil || !w.revoke(own, w.node(own), t, revocation.WaitNone) {
				return
			}
			time.Sleep(own.upTo(w.Staleness / 4))
		}
	})
}

// killNodes kills every node that isn't being broken already, and starts them again.
func (w *World) killNodes() {
	for _, n := range w.nodes {
		if n.broken.TryLock() {
			defer w.fault("killed", n.number)()
			n.now().crash()
			n.now().running.Wait()
			n.start()
			n.broken.Unlock()
		}
	}
}

// fault records that something is broken. What happens at the same instant comes later.
func (w *World) fault(kind string, node int) (repaired func()) {
	defer time.Sleep(time.Nanosecond)
	return w.History.Break(kind, node)
}
