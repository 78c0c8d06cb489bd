package clustertest_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/clustertest"
)

// outsideRecovery is how long it may take after a fault until an edge or a service accepts
// tokens again: it waits longer each time before it connects again.
const outsideRecovery = staleness + 16*time.Second

// withOutside adds edges, services that confirm, and one that doesn't.
func withOutside(conf clustertest.Config, edges, confirming int) clustertest.Config {
	conf.Edges, conf.Confirming, conf.Services = edges, confirming, 1
	return conf
}

// outside returns a cluster of two nodes with edges and services.
func outside(tb testing.TB, edges, confirming int) *clustertest.Cluster {
	tb.Helper()
	return clustertest.New(tb, withOutside(config(tb, 2), edges, confirming))
}

// acceptedOutside fails the test when an edge or a service doesn't accept a token in time.
func acceptedOutside(c *clustertest.Cluster, t *clustertest.Token) {
	c.Helper()
	for _, e := range c.Edges {
		eventually(c, outsideRecovery, fmt.Sprintf("edge %d accepts", e.Number), func() bool { return c.Verify(e, t).Outcome == clustertest.Yes })
	}
	for _, s := range c.Services {
		eventually(c, outsideRecovery, fmt.Sprintf("service %d accepts", s.Number), func() bool { return c.VerifyAt(s, t).Outcome == clustertest.Yes })
	}
}

// verifyOutside verifies tokens at every edge and service.
func verifyOutside(c *clustertest.Cluster, tokens ...*clustertest.Token) {
	for _, t := range tokens {
		for _, e := range c.Edges {
			c.Verify(e, t)
		}
		for _, s := range c.Services {
			c.VerifyAt(s, t)
		}
	}
}

// verifyAllTheTime verifies a token at edges and services until the function it returns is
// called, which waits for the last answer.
func verifyAllTheTime(c *clustertest.Cluster, t *clustertest.Token) (end func()) {
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
				verifyOutside(c, t)
			}
		}
	}()
	return sync.OnceFunc(func() {
		close(stop)
		<-ended
	})
}

// breakTheLine breaks a line outside, and revokes a token, while it is verified all the
// time.
func breakTheLine(c *clustertest.Cluster, far *clustertest.Node, b clustertest.Breakage, revoke func(*clustertest.Token) clustertest.Op) (revocation clustertest.Op, repair func() error) {
	c.Helper()
	token := issued(c, func() *clustertest.Token { return c.ClientToken(c.Nodes[0]) })
	acceptedOutside(c, token)
	repair = c.Break(far, b)
	end := verifyAllTheTime(c, token)
	defer end()
	revocation = acknowledged(c, func() clustertest.Op { return revoke(token) })
	for range 5 {
		verifyOutside(c, token)
	}
	return revocation, repair
}

// lines returns the faults of a line after which nothing comes through, or nothing comes
// back.
func lines() []clustertest.Breakage {
	return slices.DeleteFunc(clustertest.Breakages(), func(b clustertest.Breakage) bool {
		return !slices.Contains([]string{"cut off", "blackholed", "half open, up lost", "half open, down lost", "held"}, b.Name)
	})
}

