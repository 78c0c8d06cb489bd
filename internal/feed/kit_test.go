package feed_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/node"

	"github.com/bearerd/bearerd/internal/issuance"

	"github.com/bearerd/bearerd/internal/records/op"

	"github.com/bearerd/bearerd/internal/feed"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/server"
)

// env is the real server on a real listener, in front of an application that takes
// every path.
type env struct {
	*nodetest.Fixture
	*edgetest.Site

	srv   *server.Server
	edge  *feed.Edge
	log   *wire
	lines *lines
	stop  func() error
}

type options struct {
	nodetest.Options

	streams int // 0: as many as usual
	timeout time.Duration
	counted *countedLog // what the subscribers read; nil: the log itself
	unread  int         // entries of the log before anything follows it
}

func newEnv(t testing.TB, o options) *env {
	t.Helper()
	e := &env{log: &wire{}, lines: &lines{}}
	e.Fixture = e.fixture(t, o.Options)
	e.append(t, o.unread)
	e.edge = &feed.Edge{
		Verifier: e.Verifier, Log: e.Follower, Tail: feed.Follow(e.Follower), Issuer: e.Settings.Policy.Issuer,
		Staleness: e.Settings.Staleness, Clock: e.Ledger.Clock, MaxStreams: o.streams, WriteTimeout: o.timeout,
		Confirming: e.Room,
	}
	if o.counted != nil {
		o.counted.Log, e.edge.Log = e.Follower, o.counted
	}
	var err error
	e.srv, err = server.New(server.Config{
		Node: e.Node, Issuer: nodetest.Issuer, Now: e.Time, Log: slog.New(slog.NewJSONHandler(e.lines, nil)), Metrics: server.NewMetrics(), Listen: "127.0.0.1:0", OpsListen: "127.0.0.1:0",
		Edges: []server.Edge{e.edge}, Gateway: []server.Edge{application{}},
	})
	must(t, err)
	must(t, e.srv.Listen(t.Context()))
	e.Site = edgetest.At(t, "http://"+e.srv.Addr().String())
	e.run(t)
	return e
}

func (e *env) fixture(t testing.TB, o nodetest.Options) *nodetest.Fixture {
	t.Helper()
	o.Still = true // the server runs the follower
	o.Logger = slog.New(slog.NewJSONHandler(e.lines, nil))
	settings := o.Settings
	o.Settings = func(p *node.Settings) {
		p.Wait = revocation.WaitNone
		if settings != nil {
			settings(p)
		}
	}
	o.Log = func(l revocation.Log) revocation.Log { e.log.Log = l; return e.log }
	return nodetest.New(t, o)
}

func (e *env) run(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.srv.Run(ctx) }()
	e.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() {
		e.HTTP.CloseIdleConnections()
		if err := e.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	eventually(t, "the lease", func() bool { return e.Follower.CatchUp(t.Context()) == nil && e.Follower.Fresh() })
}

// application answers every request that reaches it.
type application struct{}

func (application) Register(mux *http.ServeMux) {
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
}

// wire is the log as the follower reads it. A test may hold its answers, or cut it.
type wire struct {
	revocation.Log

	cut    atomic.Bool
	before atomic.Pointer[func()]
	after  atomic.Pointer[func()]
}

func (l *wire) Entries(ctx context.Context, after revocation.Seq, limit int) (revocation.Page, error) {
	if l.cut.Load() {
		return revocation.Page{}, errors.New("the line is cut")
	}
	if f := l.before.Load(); f != nil {
		(*f)()
	}
	p, err := l.Log.Entries(ctx, after, limit)
	if f := l.after.Load(); f != nil {
		(*f)()
	}
	return p, err
}

// lines is a log that a test reads.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// reader returns a token that may read the log, of a client made for it.
func (e *env) reader(t testing.TB) string {
	t.Helper()
	return e.token(t, "reader", identity.ScopeRevocations)
}

func (e *env) token(t testing.TB, client string, scope ...string) string {
	t.Helper()
	e.Client(t, client, scope...)
	return e.tokenOf(t, client, scope...)
}

func (e *env) tokenOf(t testing.TB, client string, scope ...string) string {
	t.Helper()
	c, err := e.AuthenticateClient(t.Context(), client, nodetest.ClientSecret)
	must(t, err)
	issued, err := e.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: c, Scope: scope})
	must(t, err)
	return issued.Value.Reveal()
}

// head is where the log ends, which the node knows.
func (e *env) head(t testing.TB) int64 {
	t.Helper()
	must(t, e.Follower.CatchUp(t.Context()))
	return e.Follower.Applied()
}

