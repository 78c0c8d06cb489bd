package clustertest_test

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/clustertest"
	"github.com/bearerd/bearerd/internal/pgtest"
)

// binaries returns the directory for the binaries of this run.
var binaries = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "bearerd-clustertest-") })

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := binaries(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// bearerd builds the binary of this run, with the race detector when RACE=1.
var bearerd = sync.OnceValues(func() (string, error) {
	return build(clustertest.Mutation{Name: "bearerd"}, os.Getenv("RACE") == "1")
})

func build(m clustertest.Mutation, race bool) (string, error) {
	dir, err := binaries()
	if err != nil {
		return "", err
	}
	if dir, err = os.MkdirTemp(dir, "build-"); err != nil {
		return "", err
	}
	return m.Build(context.Background(), dir, race)
}

// cluster returns a cluster of that many nodes on an empty database.
func cluster(tb testing.TB, nodes int) *clustertest.Cluster {
	tb.Helper()
	return clustertest.New(tb, config(tb, nodes))
}

func config(tb testing.TB, nodes int) clustertest.Config {
	tb.Helper()
	database := pgtest.New(tb) // skips where there is no PostgreSQL
	binary, err := bearerd()
	if err != nil {
		tb.Fatal(err)
	}
	return clustertest.Config{Binary: binary, Database: database, Nodes: nodes}
}

// pairConfig returns the configuration of a cluster on a pair.
func pairConfig(tb testing.TB, nodes int) (clustertest.Config, *clustertest.Pair) {
	tb.Helper()
	pair := clustertest.NewPair(tb) // skips where there is no PostgreSQL
	binary, err := bearerd()
	if err != nil {
		tb.Fatal(err)
	}
	return clustertest.Config{Binary: binary, Pair: pair, Nodes: nodes}, pair
}

// keepsItsPromise fails the test for every violation in the history.
func keepsItsPromise(c *clustertest.Cluster) {
	c.Helper()
	const enough = 10
	violations := c.Check()
	shown := map[string]bool{}
	for _, v := range violations[:min(enough, len(violations))] {
		c.Error(v)
		if !shown[v.Rule] {
			c.Logf("its story:\n%s", c.History.Story(v))
		}
		shown[v.Rule] = true
	}
	if len(violations) > enough {
		c.Errorf("and %d more", len(violations)-enough)
	}
}

// eventually waits until so returns true, and returns how long that took. It fails the
// test when it takes longer than within.
func eventually(c *clustertest.Cluster, within time.Duration, what string, so func() bool) time.Duration {
	c.Helper()
	begun := time.Now()
	for !so() {
		if time.Since(begun) > within {
			c.Fatalf("%s: not within %v", what, within)
		}
		time.Sleep(2 * time.Millisecond)
	}
	return time.Since(begun)
}

func must(c *clustertest.Cluster, err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// tries is how often a request is sent that a busy machine may refuse.
const tries = 5

// issued returns the token that ask returns, and fails the test when there is none.
func issued(c *clustertest.Cluster, ask func() *clustertest.Token) *clustertest.Token {
	c.Helper()
	for range tries {
		if t := ask(); t != nil {
			return t
		}
		time.Sleep(100 * time.Millisecond)
	}
	c.Fatal("no token was issued")
	return nil
}

// accepted fails the test when a node doesn't accept a token.
func accepted(c *clustertest.Cluster, n *clustertest.Node, t *clustertest.Token) {
	c.Helper()
	o := c.Verify(n, t)
	for i := 1; i < tries && o.Outcome == clustertest.Unavailable; i++ {
		o = c.Verify(n, t)
	}
	if o.Outcome != clustertest.Yes {
		c.Fatalf("%s at node %d: %s, %q", t.Name, n.Number, o.Outcome, o.Reason)
	}
}

// acknowledged does act until it is acknowledged, and returns the acknowledgement. It
// fails the test when there is none. Revoking twice is success.
func acknowledged(c *clustertest.Cluster, act func() clustertest.Op) clustertest.Op {
	c.Helper()
	o := act()
	for i := 1; i < tries && o.Outcome == clustertest.Unavailable; i++ {
		o = act()
	}
	if o.Outcome != clustertest.Yes {
		c.Fatalf("%s at node %d: %s, %q", o.Kind, o.Node, o.Outcome, o.Reason)
	}
	return o
}

// slack is what a busy machine may add to a promised time.
const slack = 700 * time.Millisecond
