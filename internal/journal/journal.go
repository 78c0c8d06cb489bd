// Package journal commits one business fact at a time: its operations, its entries in the
// revocation log, and its audit events, in one transaction. Where there are log entries,
// the answer waits until they hold: always on this node, and on every other node if the
// caller asks for it.
package journal

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/records/contract"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
)

// Store is where a journal writes, and where it reads the list of nodes that it waits
// for.
type Store interface {
	contract.Committer
	Nodes(ctx context.Context, origin string) ([]revocation.Confirmation, error)
	DropNode(ctx context.Context, said revocation.Confirmation) error
	Settle(ctx context.Context) (revocation.Seq, error)
}

// Config configures a journal. Every field but Watcher, Meter and Announce must be set.
type Config struct {
	Store    Store
	Follower *revocation.Follower
	Watcher  *revocation.NodeWatcher // nil: a node without a lease is waited for once
	Meter    Meter                   // nil: nothing is counted
	// Announce returns the operations that report a batch to receivers outside, in the same
	// transaction; nil: nothing is reported.
	Announce func(op.Batch) ([]op.Op, error)

	Wait         revocation.Wait  // what WaitDefault stands for
	Staleness    time.Duration    // L
	LongestToken time.Duration    // the longest lifetime of a JWT that is issued now
	LastExpiry   func() time.Time // of the JWTs that the signing keys have signed
	Now          func() time.Time
	Clock        func() time.Duration // the boot clock, as the follower's
}

// Meter counts what a journal acknowledges.
type Meter interface {
	Revoked(r Revocation)
	Acknowledged(took time.Duration)
	Waited(outcome string) // WaitConfirmed and so on
}

// Revocation counts what one batch revoked, and the entries of the log that it took. A
// token counts once with everything that was made from it, a user once with all tokens. A
// batch after which access is decided again revokes none of these.
type Revocation struct {
	Entries                      int
	Tokens, Users, Clients, Keys int
	Everything                   int
}

// revocationOf counts what a batch revokes.
func revocationOf(b op.Batch) Revocation {
	r := Revocation{Entries: len(b.Log)}
	keys := map[string]bool{}
	for _, e := range b.Log {
		if e.What == revocation.SigningKey {
			keys[e.ID] = true
		}
	}
	for _, o := range b.Ops {
		switch o := o.(type) {
		case op.KillEverything:
			r.Everything++
		case op.KillTokens:
			switch {
			case o.Owner != "":
				r.Users++
			case o.ClientID != "":
				r.Clients++
			case len(o.IDs) > 0 && keys[o.IDs[0]]:
				r.Keys++
			default:
				r.Tokens++
			}
		}
	}
	return r
}

// Outcomes of waiting until a revocation holds on every node.
const (
	WaitConfirmed = "confirmed" // every node did
	WaitExpired   = "expired"   // the lease of some had to run out
	WaitFailed    = "failed"    // it is not known; the revocation itself is committed
)

// Journal commits. Its methods may be called from any number of goroutines.
type Journal struct {
	cfg      Config
	settler  settler
	refusals refusals
}

// New returns a journal.
func New(cfg Config) (*Journal, error) {
	switch {
	case cfg.Store == nil || cfg.Follower == nil:
		return nil, errors.New("journal: store and follower must be set")
	case cfg.Now == nil || cfg.Clock == nil || cfg.LastExpiry == nil:
		return nil, errors.New("journal: the clocks and the last expiry must be set")
	case cfg.Wait == revocation.WaitDefault:
		return nil, errors.New("journal: the default must say whether to wait for the nodes")
	case cfg.Staleness <= 0 || cfg.LongestToken <= 0:
		return nil, errors.New("journal: staleness and the longest token must be positive")
	}
	if cfg.Meter == nil {
		cfg.Meter = noMeter{}
	}
	return &Journal{cfg: cfg, settler: settler{turn: make(chan struct{}, 1)}}, nil
}

// Commit carries out a batch. Secrets are removed from its events first. Log entries and
// audit events of a batch have the same time; an End keeps the time that it names. The
// error is that of contract.Committer.
func (j *Journal) Commit(ctx context.Context, b op.Batch) (revocation.Seq, error) {
	now := j.cfg.Now()
	for i := range b.Log {
		if b.Log[i].What != revocation.End {
			b.Log[i].At = now
		}
	}
	for i := range b.Audit {
		b.Audit[i].At = now
		b.Audit[i] = b.Audit[i].Clean()
	}
	if j.cfg.Announce != nil {
		more, err := j.cfg.Announce(b)
		if err != nil {
			return 0, err
		}
		b.Ops = slices.Concat(b.Ops, more)
	}
	return j.cfg.Store.Commit(ctx, b)
}

// Event returns an audit event for an actor's action in the request of ctx.
func (j *Journal) Event(ctx context.Context, actor, action string) audit.Event {
	o := audit.OriginOf(ctx)
	return audit.Event{
		At: j.cfg.Now(), Actor: actor, Action: action, Outcome: audit.OK,
		Address: o.Address, RequestID: o.RequestID,
	}
}

// Now is the journal's wall clock.
func (j *Journal) Now() time.Time { return j.cfg.Now() }

type noMeter struct{}

func (noMeter) Revoked(Revocation)         {}
func (noMeter) Acknowledged(time.Duration) {}
func (noMeter) Waited(string)              {}
