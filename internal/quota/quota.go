// Package quota limits how often one address, one client or one subject may do what costs
// the store something: begin a device flow, present values that are no tokens, create
// tokens, trade them, revoke again what is revoked.
//
// A limit is an allowance that is refilled: some acts at once, and then one per interval.
// Each node counts by itself, in memory that is bounded. Wrong passwords are limited by
// other rules, which all nodes count together (package signin).
package quota

import (
	"context"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/ratelimit"
)

// Limit names a limit, for the meter. The names are part of the metrics.
type Limit string

// Every limit that can refuse a request.
const (
	LoginAccountAddress Limit = "login_account_address" // wrong passwords of an account from one address
	LoginAddress        Limit = "login_address"         // wrong passwords from one address
	LoginAccount        Limit = "login_account"         // wrong passwords of an account from everywhere
	UserCode            Limit = "user_code"             // wrong user codes of devices, of one user
	DeviceAddress       Limit = "device_address"        // device flows begun from one address
	DeviceClient        Limit = "device_client"         // device flows begun by one client
	DeviceCodes         Limit = "device_codes"          // device codes that wait for their users
	LookUpAddress       Limit = "lookup_address"        // look-ups that found nothing, from one address
	LeakedAddress       Limit = "leaked_address"        // reports of leaked tokens from one address
	CreateSubject       Limit = "create_subject"        // tokens that one user created or regenerated
	ExchangeSubject     Limit = "exchange_subject"      // tokens that one user had issued for other tokens
	RevokeAgain         Limit = "revoke_again"          // revocations of what is revoked already
)

// Limits returns every limit.
func Limits() []Limit {
	return []Limit{
		LoginAccountAddress, LoginAddress, LoginAccount, UserCode, DeviceAddress, DeviceClient, DeviceCodes,
		LookUpAddress, LeakedAddress, CreateSubject, ExchangeSubject, RevokeAgain,
	}
}

// Meter counts what was refused.
type Meter interface {
	Limited(limit Limit)
}

// allowances are the limits that are kept here. A key takes about 100 bytes.
var allowances = map[Limit]ratelimit.Config{
	DeviceAddress:   {Burst: 30, Every: 10 * time.Second, MaxKeys: 10_000},
	DeviceClient:    {Burst: 300, Every: time.Second, MaxKeys: 10_000},
	LookUpAddress:   {Burst: 300, Every: 100 * time.Millisecond, MaxKeys: 10_000},
	CreateSubject:   {Burst: 300, Every: 2 * time.Second, MaxKeys: 10_000},
	ExchangeSubject: {Burst: 1000, Every: 100 * time.Millisecond, MaxKeys: 10_000},
	RevokeAgain:     {Burst: 300, Every: 2 * time.Second, MaxKeys: 10_000},
}

// Quota limits. Its methods may be called from any number of goroutines; those of nil
// refuse nothing.
type Quota struct {
	limiters map[Limit]*ratelimit.Limiter[string]
	meter    Meter
	now      func() time.Time
}

// New returns an unused quota. meter may be nil.
func New(now func() time.Time, meter Meter) *Quota {
	q := &Quota{limiters: make(map[Limit]*ratelimit.Limiter[string], len(allowances)), meter: meter, now: now}
	for limit, config := range allowances {
		q.limiters[limit] = ratelimit.New[string](config)
	}
	return q
}

// Refused counts a refusal by a limit that is kept elsewhere.
func (q *Quota) Refused(limit Limit) {
	if q != nil && q.meter != nil {
		q.meter.Limited(limit)
	}
}

// take counts one act under a key and returns how long to wait; 0 when it is allowed.
// An act without a key, because its address is not known, is not limited.
func (q *Quota) take(limit Limit, key string) time.Duration {
	if q == nil || key == "" {
		return 0
	}
	wait := q.limiters[limit].Take(key, q.now())
	if wait > 0 {
		q.Refused(limit)
	}
	return wait
}

// BeginDevice counts a device flow that a client begins. The error is fault.Limited.
func (q *Quota) BeginDevice(ctx context.Context, client string) error {
	if wait := q.take(DeviceAddress, audit.OriginOf(ctx).Network()); wait > 0 {
		return fault.After(fault.Limited, wait, "too many device flows were begun from this address")
	}
	if wait := q.take(DeviceClient, client); wait > 0 {
		return fault.After(fault.Limited, wait, "too many device flows were begun by this client")
	}
	return nil
}

type unlimitedKey struct{}

// ForClient returns a context whose look-ups are not limited: a client who has
// authenticated asks about the tokens of others, and its address is not theirs.
func ForClient(ctx context.Context) context.Context {
	return context.WithValue(ctx, unlimitedKey{}, true)
}

// stranger returns the network whose look-ups are limited; "" for nobody's.
func stranger(ctx context.Context) string {
	if ctx.Value(unlimitedKey{}) != nil {
		return ""
	}
	return audit.OriginOf(ctx).Network()
}

// LookUp decides whether a value that is not known here may be looked up for the
// address of a request. The error is fault.Unavailable, and not a refusal of the
// value: it may be valid, and a client at the same address as somebody who sends junk
// must not discard it.
func (q *Quota) LookUp(ctx context.Context) error {
	network := stranger(ctx)
	if q == nil || network == "" {
		return nil
	}
	wait := q.limiters[LookUpAddress].Wait(network, q.now())
	if wait == 0 {
		return nil
	}
	q.Refused(LookUpAddress)
	return fault.After(fault.Unavailable, wait, "too many unknown tokens came from this address; this one can't be looked up now")
}

// NotFound counts a look-up that found nothing against the address of its request.
func (q *Quota) NotFound(ctx context.Context) {
	if network := stranger(ctx); q != nil && network != "" {
		q.limiters[LookUpAddress].Take(network, q.now())
	}
}

// Create counts a stored token that a user creates or regenerates. The error is
// fault.Limited.
func (q *Quota) Create(subject string) error {
	if wait := q.take(CreateSubject, subject); wait > 0 {
		return fault.After(fault.Limited, wait, "too many tokens were created or regenerated for this user")
	}
	return nil
}

// Exchange counts a token that is issued to a user for another token. The error is
// fault.Limited.
func (q *Quota) Exchange(subject string) error {
	if wait := q.take(ExchangeSubject, subject); wait > 0 {
		return fault.After(fault.Limited, wait, "too many tokens were exchanged or refreshed for this user")
	}
	return nil
}

// Again counts a revocation of a subject's token that is revoked already. The error is
// fault.Limited.
func (q *Quota) Again(subject string) error {
	if wait := q.take(RevokeAgain, subject); wait > 0 {
		return fault.After(fault.Limited, wait, "too many requests to revoke tokens that are revoked already")
	}
	return nil
}
