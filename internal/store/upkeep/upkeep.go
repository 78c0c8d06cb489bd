// Package upkeep keeps what package upkeep of the records describes, what nodes keep on their own
// account: what they counted, what tokens were used for, what report-only routes would have
// refused, notices that wait to be sent, and confirmations that are passed on from node to node.
package upkeep

import (
	"context"
	"math"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/records/upkeep"
	"github.com/bearerd/bearerd/internal/store/engine"
	"github.com/bearerd/bearerd/internal/store/query"
)

// Upkeep reads and writes everything of this package.
type Upkeep struct {
	Traffic
	Census
	Uses
	Shadows
	Outbox
	Confirmations
}

// New returns what the nodes of a database keep.
func New(db engine.DB, now func() time.Time) *Upkeep {
	x := &Upkeep{Traffic: Traffic{db}, Census: Census{db}, Uses: Uses{db: db, now: now}, Shadows: Shadows{db}, Outbox: Outbox{db}, Confirmations: Confirmations{db, now}}
	x.walk.Store(math.MinInt64 + rand.Int64N(1<<62)) //nolint:gosec // among the keys of UUIDs, so that short-lived processes look through all in the end
	return x
}

// Traffic keeps what nodes counted, hour by hour.
type Traffic struct{ db engine.DB }

// Census counts users and tokens.
type Census struct{ db engine.DB }

// Uses keeps what stored tokens were used for.
type Uses struct {
	db   engine.DB
	now  func() time.Time
	walk atomic.Int64 // the key of token_uses where the next purge begins
}

// Shadows keeps what report-only routes would have refused.
type Shadows struct{ db engine.DB }

// Outbox keeps notices that wait to be sent.
type Outbox struct{ db engine.DB }

// Confirmations passes confirmations on from node to node.
type Confirmations struct {
	db  engine.DB
	now func() time.Time
}

// CarryOut does an operation on the outbox. It reports whether the operation is one.
func CarryOut(ctx context.Context, c engine.Conn, o op.Op) (done bool, err error) {
	switch o := o.(type) {
	case op.AddNotice:
		return true, addNotice(ctx, c, o)
	case op.SeeNetwork:
		return true, see(ctx, c, o)
	}
	return false, nil
}

// Purging returns the steps that delete what is due, except uses.
func Purging(end query.Passed) []query.Step {
	return []query.Step{
		query.Purging(purgeShadows, shadowEnd(end.Rest)),
		query.Purging(purgePassed, end.Rest-upkeep.KeptPassed.Microseconds()),
	}
}
