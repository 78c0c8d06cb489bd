package authorizing_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/authorizing"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/quota"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/store/storetest"
)

var tvClient = identity.NewClient{ID: "tv", Grants: []string{identity.GrantTypeDeviceCode, identity.GrantTypeRefreshToken}}

func redeem(t *testing.T, f *nodetest.Fixture, app *caller.Caller, start *authorizing.DeviceStart) (issuance.Pair, error) {
	t.Helper()
	return f.RedeemDevice(t.Context(), app, start.DeviceCode.Reveal())
}

func startDevice(t *testing.T, f *nodetest.Fixture, app *caller.Caller, scope ...string) *authorizing.DeviceStart {
	t.Helper()
	start, err := f.StartDevice(t.Context(), app, scope, "")
	nodetest.Must(t, err)
	return start
}

func TestDeviceGetsItsTokensWhenItsUserSaysYes(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada, tv := f.Person(t, "ada"), f.NewClient(t, tvClient)
	start := startDevice(t, f, tv, "read", "offline_access")
	if len(start.UserCode) != 9 || start.UserCode[4] != '-' || strings.ContainsAny(start.UserCode, "AEIOUY01") || start.ExpiresIn != 600 || start.Interval != 5 {
		t.Errorf("%+v", start)
	}
	_, err := redeem(t, f, tv, start)
	nodetest.WantFault(t, "before the user decides", err, fault.AuthorizationPending, "")
	_, err = redeem(t, f, tv, start)
	nodetest.WantFault(t, "at once again", err, fault.SlowDown, "5 seconds")
	f.Advance(5 * time.Second)
	_, err = redeem(t, f, tv, start)
	nodetest.WantFault(t, "after the interval", err, fault.AuthorizationPending, "")

	// What a person types, in any case, with dashes and spaces where they like.
	typed := " " + strings.ToLower(start.UserCode[:2]) + "-" + start.UserCode[2:] + "\n"
	d, err := f.PendingDevice(t.Context(), ada, typed)
	nodetest.Must(t, err)
	if d.ClientID != "tv" || len(d.Scope) != 2 {
		t.Errorf("%+v", d)
	}
	nodetest.Must(t, f.DecideDevice(t.Context(), ada, typed, true))
	nodetest.WantFault(t, "deciding twice", f.DecideDevice(t.Context(), ada, start.UserCode, false), fault.NotFound, "")
	pair, err := redeem(t, f, tv, start)
	nodetest.Must(t, err)
	got, err := f.Judge(t, pair.Access)
	nodetest.Must(t, err)
	if got.Subject != ada.ID() || got.ClientID != "tv" || pair.Refresh == nil {
		t.Errorf("%+v, %+v", got, pair)
	}
	_, err = redeem(t, f, tv, start)
	nodetest.WantFault(t, "a second use", err, fault.InvalidGrant, "used")
	f.WantAlive(t, "the first use's token", pair.Access)
	nodetest.Must(t, nodetest.Second(f.Refresh(t.Context(), issuance.Refresh{Token: pair.Refresh.Value.Reveal(), Client: tv})))
	if events := f.Events(t, audit.Filter{Action: audit.DeviceApprove}); len(events) != 1 || events[0].Actor != ada.ID() || events[0].Target != "tv" {
		t.Errorf("%+v", events)
	}
}

// A device that asks every five seconds by its own clock, which may be early by up to a
// second on the way, never gets slow_down; one that asks sooner does, and need not wait
// longer because it asked.
func TestDeviceMayPollASecondEarly(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Freeze()
	tv := f.NewClient(t, tvClient)
	start := startDevice(t, f, tv)
	for n, step := range []struct {
		after time.Duration
		want  fault.Kind
	}{
		{0, fault.AuthorizationPending},
		{5 * time.Second, fault.AuthorizationPending},
		{4500 * time.Millisecond, fault.AuthorizationPending},
		{4 * time.Second, fault.AuthorizationPending},
		{3 * time.Second, fault.SlowDown},
		{500 * time.Millisecond, fault.SlowDown},
		{500 * time.Millisecond, fault.AuthorizationPending}, // 4 s after the last that was answered
	} {
		f.Advance(step.after)
		_, err := redeem(t, f, tv, start)
		nodetest.WantFault(t, fmt.Sprint("poll ", n), err, step.want, "")
	}
}

