package node_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records/op"
)

// A node that starts deletes what stands in the audit log for longer than it may.
func TestStartPurgesTheAuditLogByAge(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: func(s *node.Settings) { s.Audit = 30 * 24 * time.Hour }})
	for _, age := range []time.Duration{31 * 24 * time.Hour, 29 * 24 * time.Hour, 0} {
		_, err := f.Store.Commit(t.Context(), op.Batch{Audit: []audit.Event{{
			At: f.Time().Add(-age).UTC(), Actor: audit.ActorSystem, Action: audit.Apply, Target: age.String(), Outcome: audit.OK,
		}}})
		nodetest.Must(t, err)
	}
	f.KeepHouse(t)
	nodetest.Eventually(t, func() error {
		if n := len(f.Events(t, audit.Filter{Action: audit.Apply})); n != 2 {
			return errors.New("the old event is there, or another is not")
		}
		return nil
	})
}

// What a node has counted is written when it stops.
func TestStopWritesTheRefusalsThatWereCounted(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	reason := fault.New(fault.BadCredentials, "wrong username or password")
	for range 7 {
		if err := f.Journal.Refuse(t.Context(), audit.Event{Action: audit.Login, Target: "ada"}, reason); !errors.Is(err, reason) {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	nodetest.Must(t, f.Run(ctx))
	if events := f.Events(t, audit.Filter{Action: audit.Login}); len(events) != 1 || events[0].Count != 7 {
		t.Errorf("%+v", events)
	}
}
