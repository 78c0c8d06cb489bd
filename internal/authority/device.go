package authority

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"math/big"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

// The device flow (RFC 8628): how long a code lives, and how often a device may ask.
const (
	deviceLife     = 10 * time.Minute
	deviceInterval = 5 * time.Second
)

// userCodeLetters has no vowels, so that codes spell nothing, and nothing that is
// easily mistaken (RFC 8628 §6.1). Eight of them are 34 bits; guesses are limited.
const (
	userCodeLetters = "BCDFGHJKLMNPQRSTVWXZ"
	userCodeLength  = 8
)

// DeviceState is where a device code stands.
type DeviceState string

// The states of a device code. One that was redeemed is deleted.
const (
	DevicePending  DeviceState = "pending"
	DeviceApproved DeviceState = "approved"
	DeviceDenied   DeviceState = "denied"
)

// Device is a device that waits for its user's decision.
type Device struct {
	Digest    [32]byte // SHA-256 of the device code
	UserCode  string
	ClientID  string
	Scope     []string
	Audience  string
	State     DeviceState
	Subject   string         // who decided
	Seq       revocation.Seq // as of which they did
	PolledAt  time.Time      // when the device last asked; zero: never
	ExpiresAt time.Time
}

// DeviceStart is what a device is told to go on with. The code is shown once.
type DeviceStart struct {
	DeviceCode token.Secret
	UserCode   string // WDJB-MJHT
	ExpiresIn  int64  // seconds
	Interval   int64  // seconds
}

// StartDevice begins the device flow for a client that has its grant.
func (a *Authority) StartDevice(ctx context.Context, client *Caller, scope []string, audience string) (*DeviceStart, error) {
	if err := client.mayUseDevices(); err != nil {
		return nil, err
	}
	r := &Request{Kind: token.KindAccess, Principal: &Principal{User: &identity.User{}}, Client: client.Principal, Audience: audience}
	for _, name := range scope {
		if err := a.checkDeviceScope(ctx, r, name); err != nil {
			return nil, err
		}
	}
	if _, err := a.Policy.audience(r); err != nil {
		return nil, err
	}
	code, d, err := newDevice(a.Now())
	if err != nil {
		return nil, err
	}
	d.ClientID, d.Scope, d.Audience = client.Principal.Client.ID, scope, audience
	if _, err := a.commit(ctx, Batch{Ops: []Op{AddDevice{d}}}); err != nil {
		return nil, err
	}
	return &DeviceStart{
		DeviceCode: code, UserCode: d.UserCode[:4] + "-" + d.UserCode[4:],
		ExpiresIn: seconds(deviceLife), Interval: seconds(deviceInterval),
	}, nil
}

// checkDeviceScope refuses what no user's approval could give, before one is asked.
func (a *Authority) checkDeviceScope(ctx context.Context, r *Request, name string) error {
	if !r.clientAllows(name) {
		return fault.New(fault.InvalidScope, "the client may not have the scope %s", name).In("scope")
	}
	if name == identity.ScopeOfflineAccess {
		return r.checkOffline()
	}
	return a.checkDeclared(ctx, name)
}

func (c *Caller) mayUseDevices() error {
	switch {
	case c == nil || c.Principal == nil || c.Principal.Client == nil:
		return errBadClient
	case !c.Principal.Client.MayUse(identity.GrantTypeDeviceCode):
		return fault.New(fault.UnauthorizedClient, "the client may not use the device flow")
	}
	return nil
}

func newDevice(now time.Time) (token.Secret, Device, error) {
	var code [32]byte
	_, _ = rand.Read(code[:])
	raw := base64.RawURLEncoding.EncodeToString(code[:])
	user := make([]byte, userCodeLength)
	for i := range user {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(userCodeLetters))))
		if err != nil {
			return "", Device{}, err
		}
		user[i] = userCodeLetters[n.Int64()]
	}
	return token.Secret(raw), Device{
		Digest: token.Digest(raw), UserCode: string(user), State: DevicePending, ExpiresAt: now.Add(deviceLife),
	}, nil
}

