package account_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/authorizing"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/verification"
	"github.com/bearerd/bearerd/internal/webui/webuitest"
)

// device is a client in the device flow.
type device struct {
	*authorizing.DeviceStart
	client *caller.Caller
}

// newDevice starts the device flow for a public client.
func newDevice(t *testing.T, s *webuitest.Site, scope ...string) device {
	t.Helper()
	_, _, err := s.CreateClient(t.Context(), caller.Operator(), identity.NewClient{
		ID: "tv & radio", Grants: []string{identity.GrantTypeDeviceCode, identity.GrantTypeRefreshToken},
	}, false)
	if err != nil && !fault.Is(err, fault.Conflict) {
		t.Fatal(err)
	}
	c, err := s.IdentifyClient(t.Context(), "tv & radio")
	if err != nil {
		t.Fatal(err)
	}
	start, err := s.StartDevice(t.Context(), c, scope, "")
	if err != nil {
		t.Fatal(err)
	}
	return device{start, c}
}

func TestADeviceIsLetInAfterOneSawWhatItAsksFor(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{Settings: webuitest.Scopes})
	d := newDevice(t, s, "read", "credentials", "offline_access")
	b := s.Ada(t)
	b.Get(t, "/auth/device").Is(http.StatusOK, `method="get" action="/auth/device"`, `name="user_code"`)
	for _, typed := range []string{d.UserCode, strings.ToLower(d.UserCode), strings.ReplaceAll(d.UserCode, "-", "%20")} {
		b.Get(t, "/auth/device?user_code="+typed).Is(http.StatusOK,
			"<strong>tv &amp; radio</strong> asks to act as <strong>ada</strong>", "<code>"+d.UserCode+"</code>",
			"Read specimens", "strong", "stay connected without asking you again", `value="approve"`, `value="deny"`)
	}
	if _, err := s.RedeemDevice(t.Context(), d.client, d.DeviceCode.Reveal()); !fault.Is(err, fault.AuthorizationPending) {
		t.Fatalf("looking decided: %v", err)
	}
	b.Submit(t, "/auth/device", "user_code", d.UserCode, "decision", "approve").Is(http.StatusOK, "Device connected", "act as ada")
	pair, err := s.RedeemDevice(t.Context(), d.client, d.DeviceCode.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Verify(t.Context(), pair.Access.Value.Reveal(), verification.Requirements{}); err != nil || got.Username != "ada" {
		t.Errorf("%+v %v", got, err)
	}
	b.Submit(t, "/auth/device", "user_code", d.UserCode, "decision", "approve").Is(http.StatusNotFound)
}

func TestADeviceIsTurnedAway(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{})
	d := newDevice(t, s)
	b := s.Ada(t)
	b.Get(t, "/auth/device?user_code="+d.UserCode).Is(http.StatusOK, "no scope")
	b.Submit(t, "/auth/device", "user_code", d.UserCode, "decision", "deny").Is(http.StatusOK, "Request denied")
	if _, err := s.RedeemDevice(t.Context(), d.client, d.DeviceCode.Reveal()); !fault.Is(err, fault.AccessDenied) {
		t.Errorf("%v", err)
	}
}

func TestADeviceIsNotDecidedByHalves(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{})
	d := newDevice(t, s)
	b := s.Ada(t)
	b.Submit(t, "/auth/device").Is(http.StatusBadRequest, "Enter the code that the device shows.")
	for _, decision := range []string{"", "yes", "Approve"} {
		b.Submit(t, "/auth/device", "user_code", d.UserCode, "decision", decision).
			Is(http.StatusBadRequest, "Choose Connect or Deny.", `value="`+d.UserCode+`"`)
	}
	foreign := edgetest.Header("Sec-Fetch-Site", "cross-site")
	b.Do(t, "POST", "/auth/device", edgetest.Form("user_code", d.UserCode, "decision", "approve"),
		edgetest.Header("Content-Type", "application/x-www-form-urlencoded"), foreign).Is(http.StatusForbidden)
	b.Get(t, "/auth/device?user_code=a&user_code=b").Is(http.StatusBadRequest)
	if _, err := s.RedeemDevice(t.Context(), d.client, d.DeviceCode.Reveal()); !fault.Is(err, fault.AuthorizationPending) {
		t.Errorf("%v", err)
	}
}

func TestWrongCodesAreLimited(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{Settings: func(p *node.Settings) { p.Limits.Account = 2 }})
	d := newDevice(t, s)
	b := s.Ada(t)
	b.Get(t, "/auth/device?user_code=BBBB-<b>").Is(http.StatusNotFound, "Wrong or expired code", "BBBB-&lt;b&gt;")
	b.Submit(t, "/auth/device", "user_code", "BBBB-BBBB", "decision", "approve").Is(http.StatusNotFound, "Wrong or expired code")
	a := b.Get(t, "/auth/device?user_code="+d.UserCode).Is(http.StatusTooManyRequests, "Try again in 15 minutes.")
	if a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	b.Submit(t, "/auth/device", "user_code", d.UserCode, "decision", "approve").Is(http.StatusTooManyRequests)
}

func TestACodeThatRanOutIsNoCode(t *testing.T) {
	t.Parallel()
	s := webuitest.New(t, nodetest.Options{})
	d := newDevice(t, s)
	s.Advance(10 * time.Minute)
	s.Ada(t).Get(t, "/auth/device?user_code="+d.UserCode).Is(http.StatusNotFound, "Wrong or expired code")
}
