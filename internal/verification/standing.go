package verification

import (
	"context"
	"time"

	"github.com/bearerd/bearerd/internal/revocation"
)

// Standing is what this process knows of the log at one moment. A caller that ends a long
// answer when its sender's access ends needs it: see StillGood.
type Standing struct {
	AsOf  revocation.Seq // every entry up to it counts here
	Epoch uint64         // when it differs, entries may have been missed, and everything is judged again
	Fresh bool           // there is a lease
	Clock time.Duration  // of the leases
	Now   time.Time      // of expiry

	LeaseAge time.Duration   // since the last answer of the log
	News     <-chan struct{} // closed when the log or the lease changes, which may change nothing above
}

// Standing returns what this process knows of the log now.
func (v *Verifier) Standing() Standing {
	news := v.ledger.Watch() // taken first, so that nothing later is missed
	return Standing{
		AsOf: v.ledger.Applied(), Epoch: v.ledger.Epoch(), Fresh: v.ledger.Lease().Holds(),
		Clock: v.ledger.Clock(), Now: v.ledger.Now(),
		LeaseAge: v.ledger.LeaseAge(), News: news,
	}
}

// StillGood decides again about a request that was accepted, while its answer goes on. It
// judges by what is known here now, with or without a lease, because the answer itself is
// bound to one. The address that the request came from was judged when it was accepted, and
// stays the same. It is not counted and is not a use of the token. The error is that of
// Identify.
func (v *Verifier) StillGood(ctx context.Context, id *Identity, raw string, r Requirements) (*Identity, error) {
	t := id.Token
	if v.facts.outdated(t) {
		var err error
		if t, err = v.facts.recall(ctx, raw); err != nil {
			return nil, v.refused(err)
		}
	}
	r.at, r.AnyNetwork = v.ledger.Now(), true
	if err := v.judge.check(ctx, raw, t, &r); err != nil {
		return nil, v.refused(err)
	}
	if t.OfClient() { // needs no look-up: its right to be let in is the token's scope alone
		return &Identity{Token: t, Subject: id.Subject, AsOf: id.AsOf}, nil
	}
	return v.identity(ctx, raw, t, id.AsOf)
}
