package verification

import (
	"time"

	"github.com/bearerd/bearerd/internal/revocation"
)

// Standing is what this process knows of the log at one moment, for whoever ends what was
// let in before: see StillGood.
type Standing struct {
	AsOf  revocation.Seq // every entry up to it counts here
	Epoch uint64         // another one: entries may have been missed, and everything is judged again
	Fresh bool           // there is a lease
	Clock time.Duration  // of the leases
	Now   time.Time      // of expiry
}

// Standing returns what this process knows of the log now.
func (v *Verifier) Standing() Standing {
	return Standing{
		AsOf: v.ledger.Applied(), Epoch: v.ledger.Epoch(), Fresh: v.ledger.Lease().Holds(),
		Clock: v.ledger.Clock(), Now: v.ledger.Now(),
	}
}

// Watch returns a channel that is closed at the next news of the log. Take it before
// asking for the Standing.
func (v *Verifier) Watch() <-chan struct{} { return v.ledger.Watch() }
