package clustertest_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/clustertest"
	"github.com/bearerd/bearerd/internal/pgtest"
)

const staleness = clustertest.Staleness

// cutOffAndRevoke revokes a token while one node is cut off from the database.
func cutOffAndRevoke(c *clustertest.Cluster, b clustertest.Breakage) (revocation clustertest.Op, repair func() error) {
	c.Helper()
	here, far := c.Nodes[0], c.Nodes[len(c.Nodes)-1]
	token := issued(c, func() *clustertest.Token { return c.ClientToken(here) })
	for _, n := range c.Nodes {
		accepted(c, n, token)
	}
	repair = c.Break(far, b)
	revocation = acknowledged(c, func() clustertest.Op { return c.Revoke(here, token, true) })
	verifyOftenEverywhere(c, token)
	return revocation, repair
}

// verifyOftenEverywhere verifies a token at every node several times. It asks a node
// that answers 503 no more.
func verifyOftenEverywhere(c *clustertest.Cluster, token *clustertest.Token) {
	c.Helper()
	for _, n := range c.Nodes {
		for range 20 {
			if c.Verify(n, token).Outcome == clustertest.Unavailable {
				break
			}
		}
	}
}

// TestACutOffNodeStopsSayingYes cuts a node off from the database in every way.
func TestACutOffNodeStopsSayingYes(t *testing.T) {
	t.Parallel()
	c := cluster(t, 3)
	here, far := c.Nodes[0], c.Nodes[2]
	for _, b := range clustertest.Breakages() {
		switch b.Name {
		case "cut off", "blackholed", "half open, up lost", "half open, down lost", "held":
		default:
			continue
		}
		good := issued(c, func() *clustertest.Token { return c.ClientToken(here) })
		for _, n := range c.Nodes {
			accepted(c, n, good)
		}
		revocation, repair := cutOffAndRevoke(c, b)
		if took := revocation.End - revocation.Start; took > staleness+slack {
			t.Errorf("%s: the acknowledgement took %v", b.Name, took)
		}
		if n := *revocation.Counts; n.Nodes != 3 || n.Confirmed != 2 || n.Expired != 1 {
			t.Errorf("%s: the acknowledgement counts %+v", b.Name, n)
		}
		accepted(c, here, good) // the others go on
		accepted(c, c.Nodes[1], good)
		if o := c.Verify(far, good); o.Outcome != clustertest.Unavailable || o.End-o.Start > time.Second+slack {
			t.Errorf("%s: the node answers %s after %v, not 503 within a second", b.Name, o.Outcome, o.End-o.Start)
		}
		must(c, repair())
		took := eventually(c, staleness+time.Second+slack, b.Name+": the node accepts tokens again", func() bool {
			return c.Verify(far, good).Outcome == clustertest.Yes
		})
		t.Logf("%s: acknowledged after %v, recovered after %v", b.Name, revocation.End-revocation.Start, took)
		must(c, far.WaitReady(t.Context(), c.Client.HTTP))
	}
	keepsItsPromise(c)
}

// TestWithoutADatabaseNoNodeSaysYes makes the database unreachable for all nodes.
func TestWithoutADatabaseNoNodeSaysYes(t *testing.T) {
	t.Parallel()
	c := cluster(t, 3)
	good := issued(c, func() *clustertest.Token { return c.ClientToken(c.Nodes[0]) })
	for _, w := range []clustertest.Weather{{Cut: true}, {Up: clustertest.Lose, Down: clustertest.Lose}} {
		for _, n := range c.Nodes {
			accepted(c, n, good)
		}
		repair := c.CutAll(w)
		cut := c.History.Now()
		eachNode(c, func(n *clustertest.Node) {
			for o := c.Verify(n, good); o.Outcome != clustertest.Unavailable; o = c.Verify(n, good) {
				if o.Start > cut+staleness {
					t.Errorf("node %d answers %s, %v after it was cut off", n.Number, o.Outcome, o.Start-cut)
					return
				}
			}
			a, err := c.Client.Do(t.Context(), n, clustertest.Ask{Path: "/auth/verify", Bearer: good.Value})
			if err != nil || a.Status != http.StatusServiceUnavailable || a.Header.Get("Retry-After") == "" {
				t.Errorf("node %d answers %d without a Retry-After (%v)", n.Number, a.Status, err)
			}
			if c.ClientToken(n) != nil {
				t.Errorf("node %d issued a token without storing its audit event", n.Number)
			}
		})
		must(c, repair())
		eachNode(c, func(n *clustertest.Node) {
			repaired := c.History.Now()
			for o := c.Verify(n, good); o.Outcome != clustertest.Yes; o = c.Verify(n, good) {
				if o.Start > repaired+staleness+time.Second {
					t.Errorf("node %d still answers %s", n.Number, o.Outcome)
					return
				}
			}
		})
	}
	keepsItsPromise(c)
}

