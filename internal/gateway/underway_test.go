package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	parts "github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

const shortStaleness = 400 * time.Millisecond

// guarded serves an application by a proxy that runs, as the server does.
func (w *world) guarded(t testing.TB, app http.Handler, change func(*gateway.ProxyConfig)) string {
	t.Helper()
	return w.guardedBy(t, app, change, func(h http.Handler) string { return serve(t, h) })
}

func (w *world) guardedBy(t testing.TB, app http.Handler, change func(*gateway.ProxyConfig), serveProxy func(http.Handler) string) string {
	t.Helper()
	c := gateway.ProxyConfig{Gate: w.gate, Upstream: parseURL(t, serve(t, app)), Routes: routes, Staleness: func() time.Duration { return w.Settings.Staleness }}
	if change != nil {
		change(&c)
	}
	p, err := gateway.NewProxy(c)
	must(t, err)
	var running sync.WaitGroup
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	running.Go(func() { _ = p.Run(ctx) })
	t.Cleanup(running.Wait)
	t.Cleanup(stop)
	return serveProxy(httpkit.BoundBodies(time.Minute, p))
}

func shortLived(t testing.TB) *world {
	t.Helper()
	return newWorld(t, nodetest.Options{Settings: func(s *parts.Settings) { s.Staleness = shortStaleness }})
}

// held is a connection on which a request was begun.
type held struct {
	net.Conn
	reader *bufio.Reader
}

func hold(t testing.TB, base, request string) *held {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", parseURL(t, base).Host)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	_, err = io.WriteString(conn, request)
	must(t, err)
	return &held{conn, bufio.NewReader(conn)}
}

// answer reads the answer to the request that was begun.
func (h *held) answer(t testing.TB) answer {
	t.Helper()
	resp, err := http.ReadResponse(h.reader, nil)
	must(t, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	must(t, err)
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// ends fails unless the connection is closed.
func (h *held) ends(t testing.TB, what string) {
	t.Helper()
	if rest, err := io.ReadAll(h.reader); err != nil && strings.Contains(err.Error(), "timeout") {
		t.Errorf("%s goes on: %q, %v", what, rest, err)
	}
}

// acting is an application that acts on a whole body, and answers and streams on demand.
type acting struct {
	began chan string   // the path of each request that came
	acted atomic.Int64  // whole bodies
	ended chan struct{} // a stream ended
}

func newActing() *acting {
	return &acting{began: make(chan string, 100), ended: make(chan struct{}, 100)}
}

func (a *acting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.began <- r.URL.Path
	switch {
	case r.Header.Get("Upgrade") != "":
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(io.Discard, conn)
		_ = conn.Close()
	case r.Method == http.MethodPost:
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			break
		}
		a.acted.Add(1)
		w.WriteHeader(http.StatusNoContent)
	case strings.HasSuffix(r.URL.Path, "/flood"): // until nobody takes any more of it
		for err := error(nil); err == nil; {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
			_, err = w.Write(make([]byte, 64<<10))
		}
	case strings.HasSuffix(r.URL.Path, "/stream"):
		_, _ = io.WriteString(w, "begun\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	default: // it thinks
		<-r.Context().Done()
	}
	a.ended <- struct{}{}
}

func (a *acting) await(t testing.TB, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(20 * time.Second):
		t.Errorf("%s never came", what)
	}
}

func head(method, path string, issued *issuance.Issued, more ...string) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: app\r\nAuthorization: Bearer %s\r\n%s\r\n", method, path, issued.Value.Reveal(), strings.Join(more, ""))
}

// ending is a way in which a token stops to be good for what it let in.
type ending struct {
	status      int
	description string
	path        string
	everybody   bool // the other tokens end, too
	// begin issues the token, and returns what ends it.
	begin func(t *testing.T, w *world) (issued *issuance.Issued, end func())
}