// append commits n kills, 5,000 a transaction, and returns the last sequence.
func (e *env) append(t testing.TB, n int) revocation.Seq {
	t.Helper()
	var last revocation.Seq
	for n > 0 {
		batch := make([]revocation.Entry, min(n, 5000))
		for i := range batch {
			batch[i] = entry(fmt.Sprintf("id-%d-%d", n, i), e.Time().Add(48*time.Hour), e.Time())
		}
		seq, err := e.Store.Commit(t.Context(), op.Batch{Log: batch})
		must(t, err)
		last, n = seq, n-len(batch)
	}
	return last
}

func entry(id string, until, at time.Time) revocation.Entry {
	return revocation.Entry{What: revocation.Token, ID: id, Until: until, At: at}
}

// event is one that came over the wire.
type event struct {
	name, id string
	text     string // the data
	data     map[string]any
	seq      int64
	asOf     int64
}

// subscriber is a client of the stream.
type subscriber struct {
	res    *http.Response
	lines  *bufio.Reader
	cancel func()
	last   int64
}

func (e *env) request(ctx context.Context, t testing.TB, query, token string, header ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, e.URL+feed.Path+query, http.NoBody)
	must(t, err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

// subscribe opens a stream, which must be let begin: where a busy machine has cost
// the node its lease, as soon as it has one again. No test waits for longer than a
// minute.
func (e *env) subscribe(t testing.TB, query, token string, header ...string) *subscriber {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	for {
		res, err := e.HTTP.Do(e.request(ctx, t, query, token, header...))
		must(t, err)
		if res.StatusCode == http.StatusOK && res.Header.Get("Content-Type") == "text/event-stream" {
			s := &subscriber{res: res, lines: bufio.NewReader(res.Body), cancel: cancel}
			t.Cleanup(s.close)
			return s
		}
		body, err := io.ReadAll(res.Body)
		must(t, err)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusServiceUnavailable || e.Follower.Fresh() && strings.Contains(string(body), "many") {
			t.Fatalf("%s: answered %d %v %s", query, res.StatusCode, res.Header, body)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (s *subscriber) close() {
	s.cancel()
	_ = s.res.Body.Close()
}

// read returns the next event. The error is that of the connection; io.EOF at the end
// of a whole answer.
func (s *subscriber) read() (event, error) {
	var e event
	for {
		line, err := s.lines.ReadString('\n')
		if err != nil {
			return e, err
		}
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch {
		case line == "\n" && e.name != "":
			return e, e.parse()
		case name == "event":
			e.name = value
		case name == "id":
			e.id = value
		case name == "data":
			e.text = value
		}
	}
}

func (e *event) parse() error {
	if err := json.Unmarshal([]byte(e.text), &e.data); err != nil {
		return err
	}
	number := func(name string) int64 { n, _ := e.data[name].(float64); return int64(n) }
	e.seq, e.asOf = number("seq"), number("as_of")
	if e.id != strconv.FormatInt(e.seq, 10) {
		return fmt.Errorf("the id is %q: %s", e.id, e.text)
	}
	return nil
}

// next returns the next event, and holds it against the rules of every stream: no
// sequence goes back, and a heartbeat says what was sent.
func (s *subscriber) next(t testing.TB) event {
	t.Helper()
	e, err := s.read()
	if err != nil {
		t.Fatalf("reading the stream: %v", err)
	}
	switch {
	case e.name == "revocation" && e.seq <= s.last:
		t.Fatalf("after %d came %s", s.last, e.text)
	case e.name == "heartbeat" && e.seq < s.last:
		t.Fatalf("after %d came a heartbeat of %d", s.last, e.seq)
	}
	s.last = e.seq
	return e
}

// upTo reads to the first heartbeat of at least that sequence and returns the
// sequences of the revocations before it.
func (s *subscriber) upTo(t testing.TB, seq int64) (list []int64, beat event) {
	t.Helper()
	for {
		e := s.next(t)
		if e.name == "revocation" {
			list = append(list, e.seq)
		} else if e.seq >= seq {
			return list, e
		}
	}
}

// end reads to the end of the stream, which must be that of a whole answer.
func (s *subscriber) end(t testing.TB) {
	t.Helper()
	for {
		switch _, err := s.read(); {
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			t.Fatalf("the stream was cut: %v", err)
		}
	}
}

// consecutive checks that a list is from, from+1 … to.
func consecutive(t testing.TB, list []int64, from, to int64) {
	t.Helper()
	if int64(len(list)) != to-from+1 {
		t.Fatalf("%d sequences instead of %d to %d", len(list), from, to)
	}
	for i, seq := range list {
		if seq != from+int64(i) {
			t.Fatalf("sequence %d is %d, want %d", i, seq, from+int64(i))
		}
	}
}

// countedLog counts what subscribers ask of the stored log.
type countedLog struct {
	feed.Log

	entries atomic.Int64
}

func (l *countedLog) Entries(ctx context.Context, after revocation.Seq, limit int) (revocation.Page, error) {
	l.entries.Add(1)
	return l.Log.Entries(ctx, after, limit)
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatal("never came: " + what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
