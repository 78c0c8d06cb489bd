package server_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/oauth"
	"github.com/bearerd/bearerd/internal/server"
)

// nowhere is where the log goes: it is written as ever, and dropped.
type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

// control answers with the ten headers of /auth/verify and checks nothing.
func control(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Remote-User", "ada")
	h.Set("Remote-Name", "ada Example")
	h.Set("Remote-Email", "ada@example.org")
	h.Set("Remote-Groups", "")
	h.Set("X-Bearerd-Subject", "5f0c7d3e-7d4c-4a86-9d5a-0c6f4f1f2b11")
	h.Set("X-Bearerd-Token-Id", "0b6a3f52-3d0b-4d0e-8c0e-52f3a2f9f6a7")
	h.Set("X-Bearerd-Token-Kind", "access")
	h.Set("X-Bearerd-Scope", "read")
	h.Set("X-Bearerd-Collection", "")
	h.Set("X-Bearerd-Audience", nodetest.Issuer)
	w.WriteHeader(http.StatusOK)
}

// benchEnv is a server as `bearerd serve` makes it, beside the control.
type benchEnv struct {
	*nodetest.Fixture
	address, control, bare string
}

func newBenchEnv(b *testing.B) *benchEnv {
	b.Helper()
	m := server.NewMetrics()
	f := nodetest.New(b, nodetest.Options{Meter: m, Logger: slog.New(slog.NewJSONHandler(nowhere{}, nil))})
	s, err := server.New(server.Config{
		Node: f.Node, Issuer: nodetest.Issuer, Now: f.Time, Log: slog.New(slog.DiscardHandler), Metrics: m, Listen: "127.0.0.1:0",
		Edges: []server.Edge{&oauth.Edge{
			SignIn: f.Authenticator, ClientAuth: f.ClientAuth, Issuance: f.Issuance, Flows: f.Flows, Assertions: f.Assertions, Revoker: f.Revoker, Verifier: f.Verifier,
			Applied: f.Ledger.Applied, JWKS: f.JWKS, Now: f.Time,
			Site: oauth.Site{
				Issuer: f.Settings.Policy.Issuer, DefaultAudience: f.Settings.Policy.DefaultAudience,
				Scopes: f.Settings.Policy.Scopes, Staleness: f.Settings.Staleness,
			},
		}},
		Gateway: []server.Edge{&gateway.ForwardAuth{Gate: &gateway.Gate{
			Verifier: f.Verifier, Now: f.Time, Challenge: httpkit.Challenge{Realm: nodetest.Issuer},
		}}},
	})
	if err != nil {
		b.Fatal(err)
	}
	if err := s.Listen(b.Context()); err != nil {
		b.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	b.Cleanup(func() {
		end()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	})
	e := &benchEnv{Fixture: f, address: s.Addr().String()}
	e.control = serveControl(b, control)
	e.bare = serveControl(b, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	return e
}

// serveControl returns the address of a handler with nothing around it.
func serveControl(b *testing.B, h http.HandlerFunc) string {
	b.Helper()
	s := httptest.NewServer(h)
	b.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// connections of a load, each with a request under way at any time.
const connections = 64

// load is a way to ask: one request, by net/http's client. A leaner client would make
// more of every difference; by this one the control reaches about 0.75 of an answer of
// 204, and where the budgets come from it reached 0.8.
type load struct {
	client *http.Client
	url    *url.URL
	question
}

// question is the request: a GET, or a POST where there is a form.
type question struct {
	path, authorization string
	form                url.Values
}

func newLoad(b *testing.B, address string, q question) *load {
	b.Helper()
	l := &load{
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}},
		url:    &url.URL{Scheme: "http", Host: address, Path: q.path}, question: q,
	}
	b.Cleanup(l.client.CloseIdleConnections)
	return l
}

func (l *load) request() *http.Request {
	r := &http.Request{Method: http.MethodGet, URL: l.url, Header: http.Header{"Authorization": {l.authorization}}}
	if l.form != nil {
		body := l.form.Encode()
		r.Method, r.ContentLength, r.Body = http.MethodPost, int64(len(body)), io.NopCloser(strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r
}

// turn asks perTurn times on each connection and returns how long that took.
func (l *load) turn(b *testing.B) time.Duration {
	start := time.Now()
	var all sync.WaitGroup
	for range connections {
		all.Go(func() {
			for range perTurn {
				if err := l.ask(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return time.Since(start)
}

func (l *load) ask() error {
	res, err := l.client.Do(l.request())
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("answered %s", res.Status)
	}
	_, err = io.Copy(io.Discard, res.Body)
	return err
}

// perTurn is how often each connection asks before the other load has its turn: what
// else the machine does then weighs on both.
const perTurn = 20

// compare asks a server and two controls, in turns: it reports its requests a second as a part
// of those of the handler with the ten headers (ratio) and of the bare one (ratio-bare).
func (e *benchEnv) compare(b *testing.B, q question) {
	b.Helper()
	loads := []*load{newLoad(b, e.address, q), newLoad(b, e.control, q), newLoad(b, e.bare, q)}
	for _, l := range loads {
		l.turn(b)
	}
	took, worked := make([]time.Duration, len(loads)), make([]time.Duration, len(loads))
	for i := 0; b.Loop(); i++ {
		for n := range loads {
			at := (n + i) % len(loads)
			before := processor(b)
			took[at] += loads[at].turn(b)
			worked[at] += processor(b) - before
		}
	}
	b.ReportMetric(float64(took[1])/float64(took[0]), "ratio")
	b.ReportMetric(float64(took[2])/float64(took[0]), "ratio-bare")
	b.ReportMetric(float64(worked[2])/float64(worked[0]), "cpu-ratio-bare")
	b.ReportMetric(float64(b.N*perTurn*connections)/took[0].Seconds(), "requests/s")
	b.ReportMetric(0, "ns/op")
}

// processor is the time of processors that this process has taken: on a machine that does other
// things meanwhile it says more than the time that has passed.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func (e *benchEnv) basic(b *testing.B) string {
	b.Helper()
	e.Client(b, "api", "read")
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth("api", url.QueryEscape(nodetest.ClientSecret))
	return r.Header.Get("Authorization")
}

// BenchmarkForwardAuth is what the budget of /auth/verify says with all that a server
// puts around it: a token that was seen before, against the same headers without a
// check.
func BenchmarkForwardAuth(b *testing.B) {
	e := newBenchEnv(b)
	e.User(b, "ada", "correct horse")
	e.compare(b, question{path: "/auth/verify", authorization: "Bearer " + e.AccessToken(b, "ada", "correct horse").Value.Reveal()})
}

// BenchmarkChain is what stands around a handler, without HTTP.
func BenchmarkChain(b *testing.B) {
	m := server.NewMetrics()
	f := nodetest.New(b, nodetest.Options{Meter: m})
	s, err := server.New(server.Config{
		Node: f.Node, Issuer: nodetest.Issuer, Now: f.Time, Log: slog.New(slog.DiscardHandler), Metrics: m, Listen: "127.0.0.1:0",
		Gateway: []server.Edge{edge{"/auth/verify": func(_ http.ResponseWriter, r *http.Request) { httpkit.EventOf(r.Context()).Mute() }}},
	})
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/auth/verify", http.NoBody)
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		s.Handler().ServeHTTP(w, r)
	}
}

// BenchmarkBudgetIntrospection: a token that was seen before, asked about by a
// client with its secret. The budget is 0.50.
func BenchmarkBudgetIntrospection(b *testing.B) {
	e := newBenchEnv(b)
	e.User(b, "ada", "correct horse")
	token := e.AccessToken(b, "ada", "correct horse").Value.Reveal()
	e.compare(b, question{"/oauth2/introspect", e.basic(b), url.Values{"token": {token}}})
}

// BenchmarkBudgetIssue: client credentials, EdDSA. The budget is 0.20, and 0.25 of the bare
// handler.
func BenchmarkBudgetIssue(b *testing.B) {
	e := newBenchEnv(b)
	e.compare(b, question{"/oauth2/token", e.basic(b), url.Values{"grant_type": {"client_credentials"}, "scope": {"read"}}})
}