// A poll reads and writes nothing, answered or refused.
func TestPollingWritesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := nodetest.New(t, nodetest.Options{Dir: dir, File: true})
	f.Freeze()
	tv := f.NewClient(t, tvClient)
	start := startDevice(t, f, tv)
	before := storetest.Dump(t, filepath.Join(dir, "bearerd.db"))
	for range 20 {
		_, err := redeem(t, f, tv, start)
		if !fault.Is(err, fault.AuthorizationPending) && !fault.Is(err, fault.SlowDown) {
			t.Fatal(err)
		}
		f.Advance(3 * time.Second)
	}
	if diff := cmp.Diff(before, storetest.Dump(t, filepath.Join(dir, "bearerd.db"))); diff != "" {
		t.Errorf("polling wrote (-before +after):\n%s", diff)
	}
}

// Anybody knows the id of a public client. However many begin device flows with it,
// from however many addresses, the codes that wait are bounded.
func TestFloodOfDeviceFlowsIsBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	refused := &nodetest.LimitMeter{}
	f := nodetest.New(t, nodetest.Options{Dir: dir, File: true, Meter: refused})
	f.Freeze()
	tv := f.NewClient(t, tvClient)
	begin := func(address string) error {
		ctx := audit.WithOrigin(t.Context(), audit.Origin{Address: address})
		_, err := f.StartDevice(ctx, tv, []string{"read"}, "")
		return err
	}
	var wait time.Duration
	for range 2000 { // one address
		if err := begin("192.0.2.1"); err != nil {
			nodetest.WantFault(t, "a flood from one address", err, fault.Limited, "address")
			wait = fault.RetryAfter(err)
		}
	}
	rows := func() int { return len(storetest.Dump(t, filepath.Join(dir, "bearerd.db"))["devices"]) }
	if n := rows(); n != 30 || wait != 10*time.Second || refused.Count(quota.DeviceAddress) != 1970 {
		t.Errorf("%d codes of one address, again after %v, %d refusals counted; want 30, 10s, 1970", n, wait, refused.Count(quota.DeviceAddress))
	}
	for n := range 2000 { // many addresses
		if err := begin(fmt.Sprintf("198.51.%d.%d", n/250, n%250)); err != nil {
			nodetest.WantFault(t, "a flood from many addresses", err, fault.Limited, "client")
			wait = fault.RetryAfter(err)
		}
	}
	if n := rows(); n != 300 || wait != time.Second || refused.Count(quota.DeviceClient) != 1730 {
		t.Errorf("%d codes of one client, again after %v, %d refusals counted; want 300, 1s, 1730", n, wait, refused.Count(quota.DeviceClient))
	}
}

// The codes that wait are bounded for all nodes together, though each limits by itself.
func TestDeviceCodesThatWaitAreBounded(t *testing.T) {
	t.Parallel()
	refused := &nodetest.LimitMeter{}
	f := nodetest.New(t, nodetest.Options{Meter: refused})
	f.Freeze()
	tv := f.NewClient(t, tvClient)
	for n := range 1000 { // as other nodes may have stored
		_, err := f.Store.Commit(t.Context(), op.Batch{Ops: []op.Op{op.AddDevice{Device: records.Device{
			Digest: [32]byte{byte(n), byte(n >> 8)}, UserCode: fmt.Sprint(n), ClientID: "tv", State: records.DevicePending,
			ExpiresAt: f.Time().Add(7 * time.Minute),
		}}}})
		nodetest.Must(t, err)
	}
	_, err := f.StartDevice(t.Context(), tv, nil, "")
	nodetest.WantFault(t, "one too many", err, fault.Limited, "too many device codes")
	if fault.RetryAfter(err).Round(time.Second) != 7*time.Minute || refused.Count(quota.DeviceCodes) != 1 {
		t.Errorf("again after %v, counted %d times", fault.RetryAfter(err), refused.Count(quota.DeviceCodes))
	}
	f.Advance(7 * time.Minute)
	startDevice(t, f, tv)
}

