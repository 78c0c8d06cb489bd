package clustertest_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/bearerd/bearerd/clustertest"
)

// TestAClockSetBackRevivesNothing sets one node's wall clock back by an hour.
func TestAClockSetBackRevivesNothing(t *testing.T) {
	t.Parallel()
	c := clustertest.New(t, brokenConfig(t, clockSetBack))
	jumps, other := c.Nodes[0], c.Nodes[1]
	session := issued(c, func() *clustertest.Token { return c.Session(other, "user0") })
	good := issued(c, func() *clustertest.Token { return c.SessionToken(other, session) })
	parent := issued(c, func() *clustertest.Token { return c.APIToken(other, session, 0) })
	short := issued(c, func() *clustertest.Token { return c.Exchange(other, parent, time.Second) })
	dead := issued(c, func() *clustertest.Token { return c.ClientToken(other) })
	acknowledged(c, func() clustertest.Op { return c.Revoke(other, dead, true) })
	for _, n := range c.Nodes {
		accepted(c, n, good)
		c.Verify(n, dead)
		eventually(c, 3*time.Second, "the token expires", func() bool { return c.Verify(n, short).Outcome == clustertest.No })
	}

	must(c, jumps.Signal(syscall.SIGUSR1))
	time.Sleep(50 * time.Millisecond) // for the signal to arrive; the checks below are repeated anyway
	for range 20 {
		for _, n := range c.Nodes {
			c.Verify(n, short)
			c.Verify(n, dead)
			accepted(c, n, good)
		}
		time.Sleep(50 * time.Millisecond) // leases run out and are renewed meanwhile
	}

	// A token issued and a revocation made at that node from now on hold everywhere.
	late := issued(c, func() *clustertest.Token { return c.ClientToken(jumps) })
	for _, n := range c.Nodes {
		accepted(c, n, late)
	}
	acknowledged(c, func() clustertest.Op { return c.Revoke(jumps, late, true) })
	for _, n := range c.Nodes {
		c.Verify(n, late)
	}
	later := issued(c, func() *clustertest.Token { return c.ClientToken(jumps) })
	acknowledged(c, func() clustertest.Op { return c.RevokeAll(jumps, "user0", true) })
	for _, n := range c.Nodes {
		c.Verify(n, good)
		accepted(c, n, later)
	}
	keepsItsPromise(c)
}
