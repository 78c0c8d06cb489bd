package simulation

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/bearerd/bearerd/internal/sleep"
)

// transport is how one process reaches the nodes' HTTP endpoints: each request goes to one of
// them, over a line. What a node writes arrives in pieces, each as late as the line makes it.
type transport struct {
	own   *process
	front func() (*node, *line) // chooses the node of a request; nil: none can be reached
}

var errNoNode = errors.New("no node can be reached")

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	n, l := t.front()
	if n == nil {
		sleep.For(ctx, mostDelay)
		return nil, errNoNode
	}
	incarnation := n.now()
	if err := t.send(ctx, l, incarnation); err != nil {
		return nil, err
	}
	asked, err := received(r, incarnation)
	if err != nil {
		return nil, err
	}
	w := &writer{header: http.Header{}, line: l, came: make(chan struct{}, 1), peer: incarnation.process}
	served, end := context.WithCancel(asked.Context())
	left := func() { // the client has left, which the node learns when the line lets it
		_ = l.pass(served, false)
		w.close(errConnection)
		end()
	}
	stop := context.AfterFunc(ctx, left)
	go func() {
		defer end()
		defer w.close(io.EOF)
		incarnation.mux.ServeHTTP(w, asked.WithContext(served))
	}()
	b := &body{w: w, ctx: ctx, own: t.own, end: func() {
		if stop() {
			go left()
		}
	}}
	if err := b.wait(); err != nil && !errors.Is(err, io.EOF) {
		_ = b.Close()
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header.Clone(), Body: b, ContentLength: -1, Request: r,
	}, nil
}

// send brings a request to a node.
func (t *transport) send(ctx context.Context, l *line, to *incarnation) error {
	if !t.own.awake(ctx) {
		return errConnection
	}
	if err := l.pass(ctx, false); err != nil {
		return err
	}
	if !to.awake(ctx) {
		return errConnection
	}
	return nil
}

// received is a request as the node receives it.
func received(r *http.Request, by *incarnation) (*http.Request, error) {
	var content []byte
	if r.Body != nil {
		var err error
		if content, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		_ = r.Body.Close()
	}
	asked, err := http.NewRequestWithContext(by.ctx, r.Method, r.URL.String(), bytes.NewReader(content)) //nolint:gosec // leads to a function
	if err != nil {
		return nil, err
	}
	asked.Header, asked.RequestURI = r.Header.Clone(), r.URL.RequestURI()
	return asked, nil
}

// writer is what a node writes a response to.
type writer struct {
	line *line
	peer *process
	came chan struct{} // something is new for the reader

	mu     sync.Mutex
	header http.Header
	status int
	rest   []byte // written, and not flushed yet
	pieces []piece
	last   time.Time // when the last piece arrives
	err    error     // how it ends after the last piece
}

type piece struct {
	at   time.Time // when it arrives in fair weather
	text []byte
}

func (w *writer) Header() http.Header { return w.header }

func (w *writer) WriteHeader(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.status == 0 {
		w.status = status
	}
}

func (w *writer) Write(text []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return 0, w.err
	}
	w.rest = append(w.rest, text...)
	return len(text), nil
}

// Flush implements http.Flusher.
func (w *writer) Flush() { _ = w.FlushError() }

// FlushError sends what was written.
func (w *writer) FlushError() error {
	w.WriteHeader(http.StatusOK)
	w.peer.awake(w.peer.ctx)
	now, _ := w.line.weather()
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.cut && w.err == nil {
		w.err = errCut
	}
	if w.err != nil {
		w.wake()
		return w.err
	}
	at := time.Now().Add(w.line.delay(now))
	if at.Before(w.last) {
		at = w.last
	}
	w.pieces, w.rest, w.last = append(w.pieces, piece{at, w.rest}), nil, at
	w.wake()
	return nil
}

func (w *writer) wake() {
	select {
	case w.came <- struct{}{}:
	default:
	}
}

// close ends the response.
func (w *writer) close(err error) {
	_ = w.FlushError()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
	}
	w.wake()
}

// SetReadDeadline and SetWriteDeadline are for http.ResponseController: a line takes all
// that is written.
func (*writer) SetReadDeadline(time.Time) error  { return nil }
func (*writer) SetWriteDeadline(time.Time) error { return nil }

// body is a response as its reader gets it.
type body struct {
	w    *writer
	ctx  context.Context //nolint:containedctx // of the request
	own  *process
	end  func()
	read []byte // arrived, and not read yet
}

// Read implements io.Reader.
func (b *body) Read(into []byte) (int, error) {
	for len(b.read) == 0 {
		if err := b.wait(); err != nil {
			return 0, err
		}
		b.w.mu.Lock()
		b.read = b.w.pieces[0].text
		b.w.pieces = b.w.pieces[1:]
		b.w.mu.Unlock()
	}
	n := copy(into, b.read)
	b.read = b.read[n:]
	return n, nil
}

// Close implements io.Closer.
func (b *body) Close() error {
	b.end()
	return nil
}

// wait returns when the next piece has arrived: nil, or why there is none.
func (b *body) wait() error {
	for {
		w, changed := b.w.line.weather()
		b.w.mu.Lock()
		var until time.Duration
		some, err := len(b.w.pieces) > 0, b.w.err
		if some {
			until = time.Until(b.w.pieces[0].at)
		}
		b.w.mu.Unlock()
		switch {
		case w.cut || b.w.peer.crashed():
			return errConnection
		case some && until <= 0 && !w.holdReply:
			if !b.own.awake(b.ctx) {
				return errConnection
			}
			return nil
		case !some && err != nil:
			return err
		}
		if err := b.stay(until, some && !w.holdReply, changed); err != nil {
			return err
		}
	}
}

// stay waits until something may have changed.
func (b *body) stay(until time.Duration, coming bool, changed <-chan struct{}) error {
	var arrives <-chan time.Time
	if coming {
		timer := time.NewTimer(until)
		defer timer.Stop()
		arrives = timer.C
	}
	select {
	case <-arrives:
	case <-changed:
	case <-b.w.came:
	case <-b.w.peer.dead:
	case <-b.ctx.Done():
		return b.ctx.Err()
	}
	return nil
}
