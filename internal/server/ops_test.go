package server_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/journal"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/server"
	"github.com/bearerd/bearerd/internal/signin"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

func TestReadyTellsOfTheLease(t *testing.T) {
	t.Parallel()
	r := run(t, server.Config{})
	for _, path := range []string{"/healthz", "/readyz"} {
		if a := r.ops.Get(t, path); a.Status != http.StatusOK || a.Body != `{"status":"ok"}`+"\n" {
			t.Errorf("%s: %d %s", path, a.Status, a.Body)
		}
		r.Get(t, path).Is(http.StatusNotFound).Problem()
	}
	if err := r.fixture.Store.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the lease runs out", func() bool {
		a := r.ops.Get(t, "/readyz")
		return a.Status == http.StatusServiceUnavailable && strings.Contains(a.Body, "no news of the revocation log")
	})
	if a := r.ops.Get(t, "/healthz"); a.Status != http.StatusOK {
		t.Errorf("/healthz without a store: %d", a.Status)
	}
}

func TestMetricsCountWhatTheAuthorityDoes(t *testing.T) {
	t.Parallel()
	r := run(t, server.Config{Edges: []server.Edge{edge{"GET /x/{id}": says("x")}}})
	f, ctx := r.fixture, t.Context()
	f.User(t, "ada", "correct horse")
	if _, err := f.SignIn.Login(ctx, signin.Credentials{Username: "ada", Password: "wrong"}); !fault.Is(err, fault.BadCredentials) {
		t.Fatal(err)
	}
	issued := f.AccessToken(t, "ada", "correct horse")
	caller, err := f.Bearer(ctx, issued.Value.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Issue(ctx, caller, &issuance.Request{Kind: token.KindExchangeKey, Parent: caller.Token}); !fault.Is(err, fault.InsufficientScope) {
		t.Fatal(err)
	}
	if _, err := f.Revoke(ctx, caller, revoking.Revocation{Token: issued.Value.Reveal()}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Verify(ctx, issued.Value.Reveal(), verification.Requirements{}); !fault.Is(err, fault.InvalidToken) {
		t.Fatal(err)
	}
	r.Get(t, "/x/1")
	r.Get(t, "/x/2")
	r.Get(t, "/nothing")
	for name, want := range map[string]string{
		`bearerd_tokens_issued_total{kind="access"}`:                                  "1",
		`bearerd_tokens_issued_total{kind="task"}`:                                    "0",
		`bearerd_token_issue_refusals_total{reason="insufficient_scope"}`:             "1",
		`bearerd_tokens_verified_total{kind="access"}`:                                "1",
		`bearerd_token_verify_refusals_total{check="revoked"}`:                        "1",
		`bearerd_logins_total{outcome="ok"}`:                                          "1",
		`bearerd_logins_total{outcome="failed"}`:                                      "1",
		`bearerd_revocation_acknowledgement_seconds_count`:                            "1",
		`bearerd_http_request_duration_seconds_count{code="200",route="GET /x/{id}"}`: "2",
		`bearerd_http_request_duration_seconds_count{code="404",route="none"}`:        "1",
		`bearerd_revocation_lease_held`:                                               "1",
		`bearerd_password_hashes_waiting`:                                             "0",
		`bearerd_revocations_over_memory`:                                             "0",
	} {
		if got := r.metric(t, name); got != want {
			t.Errorf("%s is %q, want %s", name, got, want)
		}
	}
	for _, name := range []string{
		"bearerd_revocations_total", "bearerd_revocation_log_applied", "bearerd_revocations_live",
		"bearerd_revocations_live_bytes", "bearerd_revocation_lease_age_seconds", "go_goroutines", "process_resident_memory_bytes",
	} {
		if got := r.metric(t, name); got == "" || got == "0" {
			t.Errorf("%s is %q", name, got)
		}
	}
}

func TestMetersTakeWhateverTheyAreGiven(t *testing.T) {
	t.Parallel()
	m := server.NewMetrics()
	m.Issued(token.Kind(255))
	m.Verified(token.Kind(255))
	m.IssueRefused(fault.Kind(255))
	m.VerifyRefused(token.Check(255))
	m.VerifyRefused(0)
	m.LoginTried("something new")
}

func TestCountingAllocatesNothing(t *testing.T) {
	m := server.NewMetrics()
	if n := testing.AllocsPerRun(100, func() {
		m.Verified(token.KindAccess)
		m.VerifyRefused(token.CheckRevoked)
		m.Issued(token.KindAccess)
		m.IssueRefused(fault.InvalidScope)
		m.LoginTried("ok")
		m.Revoked(journal.Revocation{Entries: 2, Tokens: 1})
		m.Acknowledged(time.Millisecond)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestMetricsNameTheBuild(t *testing.T) {
	t.Parallel()
	r := run(t, server.Config{Build: server.Build{Version: "v1.2.3", Revision: "abc", GoVersion: "go1.26"}})
	if got := r.metric(t, `bearerd_build_info{goversion="go1.26",revision="abc",version="v1.2.3"}`); got != "1" {
		t.Errorf("it is %q", got)
	}
}

// Requests are counted by the status of their answers, and statuses that an application
// invents make no labels of their own.
func TestMetricsCountRequestsByStatus(t *testing.T) {
	t.Parallel()
	r := run(t, server.Config{Edges: []server.Edge{edge{"GET /x/{status}": func(w http.ResponseWriter, r *http.Request) {
		status, _ := strconv.Atoi(r.PathValue("status"))
		w.WriteHeader(status)
	}}}})
	for _, status := range []string{"200", "404", "503", "503", "299", "677"} {
		r.Get(t, "/x/"+status)
	}
	for code, want := range map[string]string{"200": "1", "404": "1", "503": "2", "other": "2", "299": "", "677": ""} {
		name := `bearerd_http_request_duration_seconds_count{code="` + code + `",route="GET /x/{status}"}`
		if got := r.metric(t, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}