// eachNode calls do for every node concurrently.
func eachNode(c *clustertest.Cluster, do func(*clustertest.Node)) {
	var all sync.WaitGroup
	for _, n := range c.Nodes {
		all.Go(func() { do(n) })
	}
	all.Wait()
}

// TestAKilledDatabaseLosesNothing kills PostgreSQL while revocations are under way.
func TestAKilledDatabaseLosesNothing(t *testing.T) {
	t.Parallel()
	server := pgtest.Start(t)
	binary, err := bearerd()
	if err != nil {
		t.Fatal(err)
	}
	c := clustertest.New(t, clustertest.Config{Binary: binary, Database: server.DSN(), Nodes: 2})
	good := issued(c, func() *clustertest.Token { return c.ClientToken(c.Nodes[0]) })
	for range 2 {
		var tokens []*clustertest.Token
		for range 40 {
			tokens = append(tokens, issued(c, func() *clustertest.Token { return c.ClientToken(c.Nodes[0]) }))
		}
		repaired := c.History.Break("the database was killed", -1)
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
				server.Kill(t)
			}
			work <- token
		}
		close(work)
		revoking.Wait()
		server.Restart(t)
		repaired()
		for _, n := range c.Nodes {
			eventually(c, staleness+time.Second+slack, "yes again", func() bool { return c.Verify(n, good).Outcome == clustertest.Yes })
			for _, token := range tokens {
				c.Verify(n, token)
			}
		}
	}
	keepsItsPromise(c)
}

// sleepThrough revokes a token while one node or edge is paused, and resumes that with
// requests already waiting in its sockets.
func sleepThrough(c *clustertest.Cluster, far *clustertest.Node) {
	c.Helper()
	here := c.Nodes[0]
	token := issued(c, func() *clustertest.Token { return c.ClientToken(here) })
	accepted(c, far, token)
	repaired := c.History.Break("paused", far.Number)
	must(c, far.Pause())
	acknowledged(c, func() clustertest.Op { return c.Revoke(here, token, true) })
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() { c.Verify(far, token) })
	}
	time.Sleep(20 * time.Millisecond) // for the requests to arrive; nothing depends on it
	must(c, far.Resume())
	asking.Wait()
	repaired()
	for range 20 {
		c.Verify(far, token)
	}
}

func TestAPausedNodeWakesUpWithoutAYes(t *testing.T) {
	t.Parallel()
	c := cluster(t, 2)
	for range 4 {
		sleepThrough(c, c.Nodes[1])
		must(c, c.Nodes[1].WaitReady(t.Context(), c.Client.HTTP))
	}
	keepsItsPromise(c)
}

// TestAKilledNodeLosesNothing kills a node while it revokes, several times.
func TestAKilledNodeLosesNothing(t *testing.T) {
	t.Parallel()
	c := cluster(t, 2)
	victim, other := c.Nodes[0], c.Nodes[1]
	good := issued(c, func() *clustertest.Token { return c.ClientToken(other) })
	for range 3 {
		var tokens []*clustertest.Token
		for range 20 {
			tokens = append(tokens, issued(c, func() *clustertest.Token { return c.ClientToken(other) }))
		}
		repair := c.Break(victim, clustertest.Breakage{
			Break: func(c *clustertest.Cluster, n *clustertest.Node) error {
				var revoking sync.WaitGroup
				for i, token := range tokens {
					revoking.Go(func() { c.Revoke(victim, token, i%2 == 0) })
				}
				time.Sleep(15 * time.Millisecond) // some are acknowledged by now, most are not
				err := n.Kill()
				revoking.Wait()
				return err
			},
			Repair: func(c *clustertest.Cluster, n *clustertest.Node) error {
				c.Start(n)
				return nil
			},
		})
		must(c, repair())
		for _, n := range c.Nodes {
			accepted(c, n, good)
			for _, token := range tokens {
				c.Verify(n, token)
			}
		}
	}
	keepsItsPromise(c)
}

