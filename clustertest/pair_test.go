package clustertest_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/clustertest"
)

// act is a way to revoke something, and the tokens that it concerns.
type act struct {
	name   string
	do     func(n *clustertest.Node) clustertest.Op
	tokens []*clustertest.Token
}

// requests returns every kind of request that revokes something. Each concerns tokens of
// its own.
func requests(c *clustertest.Cluster) []act {
	c.Helper()
	here := c.Nodes[0]
	old := issued(c, func() *clustertest.Token { return c.ClientToken(here) })
	acknowledged(c, func() clustertest.Op { return c.Rotate(here) })
	client := func() *clustertest.Token {
		return issued(c, func() *clustertest.Token { return c.ClientToken(here) })
	}
	of := func(user string, collection int) *clustertest.Token {
		session := issued(c, func() *clustertest.Token { return c.Session(here, user) })
		return issued(c, func() *clustertest.Token { return c.APIToken(here, session, collection) })
	}
	type node = *clustertest.Node
	type op = clustertest.Op
	waited, unwaited, leaked := client(), client(), client()
	byID, opaque, all, disabled, bound := of("user0", 0), of("user0", 0), of("user0", 0), of("user1", 0), of("user2", 4)
	return []act{
		{"revoke", func(n node) op { return c.Revoke(n, waited, true) }, []*clustertest.Token{waited}},
		{"revoke an API token", func(n node) op { return c.Revoke(n, opaque, true) }, []*clustertest.Token{opaque}},
		{"revoke without wait", func(n node) op { return c.Revoke(n, unwaited, false) }, []*clustertest.Token{unwaited}},
		{"report as leaked", func(n node) op { return c.ReportLeaked(n, leaked) }, []*clustertest.Token{leaked}},
		{"revoke by id", func(n node) op { return c.RevokeByID(n, byID, true) }, []*clustertest.Token{byID}},
		{"revoke all", func(n node) op { return c.RevokeAll(n, "user0", true) }, []*clustertest.Token{byID, opaque, all}},
		{"disable", func(n node) op { return c.Disable(n, "user1") }, []*clustertest.Token{disabled}},
		{"remove access", func(n node) op { return c.Unbind(n, "user2", 4) }, []*clustertest.Token{bound}},
		{"retire a key", func(n node) op { return c.Retire(n, old.KID) }, []*clustertest.Token{old}},
	}
}

// commands returns commands that revoke something, each with tokens of its own.
func commands(c *clustertest.Cluster) []act {
	c.Helper()
	here := c.Nodes[0]
	named := issued(c, func() *clustertest.Token { return c.ClientToken(here) })
	session := issued(c, func() *clustertest.Token { return c.Session(here, "user3") })
	hers := issued(c, func() *clustertest.Token { return c.SessionToken(here, session) })
	return []act{
		{"token revoke", func(*clustertest.Node) clustertest.Op { return c.RevokeByCommand(named) }, []*clustertest.Token{named}},
		{"apply", func(*clustertest.Node) clustertest.Op { return c.DisableByApply("user3") }, []*clustertest.Token{session, hers}},
	}
}

// exposure is what happens while something waits for a silent standby.
type exposure string

const (
	waiting   exposure = "waiting"   // nothing
	cancelled exposure = "cancelled" // the wait is: what has committed is visible on the primary
	restarted exposure = "restarted" // the primary is: the same
)

// begin has it happen, and returns what ends it.
func (e exposure) begin(pair *clustertest.Pair) (end func() error, err error) {
	end = func() error { return nil }
	switch e {
	case cancelled:
		end = pair.CancelCommits()
	case restarted:
		err = pair.RestartPrimary()
	case waiting:
	}
	return end, err
}

// attempts asks for a revocation while the standby is silent, has it exposed, and asks
// the nodes in turn again while it is not acknowledged: at least once, and for three
// times as long as a request may take. It returns the acknowledgement, and false when
// there is none.
func (a act) attempts(c *clustertest.Cluster, pair *clustertest.Pair, e exposure) (clustertest.Op, bool) {
	c.Helper()
	begun := c.History.Now()
	o := a.do(c.Nodes[0])
	end, err := e.begin(pair)
	must(c, err)
	for i := 1; o.Outcome != clustertest.Yes && (i < 2 || c.History.Now()-begun < 3*time.Second); i++ {
		o = a.do(c.Nodes[i%len(c.Nodes)])
	}
	must(c, end())
	return o, o.Outcome == clustertest.Yes
}