// TestACutOffEdgeStopsSayingYes breaks the line of an edge in every way, and then those of
// services. A revocation waits for an edge, and for a service that confirms, until it says
// yes no more, and not longer.
func TestACutOffEdgeStopsSayingYes(t *testing.T) {
	t.Parallel()
	c := outside(t, 2, 1)
	here, edge, service := c.Nodes[0], c.Edges[0], c.Services[0]
	good := issued(c, func() *clustertest.Token { return c.ClientToken(here) })
	revoke := func(token *clustertest.Token) clustertest.Op { return c.Revoke(here, token, true) }
	everywhere := func(token *clustertest.Token) clustertest.Op { return c.RevokeEverywhere(here, token) }
	for _, b := range lines() {
		acceptedOutside(c, good)
		revocation, repair := breakTheLine(c, edge, b, revoke)
		// An edge that could hold no lease any more may have been dropped already, and what it
		// followed before the last fault may not have been.
		if n := *revocation.Counts; n.Confirmed < 3 || n.Expired > 2 || revocation.End-revocation.Start > staleness+slack {
			t.Errorf("%s: the acknowledgement counts %v after %v", b.Name, n, revocation.End-revocation.Start)
		}
		accepted(c, c.Edges[1], good) // the other goes on
		o := c.Verify(edge, good)
		if b.Name == "half open, up lost" { // it can't confirm, but gets the news that it honours
			o.Outcome = clustertest.Unavailable
		}
		if o.Outcome != clustertest.Unavailable || o.End-o.Start > time.Second+slack {
			t.Errorf("%s: the edge answers %s after %v, not 503 within a second", b.Name, o.Outcome, o.End-o.Start)
		}
		must(c, repair())
		took := eventually(c, outsideRecovery, b.Name+": the edge accepts tokens again", func() bool {
			return c.Verify(edge, good).Outcome == clustertest.Yes
		})
		t.Logf("%s: acknowledged after %v, recovered after %v", b.Name, revocation.End-revocation.Start, took)
	}
	for _, b := range lines()[:2] {
		acceptedOutside(c, good)
		revocation, repair := breakTheLine(c, service.Node, b, everywhere)
		if v := *revocation.Counts.Verifiers; v.Count > 2 || revocation.End-revocation.Start > staleness+slack {
			t.Errorf("%s: the acknowledgement counts %v after %v", b.Name, revocation.Counts, revocation.End-revocation.Start)
		}
		must(c, repair())
	}
	// Nobody waits for the service that doesn't confirm: it may accept the token for L.
	revocation, repair := breakTheLine(c, c.Services[1].Node, lines()[1], everywhere)
	for token := revocation.Token; c.History.Now() < revocation.End+2*staleness; time.Sleep(10 * time.Millisecond) {
		c.VerifyAt(c.Services[1], token)
	}
	if revocation.Counts.Verifiers.Expired > 0 {
		t.Errorf("a service that doesn't confirm is counted: %v", revocation.Counts)
	}
	must(c, repair())
	acceptedOutside(c, good)
	keepsItsPromise(c)
}

// TestAPausedEdgeWakesUpWithoutAYes resumes an edge with requests waiting in its sockets.
func TestAPausedEdgeWakesUpWithoutAYes(t *testing.T) {
	t.Parallel()
	c := outside(t, 1, 0)
	for range 3 {
		sleepThrough(c, c.Edges[0])
		must(c, c.Edges[0].WaitReady(t.Context(), c.Client.HTTP))
	}
	keepsItsPromise(c)
}

// TestAKilledEdgeHonoursWhatItMissed kills an edge while revocations go on. When it is back
// it accepts nothing whose revocation was acknowledged, from its first answer on.
func TestAKilledEdgeHonoursWhatItMissed(t *testing.T) {
	t.Parallel()
	c := outside(t, 1, 0)
	here, edge := c.Nodes[0], c.Edges[0]
	good := issued(c, func() *clustertest.Token { return c.ClientToken(here) })
	for range 2 {
		var tokens []*clustertest.Token
		for range 3 {
			token := issued(c, func() *clustertest.Token { return c.ClientToken(here) })
			accepted(c, edge, token)
			tokens = append(tokens, token)
		}
		repaired := c.History.Break("killed", edge.Number)
		revoked := make(chan struct{})
		go func() {
			defer close(revoked)
			acknowledged(c, func() clustertest.Op { return c.Revoke(here, tokens[0], true) })
		}()
		must(c, edge.Kill())
		<-revoked
		acknowledged(c, func() clustertest.Op { return c.Revoke(here, tokens[1], true) })
		must(c, edge.Start())
		for !edge.Ready(t.Context(), c.Client.HTTP) {
			verifyOutside(c, tokens[:2]...)
		}
		acknowledged(c, func() clustertest.Op { return c.Revoke(here, tokens[2], true) })
		verifyOutside(c, tokens...)
		repaired()
		acceptedOutside(c, good)
	}
	keepsItsPromise(c)
}

