package webui_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/verification"
)

// device is a client in the device flow.
type device struct {
	*issuance.DeviceStart
	client *caller.Caller
}

// device starts the device flow for a public client.
func (s *site) device(t *testing.T, scope ...string) device {
	t.Helper()
	_, _, err := s.CreateClient(t.Context(), caller.Operator(), directory.NewClient{
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
	s := newSite(t, nodetest.Options{Settings: scopes})
	d := s.device(t, "read", "credentials", "offline_access")
	b := s.ada(t)
	b.get("/auth/device").want(http.StatusOK, `method="get" action="/auth/device"`, `name="user_code"`)
	for _, typed := range []string{d.UserCode, strings.ToLower(d.UserCode), strings.ReplaceAll(d.UserCode, "-", "%20")} {
		b.get("/auth/device?user_code="+typed).want(http.StatusOK,
			"<strong>tv &amp; radio</strong> asks to act as <strong>ada</strong>", "<code>"+d.UserCode+"</code>",
			"Read specimens", "strong", "go on without asking you again", `value="approve"`, `value="deny"`)
	}
	if _, err := s.RedeemDevice(t.Context(), d.client, d.DeviceCode.Reveal()); !fault.Is(err, fault.AuthorizationPending) {
		t.Fatalf("looking decided: %v", err)
	}
	b.post("/auth/device", "user_code", d.UserCode, "decision", "approve").want(http.StatusOK, "It is connected", "act as ada")
	pair, err := s.RedeemDevice(t.Context(), d.client, d.DeviceCode.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Verify(t.Context(), pair.Access.Value.Reveal(), verification.Requirements{}); err != nil || got.Username != "ada" {
		t.Errorf("%+v %v", got, err)
	}
	b.post("/auth/device", "user_code", d.UserCode, "decision", "approve").want(http.StatusNotFound)
}

func TestADeviceIsTurnedAway(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	d := s.device(t)
	b := s.ada(t)
	b.get("/auth/device?user_code="+d.UserCode).want(http.StatusOK, "no scope")
	b.post("/auth/device", "user_code", d.UserCode, "decision", "deny").want(http.StatusOK, "It was turned away")
	if _, err := s.RedeemDevice(t.Context(), d.client, d.DeviceCode.Reveal()); !fault.Is(err, fault.AccessDenied) {
		t.Errorf("%v", err)
	}
}

func TestADeviceIsNotDecidedByHalves(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	d := s.device(t)
	b := s.ada(t)
	b.post("/auth/device").want(http.StatusBadRequest, "Type the code that the device shows.")
	for _, decision := range []string{"", "yes", "Approve"} {
		b.post("/auth/device", "user_code", d.UserCode, "decision", decision).
			want(http.StatusBadRequest, "Choose whether to let the device in.", `value="`+d.UserCode+`"`)
	}
	foreign := header("Sec-Fetch-Site", "cross-site")
	b.do("POST", "/auth/device", form("user_code", d.UserCode, "decision", "approve"),
		header("Content-Type", "application/x-www-form-urlencoded"), foreign).want(http.StatusForbidden)
	b.get("/auth/device?user_code=a&user_code=b").want(http.StatusBadRequest)
	if _, err := s.RedeemDevice(t.Context(), d.client, d.DeviceCode.Reveal()); !fault.Is(err, fault.AuthorizationPending) {
		t.Errorf("%v", err)
	}
}

func TestWrongCodesAreLimited(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{Settings: func(p *node.Settings) { p.Limits.Account = 2 }})
	d := s.device(t)
	b := s.ada(t)
	b.get("/auth/device?user_code=BBBB-<b>").want(http.StatusNotFound, "No device shows this code", "BBBB-&lt;b&gt;")
	b.post("/auth/device", "user_code", "BBBB-BBBB", "decision", "approve").want(http.StatusNotFound, "No device shows this code")
	a := b.get("/auth/device?user_code="+d.UserCode).want(http.StatusTooManyRequests, "Try again in 15 minutes.")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	b.post("/auth/device", "user_code", d.UserCode, "decision", "approve").want(http.StatusTooManyRequests)
}

func TestACodeThatRanOutIsNoCode(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Options{})
	d := s.device(t)
	s.Advance(10 * time.Minute)
	s.ada(t).get("/auth/device?user_code="+d.UserCode).want(http.StatusNotFound, "or it has run out")
}
