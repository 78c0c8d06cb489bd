package clustertest_test

import (
	"slices"
	"testing"

	"github.com/bearerd/bearerd/clustertest"
)

// The mutants that break the promise at an edge alone.
const (
	confirmsFirst = "a verifier that confirms first"          // and applies 0.3 s later
	forgotten     = "a verifier is forgotten with its stream" // and not when its lease has ended
	silentCounts  = "a silent verifier counts as confirmed"   // after 0.1 s
)

// outsideTriggers are their triggers, and that of an edge without a lease at nodes that have
// one. The edge accepts tokens again when one returns.
var outsideTriggers = map[string]func(*clustertest.Cluster){
	confirmsFirst: revokeAndVerifyAtTheEdge,
	forgotten:     func(c *clustertest.Cluster) { revokeBehindALine(c, "cut off") },
	silentCounts:  func(c *clustertest.Cluster) { revokeBehindALine(c, "blackholed") },
	noLease:       func(c *clustertest.Cluster) { revokeBehindALine(c, "half open, down lost") },
}

// revokeAndVerifyAtTheEdge revokes tokens and verifies each at the edge as soon as that is
// acknowledged.
func revokeAndVerifyAtTheEdge(c *clustertest.Cluster) {
	c.Helper()
	for i := range 6 {
		token := issued(c, func() *clustertest.Token { return c.ClientToken(c.Nodes[i%2]) })
		accepted(c, c.Edges[0], token)
		acknowledged(c, func() clustertest.Op { return c.Revoke(c.Nodes[i%2], token, true) })
		for range 20 {
			c.Verify(c.Edges[0], token)
		}
	}
}

// revokeBehindALine revokes a token while the line of the edge is broken.
func revokeBehindALine(c *clustertest.Cluster, how string) {
	c.Helper()
	all := lines()
	b := all[slices.IndexFunc(all, func(b clustertest.Breakage) bool { return b.Name == how })]
	_, repair := breakTheLine(c, c.Edges[0], b, func(token *clustertest.Token) clustertest.Op { return c.Revoke(c.Nodes[0], token, true) })
	must(c, repair())
	acceptedOutside(c, issued(c, func() *clustertest.Token { return c.ClientToken(c.Nodes[0]) }))
}

// TestTheHarnessCatchesEveryMutantAtAnEdge runs each mutant with its trigger.
func TestTheHarnessCatchesEveryMutantAtAnEdge(t *testing.T) {
	t.Parallel()
	for how, trigger := range outsideTriggers {
		t.Run(how, func(t *testing.T) {
			conf := config(t, 2)
			conf.Fronts = true
			if how != noLease {
				conf = sabotaged(t, how, conf)
			}
			c := clustertest.New(t, conf)
			mutant := sabotaged(t, how, conf)
			c.Start(c.AddEdgeBinary(mutant.Binary, mutant.Environment...))
			trigger(c)
			isCaught(c, clustertest.RuleRevoked)
		})
	}
}

// TestBearerdPassesWhatCatchesTheMutantsAtAnEdge runs the same triggers with bearerd itself.
func TestBearerdPassesWhatCatchesTheMutantsAtAnEdge(t *testing.T) {
	t.Parallel()
	c := outside(t, 1, 0)
	for how, trigger := range outsideTriggers {
		trigger(c)
		passes(c, how)
	}
}
