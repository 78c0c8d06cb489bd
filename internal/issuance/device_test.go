package issuance_test

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
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/quota"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/store/storetest"
)

var tvClient = directory.NewClient{ID: "tv", Grants: []string{identity.GrantTypeDeviceCode, identity.GrantTypeRefreshToken}}

func redeem(t *testing.T, f *nodetest.Fixture, app *caller.Caller, start *issuance.DeviceStart) (issuance.Pair, error) {
	t.Helper()
	return f.RedeemDevice(t.Context(), app, start.DeviceCode.Reveal())
}

func startDevice(t *testing.T, f *nodetest.Fixture, app *caller.Caller, scope ...string) *issuance.DeviceStart {
	t.Helper()
	start, err := f.StartDevice(t.Context(), app, scope, "")
	must(t, err)
	return start
}

func TestDeviceGetsItsTokensWhenItsUserSaysYes(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada, tv := person(t, f, "ada"), client(t, f, tvClient)
	start := startDevice(t, f, tv, "read", "offline_access")
	if len(start.UserCode) != 9 || start.UserCode[4] != '-' || strings.ContainsAny(start.UserCode, "AEIOUY01") || start.ExpiresIn != 600 || start.Interval != 5 {
		t.Errorf("%+v", start)
	}
	_, err := redeem(t, f, tv, start)
	wantFault(t, "before the user decides", err, fault.AuthorizationPending, "")
	_, err = redeem(t, f, tv, start)
	wantFault(t, "at once again", err, fault.SlowDown, "5 seconds")
	f.Advance(5 * time.Second)
	_, err = redeem(t, f, tv, start)
	wantFault(t, "after the interval", err, fault.AuthorizationPending, "")

	// What a person types, in any case, with dashes and spaces where they like.
	typed := " " + strings.ToLower(start.UserCode[:2]) + "-" + start.UserCode[2:] + "\n"
	d, err := f.PendingDevice(t.Context(), ada, typed)
	must(t, err)
	if d.ClientID != "tv" || len(d.Scope) != 2 {
		t.Errorf("%+v", d)
	}
	must(t, f.DecideDevice(t.Context(), ada, typed, true))
	wantFault(t, "deciding twice", f.DecideDevice(t.Context(), ada, start.UserCode, false), fault.NotFound, "")
	pair, err := redeem(t, f, tv, start)
	must(t, err)
	got, err := verify(t, f, pair.Access)
	must(t, err)
	if got.Subject != ada.ID() || got.ClientID != "tv" || pair.Refresh == nil {
		t.Errorf("%+v, %+v", got, pair)
	}
	_, err = redeem(t, f, tv, start)
	wantFault(t, "a second use", err, fault.InvalidGrant, "used")
	wantAlive(t, f, "the first use's token", pair.Access)
	must(t, second(f.Refresh(t.Context(), issuance.Refresh{Token: pair.Refresh.Value.Reveal(), Client: tv})))
	if events := f.Events(t, audit.Filter{Action: audit.DeviceApprove}); len(events) != 1 || events[0].Actor != ada.ID() || events[0].Target != "tv" {
		t.Errorf("%+v", events)
	}
}

// A device that asks every five seconds by its own clock, which may be early by up to
// a second on the way, is never told to slow down; one that asks sooner is, and
// is not made to wait longer by asking.
func TestDeviceMayPollASecondEarly(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Freeze()
	tv := client(t, f, tvClient)
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
		wantFault(t, fmt.Sprint("poll ", n), err, step.want, "")
	}
}

