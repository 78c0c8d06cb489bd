package verification_test

import (
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

// TestNodesOnPostgres runs the tests of two nodes once more, on PostgreSQL, where
// their writes happen at the same time.
func TestNodesOnPostgres(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*testing.T){
		"acknowledged revocations":   TestAcknowledgedRevocationIsHonouredByEveryNode,
		"revocations not waited for": TestRevocationThatIsNotWaitedForIsHonouredWithinTheStaleness,
	} {
		t.Run(name, test)
	}
}

// With LISTEN and NOTIFY an acknowledgement waits for no node's clock.
func TestNodesHearOfARevocationAtOnce(t *testing.T) {
	t.Parallel()
	slow := func(s *node.Settings) { s.Staleness = time.Minute } // asks by itself every 15 s
	here, there := nodetest.Two(t, nodetest.Options{Postgres: true, Settings: slow})
	ada := here.Person(t, "ada")
	for range 5 {
		issued := here.MadeAccess(t, ada)
		there.WantAlive(t, "before", issued)
		begun := time.Now()
		r, err := here.RevokeID(t.Context(), operator, issued.ID)
		if took := time.Since(begun); err != nil || took > 5*time.Second || r.Nodes == nil || r.Nodes.Confirmed != 2 {
			t.Errorf("%+v after %s, %v", r, took, err)
		}
		there.WantDead(t, "acknowledged", issued)
	}
}
