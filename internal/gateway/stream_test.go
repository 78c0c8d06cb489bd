package gateway_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

// observed serves the proxy as the server does, behind the observer.
func (w *world) observed(t testing.TB, app http.Handler) (string, *lockedBuffer) {
	t.Helper()
	p, err := gateway.NewProxy(gateway.ProxyConfig{Gate: w.gate, Upstream: parseURL(t, serve(t, app)), Routes: routes})
	if err != nil {
		t.Fatal(err)
	}
	log := &lockedBuffer{}
	observer := httpkit.NewObserver(httpkit.ObserverConfig{Logger: slog.New(slog.NewJSONHandler(log, nil)), Now: time.Now})
	return serve(t, observer.Wrap(p)), log
}

// upperEcho takes a connection over and sends back each line in capitals.
func upperEcho(t testing.TB) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "websocket" || r.Header.Get("Remote-User") != "ada" || r.Header.Get("Authorization") != "" {
			t.Errorf("%v", r.Header)
			http.Error(w, "no", http.StatusBadRequest)
			return
		}
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-Websocket-Accept: yes\r\n\r\nhello\n")
		for {
			line, err := buf.ReadString('\n')
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, strings.ToUpper(line))
		}
	})
}

func TestUpgradedConnectionsPassBothWays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	base, _ := w.observed(t, upperEcho(t))
	issued := w.issue(t, nil)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", parseURL(t, base).Host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "GET /live HTTP/1.1\r\nHost: app\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-Websocket-Key: x\r\n"+
		"Authorization: Bearer "+issued.Value.Reveal()+"\r\nRemote-User: root\r\n\r\n")
	buf := bufio.NewReader(conn)
	resp, err := http.ReadResponse(buf, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Upgrade") != "websocket" || resp.Header.Get("Sec-Websocket-Accept") != "yes" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	expect := func(want string) {
		t.Helper()
		if line, err := buf.ReadString('\n'); line != want || err != nil {
			t.Fatalf("%q %v, want %q", line, err, want)
		}
	}
	expect("hello\n")
	_, _ = io.WriteString(conn, "one\n")
	expect("ONE\n")
	w.revoke(t, issued)
	got := raw(t, base, "GET /live HTTP/1.1\r\nHost: app\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nAuthorization: Bearer "+issued.Value.Reveal()+"\r\n\r\n")
	got.refused(t, 401, "invalid_token", "revoked")
}

// TestAnswersBeginBeforeTheBodyHasEnded talks line by line over one request.
func TestAnswersBeginBeforeTheBodyHasEnded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	base, _ := w.observed(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := http.NewResponseController(w)
		if err := c.EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		lines := bufio.NewReader(r.Body)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			_, _ = io.WriteString(w, strings.ToUpper(line))
			_ = c.Flush()
		}
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	body, pen := io.Pipe()
	defer func() { _ = pen.Close() }()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/talk", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = bearer(w.issue(t, nil))
	written := make(chan error, 1)
	go func() {
		_, err := io.WriteString(pen, "one\n")
		written <- err
	}()
	resp, err := (&http.Client{Transport: &http.Transport{}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(resp.Body)
	for _, next := range []string{"two\n", "three\n", ""} {
		got, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(got, err)
		}
		if next == "" {
			break
		}
		if _, err := io.WriteString(pen, next); err != nil {
			t.Fatal(err)
		}
	}
	_ = pen.Close()
}

func TestAnswersPassAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]http.Header{
		"events":       {"Content-Type": {"text/event-stream"}},
		"known length": {"Content-Type": {"text/plain"}, "Content-Length": {"18"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			passesAsWritten(t, header)
		})
	}
}

func passesAsWritten(t *testing.T, header http.Header) {
	t.Helper()
	w := newWorld(t, nodetest.Options{})
	release := make(chan struct{})
	base, log := w.observed(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		maps.Copy(w.Header(), header)
		_, _ = io.WriteString(w, "data: 1\n\n")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-release:
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, "data: 2\n\n")
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/events?secret=1", nil)
	must(t, err)
	issued := w.issue(t, nil)
	r.Header = bearer(issued)
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewReader(resp.Body)
	if line, err := lines.ReadString('\n'); line != "data: 1\n" || err != nil {
		t.Fatal(line, err)
	}
	close(release)
	rest, err := io.ReadAll(lines)
	if err != nil || string(rest) != "\ndata: 2\n\n" {
		t.Errorf("%q %v", rest, err)
	}
	awaitLog(t, log, issued.ID)
	if line := log.String(); !strings.Contains(line, w.ada.ID) || strings.Contains(line, "secret") || strings.Contains(line, issued.Value.Reveal()) {
		t.Errorf("logged as %s", line)
	}
}

// awaitLog waits for a line that is written after the answer has been read.
func awaitLog(t testing.TB, log *lockedBuffer, text string) {
	t.Helper()
	for start := time.Now(); !strings.Contains(log.String(), text); time.Sleep(time.Millisecond) {
		if time.Since(start) > 10*time.Second {
			t.Fatalf("nothing of %q in the log: %s", text, log.String())
		}
	}
}

func TestAnAnswerThatBreaksOffIsNotTakenForAWholeOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	base, log := w.observed(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = bearer(w.issue(t, nil))
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if got, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("%q was taken for a whole answer", got)
	}
	awaitLog(t, log, `"path":"/x"`)
}

// TestALargeBodyIsNotKept sends more than any buffer on the way holds.
func TestALargeBodyIsNotKept(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	base, _ := w.observed(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil || n != 64<<20 {
			t.Errorf("%d bytes, %v", n, err)
		}
		w.WriteHeader(http.StatusCreated)
	}))
	got := send(t, http.MethodPut, base+"/x", bearer(w.issue(t, nil)), io.LimitReader(zeros{}, 64<<20))
	if got.status != http.StatusCreated {
		t.Errorf("%d %s", got.status, got.body)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestAnApplicationMayAnswerWithoutReadingTheBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	base, _ := w.observed(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
	}))
	for range 20 {
		got := send(t, http.MethodPost, base+"/x", bearer(w.issue(t, nil)), strings.NewReader(strings.Repeat("x", 100<<10)))
		if got.status != http.StatusRequestEntityTooLarge || got.body != "too large\n" {
			t.Errorf("%d %q", got.status, got.body)
		}
	}
}

func TestAClientThatLeavesEndsTheRequestToTheApplication(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	began, ended := make(chan struct{}, 2), make(chan struct{}, 2)
	base, _ := w.observed(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		_ = http.NewResponseController(w).Flush()
		began <- struct{}{}
		if r.Method == http.MethodPost {
			_, _ = io.Copy(io.Discard, r.Body)
		} else {
			<-r.Context().Done()
		}
		ended <- struct{}{}
	}))
	for _, method := range []string{http.MethodPost, http.MethodGet} {
		ctx, leave := context.WithCancel(t.Context())
		body, pen := io.Pipe()
		var sent io.Reader
		if method == http.MethodPost {
			sent = body
		}
		r, err := http.NewRequestWithContext(ctx, method, base+"/talk", sent)
		must(t, err)
		r.Header = bearer(w.issue(t, nil))
		resp, err := (&http.Client{Transport: &http.Transport{}}).Do(r)
		must(t, err)
		<-began
		leave()
		_ = pen.Close()
		_ = resp.Body.Close()
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			t.Fatalf("%s: the application still talks to a client that left", method)
		}
	}
}