// TestAnEdgeMovesToAnotherNode ends the node that an edge follows: killed, and stopped. The
// edge goes on at another one, and is waited for there.
func TestAnEdgeMovesToAnotherNode(t *testing.T) {
	t.Parallel()
	c := outside(t, 1, 1)
	edge, near, far := c.Edges[0], c.Nodes[0], c.Nodes[1] // it prefers the first
	good := issued(c, func() *clustertest.Token { return c.ClientToken(far) })
	for _, b := range clustertest.Breakages() {
		if b.Name != "killed" && b.Name != "restarted" {
			continue
		}
		acceptedOutside(c, good)
		var tokens []*clustertest.Token
		for range 6 {
			tokens = append(tokens, issued(c, func() *clustertest.Token { return c.ClientToken(far) }))
		}
		for _, token := range tokens {
			acceptedOutside(c, token)
		}
		repair := c.Break(near, b)
		for _, token := range tokens[:3] {
			acknowledged(c, func() clustertest.Op { return c.RevokeEverywhere(far, token) })
			verifyOutside(c, token)
		}
		took := eventually(c, outsideRecovery, b.Name+": the edge goes on", func() bool { return c.Verify(edge, good).Outcome == clustertest.Yes })
		o := acknowledged(c, func() clustertest.Op { return c.Revoke(far, tokens[3], true) })
		verifyOutside(c, tokens[3])
		if o.Counts.Confirmed < 2 {
			t.Errorf("%s: the acknowledgement counts %v, not the edge that has moved", b.Name, o.Counts)
		}
		t.Logf("%s: moved after another %v", b.Name, took)
		must(c, repair())
		for _, token := range tokens[4:] {
			acknowledged(c, func() clustertest.Op { return c.Revoke(near, token, true) })
			verifyOutside(c, token)
		}
	}
	keepsItsPromise(c)
}

// TestAFailoverWithEdgesLosesNothing loses the primary while revocations are under way that
// edges and services are waited for.
func TestAFailoverWithEdgesLosesNothing(t *testing.T) {
	t.Parallel()
	conf, pair := pairConfig(t, 2)
	c := clustertest.New(t, withOutside(conf, 2, 1))
	good := issued(c, func() *clustertest.Token { return c.ClientToken(c.Nodes[0]) })
	var tokens []*clustertest.Token
	for range 24 {
		tokens = append(tokens, issued(c, func() *clustertest.Token { return c.ClientToken(c.Nodes[0]) }))
	}
	acceptedOutside(c, good)
	verifyOutside(c, tokens...)
	repaired := c.History.Break("the primary was killed", -1)
	var revoking sync.WaitGroup
	work := make(chan *clustertest.Token)
	for i := range 4 {
		revoking.Go(func() {
			for token := range work {
				if i == 0 {
					c.RevokeEverywhere(c.Nodes[0], token)
				} else {
					c.Revoke(c.Nodes[i%2], token, i < 3)
				}
				verifyOutside(c, token)
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
	verifyOutside(c, tokens...)
	acceptedOutside(c, good)
	verifyOutside(c, tokens...)
	keepsItsPromise(c)
}

// TestManyServicesAreWaitedFor has a hundred services that verify, and many more that read
// the log and confirm (READERS): when a revocation that waits for all is acknowledged, each
// of the first refuses, and each of the others has read it.
func TestManyServicesAreWaitedFor(t *testing.T) {
	t.Parallel()
	const services = 100
	readers := number(t, "READERS", 400)
	conf := config(t, 2)
	conf.Fronts, conf.Staleness = true, 3*time.Second
	c := clustertest.New(t, conf)
	all := c.AddServices(services, true)
	reading := c.AddReaders(readers)
	var took []time.Duration
	counted := 0
	for range 6 {
		token := issued(c, func() *clustertest.Token { return c.ClientToken(c.Nodes[0]) })
		verifyOutside(c, token)
		o := acknowledged(c, func() clustertest.Op { return c.RevokeEverywhere(c.Nodes[1], token) })
		if n := reading.Behind(o.Counts.Seq); n > 0 && o.Counts.Verifiers.Expired < n {
			t.Errorf("%d readers had not read what was acknowledged as %v", n, o.Counts)
		}
		for _, s := range all {
			if p := c.VerifyAt(s, token); p.Outcome == clustertest.Yes {
				t.Fatalf("service %d accepts what was acknowledged as %v", s.Number, o.Counts)
			}
		}
		// On a busy machine a verifier may have had no news for L. Then it isn't waited for.
		counted = max(counted, o.Counts.Verifiers.Count)
		took = append(took, o.End-o.Start)
	}
	if want := services + readers - reading.Ended(); counted < want {
		t.Errorf("%d verifiers are counted, not %d", counted, want)
	}
	slices.Sort(took)
	t.Logf("%d services and %d readers: acknowledged after %v in the middle, %v at most", services, readers, took[len(took)/2], took[len(took)-1])
}

// TestThePromiseOutsideInPeace runs a random workload with edges and services, and breaks
// nothing.
func TestThePromiseOutsideInPeace(t *testing.T) {
	t.Parallel()
	c := outside(t, 2, 2)
	must(c, c.Work(clustertest.Workload{Seed: seed(t), Length: 5 * time.Second, Calm: true}))
	t.Log(c.Report())
	keepsItsPromise(c)
}