// PendingDevice finds the device that shows a user code, for its page. Guesses are
// limited like wrong passwords.
func (a *Authority) PendingDevice(ctx context.Context, c *Caller, userCode string) (Device, error) {
	if !c.BySession() {
		return Device{}, fault.New(fault.Unauthenticated, "sign in first")
	}
	keys := []string{"device:" + c.Subject()}
	if err := a.checkAttempts(ctx, keys); err != nil {
		return Device{}, err
	}
	d, err := a.Store.DeviceByUserCode(ctx, canonicalUserCode(userCode))
	if err != nil && !fault.Is(err, fault.NotFound) {
		return Device{}, err
	}
	if err == nil && d.State == DevicePending && a.Now().Before(d.ExpiresAt) {
		return d, a.checkAttempts(ctx, keys) // others that ran at the same time may have reached the limit
	}
	counts, err := a.Store.RecordFailure(ctx, keys, a.Now(), a.Policy.Limits.Window)
	if err != nil {
		return Device{}, err
	}
	if a.beyond(counts) {
		return Device{}, a.limited(counts)
	}
	return Device{}, fault.New(fault.NotFound, "no device shows this code, or it has run out")
}

// canonicalUserCode takes what a person types: in any case, with or without the dash.
func canonicalUserCode(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(userCodeLetters, r) {
			return r
		}
		return -1
	}, strings.ToUpper(s[:min(len(s), 64)]))
}

// DecideDevice lets a device in or not, as the signed-in user says.
func (a *Authority) DecideDevice(ctx context.Context, c *Caller, userCode string, approve bool) error {
	d, err := a.PendingDevice(ctx, c, userCode)
	if err != nil {
		return err
	}
	e := a.event(ctx, c, audit.DeviceDeny)
	d.State, d.Subject, d.Seq = DeviceDenied, c.Subject(), c.goodAsOf()
	if approve {
		e.Action, d.State = audit.DeviceApprove, DeviceApproved
	}
	e.Target = d.ClientID
	_, err = a.commit(ctx, Batch{Ops: []Op{DecideDevice{Device: d, Now: a.Now()}}, Audit: []audit.Event{e}})
	return err
}

// RedeemDevice gives a device its tokens, once, when the user has let it in. The
// errors are those of RFC 8628 §3.5. What is issued is decided as of the approval:
// a user who has all tokens revoked in between takes this one back too.
func (a *Authority) RedeemDevice(ctx context.Context, client *Caller, code string) (Pair, error) {
	if err := client.mayUseDevices(); err != nil {
		return Pair{}, err
	}
	d, err := a.Store.Device(ctx, token.Digest(code))
	if fault.Is(err, fault.NotFound) || err == nil && d.ClientID != client.Principal.Client.ID {
		return Pair{}, fault.New(fault.InvalidGrant, "unknown or used device code")
	}
	if err != nil {
		return Pair{}, err
	}
	if err := a.checkPoll(ctx, d); err != nil {
		return Pair{}, err
	}
	p, err := a.Store.Principal(ctx, Who{UserID: d.Subject})
	if fault.Is(err, fault.NotFound) {
		return Pair{}, fault.New(fault.AccessDenied, "the user is gone")
	}
	if err != nil {
		return Pair{}, err
	}
	p.Seq = min(p.Seq, d.Seq)
	r := &Request{
		Kind: token.KindAccess, Principal: &p, Client: client.Principal, Scope: d.Scope, Audience: d.Audience,
		spend: []Op{SpendDevice{Digest: d.Digest}},
	}
	pair, err := a.issuePair(ctx, client, r)
	if fault.Is(err, fault.Conflict) {
		return Pair{}, fault.New(fault.InvalidGrant, "unknown or used device code")
	}
	return pair, err
}

// checkPoll answers a device that can't have its tokens (yet).
func (a *Authority) checkPoll(ctx context.Context, d Device) error {
	now := a.Now()
	switch {
	case !now.Before(d.ExpiresAt):
		return fault.New(fault.ExpiredToken, "the device code has run out")
	case d.State == DeviceDenied:
		return fault.New(fault.AccessDenied, "the user said no")
	case d.State == DeviceApproved:
		return nil
	}
	if _, err := a.commit(ctx, Batch{Ops: []Op{PollDevice{Digest: d.Digest, At: now}}}); err != nil {
		return err
	}
	if now.Before(d.PolledAt.Add(deviceInterval)) {
		return fault.New(fault.SlowDown, "ask no more often than every %d seconds", seconds(deviceInterval))
	}
	return fault.New(fault.AuthorizationPending, "the user has not decided yet")
}

// IdentifyClient gives a public client, which has no secret, by its id.
func (a *Authority) IdentifyClient(ctx context.Context, id string) (*Caller, error) {
	p, err := a.clientPrincipal(ctx, id)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	if err != nil || !p.Client.Public() {
		return nil, errBadClient
	}
	return &Caller{Principal: p, public: true}, nil
}
