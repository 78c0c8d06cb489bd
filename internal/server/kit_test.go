package server_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

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
	fixture *nodetest.Fixture
	log     *logBuffer
	url     string
	ops     string
	client  *http.Client
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
		Server: s, fixture: f, log: log, url: scheme + s.Addr().String(), ops: "http://" + s.OpsAddr().String(),
		client: &http.Client{
			Transport:     &http.Transport{},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		ended: make(chan error, 1),
	}
	var ctx context.Context
	ctx, r.end = context.WithCancel(context.Background())
	go func() { r.ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		r.client.CloseIdleConnections()
		r.end()
		_ = r.wait(t)
	})
	return r
}

// wait waits until Run has returned and gives its error.
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

// answer is what came back.
type answer struct {
	status int
	header http.Header
	text   string
}

func (r *running) do(t testing.TB, method, url string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	a, err := r.send(req)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (r *running) send(req *http.Request) (answer, error) {
	res, err := r.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(text)}, err
}

// raw sends a request for a path that no client would send: it goes out as it is.
func (r *running) raw(t testing.TB, method, path string) answer {
	t.Helper()
	host := strings.TrimPrefix(r.url, "http://")
	req := &http.Request{Method: method, URL: &url.URL{Scheme: "http", Host: host, Opaque: r.url + path}, Host: host, Header: http.Header{}}
	a, err := r.send(req.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func (r *running) get(t testing.TB, path string, header ...string) answer {
	t.Helper()
	return r.do(t, http.MethodGet, r.url+path, header...)
}

// problem checks an answer of RFC 9457 and gives its members.
func (a answer) problem(t testing.TB, status int) map[string]any {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal([]byte(a.text), &body); err != nil {
		t.Errorf("%q: %v", a.text, err)
	}
	if a.status != status || body["status"] != float64(status) || a.header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("answered %d %s %s", a.status, a.header.Get("Content-Type"), a.text)
	}
	if body["request_id"] == "" || body["request_id"] == nil {
		t.Errorf("no request id: %s", a.text)
	}
	return body
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
	for line := range strings.Lines(r.do(t, http.MethodGet, r.ops+"/metrics").text) {
		if value, found := strings.CutPrefix(line, name+" "); found {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
