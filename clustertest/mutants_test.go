package clustertest_test

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/clustertest"
)

// The mutants. The environment variable SABOTAGE of a process selects one of them.
const (
	noLease      = "no lease"
	noSequence   = "cache filled without a sequence"
	noOrder      = "appended without order" // and gaps are ignored
	noWait       = "a wait that doesn't wait"
	tooEarly     = "acknowledged before it is honoured here"
	unnotified   = "no notifications"
	unreplicated = "commits that don't wait for the standby"
	fromARead    = "acknowledged from a read"
	unwarned     = "a cancelled commit counts"
	leaseByRead  = "a lease from a read"
	beatsByRead  = "heartbeats from a read"
	ownClock     = "purged by the node's clock"     // and that is clockAhead
	clockSetBack = "a wall clock that is set back"  // by an hour, at each SIGUSR1
	clockJumps   = "a wall clock that jumps ahead"  // by twenty seconds, at each SIGUSR2
	clockAhead   = "a wall clock that starts ahead" // by 26 hours, for two seconds; it purges every second
)

// brokenConfig returns the configuration of a cluster of two nodes, which are one mutant.
func brokenConfig(tb testing.TB, how string) clustertest.Config {
	tb.Helper()
	return sabotaged(tb, how, config(tb, 2))
}

// sabotaged returns a configuration with one mutant instead of bearerd.
func sabotaged(tb testing.TB, how string, conf clustertest.Config) clustertest.Config {
	tb.Helper()
	binary, err := broken()
	if err != nil {
		tb.Fatal(err)
	}
	conf.Binary, conf.Environment = binary, []string{"SABOTAGE=" + how}
	return conf
}

// triggers make each mutant break the promise. The checker must find that, and must
// find nothing when bearerd itself runs.
var triggers = map[string]func(*clustertest.Cluster){
	noLease: func(c *clustertest.Cluster) {
		_, repair := cutOffAndRevoke(c, clustertest.Breakages()[0])
		must(c, repair())
	},
	noSequence: removeAccessDuringALookUp,
	noOrder:    revokeManyAtOnce,
	noWait:     func(c *clustertest.Cluster) { verifyAtOnce(c, c.Nodes[0], c.Nodes[1], true) },
	tooEarly:   func(c *clustertest.Cluster) { verifyAtOnce(c, c.Nodes[0], c.Nodes[0], false) },
}

// removeAccessDuringALookUp removes a user's access at one node while another node
// reads the user's permissions, and holds the result of that read until the removal is
// acknowledged. It goes on with the next user if the reading node timed out meanwhile.
func removeAccessDuringALookUp(c *clustertest.Cluster) {
	c.Helper()
	here, far := c.Nodes[0], c.Nodes[1]
	for i := range clustertest.Users {
		user := fmt.Sprintf("user%d", i)
		session := issued(c, func() *clustertest.Token { return c.Session(here, user) })
		token := issued(c, func() *clustertest.Token { return c.APIToken(here, session, 4) })
		a, err := c.Client.Do(c.Context(), here, clustertest.Ask{Path: "/auth/api/v1/me", Bearer: token.Value})
		must(c, err)
		id := a.Member("id")
		if id == "" {
			c.Fatalf("no id of %s: %s", user, a.Text)
		}
		repaired := c.History.Break("a look-up is slow", far.Number)
		must(c, far.Link.Set(clustertest.Weather{HoldReply: func(asked []byte) bool { return bytes.Contains(asked, []byte(id)) }}))
		asked := make(chan clustertest.Op, 1)
		go func() { asked <- c.Verify(far, token) }()
		eventually(c, 10*time.Second, "the result of the read is held", func() bool { return far.Link.Held() > 0 })
		acknowledged(c, func() clustertest.Op { return c.Unbind(here, user, 4) })
		must(c, far.Link.Restore())
		answered := (<-asked).Outcome != clustertest.Unavailable
		repaired()
		for range 20 {
			c.Verify(far, token)
		}
		if answered {
			return
		}
	}
}