var endings = map[string]ending{
	"the token": {401, "revoked", "/x", false, func(t *testing.T, w *world) (*issuance.Issued, func()) {
		issued := w.issue(t, nil)
		return issued, func() { w.revoke(t, issued) }
	}},
	"what it was made from": {401, "revoked", "/x", false, func(t *testing.T, w *world) (*issuance.Issued, func()) {
		session, err := w.Session(t.Context(), w.SessionToken(t, "ada", password).Value.Reveal())
		must(t, err)
		issued, err := w.Issue(t.Context(), session, &issuance.Request{Kind: token.KindAccess, Parent: session.Token})
		must(t, err)
		return issued, func() { must(t, w.EndSession(t.Context(), session)) }
	}},
	"all of its user's": {401, "revoked", "/x", false, func(t *testing.T, w *world) (*issuance.Issued, func()) {
		return w.issue(t, nil), func() {
			_, err := w.RevokeAllOf(t.Context(), caller.Operator(), "ada")
			must(t, err)
		}
	}},
	"an API token": {401, "revoked", "/x", false, func(t *testing.T, w *world) (*issuance.Issued, func()) {
		session, err := w.Session(t.Context(), w.SessionToken(t, "ada", password).Value.Reveal())
		must(t, err)
		issued, err := w.CreateAPIToken(t.Context(), session, credentials.NewCredential{Name: "laptop"})
		must(t, err)
		return issued, func() { w.revoke(t, issued) }
	}},
	"access to its collection": {403, "no access to the collection", "/x", false, func(t *testing.T, w *world) (*issuance.Issued, func()) {
		four := int64(4)
		return w.issue(t, func(r *issuance.Request) { r.Collection = &four }), func() {
			_, _, err := w.RemoveAccess(t.Context(), caller.Operator(), w.ada.ID, access.CollectionPath(4))
			must(t, err)
		}
	}},
	"the permission that the route asks for": {403, "no permission to read /things", "/things/x", false, func(t *testing.T, w *world) (*issuance.Issued, func()) {
		return w.issue(t, nil), func() {
			_, _, err := w.RemoveAccess(t.Context(), caller.Operator(), w.ada.ID, "/things")
			must(t, err)
		}
	}},
	"its user": {401, "revoked", "/x", false, func(t *testing.T, w *world) (*issuance.Issued, func()) {
		return w.issue(t, nil), func() {
			disabled := true
			_, err := w.UpdateUser(t.Context(), caller.Operator(), "ada", identity.UserPatch{Disabled: &disabled})
			must(t, err)
		}
	}},
	"the key that signed it": {401, "", "/x", true, func(t *testing.T, w *world) (*issuance.Issued, func()) {
		return w.issue(t, nil), func() {
			keys, err := w.KeyList(t.Context(), caller.Operator())
			must(t, err)
			_, err = w.RetireKey(t.Context(), caller.Operator(), keys[0].KID)
			must(t, err)
		}
	}},
	"its time": {401, "expired", "/x", true, func(t *testing.T, w *world) (*issuance.Issued, func()) {
		return w.issue(t, nil), func() { w.Advance(31 * time.Minute) }
	}},
}

// TestAHeldBodyIsCutOffWhenItsTokenIsRevoked: what was let in before does not reach the
// application whole afterwards.
func TestAHeldBodyIsCutOffWhenItsTokenIsRevoked(t *testing.T) {
	t.Parallel()
	for name, tc := range endings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := shortLived(t)
			app := newActing()
			base := w.guarded(t, app, nil)
			issued, end := tc.begin(t, w)
			bystander := w.issueFor(t, "bob")
			h := hold(t, base, head("POST", tc.path, issued, "Content-Length: 10\r\n")+"half ")
			other := hold(t, base, head("POST", "/x", bystander, "Content-Length: 10\r\n")+"half ")
			<-app.began
			<-app.began
			end()
			got := h.answer(t)
			if got.status != tc.status || tc.description != "" && got.members(t)["error_description"] != tc.description {
				t.Errorf("%d %s", got.status, got.body)
			}
			_, _ = io.WriteString(h, "body!")
			h.ends(t, "the connection")
			if app.acted.Load() != 0 {
				t.Error("the application acted on the body")
			}
			if tc.everybody {
				return
			}
			_, err := io.WriteString(other, "body!")
			must(t, err)
			if got := other.answer(t); got.status != http.StatusNoContent || app.acted.Load() != 1 {
				t.Errorf("somebody else's request: %d %s", got.status, got.body)
			}
		})
	}
}

// issueFor makes a user and returns an access token of theirs.
func (w *world) issueFor(t testing.TB, name string) *issuance.Issued {
	t.Helper()
	w.User(t, name, password)
	return w.AccessToken(t, name, password)
}

// TestWhatGoesOnEndsWhenItsTokenIsRevoked: answers under way, WebSockets, and requests
// that the application still thinks about.
func TestWhatGoesOnEndsWhenItsTokenIsRevoked(t *testing.T) {
	t.Parallel()
	w := shortLived(t)
	app := newActing()
	base := w.guarded(t, app, nil)
	issued := w.issue(t, nil)
	stream := hold(t, base, head("GET", "/x/stream", issued))
	socket := hold(t, base, head("GET", "/live", issued, "Connection: Upgrade\r\nUpgrade: websocket\r\n"))
	thinking := hold(t, base, head("GET", "/x/thinking", issued))
	for range 3 {
		<-app.began
	}
	for _, h := range []*held{stream, socket} {
		_, err := http.ReadResponse(h.reader, nil) //nolint:bodyclose // the connection is read on
		must(t, err)
	}
	w.revoke(t, issued)
	if got := thinking.answer(t); got.status != http.StatusUnauthorized || got.members(t)["error_description"] != "revoked" {
		t.Errorf("%d %s", got.status, got.body)
	}
	stream.ends(t, "a stream")
	socket.ends(t, "a WebSocket")
	for range 3 {
		app.await(t, "the end of a request to the application", app.ended)
	}
}

