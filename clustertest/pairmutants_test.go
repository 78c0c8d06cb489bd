package clustertest_test

import (
	"slices"
	"testing"
	"time"

	"github.com/bearerd/bearerd/clustertest"
)

// pairTriggers are the triggers of mutants that break the promise on a pair alone. The
// pair is whole again when one returns.
var pairTriggers = map[string]func(*clustertest.Cluster, *clustertest.Pair){
	unreplicated: revokeAndLoseThePrimary,
	fromARead:    revokeTwiceAndLoseThePrimary,
	unwarned:     revokeTwiceAndLoseThePrimary,
	leaseByRead: func(c *clustertest.Cluster, pair *clustertest.Pair) {
		leaveANodeBehind(c, pair).bringBack(c, pair)
	},
}

// revokeAndLoseThePrimary revokes tokens while nothing reaches the standby, and loses the
// primary.
func revokeAndLoseThePrimary(c *clustertest.Cluster, pair *clustertest.Pair) {
	c.Helper()
	var tokens []*clustertest.Token
	for range 2 {
		tokens = append(tokens, issued(c, func() *clustertest.Token { return c.ClientToken(c.Nodes[0]) }))
	}
	repaired := c.History.Break("the standby is silent, and the primary is lost", -1)
	must(c, pair.Silence())
	for i, token := range tokens {
		c.Revoke(c.Nodes[i], token, true)
	}
	must(c, pair.KillPrimary())
	failOver(c, pair)
	repaired()
	for _, n := range c.Nodes {
		for _, token := range tokens {
			c.Verify(n, token)
		}
	}
}

// revokeTwiceAndLoseThePrimary revokes again what an operator has made visible on the
// primary alone, and loses that.
func revokeTwiceAndLoseThePrimary(c *clustertest.Cluster, pair *clustertest.Pair) {
	c.Helper()
	acts := slices.DeleteFunc(requests(c), func(a act) bool { return a.name != "revoke" && a.name != "report as leaked" })
	revokeBehindASilentStandby(c, pair, cancelled, acts)
}

// TestTheHarnessCatchesEveryMutantOnAPair runs each mutant with its trigger.
func TestTheHarnessCatchesEveryMutantOnAPair(t *testing.T) {
	t.Parallel()
	for how, trigger := range pairTriggers {
		t.Run(how, func(t *testing.T) {
			conf, pair := pairConfig(t, 2)
			c := clustertest.New(t, sabotaged(t, how, conf))
			trigger(c, pair)
			isCaught(c, clustertest.RuleRevoked)
		})
	}
	t.Run(beatsByRead, func(t *testing.T) {
		conf, pair := pairConfig(t, 2)
		c := clustertest.New(t, sabotaged(t, beatsByRead, conf))
		beats := followLog(c, c.Nodes[0])
		l := leaveANodeBehind(c, pair)
		eventually(c, 20*time.Second, "the node, which is still there, sends a heartbeat that nothing confirmed", func() bool {
			return beats(l.unfounded) > 0
		})
	})
}

// TestBearerdPassesWhatCatchesTheMutantsOnAPair runs the same triggers with bearerd
// itself.
func TestBearerdPassesWhatCatchesTheMutantsOnAPair(t *testing.T) {
	t.Parallel()
	conf, pair := pairConfig(t, 2)
	c := clustertest.New(t, conf)
	for how, trigger := range pairTriggers {
		trigger(c, pair)
		passes(c, how)
	}
}