// revokeManyAtOnce revokes tokens concurrently, at two nodes because each commits one
// after another, and verifies each at the other node as soon as its revocation is
// acknowledged.
func revokeManyAtOnce(c *clustertest.Cluster) {
	c.Helper()
	const rounds, inOne = 6, 8
	for range rounds {
		var revoking sync.WaitGroup
		for i := range inOne {
			here, far := c.Nodes[i%2], c.Nodes[1-i%2]
			token := issued(c, func() *clustertest.Token { return c.ClientToken(here) })
			accepted(c, far, token)
			revoking.Go(func() {
				c.Revoke(here, token, true)
				for range 5 {
					c.Verify(far, token)
				}
			})
		}
		revoking.Wait()
	}
}

// verifyAtOnce revokes tokens at one node and verifies them immediately at another (or
// the same) node whose line is slow.
func verifyAtOnce(c *clustertest.Cluster, here, asked *clustertest.Node, wait bool) {
	c.Helper()
	repaired := c.History.Break("slow", asked.Number)
	for range 3 {
		token := issued(c, func() *clustertest.Token { return c.ClientToken(here) })
		accepted(c, asked, token)
		must(c, asked.Link.Set(clustertest.Weather{Delay: 50 * time.Millisecond}))
		acknowledged(c, func() clustertest.Op { return c.Revoke(here, token, wait) })
		for range 20 {
			c.Verify(asked, token)
		}
		must(c, asked.Link.Restore())
	}
	repaired()
}

// TestTheHarnessCatchesEveryMutant runs each mutant with its trigger.
func TestTheHarnessCatchesEveryMutant(t *testing.T) {
	t.Parallel()
	for how, trigger := range triggers {
		t.Run(how, func(t *testing.T) {
			c := clustertest.New(t, brokenConfig(t, how))
			trigger(c)
			isCaught(c, clustertest.RuleRevoked)
		})
	}
}

// isCaught fails the test unless the checker found a violation of a rule.
func isCaught(c *clustertest.Cluster, rule string) {
	c.Helper()
	for _, v := range c.Check() {
		if v.Rule == rule {
			c.Logf("caught: %v", v)
			return
		}
	}
	c.Errorf("the checker found nothing: %s", c.Report())
}

// TestBearerdPassesWhatCatchesTheMutants runs the same triggers with bearerd itself.
func TestBearerdPassesWhatCatchesTheMutants(t *testing.T) {
	t.Parallel()
	one := cluster(t, 2)
	for how, trigger := range triggers {
		trigger(one)
		passes(one, how)
	}
}

// passes fails the test when the checker found something after a trigger.
func passes(c *clustertest.Cluster, how string) {
	c.Helper()
	for _, n := range c.Nodes {
		must(c, n.WaitReady(c.Context(), c.Client.HTTP))
	}
	if violations := c.Check(); len(violations) > 0 {
		c.Fatalf("%s: %v\n%s", how, violations[0], c.History.Story(violations[0]))
	}
}

// TestAMutationThatMatchesNothingFails protects against mutants that change nothing.
func TestAMutationThatMatchesNothingFails(t *testing.T) {
	t.Parallel()
	const file = "internal/revocation/lease.go"
	for name, m := range map[string]clustertest.Mutation{
		"absent":  {Edits: []clustertest.Edit{{File: file, Old: "no such text", New: ""}}},
		"twice":   {Edits: []clustertest.Edit{{File: file, Old: "return", New: ""}}},
		"no file": {Edits: []clustertest.Edit{{File: "internal/revocation/none.go", Old: "x", New: ""}}},
		"there":   {Files: map[string]string{file: "package revocation"}},
	} {
		if _, err := m.Build(t.Context(), t.TempDir(), false); err == nil {
			t.Errorf("%s: the build succeeded", name)
		}
	}
}
