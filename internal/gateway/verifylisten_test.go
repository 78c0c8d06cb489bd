package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/bearerd/bearerd/internal/frontendtest"
	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/localaddr"
	"github.com/bearerd/bearerd/internal/networks"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/server"
)

// both is forward auth on the main listener and on verify_listen.
type both struct {
	auth *gateway.ForwardAuth
	at   string // verify_listen; "": a socket of the test's
}

// listenBoth runs a server with nothing but forward auth.
func listenBoth(t testing.TB, w *world, c server.Config, b both) *server.Server {
	t.Helper()
	if b.at == "" {
		dir, err := os.MkdirTemp("", "verify") //nolint:usetesting // t.TempDir can be too long for a socket
		must(t, err)
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		b.at = "unix:" + filepath.Join(dir, "s")
	}
	address, err := localaddr.Parse(b.at)
	must(t, err)
	if c.Metrics == nil {
		c.Metrics = server.NewMetrics()
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Node, c.Issuer, c.Now, c.Listen, c.OpsListen = w.Node, nodetest.Issuer, time.Now, "127.0.0.1:0", "127.0.0.1:0"
	c.Gateway, c.Verify = []server.Edge{b.auth}, &server.Verify{Address: address, Auth: b.auth}
	s, err := server.New(c)
	must(t, err)
	must(t, s.Listen(t.Context()))
	ctx, end := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s
}

// requirements are those of the pages, and one that reports only.
func requirements(t testing.TB) gateway.Requirements {
	t.Helper()
	r, err := gateway.NewRequirements(map[string]gateway.NamedRequirement{
		"any": {}, "api": {Scope: []string{"write"}, SafeScope: []string{"read"}}, "watch": {ReportOnly: true},
		"files": {In: []string{"basic", "token", "header:X-API-Key"}},
	})
	must(t, err)
	return r
}

// after follows each request on its connection.
const after = "GET /auth/verify?optional=true HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n"

// talk sends a request, and another one when that is answered, and returns both answers
// as text, without what differs by nature.
func talk(t testing.TB, to net.Addr, request string, silence time.Duration) string {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), to.Network(), to.String())
	must(t, err)
	defer func() { _ = conn.Close() }()
	must(t, conn.SetWriteDeadline(time.Now().Add(20*time.Second)))
	_, _ = io.WriteString(conn, request) // who refuses it may be closing already
	method, _, _ := strings.Cut(request, " ")
	r, out := bufio.NewReader(conn), ""
	for i, wait := range []time.Duration{silence, 20 * time.Second} {
		must(t, conn.SetReadDeadline(time.Now().Add(wait)))
		resp, err := http.ReadResponse(r, &http.Request{Method: method}) //nolint:bodyclose // described closes it
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return out + "silence\n"
		case err != nil:
			return out + "closed\n"
		}
		must(t, conn.SetReadDeadline(time.Now().Add(20*time.Second))) // what has begun also ends
		out += described(resp)
		if i == 0 {
			_, _ = io.WriteString(conn, after)
			method = http.MethodGet
		}
	}
	if rest, _ := io.ReadAll(r); len(rest) > 0 {
		out += fmt.Sprintf("and then %q\n", rest)
	}
	return out
}

var requestID = regexp.MustCompile(`"request_id":"[^"]*"`)

func described(resp *http.Response) string {
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if resp.Close && errors.Is(err, syscall.ECONNRESET) { // a server that closes need not have read all
		err = nil
	}
	if resp.Header.Get("Date") != "" {
		resp.Header.Set("Date", "a date")
	}
	if resp.Header.Get("X-Request-Id") != "" {
		resp.Header.Set("X-Request-Id", "an id")
	}
	// Ids grow longer as they are counted.
	switch id := requestID.Find(body); {
	case id != nil && resp.ContentLength >= 0:
		resp.ContentLength -= int64(len(id))
		resp.Header.Set("Content-Length", fmt.Sprint(resp.ContentLength))
	case len(body) == 0 && resp.Header.Get("Content-Length") != "" && resp.Header.Get("Content-Type") != "": // to HEAD
		resp.ContentLength = -1
		resp.Header.Set("Content-Length", "that of a body")
	}
	var lines []string
	for name, values := range resp.Header {
		lines = append(lines, fmt.Sprintf("%s: %q", name, values))
	}
	slices.Sort(lines)
	return fmt.Sprintf("%s close=%v length=%d %v\n%s\n%s %v\n", resp.Status, resp.Close, resp.ContentLength, resp.TransferEncoding,
		strings.Join(lines, "\n"), requestID.ReplaceAll(body, []byte(`"request_id":"an id"`)), err)
}

