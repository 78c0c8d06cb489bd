// Package authority is where every rule of bearerd stands: who may have which
// token, whether a token is good, who may take one back, and who may change
// what these answers rest on. The edges translate requests into calls of this
// package and answers into their protocol's words; they decide nothing.
//
// Where to find a rule:
//
//	policy.go     what a kind of token differs in: lifetime, form, storage
//	rules.go      the rules of issuing: lifetime, parent, scope, collection, task
//	issue.go      decide, then sign, then store and record
//	verify.go     the checks of a presented token, in their order
//	facts.go      what is remembered of a token, and how to tell that it is stale
//	recent.go     how it is remembered: bounded, and without locks for readers
//	revoke.go     who may take back what, and what dies with it
//	login.go      passwords, attempt limits, sessions
//	caller.go     who is asking, and what that lets them do
//	admin.go      changes to users, collections, roles, bindings, clients, keys
//	explain.go    why a token or a user is let in or not
//
// Decide, then sign: nothing is signed, stored or recorded as issued before
// every rule has passed, judged on the principal that the token will speak for.
package authority

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/bearerd/bearerd/internal/records"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// Config holds what an authority is made of. Every field but Meter and NodeWatcher must
// be set.
type Config struct {
	Store       records.Store
	Ring        *keyring.Ring
	Follower    *revocation.Follower
	NodeWatcher *revocation.NodeWatcher // where every node has ConfirmAlways; nil: a node that died is waited for once
	Hasher      *identity.Hasher
	Forms       token.Forms
	Policy      Policy
	Meter       Meter                // nil: nothing is counted
	Now         func() time.Time     // the wall clock
	Clock       func() time.Duration // the boot-time clock, as the follower's
	Log         *slog.Logger

	TokenCache int64 // bytes that facts about tokens may take; 0: DefaultTokenCache
}

// Authority issues, verifies and takes back tokens. Its methods may be called
// from any number of goroutines.
type Authority struct {
	Config
	ledger     *revocation.Ledger // the follower's
	tokens     *recent[*Token]
	principals *recent[*records.Principal]
	places     *recent[revocation.Seq] // collections that existed as of a sequence
	remade     atomic.Int64            // the latest sequence at which a collection was made or removed
	uses       *uses
	keyNews    chan struct{} // the ring must be read anew
	hashed     chan struct{} // a password was checked
	decoySeed  [16]byte      // places unknown usernames among the users
}

// Meter counts what the authority does. Names of refusals come from a fixed set.
type Meter interface {
	Issued(kind token.Kind)
	IssueRefused(kind fault.Kind)
	Verified(kind token.Kind)
	VerifyRefused(check token.Check)
	LoginTried(outcome string)
	Revoked(entries int)
	Acknowledged(took time.Duration)
	Waited(outcome string) // for the nodes: WaitConfirmed and so on
}

// Outcomes of waiting until a revocation holds on every node.
const (
	WaitConfirmed = "confirmed" // every node did
	WaitExpired   = "expired"   // of some the lease had to run out
	WaitFailed    = "failed"    // it could not be told; what was revoked is revoked
)

// How much is remembered, in bytes.
const (
	DefaultTokenCache = 32 << 20
	MinTokenCache     = 1 << 20

	principalCache = 8 << 20
	placeCache     = 256 << 10
)

// New makes an authority. It starts nothing: the follower is run by its owner.
func New(c Config) (*Authority, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.Meter == nil {
		c.Meter = noMeter{}
	}
	if c.TokenCache == 0 {
		c.TokenCache = DefaultTokenCache
	}
	a := &Authority{
		Config:     c,
		ledger:     c.Follower.Ledger(),
		tokens:     newRecent(size[*Token]{budget: c.TokenCache, usual: usualToken, cost: costOfToken}),
		principals: newRecent(size[*records.Principal]{budget: principalCache, usual: usualPrincipal, cost: costOfPrincipal}),
		places: newRecent(size[revocation.Seq]{
			budget: placeCache, usual: 8, cost: func(key string, _ revocation.Seq) int64 { return int64(len(key)) },
		}),
		uses:      newUses(),
		decoySeed: uuid.New(),
		keyNews:   make(chan struct{}, 1),
		hashed:    make(chan struct{}, 1),
	}
	c.Follower.OnApply(a.applied)
	return a, nil
}

// applied learns what the log said. Facts are judged by the ledger whenever they are
// used; only when entries were missed is nothing that was read before to be trusted.
func (a *Authority) applied(c revocation.Change) {
	if c.Missed {
		a.tokens.flush()
		a.principals.flush()
		a.places.flush()
	}
	for _, e := range c.Entries {
		switch e.What { //nolint:exhaustive // the ledger knows the others
		case revocation.SigningKey:
			a.keyChanged(e.ID)
		case revocation.Collection:
			a.remade.Store(max(a.remade.Load(), e.Seq))
		}
	}
}

// keyChanged refuses at once what a key signed that was taken back, and has the
// ring read soon.
func (a *Authority) keyChanged(kid string) {
	if kid != keyNews {
		a.Ring.Distrust(kid)
	}
	a.Ring.Expect()
	poke(a.keyNews)
}

func (c Config) check() error {
	switch {
	case c.Store == nil, c.Ring == nil, c.Follower == nil, c.Hasher == nil:
		return errors.New("authority: store, ring, follower and hasher must be set")
	case c.Now == nil, c.Clock == nil, c.Log == nil:
		return errors.New("authority: now, clock and log must be set")
	case c.TokenCache != 0 && c.TokenCache < MinTokenCache:
		return fmt.Errorf("authority: a token cache of %d bytes: must have %d", c.TokenCache, MinTokenCache)
	}
	return c.Policy.check()
}

// event begins an audit event about what the caller does.
func (a *Authority) event(ctx context.Context, c *Caller, action string) audit.Event {
	o := audit.OriginOf(ctx)
	return audit.Event{
		At: a.Now(), Actor: c.actor(), Action: action, Outcome: audit.OK,
		Address: o.Address, RequestID: o.RequestID,
	}
}

// refuse records that something was asked for and not done, and gives back the
// reason. When that can't be recorded the answer is that nothing can be done now.
func (a *Authority) refuse(ctx context.Context, e audit.Event, reason error) error {
	e.Outcome, e.Reason = audit.Refused, fault.Message(reason)
	if _, err := a.commit(ctx, records.Batch{Audit: []audit.Event{e}}); err != nil {
		return err
	}
	return reason
}

// commit carries out a batch; its events are made safe to store first. What the log
// and the audit log say of one act they say of one moment.
func (a *Authority) commit(ctx context.Context, b records.Batch) (revocation.Seq, error) {
	now := a.Now()
	for i := range b.Log {
		b.Log[i].At = now
	}
	for i := range b.Audit {
		b.Audit[i].At = now
		b.Audit[i] = b.Audit[i].Clean()
	}
	return a.Store.Commit(ctx, b)
}

type noMeter struct{}

func (noMeter) Issued(token.Kind)          {}
func (noMeter) IssueRefused(fault.Kind)    {}
func (noMeter) Verified(token.Kind)        {}
func (noMeter) VerifyRefused(token.Check)  {}
func (noMeter) LoginTried(string)          {}
func (noMeter) Revoked(int)                {}
func (noMeter) Acknowledged(time.Duration) {}
func (noMeter) Waited(string)              {}