// TestASlowLineCostsNoYes delays the line to the database. A node keeps its lease as
// long as the round trip is well within a quarter of L. Beyond that it asks the
// database for each token, and may get no answer in time.
func TestASlowLineCostsNoYes(t *testing.T) {
	t.Parallel()
	c := cluster(t, 2)
	here, far := c.Nodes[0], c.Nodes[1]
	good := issued(c, func() *clustertest.Token { return c.ClientToken(here) })
	accepted(c, far, good)
	for _, delay := range []time.Duration{50 * time.Millisecond, 200 * time.Millisecond} {
		must(c, far.Link.Set(clustertest.Weather{Delay: delay}))
		repaired := c.History.Break("slow", far.Number)
		refused := 0
		for range 4 {
			token := issued(c, func() *clustertest.Token { return c.ClientToken(here) })
			c.Verify(far, token)
			revocation := acknowledged(c, func() clustertest.Op { return c.Revoke(here, token, true) })
			if took := revocation.End - revocation.Start; took > staleness+slack {
				t.Errorf("with a delay of %v the acknowledgement took %v", delay, took)
			}
			c.Verify(far, token)
			if c.Verify(far, good).Outcome != clustertest.Yes {
				refused++
			}
		}
		if refused > 0 && delay < staleness/10 {
			t.Errorf("with a delay of %v a good token was refused %d times", delay, refused)
		}
		must(c, far.Link.Restore())
		repaired()
		eventually(c, staleness+time.Second+slack, "yes again", func() bool { return c.Verify(far, good).Outcome == clustertest.Yes })
	}
	keepsItsPromise(c)
}

// TestAJoiningNodeHonoursEarlierRevocations starts nodes one after another while
// revocations go on, and verifies at each at once what was revoked before it started.
func TestAJoiningNodeHonoursEarlierRevocations(t *testing.T) {
	t.Parallel()
	c := cluster(t, 1)
	here := c.Nodes[0]
	repaired := c.History.Break("nodes are joining", -1)
	done := make(chan struct{})
	var revoking sync.WaitGroup
	var mu sync.Mutex
	var revoked []*clustertest.Token
	revoking.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			token := issued(c, func() *clustertest.Token { return c.ClientToken(here) })
			if token == nil || c.Revoke(here, token, true).Outcome != clustertest.Yes {
				continue
			}
			mu.Lock()
			revoked = append(revoked, token)
			mu.Unlock()
		}
	})
	eventually(c, 10*time.Second, "a token is revoked", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(revoked) > 0
	})
	for range 2 {
		n := c.Add()
		must(c, n.Start())
		for range 100 {
			mu.Lock()
			token := revoked[len(revoked)-1]
			mu.Unlock()
			c.Verify(n, token)
		}
		must(c, n.WaitReady(t.Context(), c.Client.HTTP))
	}
	repaired()
	close(done)
	revoking.Wait()
	for _, n := range c.Nodes {
		for _, token := range revoked {
			c.Verify(n, token)
		}
	}
	keepsItsPromise(c)
}

// TestNodesThatStartTogetherCreateOneKey starts three nodes at once on an empty
// database.
func TestNodesThatStartTogetherCreateOneKey(t *testing.T) {
	t.Parallel()
	c := clustertest.Prepare(t, config(t, 0))
	var starting sync.WaitGroup
	for range 3 {
		n := c.Add()
		starting.Go(func() {
			if err := n.Start(); err != nil {
				t.Error(err)
			}
		})
	}
	starting.Wait()
	kids := map[string]bool{}
	for _, n := range c.Nodes {
		must(c, n.WaitReady(t.Context(), c.Client.HTTP))
		a, err := c.Client.Do(t.Context(), n, clustertest.Ask{Path: "/.well-known/jwks.json"})
		must(c, err)
		keys, _ := a.Body["keys"].([]any)
		if len(keys) != 1 {
			t.Errorf("node %d shows %d keys", n.Number, len(keys))
		}
		for _, key := range keys {
			one, _ := key.(map[string]any)
			kid, _ := one["kid"].(string)
			kids[kid] = true
		}
	}
	if len(kids) != 1 {
		t.Errorf("there are %d keys", len(kids))
	}
}