// silence is how long a listener may think about a request that is not whole.
const silence = 300 * time.Millisecond

// alike sends a request to both listeners. Where one of them may only be late, it waits
// longer.
func alike(t testing.TB, s *server.Server, name, request string, silence time.Duration) {
	t.Helper()
	for ; ; silence *= 10 {
		want, got := talk(t, s.Addr(), request, silence), talk(t, s.VerifyAddr(), request, silence)
		if want == got {
			return
		}
		if silence < time.Second && strings.Contains(want+got, "silence") {
			continue
		}
		t.Errorf("%s: %q: (-main +verify_listen):\n%s", name, request, cmp.Diff(want, got))
		return
	}
}

// hostileRequests returns the corpus, by the names of its files.
func hostileRequests(t testing.TB) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../../testdata/hostile/*.txt")
	must(t, err)
	requests := map[string]string{}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		must(t, err)
		text := strings.ReplaceAll(strings.ReplaceAll(string(archive.Files[0].Data), "\\\n", ""), "\n", `\r\n`)
		raw, err := strconv.Unquote(`"` + strings.ReplaceAll(text, `"`, `\"`) + `"`)
		must(t, err)
		requests[filepath.Base(file)] = raw
	}
	if len(requests) < 60 {
		t.Fatalf("%d requests", len(requests))
	}
	return requests
}

var target = regexp.MustCompile(`^([A-Z]+) [^ \r\n]+`)

// inWorld are the sites that the corpus is sent to.
func inWorld(t testing.TB) (w *world, auth *gateway.ForwardAuth, good string) {
	t.Helper()
	w = newWorld(t, nodetest.Options{})
	origin, err := httpkit.NewCrossOrigin(nodetest.Issuer)
	must(t, err)
	w.gate.Finders, w.gate.CrossOrigin, w.gate.TokensPage = senaiteFinders(w.Fixture), origin, nodetest.Issuer+"/auth/tokens"
	return w, &gateway.ForwardAuth{Gate: w.gate, Requirements: requirements(t)}, w.issue(t, nil).Value.Reveal()
}

// shapes are requests that proxies send, and such as they should not, with the headers after
// the first line in between.
func shapes(good string) []string {
	auth := "Authorization: Bearer " + good + "\r\n"
	host := "Host: b\r\n"
	var list []string
	for _, line := range []string{
		"GET /auth/verify", "POST /auth/verify", "OPTIONS /auth/verify?preflight=pass", "HEAD /auth/verify", "PROPFIND /auth/verify", "get /auth/verify",
		"GET /auth/verify?", "GET /auth/verify?scope=read&safe_scope=read", "GET /auth/verify?requirement=files", "GET /auth/verify?enforce=false",
		"GET /auth/verify?optional=true", "GET /auth/verify?a=b&a=c", "GET /auth/verify?%zz", "GET /auth/verify?x#y", "GET /auth/verify#", "GET /auth/verify?a?b",
		"GET /auth/ver%69fy", "GET /auth/ver%zzfy", "GET /auth//verify", "GET /auth/verify/", "GET http://b/auth/verify", "GET *", "GET /", "GET /auth/login",
		"GET /auth/ext-authz/any/a%2Fb/../c?d", "POST /auth/ext-authz/api/x", "DELETE /auth/ext-authz/watch", "GET /auth/ext-authz/", "GET /auth/ext-authz/none/x",
		"GET /auth/ext-authz/files//..;/%00", "CONNECT /auth/verify", "CONNECT b:80", "GET  /auth/verify", " GET /auth/verify", "GET /auth/verify ", "GET /auth/ver\x80ify",
	} {
		for _, version := range []string{" HTTP/1.1\r\n", " HTTP/1.0\r\n"} {
			list = append(list, line+version+host+auth+"\r\n", line+version+host+"\r\n")
		}
	}
	for _, version := range []string{" HTTP/1.1\n", " HTTP/2.0\r\n", " HTTP/1.2\r\n", " http/1.1\r\n", " HTTP/1.1 \r\n", "\r\n", " HTTP/11\r\n"} {
		list = append(list, "GET /auth/verify"+version+host+auth+"\r\n")
	}
	for _, h := range []string{
		"", host, host + host, "Host: \r\n", "Host: a b\r\n", "Host: a/b\r\n", "Host: a_b.c:80\r\n", "Host: a:b\r\n", "Host: [::1]:80\r\n", "Host: a:99999\r\n", "host:b\r\n", "Host : b\r\n",
		host + auth, host + auth + auth, host + "authorization:Bearer  " + good + " \r\n", host + "Authorization: Basic eDp\r\n", host + "Authorization: Bearer x\r\n",
		host + "Authorization: Bearer\r\n x\r\n", host + "Authorization: Token x\r\n", host + auth + "Cookie: token=" + good + "\r\n", host + "Cookie: token=" + good + "\r\n",
		host + "X-JWT-Auth-Token: " + good + "\r\n", host + "X-API-Key: " + good + "\r\n",
		host + auth + " folded: x\r\n", host + "X: a\r\n\tb\r\n" + auth, host + auth + "X\x00: y\r\n", host + auth + "X: \x00\r\n", host + auth + "X: \x7f\r\n", host + auth + "X: \x80\r\n",
		host + auth + "X: a\tb\r\n", host + auth + "X : y\r\n", host + auth + ": y\r\n", host + auth + "X\r\n", host + auth + "X_Y: z\r\n", host + auth + "X!: z\r\n", host + auth + "X:\r\n",
		host + auth + "Content-Length: 0\r\n", host + auth + "Content-Length: 00\r\n", host + auth + "Content-Length: +0\r\n", host + auth + "Content-Length: \r\n", host + auth + "Content-Length: 0, 0\r\n",
		host + auth + "Content-Length: 0\r\nContent-Length: 0\r\n", host + auth + "Content-Length: 3\r\n", host + auth + "Content-Length: -1\r\n",
		host + auth + "Transfer-Encoding: chunked\r\n", host + auth + "Transfer-Encoding: gzip\r\n", host + auth + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
		host + auth + "Connection: close\r\n", host + auth + "Connection: keep-alive\r\n", host + auth + "Connection: Upgrade\r\nUpgrade: websocket\r\n", host + auth + "Connection: Authorization\r\n",
		host + auth + "Expect: 100-continue\r\n", host + auth + "Expect: x\r\n", host + auth + "Trailer: X\r\n", host + auth + "Trailer: Content-Length\r\n", host + auth + "TE: trailers\r\n", host + auth + "Upgrade: h2c\r\n",
		host + auth + "X-Request-Id: mine\r\n", host + auth + "X-Forwarded-For: 192.0.2.7\r\n", host + "X-Forwarded-Method: POST\r\nX-Original-Method: GET\r\n" + auth,
		host + "Origin: https://evil.example\r\nCookie: token=" + good + "\r\nX-Forwarded-Method: POST\r\n", host + "Accept: text/html\r\n", host + "Accept: text/html\r\nAuthorization: Bearer x\r\n",
		host + "Origin: https://app.example\r\nX-Forwarded-Method: OPTIONS\r\nAccess-Control-Request-Method: PUT\r\n", host + auth + "Pragma: no-cache\r\n",
		host + auth + "X: " + strings.Repeat("a", 15<<10) + "\r\n", host + auth + "X: " + strings.Repeat("a", 20<<10) + "\r\n", host + auth + "X: " + strings.Repeat("a", 80<<10) + "\r\n",
		host + "Authorization: Bearer " + strings.Repeat("a", 9<<10) + "\r\n", strings.Repeat("X: y\r\n", 500) + host + auth,
	} {
		list = append(list, "GET /auth/verify HTTP/1.1\r\n"+h+"\r\n", "POST /auth/verify?preflight=pass HTTP/1.1\r\n"+h+"\r\n", "GET /auth/ext-authz/any/x HTTP/1.1\r\n"+h+"\r\n")
	}
	whole := "GET /auth/verify HTTP/1.1\r\n" + host + auth + "\r\n"
	return append(list, whole+whole, whole+"x", "\r\n"+whole, whole[:len(whole)-2], whole[:9], "", "\x16\x03\x01", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"POST /auth/verify HTTP/1.1\r\n"+host+auth+"Content-Length: 3\r\n\r\nabc", "POST /auth/verify HTTP/1.1\r\n"+host+auth+"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
}

// TestBothListenersAnswerAlike sends the hostile corpus, as it is and with every path of
// forward auth, and what servers of HTTP differ in.
func TestBothListenersAnswerAlike(t *testing.T) {
	t.Parallel()
	w, auth, good := inWorld(t)
	requests := map[string]string{}
	for name, r := range hostileRequests(t) {
		for placeholder, value := range map[string]string{"<token>": good, "<ada's token>": good, "<session>": "bds_x", "<other session>": "bds_y", "<secret>": "x"} {
			r = strings.ReplaceAll(r, placeholder, value)
		}
		requests[name] = r
		for _, path := range []string{"/auth/verify?preflight=pass", "/auth/verify?requirement=files", "/auth/ext-authz/api/a"} {
			requests[name+" "+path] = target.ReplaceAllString(r, "$1 "+path)
		}
	}
	for i, r := range shapes(good) {
		requests[strconv.Itoa(i)] = r
	}
	proxies := httpkit.Proxies{netip.MustParsePrefix("127.0.0.1/32")}
	for name, c := range map[string]server.Config{"plain": {}, "with CORS": {CORS: []string{"https://app.example"}}, "behind a proxy": {Proxies: proxies}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := listenBoth(t, w, c, both{auth: auth})
			for name, request := range requests {
				alike(t, s, name, request, silence)
			}
		})
	}
}

func TestBothListenersJudgeEveryVectorAlike(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	var keys vectorKeys
	readJSON(t, "keys.json", &keys)
	paths, err := filepath.Glob(filepath.Join(vectorDir, "*.json"))
	must(t, err)
	servers, count := map[string]*server.Server{}, 0
	for _, path := range paths {
		if filepath.Base(path) == "keys.json" {
			continue
		}
		var f vectorFile
		readJSON(t, filepath.Base(path), &f)
		if servers[f.Verifier] == nil {
			auth := &gateway.ForwardAuth{Gate: vectorNode(t, keys, f.Verifier).gate()}
			servers[f.Verifier] = listenBoth(t, w, server.Config{Proxies: httpkit.Proxies{netip.MustParsePrefix("127.0.0.0/8")}}, both{auth: auth})
		}
		for _, v := range f.Vectors {
			count++
			alike(t, servers[f.Verifier], v.Name, "GET /auth/verify HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer "+v.Token+"\r\nX-Forwarded-For: "+v.Address+"\r\n\r\n", silence)
		}
	}
	if count < 150 {
		t.Errorf("only %d vectors", count)
	}
}

func FuzzBothListeners(f *testing.F) {
	w, auth, good := inWorld(f)
	s := listenBoth(f, w, server.Config{}, both{auth: auth})
	for _, seed := range shapes("<token>") {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, request []byte) {
		alike(t, s, "fuzzed", string(bytes.ReplaceAll(request, []byte("<token>"), []byte(good))), 20*time.Millisecond)
	})
}

// TestAUnixSocketsPeerCountsAsLoopback limits a token to a network, and sends it with
// X-Forwarded-For.
func TestAUnixSocketsPeerCountsAsLoopback(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	inside := w.issue(t, func(r *issuance.Request) { r.Networks = networksOf(t, "192.0.2.0/24") }).Value.Reveal()
	local := w.issue(t, func(r *issuance.Request) { r.Networks = networksOf(t, "127.0.0.1") }).Value.Reveal()
	for _, trusted := range []bool{true, false} {
		c := server.Config{}
		if trusted {
			c.Proxies = httpkit.Proxies{netip.MustParsePrefix("127.0.0.1/32")}
		}
		s := listenBoth(t, w, c, both{auth: &gateway.ForwardAuth{Gate: w.gate}})
		for _, q := range []struct {
			token, forwarded string
			allowed          bool
		}{
			{inside, "X-Forwarded-For: 192.0.2.7\r\n", trusted},
			{inside, "", false},
			{inside, "X-Forwarded-For: 198.51.100.1\r\n", false},
			{local, "", true},
			{local, "X-Forwarded-For: 198.51.100.1\r\n", !trusted},
		} {
			request := "GET /auth/verify HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer " + q.token + "\r\n" + q.forwarded + "\r\n"
			if got := talk(t, s.VerifyAddr(), request, 20*time.Second); strings.HasPrefix(got, "200") != q.allowed {
				t.Errorf("trusted: %v, %q: %.200s", trusted, q.forwarded, got)
			}
			alike(t, s, q.forwarded, request, silence)
		}
	}
}

func networksOf(t testing.TB, text string) networks.List {
	t.Helper()
	list, err := networks.Parse([]string{text})
	must(t, err)
	return list
}

func TestVerifyListenIsCountedAndLoggedAsTheMainListener(t *testing.T) {
	t.Parallel()
	metrics := server.NewMetrics()
	var log lockedBuffer
	w := newWorld(t, nodetest.Options{Meter: metrics})
	s := listenBoth(t, w, server.Config{Metrics: metrics, Log: slog.New(slog.NewJSONHandler(&log, nil))},
		both{auth: &gateway.ForwardAuth{Gate: w.gate, Requirements: requirements(t)}})
	good := w.issue(t, nil).Value.Reveal()
	for _, to := range []net.Addr{s.Addr(), s.VerifyAddr()} {
		talk(t, to, "GET /auth/verify HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer "+good+"\r\n\r\n", 20*time.Second)
		talk(t, to, "GET /auth/ext-authz/any/secret/x HTTP/1.1\r\nHost: b\r\n\r\n", 20*time.Second)
	}
	text := get(t, "http://"+s.OpsAddr().String()+"/metrics", nil).body
	for _, line := range []string{
		`bearerd_http_request_duration_seconds_count{code="200",route="/auth/verify"} 6`, // two each that follow an answer
		`bearerd_http_request_duration_seconds_count{code="401",route="/auth/ext-authz/"} 2`,
		`bearerd_tokens_verified_total{kind="access"} 2`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("the metrics lack %s:\n%s", line, regexp.MustCompile(`(?m)^bearerd_(http|tokens).*`).FindAllString(text, -1))
		}
	}
	if n := strings.Count(log.String(), `"msg":"request"`); n != 2 || strings.Count(log.String(), `"original_uri":"/secret/x"`) != 2 {
		t.Errorf("%d requests in the log:\n%s", n, log.String())
	}
}

func TestVerifyListenAnswersWhoHasConnectedBeforeItEnds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	auth := &gateway.ForwardAuth{Gate: w.gate}
	for _, first := range []string{after, strings.Replace(after, "1.1", "1.0", 1)} { // by fasthttp, and by net/http
		address, err := localaddr.Parse("unix:" + filepath.Join(t.TempDir(), "s"))
		must(t, err)
		s, err := server.New(server.Config{
			Node: w.Node, Issuer: nodetest.Issuer, Now: time.Now, Log: slog.New(slog.DiscardHandler), Metrics: server.NewMetrics(), Listen: "127.0.0.1:0",
			Gateway: []server.Edge{auth}, Verify: &server.Verify{Address: address, Auth: auth},
		})
		must(t, err)
		must(t, s.Listen(t.Context()))
		socket := s.VerifyAddr().String()
		ctx, end := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		var conns []net.Conn
		for range 20 {
			conn, err := new(net.Dialer).DialContext(t.Context(), "unix", socket)
			must(t, err)
			conns = append(conns, conn)
		}
		end()
		for _, conn := range conns {
			_, err := io.WriteString(conn, first)
			must(t, err)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Errorf("%v, %v", resp, err)
				continue
			}
			_ = resp.Body.Close()
			_ = conn.Close()
		}
		must(t, <-ended)
		if _, err := os.Stat(socket); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the socket is still there: %v", err)
		}
	}
}

// A web server that keeps its connections is told to open others, elsewhere, from the signal
// on, so that it sends no question into one that closes.
func TestVerifyListenEndsKeptConnectionsByAnAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	auth := &gateway.ForwardAuth{Gate: w.gate}
	address, err := localaddr.Parse("unix:" + filepath.Join(t.TempDir(), "s"))
	must(t, err)
	s, err := server.New(server.Config{
		Node: w.Node, Issuer: nodetest.Issuer, Now: time.Now, Log: slog.New(slog.DiscardHandler), Metrics: server.NewMetrics(), Listen: "127.0.0.1:0",
		Gateway: []server.Edge{auth}, Verify: &server.Verify{Address: address, Auth: auth}, Notice: 3 * time.Second,
	})
	must(t, err)
	must(t, s.Listen(t.Context()))
	socket := s.VerifyAddr().String()
	ctx, end := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	dial := func() (net.Conn, *bufio.Reader) {
		conn, err := new(net.Dialer).DialContext(t.Context(), "unix", socket)
		must(t, err)
		t.Cleanup(func() { _ = conn.Close() })
		return conn, bufio.NewReader(conn)
	}
	ends := func(conn net.Conn, answers *bufio.Reader) bool {
		_, err := io.WriteString(conn, strings.Replace(after, "Connection: close\r\n", "", 1))
		must(t, err)
		resp, err := http.ReadResponse(answers, nil)
		must(t, err)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status)
		}
		return resp.Close
	}
	conn, answers := dial()
	if ends(conn, answers) {
		t.Fatal("it ends a connection while it runs")
	}
	end()
	for !ends(conn, answers) {
		runtime.Gosched()
	}
	if !ends(dial()) { // the notice goes on: new connections are answered too
		t.Error("while it stops it keeps a new connection")
	}
	must(t, <-ended)
}

// TestFrontendsAskByAUnixSocket runs nginx and Caddy with the files of their pages, asking
// verify_listen.
func TestFrontendsAskByAUnixSocket(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(socket string) frontendtest.Starter{
		"nginx": func(socket string) frontendtest.Starter { return frontendtest.NginxVerifyListen("unix:" + socket) },
		"caddy": frontendtest.CaddyVerifyListen,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nodetest.Options{})
			s := listenBoth(t, w, server.Config{}, both{auth: &gateway.ForwardAuth{Gate: w.gate}})
			client := start(s.VerifyAddr().String())(t, "http://"+s.Addr().String(), mirror(t).String()).Client()
			issued := w.issue(t, nil)
			for range 3 {
				got := through(t, client, http.MethodGet, "/x", bearer(issued), nil).reached(t)
				if user := got.Header.Get("Remote-User"); user != "ada" {
					t.Errorf("the application was told of %q", user)
				}
			}
			w.revoke(t, issued)
			if got := through(t, client, http.MethodGet, "/x", bearer(issued), nil); got.status != http.StatusUnauthorized || got.members(t)["error"] != "invalid_token" {
				t.Errorf("after revoking: %d %s", got.status, got.body)
			}
			text := get(t, "http://"+s.OpsAddr().String()+"/metrics", nil).body
			if !strings.Contains(text, `bearerd_http_request_duration_seconds_count{code="200",route="/auth/verify"} 3`+"\n") {
				t.Error("the listener wasn't asked")
			}
		})
	}
}
