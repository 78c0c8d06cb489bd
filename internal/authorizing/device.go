package authorizing

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/quota"
	"github.com/bearerd/bearerd/internal/ratelimit"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/token"
)

// Devices runs the device flow (RFC 8628): a device without a browser shows a code,
// its user types that code on bearerd's page, and the device gets its tokens.
type Devices struct {
	cfg   Config
	polls *ratelimit.Limiter[[32]byte] // by devices, by the digest of their codes
}

// How long a code is valid, and how often a device may ask.
const (
	deviceLife     = 10 * time.Minute
	deviceInterval = 5 * time.Second
	deviceSlack    = time.Second // by which a device may be early: its timer and the network vary
)

// How many device codes may wait for their users, in all and for one client.
const (
	maxDevices         = 10_000
	maxDevicesOfClient = 1_000
)

func newDevices(cfg Config) *Devices {
	return &Devices{cfg: cfg, polls: ratelimit.New[[32]byte](ratelimit.Config{
		Burst: 1, Every: deviceInterval - deviceSlack, MaxKeys: 2 * maxDevices,
	})}
}

// userCodeLetters has no vowels, so that codes spell no words, and no letters that are
// easily confused (RFC 8628 §6.1). Eight of them are 34 bits; guesses are limited.
const (
	userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ"
	userCodeLength  = 8
)

// DeviceStart is what a device gets at the start of the flow. The code is shown once.
type DeviceStart struct {
	DeviceCode token.Secret
	UserCode   string // WDJB-MJHT
	ExpiresIn  int64  // seconds
	Interval   int64  // seconds
}

// StartDevice starts the device flow for a client that may use its grant. The error is
// Limited when this client or address started too many, or too many codes wait for their
// users.
func (f *Devices) StartDevice(ctx context.Context, client *caller.Caller, scope []string, audience string) (*DeviceStart, error) {
	if err := caller.RequireDeviceGrant(client); err != nil {
		return nil, err
	}
	r := &issuance.Request{Kind: token.KindAccess, Principal: &records.Principal{User: &identity.User{}}, Client: client.Principal, Audience: audience}
	for _, name := range scope {
		if err := f.checkScope(ctx, client.Principal.Client, name); err != nil {
			return nil, err
		}
	}
	if err := f.cfg.Core.CheckAudience(r); err != nil {
		return nil, err
	}
	if err := f.cfg.Quota.BeginDevice(ctx, client.Principal.Client.ID); err != nil {
		return nil, err
	}
	now := f.cfg.Now()
	code, d, err := newDevice(now)
	if err != nil {
		return nil, err
	}
	d.ClientID, d.Scope, d.Audience = client.Principal.Client.ID, scope, audience
	add := op.AddDevice{Device: d, Now: now, Most: maxDevices, MostOfClient: maxDevicesOfClient}
	if _, err := f.cfg.Journal.Commit(ctx, op.Batch{Ops: append(client.Once(), add)}); err != nil {
		if fault.Is(err, fault.Limited) {
			f.cfg.Quota.Refused(quota.DeviceCodes)
		}
		return nil, err
	}
	return &DeviceStart{
		DeviceCode: code, UserCode: d.UserCode[:4] + "-" + d.UserCode[4:],
		ExpiresIn: seconds(deviceLife), Interval: seconds(deviceInterval),
	}, nil
}

// checkScope refuses, before a user is asked, scopes that no user could approve.
func (f *Devices) checkScope(ctx context.Context, client *identity.Client, name string) error {
	if !issuance.ClientAllows(client, name) {
		return fault.New(fault.InvalidScope, "the client may not have the scope %s", name).In("scope")
	}
	if name == identity.ScopeOfflineAccess {
		return issuance.CheckOffline(client)
	}
	return f.cfg.Core.CheckDeclared(ctx, name)
}

func newDevice(now time.Time) (token.Secret, records.Device, error) {
	var code [32]byte
	_, _ = rand.Read(code[:])
	raw := base64.RawURLEncoding.EncodeToString(code[:])
	user := make([]byte, userCodeLength)
	for i := range user {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(userCodeLetters))))
		if err != nil {
			return "", records.Device{}, err
		}
		user[i] = userCodeLetters[n.Int64()]
	}
	return token.Secret(raw), records.Device{
		Digest: token.Digest(raw), UserCode: string(user), State: records.DevicePending, ExpiresAt: now.Add(deviceLife),
	}, nil
}