// Device codes have no checksum: what nobody was given costs a look-up each, so those
// are limited by the address.
func TestUnknownDeviceCodesAreLimited(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Freeze()
	tv := f.NewClient(t, tvClient)
	start := startDevice(t, f, tv)
	ctx := audit.WithOrigin(t.Context(), audit.Origin{Address: "192.0.2.1"})
	for n := range 300 {
		_, err := f.RedeemDevice(ctx, tv, fmt.Sprint("junk", n))
		nodetest.WantFault(t, "junk", err, fault.InvalidGrant, "")
	}
	_, err := f.RedeemDevice(ctx, tv, "more junk")
	nodetest.WantFault(t, "too much junk", err, fault.Unavailable, "address")
	if _, err := redeem(t, f, tv, start); !fault.Is(err, fault.AuthorizationPending) {
		t.Errorf("from elsewhere: %v", err)
	}
}

func TestDeviceIsDenied(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada, tv := f.Person(t, "ada"), f.NewClient(t, tvClient)
	start := startDevice(t, f, tv)
	nodetest.Must(t, f.DecideDevice(t.Context(), ada, start.UserCode, false))
	for range 2 {
		_, err := redeem(t, f, tv, start)
		nodetest.WantFault(t, "denied", err, fault.AccessDenied, "")
	}
	nodetest.WantFault(t, "changing one's mind", f.DecideDevice(t.Context(), ada, start.UserCode, true), fault.NotFound, "")
	if events := f.Events(t, audit.Filter{Action: audit.DeviceDeny}); len(events) != 1 {
		t.Errorf("%+v", events)
	}
}

func TestDeviceCodeRunsOut(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Freeze()
	ada, tv := f.Person(t, "ada"), f.NewClient(t, tvClient)
	late, approved := startDevice(t, f, tv), startDevice(t, f, tv)
	f.Advance(10*time.Minute - time.Second)
	nodetest.Must(t, f.DecideDevice(t.Context(), ada, approved.UserCode, true))
	f.Advance(time.Second)
	for _, start := range []*authorizing.DeviceStart{late, approved} {
		_, err := redeem(t, f, tv, start)
		nodetest.WantFault(t, "at its end", err, fault.ExpiredToken, "")
	}
	nodetest.WantFault(t, "approving it then", f.DecideDevice(t.Context(), ada, late.UserCode, true), fault.NotFound, "")
	nodetest.Must(t, f.Store.Purge(t.Context(), f.Time()))
	_, err := redeem(t, f, tv, late)
	nodetest.WantFault(t, "when it is forgotten", err, fault.InvalidGrant, "")
}

