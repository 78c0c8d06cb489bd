package verify_test

import (
	"context"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/verify"
)

// newVerifier is verify.New or, for an edge, verify.NewEdge.
type newVerifier = func(context.Context, verify.Config) (*verify.Verifier, error)

// confirmer starts a verifier of the cluster's tokens that confirms, and waits until the
// list of nodes has it.
func (c *cluster) confirmer(t *testing.T, label string, create newVerifier) *verify.Verifier {
	t.Helper()
	cfg := c.config()
	cfg.Confirm = label
	v, err := create(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// registered counts the verifiers and edges that the nodes have registered.
func (c *cluster) registered() (count int) {
	for _, n := range c.nodes {
		s := n.Room.Status()
		count += s.Verifiers.Count + s.Edges.Count
	}
	return count
}

func (c *cluster) revoke(t *testing.T, raw string, wait revocation.Wait) (revocation.Acknowledgement, time.Duration) {
	t.Helper()
	own, err := c.BearerToRevoke(t.Context(), raw)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	r, err := c.Revoke(t.Context(), own.Waiting(wait), revoking.Revocation{Token: raw})
	if err != nil {
		t.Fatal(err)
	}
	return *r.Nodes, time.Since(began)
}

// Whatever node a verifier's stream and its confirmations reach: once a revocation with
// wait=all is acknowledged, no verifier that confirms accepts the token.
func TestWaitAllWaitsForTheVerifiersThatConfirm(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"one node": 1, "three nodes": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, size)
			_, _, jwt, opaque := c.ada(t)
			verifiers := []*verify.Verifier{c.confirmer(t, "a", verify.New), c.confirmer(t, "b", verify.New), c.confirmer(t, "c", verify.New)}
			edge := c.confirmer(t, "e", verify.NewEdge)
			for i, raw := range []string{jwt, opaque} {
				for _, v := range append(verifiers, edge) {
					wants(t, judge(v, raw), yes)
				}
				ack, took := c.revoke(t, raw, revocation.WaitAll)
				for _, v := range append(verifiers, edge) {
					if judge(v, raw) == nil {
						t.Errorf("%d: accepted after it was acknowledged", i)
					}
				}
				if ack.Verifiers == nil || *ack.Verifiers != (revocation.Verifiers{Count: 3, Confirmed: 3}) ||
					ack.Nodes != size+1 || ack.Confirmed != size+1 || took > time.Second {
					t.Errorf("%d: %+v %+v after %s", i, ack, ack.Verifiers, took)
				}
			}
			for _, v := range append(verifiers, edge) {
				v.Close()
			}
			eventually(t, "the goodbyes", func() bool { return c.registered() == 0 })
		})
	}
}

// A revocation with wait=true waits for an edge as for a node, and for no service.
func TestWaitTrueWaitsForEdgesAlone(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 1)
	_, _, jwt, _ := c.ada(t)
	edge := c.confirmer(t, "e", verify.NewEdge)
	ack, _ := c.revoke(t, jwt, revocation.WaitNodes)
	if judge(edge, jwt) == nil {
		t.Error("the edge accepts what was acknowledged")
	}
	if ack.Verifiers != nil || ack.Nodes != 2 || ack.Confirmed != 2 {
		t.Errorf("%+v %+v", ack, ack.Verifiers)
	}
}
