package upkeep

import (
	"time"

	"github.com/bearerd/bearerd/internal/revocation"
)

// PassedConfirmation is what a verifier outside has confirmed at a node other than the
// one whose stream it follows.
type PassedConfirmation struct {
	Stream string         `json:"stream"`
	Client string         `json:"client"` // who sent it
	Seq    revocation.Seq `json:"seq"`
	Bye    bool           `json:"bye,omitempty"`
}

// PassedBatch is what one node passes on to others at once.
type PassedBatch struct {
	From  string
	Count int64                           // of the batches of that node
	To    map[string][]PassedConfirmation // by node
}

// KeptPassed is how long passed confirmations are kept for a node that doesn't take them:
// for longer than anybody waits for them.
const KeptPassed = time.Hour