// PendingDevice returns the device that shows a user code, for the page of a
// signed-in user. Guesses are limited like wrong passwords.
func (f *Devices) PendingDevice(ctx context.Context, c *caller.Caller, userCode string) (records.Device, error) {
	if !c.BySession() {
		return records.Device{}, caller.ErrSignIn
	}
	key := "device:" + c.ID()
	if err := f.cfg.Guesses.Check(ctx, key); err != nil {
		return records.Device{}, err
	}
	d, err := f.cfg.Store.DeviceByUserCode(ctx, canonicalUserCode(userCode))
	if err != nil && !fault.Is(err, fault.NotFound) {
		return records.Device{}, err
	}
	if err == nil && d.State == records.DevicePending && f.cfg.Now().Before(d.ExpiresAt) {
		// Concurrent guesses may have reached the limit.
		if err := f.cfg.Guesses.Check(ctx, key); err != nil {
			return records.Device{}, err
		}
		return d, nil
	}
	if err := f.cfg.Guesses.Failed(ctx, key); err != nil {
		return records.Device{}, err
	}
	return records.Device{}, fault.New(fault.NotFound, "no device shows this code, or it has run out")
}

// canonicalUserCode returns the canonical form of a typed code: in any case, with or
// without the dash.
func canonicalUserCode(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(userCodeLetters, r) {
			return r
		}
		return -1
	}, strings.ToUpper(s[:min(len(s), 64)]))
}

// DecideDevice approves or denies a device, as the signed-in user chose. Approving one that
// asks for a strong scope needs a fresh sign-in: the error is SignInAgain.
func (f *Devices) DecideDevice(ctx context.Context, c *caller.Caller, userCode string, approve bool) error {
	d, err := f.PendingDevice(ctx, c, userCode)
	if err != nil {
		return err
	}
	e := f.cfg.Journal.Event(ctx, c.Actor(), audit.DeviceDeny)
	d.State, d.Subject, d.Seq = records.DeviceDenied, c.ID(), c.AsOf()
	e.Target = d.ClientID
	if approve {
		e.Action, d.State = audit.DeviceApprove, records.DeviceApproved
		if slices.ContainsFunc(d.Scope, identity.StrongScope) {
			if err := c.RequireFreshSession(f.cfg.Now(), f.cfg.Policy.Fresh); err != nil {
				return f.cfg.Journal.Refuse(ctx, e, err)
			}
		}
	}
	_, err = f.cfg.Journal.Commit(ctx, op.Batch{
		Ops: []op.Op{op.DecideDevice{Device: d, Now: f.cfg.Now()}}, Audit: []audit.Event{e},
	})
	return err
}

// RedeemDevice issues the tokens of a device, once, after the user has approved it. The
// errors are those of RFC 8628 §3.5. The tokens are decided as of the approval: if all
// tokens of the user are revoked in between, these are revoked too.
func (f *Devices) RedeemDevice(ctx context.Context, client *caller.Caller, code string) (issuance.Pair, error) {
	if err := caller.RequireDeviceGrant(client); err != nil {
		return issuance.Pair{}, err
	}
	if err := f.cfg.Quota.LookUp(ctx); err != nil {
		return issuance.Pair{}, err
	}
	d, err := f.cfg.Store.Device(ctx, token.Digest(code))
	if fault.Is(err, fault.NotFound) {
		f.cfg.Quota.NotFound(ctx)
	}
	if fault.Is(err, fault.NotFound) || err == nil && d.ClientID != client.Principal.Client.ID {
		return issuance.Pair{}, fault.New(fault.InvalidGrant, "unknown or used device code")
	}
	if err != nil {
		return issuance.Pair{}, err
	}
	if err := f.checkPoll(d); err != nil {
		return issuance.Pair{}, err
	}
	p, err := f.cfg.Store.Principal(ctx, records.Who{UserID: d.Subject})
	if fault.Is(err, fault.NotFound) {
		return issuance.Pair{}, fault.New(fault.AccessDenied, "the user no longer exists")
	}
	if err != nil {
		return issuance.Pair{}, err
	}
	p.Seq = min(p.Seq, d.Seq)
	pair, err := f.cfg.Core.Issue(ctx, client, &issuance.Request{
		Kind: token.KindAccess, Principal: &p, Client: client.Principal, Scope: d.Scope, Audience: d.Audience,
	}, issuance.Terms{Spend: append(client.Once(), op.SpendDevice{Digest: d.Digest})})
	if fault.Is(err, fault.Conflict) {
		return issuance.Pair{}, fault.New(fault.InvalidGrant, "unknown or used device code")
	}
	return pair, err
}

// checkPoll returns the error for a device that can't get its tokens (yet). When it last
// asked is kept in memory: a device that asks several nodes may ask each of them as
// often. A poll that is refused as too early doesn't count: the next one is compared with
// the last one that was answered.
func (f *Devices) checkPoll(d records.Device) error {
	now := f.cfg.Now()
	switch {
	case !now.Before(d.ExpiresAt):
		return fault.New(fault.ExpiredToken, "the device code has run out")
	case d.State == records.DeviceDenied:
		return fault.New(fault.AccessDenied, "the user denied the request")
	case d.State == records.DeviceApproved:
		return nil
	}
	if f.polls.Take(d.Digest, now) > 0 {
		return fault.New(fault.SlowDown, "ask at most once every %d seconds", seconds(deviceInterval))
	}
	return fault.New(fault.AuthorizationPending, "the user has not decided yet")
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
