package verify_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/verify"
)

// script is an issuer that answers whatever a test says. What is set must be set
// before the first request, or under mu.
type script struct {
	*httptest.Server

	mu       sync.Mutex
	issuer   string // the name; "": the URL
	extra    string // members of the metadata, which win
	jwks     string
	maxAge   string
	handlers map[string]http.HandlerFunc // by path; they win
	streams  chan *stream                // each connection, when somebody takes them
	auto     bool                        // streams beat by themselves
	boot     *bootClock                  // by which heartbeats say as of when

	tokens, sets, metadatas, asked atomic.Int64
	key                            token.SigningKey
}

// stream is one connection to the stream, for a test to write to.
type stream struct {
	query    url.Values
	after    string // the parameter, or "none"
	boot     *bootClock
	received time.Duration // on it
	lines    chan string
	ended    chan struct{}
}

func newScript(t testing.TB) *script {
	t.Helper()
	key, err := token.GenerateKey(token.EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	s := &script{auto: true, boot: newBootClock(), key: key, handlers: map[string]http.HandlerFunc{}, streams: make(chan *stream, 100)}
	s.jwks = setOf(t, key)
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

func setOf(t testing.TB, keys ...token.SigningKey) string {
	t.Helper()
	var list []string
	for _, k := range keys {
		m, err := k.Verification().JWK()
		if err != nil {
			t.Fatal(err)
		}
		var members []string
		for name, value := range m {
			members = append(members, fmt.Sprintf("%q:%q", name, value))
		}
		list = append(list, "{"+strings.Join(members, ",")+"}")
	}
	return `{"keys":[` + strings.Join(list, ",") + `]}`
}

// route sends every request to the test's server, whatever the host's name is.
type route struct{ to *url.URL }

func (r route) RoundTrip(req *http.Request) (*http.Response, error) {
	clone := req.Clone(req.Context())
	clone.URL.Scheme, clone.URL.Host = r.to.Scheme, r.to.Host
	return http.DefaultTransport.RoundTrip(clone)
}

const audience = "https://api.example.org"

func (s *script) config() verify.Config {
	u, _ := url.Parse(s.URL)
	return verify.Config{
		Issuer: s.URL, Audience: audience, ClientID: "api", ClientSecret: "s3cret: of the client",
		HTTPClient: &http.Client{Transport: route{u}},
	}
}

func (s *script) start(t testing.TB, change ...func(*verify.Config)) *verify.Verifier {
	t.Helper()
	c := s.config()
	for _, f := range change {
		f(&c)
	}
	v, err := verify.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

func (s *script) name() string {
	if s.issuer != "" {
		return s.issuer
	}
	return s.URL
}

// on answers a path by a handler from now on; nil: as usual.
func (s *script) on(path string, h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handlers[path] = h
}

func (s *script) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *script) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	h, jwks, maxAge, extra, auto, boot := s.handlers[r.URL.Path], s.jwks, s.maxAge, s.extra, s.auto, s.boot
	s.mu.Unlock()
	switch {
	case strings.HasSuffix(r.URL.Path, ".well-known/oauth-authorization-server"):
		s.metadatas.Add(1)
	case r.URL.Path == "/jwks":
		s.sets.Add(1)
	case r.URL.Path == "/token":
		s.tokens.Add(1)
	case r.URL.Path == "/introspect":
		s.asked.Add(1)
	}
	switch {
	case h != nil:
		h(w, r)
	case r.URL.Path == "/.well-known/oauth-authorization-server":
		_, _ = io.WriteString(w, s.metadata(extra))
	case r.URL.Path == "/jwks":
		w.Header().Set("Cache-Control", maxAge)
		_, _ = io.WriteString(w, jwks)
	case r.URL.Path == "/token":
		_, _ = io.WriteString(w, `{"access_token":"own-token","token_type":"bearer","expires_in":600}`)
	case r.URL.Path == "/stream":
		s.stream(w, r, auto, boot)
	default:
		http.NotFound(w, r)
	}
}

// metadata returns the document; members in extra replace the usual ones.
func (s *script) metadata(extra string) string {
	members := []string{}
	for _, m := range [][2]string{
		{"issuer", s.name()},
		{"jwks_uri", s.name() + "/jwks"},
		{"token_endpoint", s.name() + "/token"},
		{"introspection_endpoint", s.name() + "/introspect"},
		{"revocations_endpoint", s.name() + "/stream"},
	} {
		if !strings.Contains(extra, `"`+m[0]+`"`) {
			members = append(members, fmt.Sprintf("%q:%q", m[0], m[1]))
		}
	}
	if !strings.Contains(extra, `"revocations_max_staleness"`) {
		members = append(members, `"revocations_max_staleness":2`)
	}
	if extra != "" {
		members = append(members, extra)
	}
	return "{" + strings.Join(members, ",") + "}"
}

// stream writes what a test says. Connections that the test doesn't take, where auto is
// set, say that the log is empty.
func (s *script) stream(w http.ResponseWriter, r *http.Request, auto bool, boot *bootClock) {
	c := &stream{query: r.URL.Query(), boot: boot, received: boot.read(), after: "none", lines: make(chan string, 100), ended: make(chan struct{})}
	if r.URL.Query().Has("after") {
		c.after = r.URL.Query().Get("after")
	}
	defer close(c.ended)
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	flush := http.NewResponseController(w)
	_ = flush.Flush()
	beat := make(<-chan time.Time)
	if auto {
		ticker := time.NewTicker(200 * time.Millisecond)
		defer ticker.Stop()
		beat = ticker.C
		c.beat(0)
	} else {
		s.streams <- c
	}
	for {
		select {
		case text, ok := <-c.lines:
			if !ok {
				return
			}
			_, _ = io.WriteString(w, text)
			_ = flush.Flush()
		case <-beat:
			c.beat(0)
		case <-r.Context().Done():
			return
		}
	}
}

// take waits for a connection.
func (s *script) take(t testing.TB) *stream {
	t.Helper()
	select {
	case c := <-s.streams:
		return c
	case <-time.After(10 * time.Second):
		t.Fatal("no connection to the stream")
		return nil
	}
}

// entry writes an entry of the log.
func (c *stream) entry(seq int64, what, id string) {
	c.lines <- entryText(seq, what, id)
}

func entryText(seq int64, what, id string) string {
	return fmt.Sprintf("event: revocation\nid: %d\ndata: {\"seq\":%d,\"what\":%q,\"id\":%q,\"until\":null,\"at\":\"2026-01-02T03:04:05Z\"}\n\n", seq, seq, what, id)
}

// beat writes a heartbeat that is true as of now.
func (c *stream) beat(seq int64) { c.beatAsOf(seq, c.since()) }

// since is for how long the connection has stood.
func (c *stream) since() time.Duration { return c.boot.read() - c.received }

func (c *stream) beatAsOf(seq int64, asOf time.Duration) {
	c.lines <- fmt.Sprintf("event: heartbeat\nid: %d\ndata: {\"seq\":%d,\"as_of\":%d}\n\n", seq, seq, asOf.Microseconds())
}

// gone waits until the verifier has left the connection.
func (c *stream) gone(t testing.TB) {
	t.Helper()
	select {
	case <-c.ended:
	case <-time.After(10 * time.Second):
		t.Fatal("the verifier stays on the connection")
	}
}

// sign issues a JWT of this issuer.
func (s *script) sign(t testing.TB, change ...func(*token.Claims)) string {
	t.Helper()
	c := token.Claims{
		Issuer: s.name(), Subject: "ada", Audience: []string{audience}, ID: fmt.Sprintf("id-%d", time.Now().UnixNano()),
		Expiry: time.Now().Add(time.Hour), IssuedAt: time.Now(), Scope: []string{"read"},
	}
	for _, f := range change {
		f(&c)
	}
	raw, err := token.Sign(s.key, token.TypeAccess, c)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// eventually waits for what another goroutine is about to do.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never came: " + what)
		}
	}
}

// errorOf returns the error of Verify; the zero Error for none.
func errorOf(t testing.TB, err error) *verify.Error {
	t.Helper()
	var e *verify.Error
	switch {
	case err == nil:
		return &verify.Error{}
	case !errors.As(err, &e):
		t.Fatalf("%T is no *verify.Error: %v", err, err)
	}
	return e
}

// bootClock is a boot-time clock that a test can move forward.
type bootClock struct {
	start  time.Time
	offset atomic.Int64
}

func newBootClock() *bootClock { return &bootClock{start: time.Now().Add(-time.Hour)} }

func (b *bootClock) read() time.Duration {
	return time.Since(b.start) + time.Duration(b.offset.Load())
}

func (b *bootClock) skip(d time.Duration) { b.offset.Add(int64(d)) }

// startWithClock is start with another clock.
func (s *script) startWithClock(t testing.TB, b *bootClock, change ...func(*verify.Config)) *verify.Verifier {
	t.Helper()
	c := s.config()
	for _, f := range change {
		f(&c)
	}
	s.set(func() { s.boot = b })
	v, err := verify.NewWithClock(context.Background(), c, b.read)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}