// verifyEverywhere verifies the tokens of an act at every node.
func (a act) verifyEverywhere(c *clustertest.Cluster) {
	for _, n := range c.Nodes {
		for _, token := range a.tokens {
			c.Verify(n, token)
		}
	}
}

// onPairs runs a test on pairs of their own, one for each exposure.
func onPairs(t *testing.T, exposures []exposure, test func(c *clustertest.Cluster, pair *clustertest.Pair, e exposure)) {
	t.Helper()
	for _, e := range exposures {
		t.Run(string(e), func(t *testing.T) {
			t.Parallel()
			conf, pair := pairConfig(t, 2)
			test(clustertest.New(t, conf), pair, e)
		})
	}
}

// TestNoRequestIsAcknowledgedThatTheStandbyLacks revokes by every request while no
// commit can be replicated.
func TestNoRequestIsAcknowledgedThatTheStandbyLacks(t *testing.T) {
	t.Parallel()
	onPairs(t, []exposure{waiting, cancelled, restarted}, func(c *clustertest.Cluster, pair *clustertest.Pair, e exposure) {
		nothingIsAcknowledged(c, pair, e, requests(c))
	})
}

// TestNoCommandSucceedsThatTheStandbyLacks does the same by the command line.
func TestNoCommandSucceedsThatTheStandbyLacks(t *testing.T) {
	t.Parallel()
	onPairs(t, []exposure{waiting, cancelled}, func(c *clustertest.Cluster, pair *clustertest.Pair, e exposure) {
		nothingIsAcknowledged(c, pair, e, commands(c))
	})
}

// nothingIsAcknowledged fails the test when an act, or its repetition, is acknowledged
// while the standby is silent: because a node can read what the first attempt wrote, or
// remembers it. Once the standby is back, a repetition must be acknowledged.
func nothingIsAcknowledged(c *clustertest.Cluster, pair *clustertest.Pair, e exposure, acts []act) {
	c.Helper()
	for _, a := range acts {
		repaired := c.History.Break("the standby is silent", -1)
		must(c, pair.Silence())
		if o, yes := a.attempts(c, pair, e); yes {
			c.Errorf("%s was acknowledged while the standby was silent: %v", a.name, o)
		}
		must(c, pair.Heal())
		repaired()
		for _, n := range c.Nodes {
			must(c, n.WaitReady(c.Context(), c.Client.HTTP))
		}
		acknowledged(c, func() clustertest.Op { return a.do(c.Nodes[0]) })
		a.verifyEverywhere(c)
	}
	keepsItsPromise(c)
}

// revokeBehindASilentStandby revokes while nothing reaches the standby, and again where
// that was not acknowledged. Then the primary is lost, and every node starts again on
// the former standby.
func revokeBehindASilentStandby(c *clustertest.Cluster, pair *clustertest.Pair, e exposure, acts []act) {
	c.Helper()
	repaired := c.History.Break("the standby is silent, and the primary is lost", -1)
	must(c, pair.Silence())
	for _, a := range acts {
		_, _ = a.attempts(c, pair, e)
	}
	must(c, pair.KillPrimary())
	failOver(c, pair)
	repaired()
	for _, a := range acts {
		a.verifyEverywhere(c)
	}
}

// TestAnAcknowledgedRevocationSurvivesTheLossOfThePrimary loses the primary when the
// standby has been silent for a while.
func TestAnAcknowledgedRevocationSurvivesTheLossOfThePrimary(t *testing.T) {
	t.Parallel()
	onPairs(t, []exposure{waiting, cancelled, restarted}, func(c *clustertest.Cluster, pair *clustertest.Pair, e exposure) {
		revokeBehindASilentStandby(c, pair, e, requests(c))
		keepsItsPromise(c)
	})
}

