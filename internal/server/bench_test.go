package server_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/authority/authoritytest"
	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/httpkit"
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
	h.Set("X-Bearerd-Audience", authoritytest.Issuer)
	w.WriteHeader(http.StatusOK)
}

// benchEnv is a server as `bearerd serve` makes it, beside the control.
type benchEnv struct {
	*authoritytest.Fixture
	address, control string
}

func newBenchEnv(b *testing.B) *benchEnv {
	b.Helper()
	m := server.NewMetrics()
	f := authoritytest.New(b, authoritytest.Options{Meter: m, Logger: slog.New(slog.NewJSONHandler(nowhere{}, nil))})
	s, err := server.New(server.Config{
		Authority: f.Authority, Metrics: m, Listen: "127.0.0.1:0",
		Edges: []server.Edge{&oauth.Edge{Authority: f.Authority}},
		Gateway: []server.Edge{&gateway.ForwardAuth{Gate: &gateway.Gate{
			Authority: f.Authority, Challenge: httpkit.Challenge{Realm: authoritytest.Issuer},
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
	plain := httptest.NewServer(http.HandlerFunc(control))
	b.Cleanup(plain.Close)
	e.control = plain.Listener.Addr().String()
	return e
}

// connections of a load, each with a request under way at any time.
const connections = 64

// load is a way to ask: connections to one address, and the request, ready to send.
type load struct {
	conns   []net.Conn
	readers []*bufio.Reader
	request []byte
}

func newLoad(b *testing.B, address, request string) *load {
	b.Helper()
	l := &load{request: []byte(request)}
	for range connections {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = conn.Close() })
		l.conns, l.readers = append(l.conns, conn), append(l.readers, bufio.NewReader(conn))
	}
	return l
}

// turn asks perTurn times on each connection and tells how long that took.
func (l *load) turn(b *testing.B) time.Duration {
	start := time.Now()
	var all sync.WaitGroup
	for i := range l.conns {
		all.Go(func() {
			for range perTurn {
				if err := l.ask(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	return time.Since(start)
}

func (l *load) ask(i int) error {
	if _, err := l.conns[i].Write(l.request); err != nil {
		return err
	}
	r := l.readers[i]
	status, err := r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 200 ")) {
		return fmt.Errorf("answered %s", status)
	}
	for body := 0; ; {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == 2 {
			_, err := r.Discard(body)
			return err
		}
		if value, found := bytes.CutPrefix(line, []byte("Content-Length: ")); found {
			if body, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
}

// perTurn is how often each connection asks before the other load has its turn: what
// else the machine does then weighs on both.
const perTurn = 20

// compare reports the requests a second of a load as a part of the control's.
func compare(b *testing.B, subject, against *load) {
	b.Helper()
	subject.turn(b)
	against.turn(b)
	var took, control time.Duration
	for b.Loop() {
		took += subject.turn(b)
		control += against.turn(b)
	}
	b.ReportMetric(float64(control)/float64(took), "ratio")
	b.ReportMetric(float64(b.N*perTurn*connections)/took.Seconds(), "requests/s")
	b.ReportMetric(0, "ns/op")
}

func get(path, authorization string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nAuthorization: " + authorization + "\r\n\r\n"
}

func post(path, authorization string, form url.Values) string {
	body := form.Encode()
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: %s\r\n"+
		"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", path, authorization, len(body), body)
}

func (e *benchEnv) basic(b *testing.B) string {
	b.Helper()
	e.Client(b, "api", "read")
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth("api", url.QueryEscape(authoritytest.ClientSecret))
	return r.Header.Get("Authorization")
}

// BenchmarkForwardAuth is what the budget of /auth/verify says with all that a server
// puts around it: a token that was seen before, against the same headers without a
// check.
func BenchmarkForwardAuth(b *testing.B) {
	e := newBenchEnv(b)
	e.User(b, "ada", "correct horse")
	request := get("/auth/verify", "Bearer "+e.AccessToken(b, "ada", "correct horse").Value.Reveal())
	compare(b, newLoad(b, e.address, request), newLoad(b, e.control, request))
}

// BenchmarkChain is what stands around a handler, without HTTP.
func BenchmarkChain(b *testing.B) {
	m := server.NewMetrics()
	f := authoritytest.New(b, authoritytest.Options{Meter: m})
	s, err := server.New(server.Config{
		Authority: f.Authority, Metrics: m, Listen: "127.0.0.1:0",
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
	request := post("/oauth2/introspect", e.basic(b), url.Values{"token": {token}})
	compare(b, newLoad(b, e.address, request), newLoad(b, e.control, request))
}

// BenchmarkBudgetIssue: client credentials, EdDSA. The budget is 0.20.
func BenchmarkBudgetIssue(b *testing.B) {
	e := newBenchEnv(b)
	request := post("/oauth2/token", e.basic(b), url.Values{"grant_type": {"client_credentials"}, "scope": {"read"}})
	compare(b, newLoad(b, e.address, request), newLoad(b, e.control, request))
}
