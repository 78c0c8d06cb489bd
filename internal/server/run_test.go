package server_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/server"
)

// held is an endpoint whose answer a test holds back.
type held struct {
	entered chan struct{}
	release chan struct{}
}

func newHeld() *held { return &held{entered: make(chan struct{}), release: make(chan struct{})} }

func (h *held) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /held", func(w http.ResponseWriter, r *http.Request) {
		close(h.entered)
		select {
		case <-h.release:
			_, _ = w.Write([]byte("finished"))
		case <-r.Context().Done():
		}
	})
}

// ask sends the request whose answer is held back, and returns the answer.
func (r *running) ask(t *testing.T) chan *edgetest.Answer {
	t.Helper()
	got := make(chan *edgetest.Answer, 1)
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, r.URL+"/held", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		a, err := r.Try(t, req)
		if err != nil {
			a.Body = err.Error()
		}
		got <- a
	}()
	return got
}

func TestStopLetsRequestsFinishAndThenLeaves(t *testing.T) {
	t.Parallel()
	h := newHeld()
	var loopEnded atomic.Bool
	r := run(t, server.Config{
		Edges: []server.Edge{h},
		Loops: []server.Loop{{Name: "a loop", Run: func(ctx context.Context) error {
			<-ctx.Done()
			loopEnded.Store(true)
			return ctx.Err()
		}}},
	})
	got := r.ask(t)
	<-h.entered
	r.end()
	eventually(t, "/readyz says no", func() bool {
		return r.ops.Get(t, "/readyz").Status == http.StatusServiceUnavailable
	})
	eventually(t, "no new connections", func() bool {
		conn, err := net.Dial("tcp", r.Addr().String())
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	if loopEnded.Load() || !r.fixture.Follower.Fresh() {
		t.Error("the loops ended before the requests")
	}
	close(h.release)
	if a := <-got; a.Body != "finished" {
		t.Errorf("the request that was under way got %q", a.Body)
	}
	if err := r.wait(t); err != nil {
		t.Errorf("Run: %v", err)
	}
	if !loopEnded.Load() || r.fixture.Follower.Fresh() {
		t.Error("Run returned before its loops")
	}
}

func TestStopCutsWhatTakesTooLong(t *testing.T) {
	t.Parallel()
	h := newHeld()
	r := run(t, server.Config{Edges: []server.Edge{h}, Drain: 50 * time.Millisecond})
	got := r.ask(t)
	<-h.entered
	r.end()
	if err := r.wait(t); err != nil {
		t.Errorf("Run: %v", err)
	}
	if a := <-got; a.Body == "finished" {
		t.Error("the request finished")
	}
	if !strings.Contains(r.log.String(), "requests were cut off") {
		t.Error("the log does not say so")
	}
}

func TestLoopThatFailsEndsTheServer(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	s, _, _ := newServer(t, server.Config{Loops: []server.Loop{{Name: "listening for news", Run: func(context.Context) error { return broken }}}})
	if err := s.Run(t.Context()); !errors.Is(err, broken) || !strings.Contains(err.Error(), "listening for news") {
		t.Errorf("Run: %v", err)
	}
}

func TestAddressInUseIsAnErrorAndLeavesNothingOpen(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	m := server.NewMetrics()
	f := nodetest.New(t, nodetest.Options{Meter: m})
	s, err := server.New(server.Config{
		Node: f.Node, Issuer: nodetest.Issuer, Now: f.Time, Log: slog.New(slog.DiscardHandler), Metrics: m, Listen: "127.0.0.1:0", OpsListen: taken.Addr().String(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "opening the ops listener") {
		t.Errorf("Run: %v", err)
	}
	if s.Addr() != nil {
		t.Error("the main listener is still open")
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	t.Parallel()
	m := server.NewMetrics()
	f := nodetest.New(t, nodetest.Options{Meter: m})
	for name, c := range map[string]server.Config{
		"no authority": {Metrics: m, Listen: "127.0.0.1:0"},
		"no metrics":   {Node: f.Node, Issuer: nodetest.Issuer, Now: f.Time, Log: slog.New(slog.DiscardHandler), Listen: "127.0.0.1:0"},
		"no address":   {Node: f.Node, Issuer: nodetest.Issuer, Now: f.Time, Log: slog.New(slog.DiscardHandler), Metrics: m},
		"half a TLS":   {Node: f.Node, Issuer: nodetest.Issuer, Now: f.Time, Log: slog.New(slog.DiscardHandler), Metrics: server.NewMetrics(), Listen: "127.0.0.1:0", TLS: server.TLS{CertFile: "x.pem"}},
	} {
		if _, err := server.New(c); err == nil {
			t.Errorf("%s is no error", name)
		}
	}
	good := server.Config{Node: f.Node, Issuer: nodetest.Issuer, Now: f.Time, Log: slog.New(slog.DiscardHandler), Metrics: m, Listen: "127.0.0.1:0"}
	if _, err := server.New(good); err != nil {
		t.Fatal(err)
	}
	if _, err := server.New(good); err == nil {
		t.Error("two servers share their metrics")
	}
}

func TestNoticeIsGivenBeforeRequestsAreRefused(t *testing.T) {
	t.Parallel()
	r := run(t, server.Config{Edges: []server.Edge{edge{"GET /x": says("x")}}, Notice: time.Second})
	r.end()
	eventually(t, "/readyz says no", func() bool {
		a := r.ops.Get(t, "/readyz")
		return a.Status == http.StatusServiceUnavailable && strings.Contains(a.Body, "stopping")
	})
	if a := r.Get(t, "/x"); a.Body != "x" {
		t.Errorf("a request after the notice: %d %s", a.Status, a.Body)
	}
}

// A client that keeps its connection is told to open another one, elsewhere, and loses no request
// that it sends just when the server closes what is idle.
func TestAConnectionThatIsKeptIsEndedByAnAnswer(t *testing.T) {
	t.Parallel()
	r := run(t, server.Config{Edges: []server.Edge{edge{"GET /x": says("x")}}, Notice: time.Second})
	client := &http.Client{Transport: &http.Transport{}}
	ends := func(upgrade string) bool {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.URL+"/x", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if upgrade != "" {
			req.Header.Set("Connection", "Upgrade")
			req.Header.Set("Upgrade", upgrade)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err = errors.Join(err, res.Body.Close()); err != nil || string(body) != "x" {
			t.Fatalf("%s, %v", body, err)
		}
		return res.Close
	}
	if ends("") {
		t.Error("it ends a connection while it runs")
	}
	r.end()
	eventually(t, "/readyz says no", func() bool { return r.ops.Get(t, "/readyz").Status == http.StatusServiceUnavailable })
	if ends("websocket") {
		t.Error("it ends the connection of an upgrade")
	}
	if !ends("") {
		t.Error("while it stops it keeps connections")
	}
}

// What failed is not announced for a while: it ends at once.
func TestAFailureGivesNoNotice(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	s, _, _ := newServer(t, server.Config{
		Notice: time.Hour,
		Loops:  []server.Loop{{Name: "a loop", Run: func(context.Context) error { return broken }}},
	})
	ended := make(chan error, 1)
	go func() { ended <- s.Run(context.WithoutCancel(t.Context())) }()
	select {
	case err := <-ended:
		if !errors.Is(err, broken) {
			t.Errorf("Run: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it waits for the notice")
	}
}
