package clustertest_test

import (
	"testing"
	"time"

	"github.com/bearerd/bearerd/clustertest"
)

// TestNoRequestIsAcknowledgedFromMemory has a node read revocations that are lost with
// the primary, and asks it for the same ones when it follows the new primary. Another
// node knows nothing but what that has.
func TestNoRequestIsAcknowledgedFromMemory(t *testing.T) {
	t.Parallel()
	conf, pair := pairConfig(t, 2)
	c := clustertest.New(t, conf)
	remembers, other := c.Nodes[0], c.Nodes[1]
	acts := requests(c)
	var later []*clustertest.Token
	for range 3 * len(acts) {
		later = append(later, issued(c, func() *clustertest.Token { return c.ClientToken(other) }))
	}
	repaired := c.History.Break(clustertest.Lost, -1)
	must(c, pair.Silence())
	end := pair.CancelCommits()
	for _, a := range acts {
		_ = a.do(other)
	}
	for _, a := range acts {
		if a.name == "remove access" {
			continue // a node without a lease says nothing of that
		}
		// A busy node answers 503 before it has written anything: then it is asked again.
		asked := c.History.Now()
		eventually(c, 30*time.Second, "the node has read: "+a.name, func() bool {
			if c.Verify(remembers, a.tokens[0]).Outcome == clustertest.No {
				return true
			}
			if now := c.History.Now(); now-asked > 2*time.Second {
				_ = a.do(other)
				asked = now
			}
			return false
		})
	}
	must(c, end())
	must(c, pair.KillPrimary())
	must(c, pair.Promote())
	must(c, c.Reconnect(c.Nodes...))
	must(c, other.Kill())
	must(c, pair.Fence())
	must(c, pair.AddStandby())
	c.Start(other)
	for _, token := range later { // until the log is as long as the node remembers it
		acknowledged(c, func() clustertest.Op { return c.Revoke(other, token, false) })
	}
	must(c, remembers.WaitReady(t.Context(), c.Client.HTTP))
	repaired()
	for _, a := range acts {
		acknowledged(c, func() clustertest.Op { return a.do(remembers) })
		a.verifyEverywhere(c)
	}
	keepsItsPromise(c)
}

// TestAKeyThatIsLostWithThePrimarySignsNothing rotates the signing keys while nothing
// reaches the standby. A node reads the new key, which is lost with the primary. What it
// issues from then on must be good at a node that knows nothing but the new primary.
func TestAKeyThatIsLostWithThePrimarySignsNothing(t *testing.T) {
	t.Parallel()
	conf, pair := pairConfig(t, 2)
	c := clustertest.New(t, conf)
	remembers, other := c.Nodes[0], c.Nodes[1]
	before := keySet(c, remembers)
	repaired := c.History.Break(clustertest.Lost, -1)
	must(c, pair.Silence())
	end := pair.CancelCommits()
	c.Rotate(other)
	eventually(c, 10*time.Second, "the node has read the new key", func() bool { return keySet(c, remembers) != before })
	must(c, end())
	must(c, pair.KillPrimary())
	must(c, pair.Promote())
	must(c, c.Reconnect(c.Nodes...))
	var tokens []*clustertest.Token
	eventually(c, staleness+time.Second+slack, "the node issues tokens", func() bool {
		if token := c.ClientToken(remembers); token != nil {
			tokens = append(tokens, token)
		}
		return len(tokens) == 3
	})
	must(c, other.Kill())
	must(c, pair.Fence())
	must(c, pair.AddStandby())
	c.Start(other)
	repaired()
	tokens = append(tokens, issued(c, func() *clustertest.Token { return c.ClientToken(remembers) }))
	for _, token := range tokens {
		accepted(c, remembers, token)
		accepted(c, other, token)
	}
	keepsItsPromise(c)
}

// keySet returns the JWK Set of a node.
func keySet(c *clustertest.Cluster, n *clustertest.Node) string {
	c.Helper()
	a, err := c.Client.Do(c.Context(), n, clustertest.Ask{Path: "/.well-known/jwks.json"})
	must(c, err)
	return a.Text
}
