package gateway_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

// lockedBuffer is a log that a test reads while a server writes.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// loggedQuestion is what the log says of the question of a proxy.
type loggedQuestion struct {
	Method string `json:"original_method"`
	URI    string `json:"original_uri"`
}

// A refusal in the log names what was asked about, however the proxy says so, and none of
// the secrets that its URI may hold.
func TestTheLogSaysWhatAProxyAskedAbout(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	requirements, err := gateway.NewRequirements(map[string]gateway.NamedRequirement{"read": {}})
	must(t, err)
	var log lockedBuffer
	observer := httpkit.NewObserver(httpkit.ObserverConfig{Logger: slog.New(slog.NewJSONHandler(&log, nil)), Now: time.Now})
	mux := http.NewServeMux()
	(&gateway.ForwardAuth{Gate: w.gate, Requirements: requirements}).Register(mux)
	base := serve(t, observer.Wrap(mux))
	const secret = "bda_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for _, tc := range []struct {
		name, method, path string
		header             http.Header
		want               loggedQuestion
	}{
		{"Caddy, Traefik, nginx", "GET", "/auth/verify", http.Header{"X-Forwarded-Method": {"PUT"}, "X-Forwarded-Uri": {"/things/4?key=hunter2"}}, loggedQuestion{"PUT", "/things/4"}},
		{"others", "GET", "/auth/verify", http.Header{"X-Original-Method": {"PUT"}, "X-Original-Uri": {"/things/4#hunter2"}}, loggedQuestion{"PUT", "/things/4"}},
		{"a whole URL", "GET", "/auth/verify", http.Header{"X-Original-Url": {"https://ada:hunter2@museum.example.org/things"}}, loggedQuestion{"", "https://museum.example.org/things"}},
		{"a token in the path", "GET", "/auth/verify", http.Header{"X-Forwarded-Uri": {"/of/" + secret + "/x"}}, loggedQuestion{"", "/of/[token]/x"}},
		{"Envoy", "DELETE", "/auth/ext-authz/read/things/4?key=hunter2", nil, loggedQuestion{"DELETE", "/things/4"}},
		{"Envoy, for the root", "GET", "/auth/ext-authz/read/", nil, loggedQuestion{"GET", "/"}},
		{"a proxy that doesn't say", "GET", "/auth/verify", nil, loggedQuestion{}},
		{"a query that the operator got wrong", "GET", "/auth/verify?wrong=1", http.Header{"X-Forwarded-Uri": {"/x"}}, loggedQuestion{"", "/x"}},
	} {
		before := len(log.String())
		if got := send(t, tc.method, base+tc.path, tc.header, nil); got.status < 400 {
			t.Fatalf("%s: %d", tc.name, got.status)
		}
		line := log.String()[before:]
		var got loggedQuestion
		must(t, json.Unmarshal([]byte(line), &got))
		if got != tc.want || strings.Contains(line, "hunter2") || strings.Contains(line, secret) {
			t.Errorf("%s: %s", tc.name, line)
		}
	}
}
