package clustertest_test

import (
	"net/http"
	"net/url"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/bearerd/bearerd/clustertest"
)

var (
	purged   = regexp.MustCompile(`^sabotage: purged`)
	ofClocks = regexp.MustCompile(`"level":"(WARN|ERROR)","msg":"[^"]*\bclock\b`)
)

// lockOut has wrong passwords lock a user out.
func lockOut(c *clustertest.Cluster, user string) {
	c.Helper()
	eventually(c, 30*time.Second, user+" is locked out", func() bool {
		return signIn(c, user, "wrong") == http.StatusTooManyRequests
	})
}

// signIn returns the status of a sign-in at the first node.
func signIn(c *clustertest.Cluster, user, password string) int {
	c.Helper()
	a, err := c.Client.Do(c.Context(), c.Nodes[0], clustertest.Ask{
		Path: "/auth/login", Form: url.Values{"username": {user}, "password": {password}},
	})
	must(c, err)
	return a.Status
}

// joinWithAClockAhead starts a node, which is one mutant, whose wall clock is 26 h ahead
// for two seconds, and stops it when it has purged twice. Then every other node starts
// again, and knows only what the database has. It returns the node.
func joinWithAClockAhead(c *clustertest.Cluster, how string) *clustertest.Node {
	c.Helper()
	others := c.Nodes
	token := issued(c, func() *clustertest.Token { return c.ClientToken(others[0]) })
	good := issued(c, func() *clustertest.Token { return c.ClientToken(others[0]) })
	session := issued(c, func() *clustertest.Token { return c.Session(others[0], "user0") })
	made := issued(c, func() *clustertest.Token { return c.SessionToken(others[0], session) })
	for _, n := range others {
		accepted(c, n, token)
		accepted(c, n, made)
	}
	repaired := c.History.Break("a node with a wrong clock", -1)
	acknowledged(c, func() clustertest.Op { return c.Revoke(others[0], token, true) })
	acknowledged(c, func() clustertest.Op { return c.RevokeAll(others[0], "user0", true) })

	binary, err := broken()
	must(c, err)
	ahead := c.AddBinary(binary, "SABOTAGE="+how)
	must(c, ahead.Start())
	eventually(c, time.Minute, "the node has purged twice", func() bool { return ahead.Logged(purged) >= 2 })
	must(c, ahead.Stop())
	for _, n := range others {
		must(c, n.Kill())
	}
	for _, n := range others {
		c.Start(n)
	}
	repaired()
	for _, n := range others {
		for range 3 {
			c.Verify(n, token)
			c.Verify(n, made)
			c.Verify(n, good)
		}
	}
	return ahead
}

// TestANodeWithItsClockAheadPurgesNothingOfOthers joins a node to a cluster whose
// revocations and password limits have not run out.
func TestANodeWithItsClockAheadPurgesNothingOfOthers(t *testing.T) {
	t.Parallel()
	c := cluster(t, 2)
	lockOut(c, "user3")
	ahead := joinWithAClockAhead(c, clockAhead)
	if status := signIn(c, "user3", "correct horse battery staple"); status != http.StatusTooManyRequests {
		t.Errorf("a user who was locked out signs in: status %d", status)
	}
	if ahead.Logged(ofClocks) == 0 {
		t.Error("the node says nothing of its clock in its log")
	}
	keepsItsPromise(c)
}

// TestTheHarnessCatchesAPurgeByTheNodesClock joins a node that trusts its clock. What it
// purges is taken for expired by every other node, good tokens too.
func TestTheHarnessCatchesAPurgeByTheNodesClock(t *testing.T) {
	t.Parallel()
	c := cluster(t, 2)
	joinWithAClockAhead(c, ownClock)
	isCaught(c, clustertest.RuleRefused)
}

// TestAWallClockThatJumpsAheadEndsTheLease cuts a node off, and sets its wall clock ahead
// by more than the node can account for, as after a pause that the boot-time clock does
// not count. The node must not use up what is left of its lease.
func TestAWallClockThatJumpsAheadEndsTheLease(t *testing.T) {
	t.Parallel()
	const long = 8 * time.Second // of which half is enough to notice
	conf := brokenConfig(t, clockJumps)
	conf.Staleness = long
	c := clustertest.New(t, conf)
	here, jumps := c.Nodes[0], c.Nodes[1]
	good := issued(c, func() *clustertest.Token { return c.ClientToken(here) })
	accepted(c, jumps, good)
	repaired := c.History.Break("cut off, and its clock jumps", jumps.Number)
	must(c, jumps.Link.Set(clustertest.Weather{Cut: true}))
	accepted(c, jumps, good) // by the lease it has
	must(c, jumps.Signal(syscall.SIGUSR2))
	eventually(c, long/2, "the node gives up its lease", func() bool {
		return c.Verify(jumps, good).Outcome == clustertest.Unavailable
	})
	must(c, jumps.Link.Restore())
	eventually(c, long+time.Second+slack, "the node has a lease again", func() bool {
		return c.Verify(jumps, good).Outcome == clustertest.Yes
	})
	repaired()
	keepsItsPromise(c)
}
