package clustertest_test

import (
	"sync"
	"testing"

	"github.com/bearerd/bearerd/clustertest"
)

// failOver promotes the standby, reconnects every node and starts them again, so that
// they know nothing but what the new primary has. Then that has a standby again. The
// former primary must have been killed.
func failOver(c *clustertest.Cluster, pair *clustertest.Pair) {
	c.Helper()
	must(c, pair.Promote())
	must(c, c.ReconnectCommands())
	must(c, c.Reconnect(c.Nodes...))
	for _, n := range c.Nodes {
		must(c, n.Kill())
	}
	must(c, pair.Fence())
	must(c, pair.AddStandby())
	for _, n := range c.Nodes {
		c.Start(n)
	}
}

// TestAFailoverToASynchronousStandbyLosesNothing kills the primary while revocations
// are under way.
func TestAFailoverToASynchronousStandbyLosesNothing(t *testing.T) {
	t.Parallel()
	conf, pair := pairConfig(t, 2)
	c := clustertest.New(t, conf)
	good := issued(c, func() *clustertest.Token { return c.ClientToken(c.Nodes[0]) })
	for range 2 {
		var tokens []*clustertest.Token
		for range 40 {
			tokens = append(tokens, issued(c, func() *clustertest.Token { return c.ClientToken(c.Nodes[0]) }))
		}
		repaired := c.History.Break("the primary was killed", -1)
		var revoking sync.WaitGroup
		work := make(chan *clustertest.Token)
		for i := range 4 {
			revoking.Go(func() {
				for token := range work {
					c.Revoke(c.Nodes[i%2], token, i < 2)
				}
			})
		}
		for i, token := range tokens {
			if i == len(tokens)/2 {
				must(c, pair.KillPrimary())
			}
			work <- token
		}
		close(work)
		revoking.Wait()
		failOver(c, pair)
		repaired()
		for _, n := range c.Nodes {
			accepted(c, n, good)
			for _, token := range tokens {
				c.Verify(n, token)
			}
		}
	}
	keepsItsPromise(c)
}
