package server_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/oauth"
	"github.com/bearerd/bearerd/internal/server"
)

// newWhole runs a server with forward auth, a proxy and an OAuth endpoint.
func newWhole(t *testing.T, timeout time.Duration, application http.HandlerFunc) *running {
	t.Helper()
	upstream := httptest.NewServer(httpkit.BoundBodies(time.Hour, application))
	t.Cleanup(upstream.Close)
	u, err := url.Parse(upstream.URL)
	if err != nil {
		t.Fatal(err)
	}
	f := nodetest.New(t, nodetest.Options{})
	gate := &gateway.Gate{Verifier: f.Verifier, Now: f.Time, Challenge: httpkit.Challenge{Realm: nodetest.Issuer}}
	proxy, err := gateway.NewProxy(gateway.ProxyConfig{
		Gate: gate, Upstream: u, Routes: []gateway.Route{{Path: "/open", Require: gateway.RequireNone}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return run(t, server.Config{
		Edges: []server.Edge{&oauth.Edge{
			SignIn: f.Authenticator, ClientAuth: f.ClientAuth, Issuance: f.Issuance, Flows: f.Flows, Assertions: f.Assertions, Revoker: f.Revoker, Verifier: f.Verifier,
			Applied: f.Ledger.Applied, JWKS: f.JWKS, Now: f.Time,
			Site: oauth.Site{Issuer: nodetest.Issuer, DefaultAudience: nodetest.Issuer, Staleness: f.Settings.Staleness},
		}},
		Gateway:     []server.Edge{&gateway.ForwardAuth{Gate: gate}, proxy},
		BodyTimeout: timeout,
	})
}

// send writes a request as it stands and returns the status of the answer, behind which
// the connection must be closed.
func send(t *testing.T, base, text string) int {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	buf := bufio.NewReader(conn)
	res, err := http.ReadResponse(buf, nil)
	if err != nil {
		t.Fatalf("%.40q: %v", text, err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	if _, err := buf.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("%.40q: the connection goes on: %v", text, err)
	}
	return res.StatusCode
}

// TestNobodyWaitsForABody announces bodies and never sends them, to every kind of
// endpoint, with nothing that would end the wait.
func TestNobodyWaitsForABody(t *testing.T) {
	t.Parallel()
	r := newWhole(t, time.Hour, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	for _, tt := range []struct {
		base, method, path string
		want               int
	}{
		{r.URL, "POST", "/auth/verify", http.StatusUnauthorized},
		{r.URL, "POST", "/auth/verify?optional=true", http.StatusOK},
		{r.URL, "POST", "/auth/verify?nonsense=1", http.StatusBadRequest},
		{r.URL, "PUT", "/oauth2/token", http.StatusMethodNotAllowed},
		{r.URL, "POST", "/oauth2/token", http.StatusBadRequest}, // no content type
		{r.URL, "POST", "/application", http.StatusUnauthorized},
		{r.URL, "POST", "/open/upload", http.StatusTeapot}, // the application answers early
		{r.ops.URL, "GET", "/healthz", http.StatusOK},
		{r.ops.URL, "POST", "/nothing", http.StatusNotFound},
	} {
		for _, announced := range []string{"Content-Length: 77", "Transfer-Encoding: chunked"} {
			if got := send(t, tt.base, tt.method+" "+tt.path+" HTTP/1.1\r\nHost: x\r\n"+announced+"\r\n\r\n"); got != tt.want {
				t.Errorf("%s %s, %s: %d, want %d", tt.method, tt.path, announced, got, tt.want)
			}
		}
	}
}

// TestEveryBodyHasADeadline sends the beginning of a body where it is wanted.
func TestEveryBodyHasADeadline(t *testing.T) {
	t.Parallel()
	r := newWhole(t, 50*time.Millisecond, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusTeapot)
	})
	for path, contentType := range map[string]string{
		"/oauth2/token": "application/x-www-form-urlencoded", "/open/upload": "application/octet-stream",
	} {
		head := "POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Type: " + contentType + "\r\nContent-Length: 77\r\n\r\n"
		if got := send(t, r.URL, head+strings.Repeat("a", 7)); got != http.StatusBadRequest {
			t.Errorf("%s: %d", path, got)
		}
	}
}

// TestNoRequestHidesBehindChunks sends a second request behind a body in chunks, where a
// server in front that believes the Content-Length beside them would see the body go on.
func TestNoRequestHidesBehindChunks(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	r := newWhole(t, time.Hour, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusTeapot)
	})
	const hidden = "GET /open/hidden HTTP/1.1\r\nHost: x\r\nX: y\r\n\r\n"
	for path, want := range map[string]int{
		"/open/upload": http.StatusTeapot, "/auth/verify": http.StatusUnauthorized, "/oauth2/token": http.StatusBadRequest, "/application": http.StatusUnauthorized,
	} {
		for _, length := range []string{"", "Content-Length: 60\r\n"} {
			requests.Store(0)
			head := "POST " + path + " HTTP/1.1\r\nHost: x\r\n" + length + "Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n\r\n"
			if got := send(t, r.URL, head+"3\r\na=b\r\n0\r\n\r\n"+hidden); got != want {
				t.Errorf("%s: %d, want %d", path, got, want)
			}
			if n := requests.Load(); n > 1 || n == 1 && path != "/open/upload" {
				t.Errorf("%s: the application got %d requests", path, n)
			}
		}
	}
}
