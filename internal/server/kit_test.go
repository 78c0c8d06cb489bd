package server_test

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/server"
)

// edge is a mux as an edge.
type edge map[string]http.HandlerFunc

func (e edge) Register(mux *http.ServeMux) {
	for pattern, h := range e {
		mux.HandleFunc(pattern, h)
	}
}

// says answers with a text.
func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

// logBuffer is a log that a test reads.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// running is a server on real listeners.
type running struct {
	*server.Server
	*edgetest.Site

	fixture *nodetest.Fixture
	log     *logBuffer
	ops     *edgetest.Site
	end     context.CancelFunc // as a signal does
	ended   chan error
}

// newServer makes a server that is not running yet. What is not set in c is set.
func newServer(t testing.TB, c server.Config) (*server.Server, *nodetest.Fixture, *logBuffer) {
	t.Helper()
	log := &logBuffer{}
	c.Metrics = server.NewMetrics()
	f := nodetest.New(t, nodetest.Options{Meter: c.Metrics, Logger: slog.New(slog.NewJSONHandler(log, nil))})
	c.Node, c.Issuer, c.Now = f.Node, cmp.Or(c.Issuer, nodetest.Issuer), f.Time
	if c.Log == nil {
		c.Log = slog.New(slog.NewJSONHandler(log, nil))
	}
	c.Listen, c.OpsListen = "127.0.0.1:0", "127.0.0.1:0"
	s, err := server.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s, f, log
}

// run starts a server and stops it when the test ends.
func run(t testing.TB, c server.Config) *running {
	t.Helper()
	s, f, log := newServer(t, c)
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	scheme := "http://"
	if c.TLS != (server.TLS{}) {
		scheme = "https://"
	}
	r := &running{
		Server: s, fixture: f, log: log, ended: make(chan error, 1),
		Site: edgetest.At(t, scheme+s.Addr().String()), ops: edgetest.At(t, "http://"+s.OpsAddr().String()),
	}
	var ctx context.Context
	ctx, r.end = context.WithCancel(context.Background())
	go func() { r.ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		r.HTTP.CloseIdleConnections()
		r.ops.HTTP.CloseIdleConnections()
		r.end()
		_ = r.wait(t)
	})
	return r
}

// wait waits until Run has returned and returns its error.
func (r *running) wait(t testing.TB) error {
	t.Helper()
	select {
	case err := <-r.ended:
		r.ended <- err
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("Run does not return")
		return nil
	}
}

// raw sends a request for a path that no client would send: it goes out as it is.
func (r *running) raw(t testing.TB, method, path string) *edgetest.Answer {
	t.Helper()
	host := strings.TrimPrefix(r.URL, "http://")
	req := &http.Request{Method: method, URL: &url.URL{Scheme: "http", Host: host, Opaque: r.URL + path}, Host: host, Header: http.Header{}}
	return r.Send(t, req.WithContext(t.Context()))
}

// eventually waits for what another goroutine is about to do.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatal("never came: " + what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// metric returns the line of a metric, "" when there is none.
func (r *running) metric(t testing.TB, name string) string {
	t.Helper()
	for line := range strings.Lines(r.ops.Get(t, "/metrics").Body) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
