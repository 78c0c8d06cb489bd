package server_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/revoking"
	"github.com/bearerd/bearerd/internal/verification"

	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/server"
)

// streams is an edge whose answer goes on until the server ends it.
type streams struct {
	edge

	count int
	ended chan struct{}
}

func (s *streams) Streams() int { return s.count }
func (s *streams) EndStreams()  { close(s.ended) }

func TestStopEndsWhatGoesOn(t *testing.T) {
	t.Parallel()
	began := make(chan struct{})
	s := &streams{count: 3, ended: make(chan struct{})}
	s.edge = edge{"GET /stream": func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		close(began)
		<-s.ended
		_, _ = w.Write([]byte("the end"))
	}}
	r := run(t, server.Config{Edges: []server.Edge{s}})
	if got := r.metric(t, "bearerd_revocation_streams"); got != "3" {
		t.Errorf("%s streams", got)
	}
	got := make(chan *edgetest.Answer, 1)
	go func() { got <- r.Get(t, "/stream") }()
	<-began
	r.end()
	if a := <-got; a.Body != "the end" {
		t.Errorf("the stream got %q", a.Body)
	}
	if err := r.wait(t); err != nil {
		t.Errorf("Run: %v", err)
	}
}

// number reads a metric.
func (r *running) number(t *testing.T, name string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(r.metric(t, name), 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func TestMetricsTellOfTheOtherNodes(t *testing.T) {
	t.Parallel()
	r := run(t, server.Config{})
	eventually(t, "this node is on the list", func() bool { return r.metric(t, "bearerd_nodes") == "1" })
	silent := revocation.Confirmation{Node: "silent", Lease: time.Millisecond}
	if err := r.fixture.Store.Confirm(t.Context(), silent); err != nil {
		t.Fatal(err)
	}
	if got := r.metric(t, "bearerd_nodes"); got != "2" {
		t.Errorf("%s nodes", got)
	}
	r.fixture.User(t, "ada", "correct horse")
	for want := range 2 {
		issued := r.fixture.AccessToken(t, "ada", "correct horse").Value.Reveal()
		if _, err := r.fixture.Revoke(t.Context(), caller.Operator(), revoking.Revocation{Token: issued}); err != nil {
			t.Fatal(err)
		}
		expired, confirmed := r.number(t, `bearerd_revocation_waits_total{outcome="expired"}`), r.number(t, `bearerd_revocation_waits_total{outcome="confirmed"}`)
		if expired != 1 || confirmed != float64(want) {
			t.Errorf("after %d: %v expired, %v confirmed", want+1, expired, confirmed)
		}
	}
	issued := r.fixture.AccessToken(t, "ada", "correct horse").Value.Reveal()
	if err := r.fixture.Store.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the lease runs out", func() bool { return r.metric(t, "bearerd_revocation_lease_held") == "0" })
	if _, err := r.fixture.Verify(context.WithoutCancel(t.Context()), issued, verification.Requirements{}); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("verified without a store: %v", err)
	}
	for _, name := range []string{"bearerd_revocation_catchup_errors_total", `bearerd_revocation_fallbacks_total{reason="no_lease"}`, "bearerd_revocation_questions_total"} {
		if r.number(t, name) == 0 {
			t.Errorf("%s is 0", name)
		}
	}
	if got := r.metric(t, "bearerd_nodes"); got != "NaN" {
		t.Errorf("without a store there are %s nodes", got)
	}
	if got := r.number(t, "bearerd_revocation_log_lag"); got != 0 {
		t.Errorf("the lag is %v", got)
	}
}

func TestEveryMetricIsDocumented(t *testing.T) {
	t.Parallel()
	r := run(t, server.Config{})
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "monitoring.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for line := range strings.Lines(r.ops.Get(t, "/metrics").Body) {
		name, _, _ := strings.Cut(strings.TrimPrefix(line, "# TYPE "), " ")
		if !strings.HasPrefix(line, "# TYPE bearerd_") {
			continue
		}
		found++
		if name == "bearerd_revocations_live_bytes" {
			name = "bearerd_revocations_live`, `_bytes`" // where two share a line
		}
		if !strings.Contains(string(page), "`"+name) {
			t.Errorf("docs/monitoring.md doesn't mention %s", name)
		}
	}
	if found < 20 {
		t.Errorf("%d metrics", found)
	}
}
