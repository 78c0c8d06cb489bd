package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/frontendtest"
	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

// hypercorn serves testdata/echo.py by a server that speaks HTTP/2 to every client that asks for it.
func hypercorn(t testing.TB) *frontendtest.Server {
	t.Helper()
	python := frontendtest.Program(t, "/usr/bin/python3")
	if err := exec.CommandContext(t.Context(), python, "-c", "import hypercorn, h2").Run(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("python3-hypercorn is missing")
		}
		t.Skip("python3-hypercorn is missing: make packages installs it")
	}
	listener, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	file, err := listener.File()
	must(t, err)
	address := listener.Addr().String()
	dir, err := filepath.Abs("testdata")
	must(t, err)
	s := frontendtest.Run(t, dir, "tcp", address, []*os.File{file}, python, "-B", "-m", "hypercorn", "--bind", "fd://3", "echo:app")
	_ = file.Close()
	_ = listener.Close()
	return s
}

// exchange sends bytes to a server and returns the answer, with what follows its header.
func exchange(t testing.TB, dial func(context.Context) (net.Conn, error), request string) answer {
	t.Helper()
	conn, err := dial(t.Context())
	must(t, err)
	defer func() { _ = conn.Close() }()
	must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(conn, request)
	must(t, err)
	reader := bufio.NewReader(conn)
	resp, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		first := make([]byte, 64)
		n, _ := reader.Read(first)
		return answer{resp.StatusCode, resp.Header, string(first[:n])}
	}
	body, _ := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// The settings of a client that begins to speak HTTP/2 (RFC 7540 §3.2.1).
const http2Settings = "HTTP2-Settings: AAMAAABkAAQAAP__\r\n"

// protocols are ways to ask for another protocol.
var protocols = map[string]string{
	"as RFC 7540 says":       "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n" + http2Settings,
	"settings not named":     "Connection: Upgrade\r\nUpgrade: h2c\r\n" + http2Settings,
	"in odd case":            "cONNECTION: uPGRADE, hTTP2-sETTINGS\r\nuPGRADE: H2C\r\nhTTP2-sETTINGS: AAMAAABkAAQAAP__\r\n",
	"with keep-alive":        "Connection: upgrade, keep-alive, http2-settings\r\nUpgrade: h2c\r\n" + http2Settings,
	"in two Connections":     "Connection: Upgrade\r\nConnection: HTTP2-Settings\r\nUpgrade: h2c\r\n" + http2Settings,
	"before WebSocket":       "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c, websocket\r\n" + http2Settings,
	"behind WebSocket":       "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: websocket, h2c\r\n" + http2Settings,
	"two headers":            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nUpgrade: websocket\r\n" + http2Settings,
	"two, the other way":     "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n" + http2Settings,
	"the same one twice":     "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nUpgrade: h2c\r\n" + http2Settings,
	"in a list with nothing": "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: , h2c\r\n" + http2Settings,
	"with a version":         "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c/1\r\n" + http2Settings,
	"over TLS":               "Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n",
	"not announced":          "Upgrade: h2c\r\n" + http2Settings,
	"in other spelling":      "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2_Settings: AAMAAABkAAQAAP__\r\n" + http2Settings,
}

// speaksHTTP fails when a request with such headers made the application change the
// protocol, or reached it with any of them.
func speaksHTTP(t testing.TB, dial func(context.Context) (net.Conn, error), target string, without ...string) {
	t.Helper()
	requests := map[string]string{}
	for name, headers := range protocols {
		if slices.Contains(without, name) {
			continue
		}
		requests[name] = "GET " + target + " HTTP/1.1\r\nHost: museum.example.org\r\n" + headers + "\r\n"
	}
	requests["with a body"] = "POST " + target + " HTTP/1.1\r\nHost: museum.example.org\r\nContent-Length: 3\r\n" + protocols["as RFC 7540 says"] + "\r\nabc"
	requests["in a trailer"] = "POST " + target + " HTTP/1.1\r\nHost: museum.example.org\r\nTransfer-Encoding: chunked\r\n" +
		"Trailer: Upgrade, HTTP2-Settings\r\n\r\n3\r\nabc\r\n0\r\nUpgrade: h2c\r\n" + http2Settings + "\r\n"
	for name, request := range requests {
		got := exchange(t, dial, request)
		if got.status == http.StatusSwitchingProtocols {
			t.Errorf("%s: the application speaks %s now: %q", name, got.header.Get("Upgrade"), got.body)
		}
		if got.header.Get("X-From") != "application" {
			continue // refused on the way, or by Hypercorn itself
		}
		var seen struct {
			Protocol string
			Header   [][2]string
		}
		must(t, json.Unmarshal([]byte(got.body), &seen))
		for _, h := range seen.Header {
			variable := strings.ReplaceAll(strings.ToLower(h[0]), "_", "-")
			if seen.Protocol != "1.1" || variable == "http2-settings" || variable == "upgrade" && h[1] != "websocket" {
				t.Errorf("%s: the application got %s: %s by HTTP/%s", name, h[0], h[1], seen.Protocol)
			}
		}
	}
}

// speaksWebSocket fails when the application can't be spoken to by WebSocket.
func speaksWebSocket(t testing.TB, dial func(context.Context) (net.Conn, error), target string, h http.Header) {
	t.Helper()
	var header strings.Builder
	must(t, h.Write(&header))
	for _, name := range []string{"websocket", "WebSocket"} {
		got := exchange(t, dial, "GET "+target+" HTTP/1.1\r\nHost: museum.example.org\r\nConnection: keep-alive, Upgrade\r\nUpgrade: "+name+"\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"+header.String()+"\r\n")
		if got.status != http.StatusSwitchingProtocols || !strings.Contains(got.body, "hello") {
			t.Errorf("%s: %d %q", name, got.status, got.body)
		}
	}
}

// TestTheApplicationOfTheseTestsSpeaksHTTP2 shows that there is something to be refused.
func TestTheApplicationOfTheseTestsSpeaksHTTP2(t *testing.T) {
	t.Parallel()
	app := hypercorn(t)
	got := exchange(t, app.Dial, "GET /session/x HTTP/1.1\r\nHost: x\r\n"+protocols["as RFC 7540 says"]+"\r\n")
	if got.status != http.StatusSwitchingProtocols || got.header.Get("Upgrade") != "h2c" {
		t.Errorf("%d %v", got.status, got.header)
	}
}

func TestNoProtocolButWebSocketPassesTheProxy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	app := hypercorn(t)
	base := parseURL(t, w.proxy(t, func(c *gateway.ProxyConfig) {
		c.Upstream = parseURL(t, "http://app")
		c.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return app.Dial(ctx) }}
	}))
	dial := func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "tcp", base.Host) }
	for _, target := range []string{"/public/x", "/session/x"} {
		speaksHTTP(t, dial, target)
	}
	speaksWebSocket(t, dial, "/live", bearer(w.issue(t, nil)))
}

func TestNoProtocolButWebSocketPassesAFrontend(t *testing.T) {
	eachFrontend(t, func(t *testing.T, f frontend) {
		w := newWorld(t, nodetest.Options{})
		app := hypercorn(t)
		s := f.run(t, serve(t, w.questions()), "http://"+app.Address())
		for _, target := range []string{"/public/x", "/session/x"} {
			switch {
			case !f.played:
				speaksHTTP(t, s.Dial, target)
			case target != "/public/x":
				speaksHTTP(t, s.Dial, target, "in other spelling") // it removes headers by their one name
			}
		}
		h := maps.Clone(bearer(w.issue(t, nil)))
		speaksWebSocket(t, s.Dial, "/live", h)
	})
}