func TestDeviceCodeIsUsedOnceHoweverManyTry(t *testing.T) {
	t.Parallel()
	here, there := nodetest.Two(t, nodetest.Options{})
	tv := here.NewClient(t, tvClient)
	here.User(t, "ada", "")
	start := here.ApprovedDevice(t, tv)
	var answered atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		f := []*nodetest.Fixture{here, there}[i%2]
		wg.Go(func() {
			if _, err := f.RedeemDevice(t.Context(), tv, start.DeviceCode.Reveal()); err == nil {
				answered.Add(1)
			} else if !fault.Is(err, fault.InvalidGrant) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if answered.Load() != 1 {
		t.Errorf("%d uses were answered", answered.Load())
	}
}

func TestDeviceIsForItsClientAndItsGrant(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{Settings: func(s *node.Settings) {
		s.Policy.Scopes = map[string]string{"read": "x"}
		s.Policy.TaskMax = map[string]time.Duration{"TES": 0}
	}})
	tv := f.NewClient(t, tvClient)
	other := f.NewClient(t, identity.NewClient{ID: "other", Grants: tvClient.Grants})
	bounded := f.NewClient(t, identity.NewClient{ID: "bounded", Grants: []string{identity.GrantTypeDeviceCode}, Scopes: []string{"read", "offline_access"}})
	bare := f.NewClient(t, identity.NewClient{ID: "bare"})
	f.User(t, "ada", "")
	start := f.ApprovedDevice(t, tv)
	_, err := redeem(t, f, other, start)
	nodetest.WantFault(t, "another client", err, fault.InvalidGrant, "unknown or used device code")
	_, err = redeem(t, f, bare, start)
	nodetest.WantFault(t, "a client without the grant", err, fault.UnauthorizedClient, "")
	_, err = redeem(t, f, nil, start)
	nodetest.WantFault(t, "no client", err, fault.InvalidClient, "")
	nodetest.Must(t, nodetest.Second(redeem(t, f, tv, start)))
	for name, c := range map[string]struct {
		app      *caller.Caller
		scope    []string
		audience string
		kind     fault.Kind
	}{
		"no client":                       {nil, nil, "", fault.InvalidClient},
		"without the grant":               {bare, nil, "", fault.UnauthorizedClient},
		"a user":                          {f.SignedIn(t, "ada"), nil, "", fault.InvalidClient},
		"a scope that isn't declared":     {tv, []string{"write"}, "", fault.InvalidScope},
		"a scope beyond the client's":     {bounded, []string{"admin"}, "", fault.InvalidScope},
		"offline without the grant":       {bounded, []string{"offline_access"}, "", fault.InvalidScope},
		"an audience beyond the client's": {tv, nil, "https://x.example", fault.InvalidTarget},
		"a task token type":               {tv, nil, "TES", fault.InvalidTarget},
	} {
		_, err := f.StartDevice(t.Context(), c.app, c.scope, c.audience)
		nodetest.WantFault(t, name, err, c.kind, "")
	}
}

func TestDeviceIsDecidedBySessionAlone(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada, tv := f.Person(t, "ada"), f.NewClient(t, tvClient)
	start := startDevice(t, f, tv)
	for name, c := range map[string]*caller.Caller{
		"nobody": nil, "a Bearer": f.ByBearer(t, f.MadeAccess(t, ada)), "a password": f.ByPassword(t, "ada"), "the device's client": tv,
	} {
		nodetest.WantFault(t, name, f.DecideDevice(t.Context(), c, start.UserCode, true), fault.Unauthenticated, "")
	}
	_, err := redeem(t, f, tv, start)
	nodetest.WantFault(t, "still", err, fault.AuthorizationPending, "")
}

func TestGuessesOfUserCodesAreLimited(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Freeze()
	ada, eve, tv := f.Person(t, "ada"), f.Person(t, "eve"), f.NewClient(t, tvClient)
	start := startDevice(t, f, tv)
	var answered, limited atomic.Int64
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			switch _, err := f.PendingDevice(t.Context(), eve, "BBBB-BBBB"); {
			case fault.Is(err, fault.NotFound):
				answered.Add(1)
			case fault.Is(err, fault.Limited):
				limited.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if answered.Load() != 10 || limited.Load() != 30 {
		t.Errorf("%d guesses were answered and %d limited, want 10 and 30", answered.Load(), limited.Load())
	}
	_, err := f.PendingDevice(t.Context(), eve, start.UserCode)
	nodetest.WantFault(t, "the right code", err, fault.Limited, "")
	if fault.RetryAfter(err) != 15*time.Minute {
		t.Errorf("again after %v", fault.RetryAfter(err))
	}
	nodetest.WantFault(t, "deciding", f.DecideDevice(t.Context(), eve, start.UserCode, true), fault.Limited, "")
	nodetest.Must(t, nodetest.Second(f.PendingDevice(t.Context(), ada, start.UserCode))) // another's guesses are another's
	f.Advance(15 * time.Minute)
	again := startDevice(t, f, tv)
	nodetest.Must(t, nodetest.Second(f.PendingDevice(t.Context(), eve, again.UserCode)))
	for _, odd := range []string{"", "-", strings.Repeat("B", 1000), "\xff\xfe", "ﬀ", start.UserCode + "B"} {
		_, err := f.PendingDevice(t.Context(), eve, odd)
		nodetest.WantFault(t, odd, err, fault.NotFound, "")
	}
}

// What was approved before everything was revoked is revoked too.
func TestApprovalBeforeRevokeAllIsRevokedToo(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Freeze()
	tv := f.NewClient(t, tvClient)
	f.User(t, "ada", "")
	before := f.ApprovedDevice(t, tv, "offline_access")
	f.RevokeAllOfUser(t, "ada")
	pair, err := redeem(t, f, tv, before)
	nodetest.Must(t, err)
	f.WantDead(t, "the access token", pair.Access)
	f.WantDead(t, "the refresh token", pair.Refresh)
	f.WantRowDead(t, "the refresh token", pair.Refresh)
	tv = f.AsClient(t, tvClient) // authenticated again
	after := f.ApprovedDevice(t, tv, "offline_access")
	pair, err = redeem(t, f, tv, after)
	nodetest.Must(t, err)
	f.WantAlive(t, "an access token approved after", pair.Access)

	gone := f.ApprovedDevice(t, tv)
	nodetest.Must(t, nodetest.Second(f.UpdateUser(t.Context(), caller.Operator(), "ada", identity.UserPatch{Disabled: new(true)})))
	_, err = redeem(t, f, tv, gone)
	nodetest.WantFault(t, "of a disabled user", err, fault.Forbidden, "disabled")
	nodetest.Must(t, nodetest.Second(f.RemoveUser(t.Context(), caller.Operator(), "ada")))
	_, err = redeem(t, f, tv, gone)
	nodetest.WantFault(t, "of a removed user", err, fault.AccessDenied, "")
}

// A user who was last looked at long ago may approve a device of a client that was
// changed since: the approval is as new as the session's check.
func TestDeviceApprovedAfterItsClientChangedGetsALivingToken(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	n := identity.NewClient{ID: "tv", Grants: []string{"urn:ietf:params:oauth:grant-type:device_code"}, Scopes: []string{"read", "write"}}
	f.NewClient(t, n)
	f.Person(t, "ada") // is remembered as of now
	n.Scopes = []string{"read"}
	_, err := f.UpdateClient(t.Context(), caller.Operator(), n)
	nodetest.Must(t, err)
	tv := f.AsClient(t, n)
	start, err := f.StartDevice(t.Context(), tv, []string{"read"}, "")
	nodetest.Must(t, err)
	by, err := f.Session(t.Context(), f.SessionOf(t, "ada").Value.Reveal())
	nodetest.Must(t, err)
	nodetest.Must(t, f.DecideDevice(t.Context(), by, start.UserCode, true))
	pair, err := f.RedeemDevice(t.Context(), tv, start.DeviceCode.Reveal())
	nodetest.Must(t, err)
	f.WantAlive(t, "the device's token", pair.Access)
}

// A device that asks for a built-in scope is connected soon after the sign-in alone; a
// refresh token is no right. Denying is for any time.
func TestConnectingAStrongDeviceNeedsAFreshSignIn(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada, tv := f.Person(t, "ada"), f.NewClient(t, tvClient)
	f.Advance(15*time.Minute + 2*time.Second)
	strong := startDevice(t, f, tv, "read", identity.ScopeCredentials)
	nodetest.WantFault(t, "too late", f.DecideDevice(t.Context(), ada, strong.UserCode, true), fault.SignInAgain, "")
	nodetest.Must(t, f.DecideDevice(t.Context(), f.SignedIn(t, "ada"), strong.UserCode, true))
	nodetest.Must(t, f.DecideDevice(t.Context(), ada, startDevice(t, f, tv, identity.ScopeAdmin).UserCode, false))
	nodetest.Must(t, f.DecideDevice(t.Context(), ada, startDevice(t, f, tv, "read", identity.ScopeOfflineAccess).UserCode, true))
}