// TestAnAnswerThatNobodyReadsEnds: the proxy is stuck in a write to the client.
func TestAnAnswerThatNobodyReadsEnds(t *testing.T) {
	t.Parallel()
	w := shortLived(t)
	app := newActing()
	closed := make(chan struct{}, 1)
	base := w.guardedBy(t, app, nil, func(h http.Handler) string {
		s := httptest.NewUnstartedServer(h)
		s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				closed <- struct{}{}
			}
		}
		s.Start()
		t.Cleanup(s.Close)
		return s.URL
	})
	issued := w.issue(t, nil)
	hold(t, base, head("GET", "/x/flood", issued))
	<-app.began
	app.await(t, "a write that is stuck", app.ended)
	w.revoke(t, issued)
	app.await(t, "the end of the connection", closed)
}

// TestARequestThatWasLetInInTheMomentOfTheRevocationEnds: the token is revoked after its request was
// judged and before the request is under way, and no more news comes.
func TestARequestThatWasLetInInTheMomentOfTheRevocationEnds(t *testing.T) {
	t.Parallel()
	w := shortLived(t)
	app := newActing()
	var issued *issuance.Issued
	base := w.guarded(t, app, func(c *gateway.ProxyConfig) {
		next := c.Transport
		if next == nil {
			next = &http.Transport{}
		}
		c.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
			w.revoke(t, issued) // it has been let in, and was judged as of before
			return next.RoundTrip(r)
		})
	})
	issued = w.issue(t, nil)
	h := hold(t, base, head("POST", "/x", issued, "Content-Length: 10\r\n"))
	if got := h.answer(t); got.status != http.StatusUnauthorized {
		t.Errorf("%d %s", got.status, got.body)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestWithoutALeaseWhatGoesOnEnds: a revocation that this node can't hear of is
// acknowledged without it.
func TestWithoutALeaseWhatGoesOnEnds(t *testing.T) {
	t.Parallel()
	log := &cuttableLog{}
	w := newWorld(t, nodetest.Options{
		Settings: func(s *parts.Settings) { s.Staleness = shortStaleness },
		Log: func(l revocation.Log) revocation.Log {
			log.Log = l
			return log
		},
	})
	app := newActing()
	base := w.guarded(t, app, nil)
	issued := w.issue(t, nil)
	h := hold(t, base, head("POST", "/x", issued, "Content-Length: 10\r\n"))
	stream := hold(t, base, head("GET", "/x/stream", issued))
	<-app.began
	<-app.began
	log.cut.Store(true)
	if got := h.answer(t); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", got.status, got.body)
	}
	stream.ends(t, "a stream")
	if app.acted.Load() != 0 {
		t.Error("the application acted")
	}
}

// TestNewsOfOthersEndNothing: what is judged again is still good.
func TestNewsOfOthersEndNothing(t *testing.T) {
	t.Parallel()
	w := shortLived(t)
	app := newActing()
	base := w.guarded(t, app, nil)
	issued, others := w.issue(t, nil), w.issue(t, nil)
	h := hold(t, base, head("POST", "/x", issued, "Content-Length: 10\r\n"))
	dead := hold(t, base, head("POST", "/x", others, "Content-Length: 10\r\n"))
	<-app.began
	<-app.began
	more := nodetest.May("write", "/things")
	more.User = w.ada.ID
	_, err := w.CreateBinding(t.Context(), caller.Operator(), more)
	must(t, err)
	w.revoke(t, others)
	if got := dead.answer(t); got.status != http.StatusUnauthorized { // so a sweep has been made
		t.Errorf("%d", got.status)
	}
	_, err = io.WriteString(h, "0123456789")
	must(t, err)
	if got := h.answer(t); got.status != http.StatusNoContent {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestWhatIsUnderWayIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	app := newActing()
	base := w.guarded(t, app, func(c *gateway.ProxyConfig) { c.MaxUnderWay = 2 })
	issued := w.issue(t, nil)
	var going []*held
	for range 2 {
		going = append(going, hold(t, base, head("POST", "/x", issued, "Content-Length: 10\r\n")))
		<-app.began
	}
	if got := get(t, base+"/x", bearer(issued)); got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") != "1" {
		t.Errorf("a third: %d %s", got.status, got.body)
	}
	public := hold(t, base, "POST /public/x HTTP/1.1\r\nHost: app\r\nContent-Length: 1\r\n\r\nx")
	if got := public.answer(t); got.status != http.StatusNoContent {
		t.Errorf("one without a token: %d %s", got.status, got.body)
	}
	for _, h := range going {
		_, err := io.WriteString(h, "0123456789")
		must(t, err)
		if got := h.answer(t); got.status != http.StatusNoContent {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	var got answer
	for range 100 { // an answer is read before its request has ended
		if got = hold(t, base, head("POST", "/x", issued, "Content-Length: 1\r\n")+"x").answer(t); got.status == http.StatusNoContent {
			return
		}
	}
	t.Errorf("afterwards: %d %s", got.status, got.body)
}

func TestRunEndsWithItsContext(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nodetest.Options{})
	p, err := gateway.NewProxy(gateway.ProxyConfig{Gate: w.gate, Upstream: mirror(t)})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Run(ctx); err != nil {
		t.Error(err)
	}
}
