package gateway_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/issuance"
	parts "github.com/bearerd/bearerd/internal/node"

	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/server"
)

const (
	benchConnections = 32
	benchSlice       = 100 * time.Millisecond
)

// BenchmarkBudgetForwardAuthSeen is for the budget of /auth/verify, 0.85 of the handler
// with the same headers and 0.70 of the bare one, for a token that was seen before, over HTTP on 32 lasting connections. An iteration gives each of
// three servers the same time in turn, so that whatever else the machine does
// concerns all three: bearerd, a handler that sends the same ten headers and
// checks nothing, and one that answers 204. The ratios are medians over rounds.
func BenchmarkBudgetForwardAuthSeen(b *testing.B) {
	w := newWorld(b, nodetest.Options{Settings: func(p *parts.Settings) { p.Staleness = time.Hour }})
	issued := w.issue(b, func(r *issuance.Request) { r.Scope = []string{"read"} })
	loads := []*load{
		newLoad(b, observedVerifier(w), bearer(issued)),
		newLoad(b, sameHeaders(adaIdentity(w, issued)), bearer(issued)),
		newLoad(b, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }), bearer(issued)),
	}
	for _, l := range loads {
		l.run(b)
	}
	before, asked := w.Store.Queries(), 0
	var ofSame, ofBare, rate []float64
	for i := 0; b.Loop(); i++ {
		var n [3]float64
		for j := range loads {
			k := (i + j) % len(loads)
			n[k] = loads[k].run(b)
		}
		asked += int(n[0] * benchSlice.Seconds())
		ofSame, ofBare, rate = append(ofSame, n[0]/n[1]), append(ofBare, n[0]/n[2]), append(rate, n[0])
	}
	same, bare := median(ofSame), median(ofBare)
	b.ReportMetric(same, "ratio")
	b.ReportMetric(bare, "ratio-bare")
	b.ReportMetric(median(rate), "req/s")
	b.ReportMetric(float64(w.Store.Queries()-before)/float64(max(asked, 1)), "queries/op")
}

// BenchmarkBudgetVerifyListen is for the budget of verify_listen, 1.30 of the bare net/http
// handler that answers 204, both by TCP and as BenchmarkBudgetForwardAuthSeen measures: with
// all that a server puts around a request, its metrics among it.
func BenchmarkBudgetVerifyListen(b *testing.B) {
	m := server.NewMetrics()
	w := newWorld(b, nodetest.Options{Meter: m, Settings: func(p *parts.Settings) { p.Staleness = time.Hour }})
	issued := w.issue(b, func(r *issuance.Request) { r.Scope = []string{"read"} })
	loads := []*load{
		newLoadAt(b, "tcp", listenBoth(b, w, server.Config{Metrics: m}, both{auth: &gateway.ForwardAuth{Gate: w.gate}, at: "127.0.0.1:0"}).VerifyAddr().String(), bearer(issued)),
		newLoad(b, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }), bearer(issued)),
	}
	for _, l := range loads {
		l.run(b)
	}
	var ofBare, rate []float64
	for i := 0; b.Loop(); i++ {
		var n [2]float64
		for j := range loads {
			k := (i + j) % len(loads)
			n[k] = loads[k].run(b)
		}
		ofBare, rate = append(ofBare, n[0]/n[1]), append(rate, n[0])
	}
	b.ReportMetric(median(ofBare), "ratio-bare")
	b.ReportMetric(median(rate), "req/s")
}

func median(f []float64) float64 {
	slices.Sort(f)
	return f[len(f)/2]
}

// observedVerifier is /auth/verify as a server mounts it, which finds it by its path.
func observedVerifier(w *world) http.Handler {
	path, verify := (&gateway.ForwardAuth{Gate: w.gate}).Exact()
	exact := map[string]http.Handler{path: verify}
	route := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { exact[r.URL.Path].ServeHTTP(w, r) })
	logger := slog.New(slog.DiscardHandler)
	return httpkit.NewObserver(httpkit.ObserverConfig{Logger: logger, Now: time.Now}).Wrap(route)
}

