package postgres

import (
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/records/op"
)

// What an event says never changes which locks a batch needs: a group takes those of its
// first batch, for all.
func TestABatchThatNamesSomebodyWaitsWithThoseThatNeedTheSameLocks(t *testing.T) {
	t.Parallel()
	for name, ops := range map[string][]op.Op{
		"killing": {op.KillTokens{IDs: []string{"a"}}, op.RemoveBinding{ID: "b"}},
		"adding":  {op.AddToken{}},
		"others":  {op.RemoveBinding{ID: "b"}},
	} {
		event := audit.Event{Action: audit.Login, Outcome: audit.OK, At: time.Now()}
		plain, err := classOf(op.Batch{Ops: ops, Audit: []audit.Event{event.Clean()}})
		if err != nil {
			t.Fatal(err)
		}
		event.TargetName = "ada"
		named, err := classOf(op.Batch{Ops: ops, Audit: []audit.Event{event.Clean()}})
		if err != nil || named != plain {
			t.Errorf("%s: class %d, and %d where it names somebody (%v)", name, plain, named, err)
		}
	}
}