// TestASilentStandbyStopsEveryYesUntilItIsBack revokes while a commit can't be
// replicated, lets the standby come back, and revokes again.
func TestASilentStandbyStopsEveryYesUntilItIsBack(t *testing.T) {
	t.Parallel()
	conf, pair := pairConfig(t, 2)
	c := clustertest.New(t, conf)
	good := issued(c, func() *clustertest.Token { return c.ClientToken(c.Nodes[0]) })
	var tokens []*clustertest.Token
	for range 20 {
		tokens = append(tokens, issued(c, func() *clustertest.Token { return c.ClientToken(c.Nodes[0]) }))
	}
	for _, n := range c.Nodes {
		accepted(c, n, good)
	}
	repaired := c.History.Break("the standby is silent", -1)
	must(c, pair.Silence())
	cut := c.History.Now()
	var all sync.WaitGroup
	for i, token := range tokens {
		all.Go(func() {
			o := c.Revoke(c.Nodes[i%2], token, i%4 < 2)
			if o.Outcome != clustertest.Unavailable || o.End-o.Start > time.Second+slack {
				t.Errorf("a revocation is answered by %s after %v, not by 503 within a second", o.Outcome, o.End-o.Start)
			}
		})
	}
	for _, n := range c.Nodes {
		all.Go(func() {
			if yes := yesAfter(c, n, good, cut+staleness); yes > 0 {
				t.Errorf("node %d said yes to %d requests that came later than %v after the last commit", n.Number, yes, staleness)
			}
		})
	}
	all.Wait()
	must(c, pair.Heal())
	repaired()
	eachNode(c, func(n *clustertest.Node) {
		back := c.History.Now()
		for o := c.Verify(n, good); o.Outcome != clustertest.Yes; o = c.Verify(n, good) {
			if o.Start > back+staleness+time.Second+slack {
				t.Errorf("node %d still answers %s", n.Number, o.Outcome)
				return
			}
		}
	})
	for i, token := range tokens {
		acknowledged(c, func() clustertest.Op { return c.Revoke(c.Nodes[i%2], token, true) })
		for _, n := range c.Nodes {
			c.Verify(n, token)
		}
	}
	keepsItsPromise(c)
}

// yesAfter verifies a good token at a node until twice L after an instant, and returns
// how many verifications that began after the instant were answered by a yes.
func yesAfter(c *clustertest.Cluster, n *clustertest.Node, good *clustertest.Token, instant time.Duration) int {
	yes := 0
	for c.History.Now() < instant+2*staleness {
		if o := c.Verify(n, good); o.Outcome == clustertest.Yes && o.Start > instant {
			yes++
		}
	}
	return yes
}

// leftBehind is what came of a node on a primary that was replaced and not fenced.
type leftBehind struct {
	node         *clustertest.Node
	good         *clustertest.Token
	cut          time.Duration    // from then on nothing reached the standby
	yes          int              // to requests that came later than L after that
	acknowledged []clustertest.Op // revocations
	end          func()           // records that the node was reconnected
}

// unfounded reports whether the node must not have sent a heartbeat: it rests on a question
// that nothing confirmed, or came when the node had no lease.
func (l *leftBehind) unfounded(b clustertest.Heartbeat) bool {
	return b.AsOf > l.cut || b.Read > l.cut+staleness+slack
}

// leaveANodeBehind promotes the standby while the primary runs on. One node stays there
// for a while, and the others go to the new primary. It is revoked on both sides.
func leaveANodeBehind(c *clustertest.Cluster, pair *clustertest.Pair) *leftBehind {
	c.Helper()
	l := &leftBehind{node: c.Nodes[0]}
	moved := c.Nodes[1:]
	l.good = issued(c, func() *clustertest.Token { return c.ClientToken(moved[0]) })
	var tokens []*clustertest.Token // what is issued later, the node can't know
	for range 2 * len(moved) {
		tokens = append(tokens, issued(c, func() *clustertest.Token { return c.ClientToken(moved[0]) }))
	}
	for _, token := range append(tokens, l.good) {
		accepted(c, l.node, token)
	}
	l.end = c.LeaveBehind(l.node)
	promoted := c.History.Break("a promotion", -1)
	must(c, pair.Silence())
	l.cut = c.History.Now()
	must(c, pair.Promote())
	must(c, c.ReconnectCommands())
	must(c, c.Reconnect(moved...))
	promoted()
	for _, n := range moved {
		eventually(c, staleness+time.Second+slack, fmt.Sprintf("node %d goes on", n.Number), func() bool {
			return c.Verify(n, l.good).Outcome == clustertest.Yes
		})
	}
	var all sync.WaitGroup
	all.Go(func() { l.yes = yesAfter(c, l.node, l.good, l.cut+staleness) })
	for i, n := range moved {
		l.revokeOnBothSides(c, n, tokens[2*i:2*i+2])
	}
	all.Wait()
	return l
}