func sameHeaders(identity map[string]string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		for _, name := range identityHeaders {
			h.Set(name, identity[name])
		}
		w.WriteHeader(http.StatusOK)
	}
}

// load asks one server on lasting connections, with as little work of its own as
// can be, since it shares the processors with the server.
type load struct {
	connections []net.Conn
	request     []byte
}

func newLoad(b *testing.B, handler http.Handler, h http.Header) *load {
	b.Helper()
	return newLoadAt(b, "tcp", parseURL(b, serve(b, handler)).Host, h)
}

func newLoadAt(b *testing.B, network, host string, h http.Header) *load {
	b.Helper()
	l := &load{}
	for range benchConnections {
		conn, err := new(net.Dialer).DialContext(b.Context(), network, host)
		must(b, err)
		b.Cleanup(func() { _ = conn.Close() })
		l.connections = append(l.connections, conn)
	}
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, "http://127.0.0.1:8080/auth/verify", nil)
	r.Header = h
	var text bytes.Buffer
	must(b, r.Write(&text))
	l.request = text.Bytes()
	return l
}

// run asks for a slice of time and returns the requests a second.
func (l *load) run(b *testing.B) float64 {
	b.Helper()
	var done atomic.Int64
	var all sync.WaitGroup
	start := time.Now()
	for _, conn := range l.connections {
		all.Go(func() { done.Add(l.ask(b, conn, start.Add(benchSlice))) })
	}
	all.Wait()
	return float64(done.Load()) / time.Since(start).Seconds()
}

// ask sends one request after another. The answers have no body.
func (l *load) ask(b *testing.B, conn net.Conn, until time.Time) (n int64) {
	buf := make([]byte, 4<<10)
	for time.Now().Before(until) {
		if _, err := conn.Write(l.request); err != nil {
			b.Error(err)
			return n
		}
		for have := 0; !bytes.HasSuffix(buf[:have], []byte("\r\n\r\n")); {
			more, err := conn.Read(buf[have:])
			if have += more; err != nil {
				b.Error(err)
				return n
			}
		}
		if !bytes.HasPrefix(buf, []byte("HTTP/1.1 20")) {
			b.Errorf("%.200s", buf)
			return n
		}
		n++
	}
	return n
}

// BenchmarkVerifyHandler returns what /auth/verify costs without HTTP.
func BenchmarkVerifyHandler(b *testing.B) {
	w := newWorld(b, nodetest.Options{})
	mux := http.NewServeMux()
	(&gateway.ForwardAuth{Gate: w.gate}).Register(mux)
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/auth/verify?scope=read&action=read&path=/things", nil)
	r.Header = bearer(w.issue(b, func(r *issuance.Request) { r.Scope = []string{"read"} }))
	rec := &discard{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		mux.ServeHTTP(rec, r)
		if rec.status != http.StatusOK {
			b.Fatal(rec.status)
		}
	}
}

// BenchmarkProxied measures what a proxied request costs without HTTP on either side.
func BenchmarkProxied(b *testing.B) {
	w := newWorld(b, nodetest.Options{})
	p, err := gateway.NewProxy(gateway.ProxyConfig{
		Gate: w.gate, Upstream: parseURL(b, "http://app"),
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody, Header: http.Header{}, Request: r}, nil
		}),
	})
	must(b, err)
	header := bearer(w.issue(b, nil))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/x", nil)
		rec := &discard{header: http.Header{}}
		for pb.Next() {
			r.Header = header.Clone()
			if p.ServeHTTP(rec, r); rec.status != http.StatusNoContent {
				b.Error(rec.status)
				return
			}
		}
	})
}

// discard is a writer that keeps the status alone.
type discard struct {
	header http.Header
	status int
}

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) WriteHeader(status int)      { d.status = status }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