// A poll reads and writes nothing, answered or refused.
func TestPollingWritesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := nodetest.New(t, nodetest.Options{Dir: dir, File: true})
	f.Freeze()
	tv := client(t, f, tvClient)
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
	tv := client(t, f, tvClient)
	begin := func(address string) error {
		ctx := audit.WithOrigin(t.Context(), audit.Origin{Address: address})
		_, err := f.StartDevice(ctx, tv, []string{"read"}, "")
		return err
	}
	var wait time.Duration
	for range 2000 { // one address
		if err := begin("192.0.2.1"); err != nil {
			wantFault(t, "a flood from one address", err, fault.Limited, "address")
			wait = fault.RetryAfter(err)
		}
	}
	rows := func() int { return len(storetest.Dump(t, filepath.Join(dir, "bearerd.db"))["devices"]) }
	if n := rows(); n != 30 || wait != 10*time.Second || refused.Count(quota.DeviceAddress) != 1970 {
		t.Errorf("%d codes of one address, again after %v, %d refusals counted; want 30, 10s, 1970", n, wait, refused.Count(quota.DeviceAddress))
	}
	for n := range 2000 { // many addresses
		if err := begin(fmt.Sprintf("198.51.%d.%d", n/250, n%250)); err != nil {
			wantFault(t, "a flood from many addresses", err, fault.Limited, "client")
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
	tv := client(t, f, tvClient)
	for n := range 1000 { // as other nodes may have stored
		_, err := f.Store.Commit(t.Context(), records.Batch{Ops: []records.Op{records.AddDevice{Device: records.Device{
			Digest: [32]byte{byte(n), byte(n >> 8)}, UserCode: fmt.Sprint(n), ClientID: "tv", State: records.DevicePending,
			ExpiresAt: f.Time().Add(7 * time.Minute),
		}}}})
		must(t, err)
	}
	_, err := f.StartDevice(t.Context(), tv, nil, "")
	wantFault(t, "one too many", err, fault.Limited, "too many device codes")
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
	tv := client(t, f, tvClient)
	start := startDevice(t, f, tv)
	ctx := audit.WithOrigin(t.Context(), audit.Origin{Address: "192.0.2.1"})
	for n := range 300 {
		_, err := f.RedeemDevice(ctx, tv, fmt.Sprint("junk", n))
		wantFault(t, "junk", err, fault.InvalidGrant, "")
	}
	_, err := f.RedeemDevice(ctx, tv, "more junk")
	wantFault(t, "too much junk", err, fault.Unavailable, "address")
	if _, err := redeem(t, f, tv, start); !fault.Is(err, fault.AuthorizationPending) {
		t.Errorf("from elsewhere: %v", err)
	}
}

func TestDeviceIsDenied(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada, tv := person(t, f, "ada"), client(t, f, tvClient)
	start := startDevice(t, f, tv)
	must(t, f.DecideDevice(t.Context(), ada, start.UserCode, false))
	for range 2 {
		_, err := redeem(t, f, tv, start)
		wantFault(t, "denied", err, fault.AccessDenied, "")
	}
	wantFault(t, "changing one's mind", f.DecideDevice(t.Context(), ada, start.UserCode, true), fault.NotFound, "")
	if events := f.Events(t, audit.Filter{Action: audit.DeviceDeny}); len(events) != 1 {
		t.Errorf("%+v", events)
	}
}

func TestDeviceCodeRunsOut(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Freeze()
	ada, tv := person(t, f, "ada"), client(t, f, tvClient)
	late, approved := startDevice(t, f, tv), startDevice(t, f, tv)
	f.Advance(10*time.Minute - time.Second)
	must(t, f.DecideDevice(t.Context(), ada, approved.UserCode, true))
	f.Advance(time.Second)
	for _, start := range []*issuance.DeviceStart{late, approved} {
		_, err := redeem(t, f, tv, start)
		wantFault(t, "at its end", err, fault.ExpiredToken, "")
	}
	wantFault(t, "approving it then", f.DecideDevice(t.Context(), ada, late.UserCode, true), fault.NotFound, "")
	must(t, f.Store.Purge(t.Context(), f.Time()))
	_, err := redeem(t, f, tv, late)
	wantFault(t, "when it is forgotten", err, fault.InvalidGrant, "")
}

func TestDeviceCodeIsUsedOnceHoweverManyTry(t *testing.T) {
	t.Parallel()
	here, there := twoNodes(t)
	tv := client(t, here, tvClient)
	here.User(t, "ada", "")
	start := approvedDevice(t, here, tv)
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
	tv := client(t, f, tvClient)
	other := client(t, f, directory.NewClient{ID: "other", Grants: tvClient.Grants})
	bounded := client(t, f, directory.NewClient{ID: "bounded", Grants: []string{identity.GrantTypeDeviceCode}, Scopes: []string{"read", "offline_access"}})
	bare := client(t, f, directory.NewClient{ID: "bare"})
	f.User(t, "ada", "")
	start := approvedDevice(t, f, tv)
	_, err := redeem(t, f, other, start)
	wantFault(t, "another client", err, fault.InvalidGrant, "unknown or used device code")
	_, err = redeem(t, f, bare, start)
	wantFault(t, "a client without the grant", err, fault.UnauthorizedClient, "")
	_, err = redeem(t, f, nil, start)
	wantFault(t, "no client", err, fault.InvalidClient, "")
	must(t, second(redeem(t, f, tv, start)))
	for name, c := range map[string]struct {
		app      *caller.Caller
		scope    []string
		audience string
		kind     fault.Kind
	}{
		"no client":                       {nil, nil, "", fault.InvalidClient},
		"without the grant":               {bare, nil, "", fault.UnauthorizedClient},
		"a user":                          {signedIn(t, f, "ada"), nil, "", fault.InvalidClient},
		"a scope that isn't declared":     {tv, []string{"write"}, "", fault.InvalidScope},
		"a scope beyond the client's":     {bounded, []string{"admin"}, "", fault.InvalidScope},
		"offline without the grant":       {bounded, []string{"offline_access"}, "", fault.InvalidScope},
		"an audience beyond the client's": {tv, nil, "https://x.example", fault.InvalidTarget},
		"a task token type":               {tv, nil, "TES", fault.InvalidTarget},
	} {
		_, err := f.StartDevice(t.Context(), c.app, c.scope, c.audience)
		wantFault(t, name, err, c.kind, "")
	}
}

func TestDeviceIsDecidedBySessionAlone(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	ada, tv := person(t, f, "ada"), client(t, f, tvClient)
	start := startDevice(t, f, tv)
	for name, c := range map[string]*caller.Caller{
		"nobody": nil, "a Bearer": bearer(t, f, accessToken(t, f, ada)), "a password": byPassword(t, f), "the device's client": tv,
	} {
		wantFault(t, name, f.DecideDevice(t.Context(), c, start.UserCode, true), fault.Unauthenticated, "")
	}
	_, err := redeem(t, f, tv, start)
	wantFault(t, "still", err, fault.AuthorizationPending, "")
}

func TestGuessesOfUserCodesAreLimited(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Freeze()
	ada, eve, tv := person(t, f, "ada"), person(t, f, "eve"), client(t, f, tvClient)
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
	wantFault(t, "the right code", err, fault.Limited, "")
	if fault.RetryAfter(err) != 15*time.Minute {
		t.Errorf("again after %v", fault.RetryAfter(err))
	}
	wantFault(t, "deciding", f.DecideDevice(t.Context(), eve, start.UserCode, true), fault.Limited, "")
	must(t, second(f.PendingDevice(t.Context(), ada, start.UserCode))) // another's guesses are another's
	f.Advance(15 * time.Minute)
	again := startDevice(t, f, tv)
	must(t, second(f.PendingDevice(t.Context(), eve, again.UserCode)))
	for _, odd := range []string{"", "-", strings.Repeat("B", 1000), "\xff\xfe", "ﬀ", start.UserCode + "B"} {
		_, err := f.PendingDevice(t.Context(), eve, odd)
		wantFault(t, odd, err, fault.NotFound, "")
	}
}

// What was approved before everything was revoked is revoked too.
func TestApprovalBeforeRevokeAllIsRevokedToo(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	f.Freeze()
	tv := client(t, f, tvClient)
	f.User(t, "ada", "")
	before := approvedDevice(t, f, tv, "offline_access")
	revokeAll(t, f)
	pair, err := redeem(t, f, tv, before)
	must(t, err)
	wantDead(t, f, "the access token", pair.Access)
	wantDead(t, f, "the refresh token", pair.Refresh)
	stillDead(t, f, "the refresh token", pair.Refresh)
	tv = asClient(t, f, tvClient) // authenticated again
	after := approvedDevice(t, f, tv, "offline_access")
	pair, err = redeem(t, f, tv, after)
	must(t, err)
	wantAlive(t, f, "an access token approved after", pair.Access)

	gone := approvedDevice(t, f, tv)
	must(t, second(f.UpdateUser(t.Context(), caller.Operator(), "ada", directory.UserPatch{Disabled: new(true)})))
	_, err = redeem(t, f, tv, gone)
	wantFault(t, "of a disabled user", err, fault.Forbidden, "disabled")
	must(t, second(f.RemoveUser(t.Context(), caller.Operator(), "ada")))
	_, err = redeem(t, f, tv, gone)
	wantFault(t, "of a removed user", err, fault.AccessDenied, "")
}

// approvedDevice starts a device flow, which ada approves.
func approvedDevice(t *testing.T, f *nodetest.Fixture, c *caller.Caller, scope ...string) *issuance.DeviceStart {
	t.Helper()
	start, err := f.StartDevice(t.Context(), c, scope, "")
	must(t, err)
	must(t, f.DecideDevice(t.Context(), signedIn(t, f, "ada"), start.UserCode, true))
	return start
}

// A user who was last looked at long ago may approve a device of a client that was
// changed since: the approval is as new as the session's check.
func TestDeviceApprovedAfterItsClientChangedGetsALivingToken(t *testing.T) {
	t.Parallel()
	f := nodetest.New(t, nodetest.Options{})
	n := directory.NewClient{ID: "tv", Grants: []string{"urn:ietf:params:oauth:grant-type:device_code"}, Scopes: []string{"read", "write"}}
	client(t, f, n)
	person(t, f, "ada") // is remembered as of now
	n.Scopes = []string{"read"}
	_, err := f.UpdateClient(t.Context(), caller.Operator(), n)
	must(t, err)
	tv := asClient(t, f, n)
	start, err := f.StartDevice(t.Context(), tv, []string{"read"}, "")
	must(t, err)
	by, err := f.Session(t.Context(), sessionOf(t, f, "ada").Value.Reveal())
	must(t, err)
	must(t, f.DecideDevice(t.Context(), by, start.UserCode, true))
	pair, err := f.RedeemDevice(t.Context(), tv, start.DeviceCode.Reveal())
	must(t, err)
	wantAlive(t, f, "the device's token", pair.Access)
}