// revokeOnBothSides revokes a token at a node on the new primary and verifies it at the
// node that was left behind, which is then asked to revoke it too, and another token.
func (l *leftBehind) revokeOnBothSides(c *clustertest.Cluster, n *clustertest.Node, tokens []*clustertest.Token) {
	c.Helper()
	accepted(c, n, l.good)
	acknowledged(c, func() clustertest.Op { return c.Revoke(n, tokens[0], true) })
	for range 3 {
		c.Verify(l.node, tokens[0])
	}
	for _, wait := range []bool{true, false} {
		for _, token := range tokens {
			if o := c.Revoke(l.node, token, wait); o.Outcome == clustertest.Yes {
				l.acknowledged = append(l.acknowledged, o)
			}
		}
	}
	c.Verify(l.node, tokens[0])
}

// bringBack fences the former primary and reconnects the node.
func (l *leftBehind) bringBack(c *clustertest.Cluster, pair *clustertest.Pair) {
	c.Helper()
	must(c, pair.Fence())
	must(c, c.Reconnect(l.node))
	l.end()
	eventually(c, staleness+time.Second+slack, "the node comes back", func() bool {
		return c.Verify(l.node, l.good).Outcome == clustertest.Yes
	})
	must(c, pair.AddStandby())
}

// TestANodeOnAReplacedPrimaryFallsSilent leaves a node on a primary that was not fenced.
// Reading there still works, but nothing that it commits is replicated.
func TestANodeOnAReplacedPrimaryFallsSilent(t *testing.T) {
	t.Parallel()
	conf, pair := pairConfig(t, 3)
	c := clustertest.New(t, conf)
	beats := followLog(c, c.Nodes[0])
	l := leaveANodeBehind(c, pair)
	if l.yes > 0 {
		t.Errorf("the node said yes to %d requests that came later than %v after the last commit", l.yes, staleness)
	}
	for _, o := range l.acknowledged {
		t.Errorf("the node acknowledged what nothing replicates: %v", o)
	}
	if n := beats(l.unfounded); n > 0 {
		t.Errorf("the node sent %d heartbeats that nothing confirmed", n)
	}
	l.bringBack(c, pair)
	keepsItsPromise(c)
}

// followLog follows the revocation stream of a node until the test ends. The function
// it returns counts the heartbeats that were read, and that a filter accepts.
func followLog(c *clustertest.Cluster, n *clustertest.Node) func(func(clustertest.Heartbeat) bool) int {
	c.Helper()
	var mu sync.Mutex
	var beats []clustertest.Heartbeat
	first := make(chan struct{})
	ctx, cancel := context.WithCancel(c.Context())
	ended := make(chan error, 1)
	var following sync.WaitGroup
	following.Go(func() {
		ended <- c.FollowLog(ctx, n, func(b clustertest.Heartbeat) {
			mu.Lock()
			defer mu.Unlock()
			if beats = append(beats, b); len(beats) == 1 {
				close(first)
			}
		})
	})
	c.Cleanup(func() {
		cancel()
		following.Wait()
	})
	select {
	case <-first:
	case err := <-ended:
		c.Fatalf("no heartbeat: %v", err)
	}
	return func(filter func(clustertest.Heartbeat) bool) int {
		mu.Lock()
		defer mu.Unlock()
		count := 0
		for _, b := range beats {
			if filter(b) {
				count++
			}
		}
		return count
	}
}
