package httpkit

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/bearerd/bearerd/internal/fault"
)

// BodyTimeout is how long each [MaxBody] bytes of a request's body may take to arrive,
// where nothing else is configured.
const BodyTimeout = 30 * time.Second

// BoundBodies returns a handler that never waits longer than timeout for the next MaxBody
// bytes of a request's body, in next or after it, and that doesn't wait for a body that
// next has not read: the response is sent at once and then the connection is closed. It
// is always closed after a chunked body: net/http drops a Content-Length beside the
// chunks without a trace, and a proxy that uses the Content-Length would disagree about
// where the next request begins (RFC 9112 §6.1). A handler that enables full duplex may
// go on reading after it has begun to respond, without a deadline. BoundBodies must be
// the outermost handler, because it relies on what net/http does with the connection.
func BoundBodies(timeout time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength == 0 {
			next.ServeHTTP(w, r)
			return
		}
		serveBounded(timeout, next, w, r)
	})
}

func serveBounded(timeout time.Duration, next http.Handler, w http.ResponseWriter, r *http.Request) {
	b := &boundBody{ReadCloser: r.Body, control: http.NewResponseController(w), timeout: timeout}
	bounded := &bodyWriter{ResponseWriter: w, body: b, chunked: len(r.TransferEncoding) > 0}
	defer bounded.end()
	r = r.WithContext(r.Context()) // net/http goes on using the body of its own request
	r.Body = b
	next.ServeHTTP(bounded, r)
}

// boundBody is a body with a deadline for each of its parts. It is read and closed by one
// goroutine while another may begin the response.
type boundBody struct {
	io.ReadCloser

	control *http.ResponseController
	timeout time.Duration

	mu       sync.Mutex
	complete bool  // the end was read, or the connection is not HTTP's any more
	free     bool  // it has no deadline
	given    bool  // it will not be read any more
	read     int64 // bytes so far
	granted  int64 // bytes up to which the present deadline applies
}

// Read reads, and sets the deadline for the part that it begins.
func (b *boundBody) Read(p []byte) (int, error) {
	b.grant()
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.read += int64(n)
	if errors.Is(err, io.EOF) && !b.complete {
		b.complete = true
		b.deadline(time.Time{}) // net/http watches from now on whether the client leaves
	}
	return n, err //nolint:wrapcheck // as the body says it
}

func (b *boundBody) grant() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.complete || b.free || b.given || b.read < b.granted {
		return
	}
	b.granted = b.read + MaxBody
	b.deadline(time.Now().Add(b.timeout)) //nolint:forbidigo // the network's own clock
}

// Close ends the body without waiting for what has not arrived.
func (b *boundBody) Close() error {
	b.giveUp()
	return b.ReadCloser.Close() //nolint:wrapcheck // as the body says it
}

// giveUp makes every read of the rest fail at once, including those of net/http, which
// would wait for the rest in order to reuse the connection.
func (b *boundBody) giveUp() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.complete {
		b.given = true
		b.deadline(time.Unix(1, 0))
	}
}

// AbandonBody makes every read of a request's body fail at once, one that is under way
// too, so that its reader can go on; a response can still be written. The request must
// have come through BoundBodies, and its handler must not have returned.
func AbandonBody(body io.ReadCloser) {
	switch b := body.(type) {
	case *boundBody:
		b.giveUp()
	case *aheadBody:
		AbandonBody(b.Closer)
	}
}

// ReadAhead reads up to limit bytes of a request's body, for deciding which handler
// serves the request. Reading the request's body later returns them again, and then the
// rest. whole is false when there may be more.
func ReadAhead(r *http.Request, limit int64) (read []byte, whole bool, err error) {
	read, err = io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return nil, false, fault.Wrap(err, fault.Invalid, "the body could not be read")
	}
	r.Body = &aheadBody{Reader: io.MultiReader(bytes.NewReader(read), r.Body), Closer: r.Body}
	return read, int64(len(read)) <= limit, nil
}

// aheadBody is a body of which something was read ahead.
type aheadBody struct {
	io.Reader

	Closer io.ReadCloser // the body itself
}

// Close closes the body.
func (b *aheadBody) Close() error { return b.Closer.Close() } //nolint:wrapcheck // as the body says it

// stream removes the deadline of the body.
func (b *boundBody) stream() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.complete && !b.given {
		b.free = true
		b.deadline(time.Time{})
	}
}

// deadline sets the deadline of the connection. Writers that have none, as in tests, have
// no slow clients either.
func (b *boundBody) deadline(t time.Time) { _ = b.control.SetReadDeadline(t) }

// isComplete reports whether the whole body was read.
func (b *boundBody) isComplete() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.complete
}

// hijacked sets no more deadlines on the connection.
func (b *boundBody) hijacked() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.complete = true
}

// bodyWriter is the ResponseWriter of a request with a body.
type bodyWriter struct {
	http.ResponseWriter

	body    *boundBody
	chunked bool
	duplex  bool // the body is read on when the answer has begun
	begun   bool
}

// begin is called before the first byte of the response. A connection on which the rest
// of a body is still to come can't be reused, and one that had a chunked body must not
// be.
func (w *bodyWriter) begin() {
	if w.begun {
		return
	}
	w.begun = true
	if w.body.isComplete() {
		if w.chunked {
			w.Header().Set("Connection", "close")
		}
		return
	}
	closeGently(w.ResponseWriter)
	if w.duplex {
		w.body.stream()
		return
	}
	w.body.giveUp()
}

// end is called when the handler has returned. The body is closed here, because net/http
// removes the deadline before it closes the body while a read is under way, such as a
// transport's.
func (w *bodyWriter) end() {
	w.begin()
	if !w.body.isComplete() {
		_ = w.body.Close()
	}
}

// closeGently makes net/http close the connection after the response as it does for a
// body that is too large: its own side first, so that a client that is still sending can
// read the response. Only http.MaxBytesReader can ask for that.
func closeGently(w http.ResponseWriter) {
	tooLarge := http.MaxBytesReader(innermost(w), io.NopCloser(strings.NewReader("x")), 0)
	_, _ = tooLarge.Read(make([]byte, 1))
}

// Unwrap is for http.ResponseController.
func (w *bodyWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// EnableFullDuplex is for http.ResponseController.
func (w *bodyWriter) EnableFullDuplex() error {
	err := http.NewResponseController(w.ResponseWriter).EnableFullDuplex()
	w.duplex = err == nil
	return err //nolint:wrapcheck // as the server says it
}

// WriteHeader begins the response; informational ones precede it.
func (w *bodyWriter) WriteHeader(status int) {
	if status >= http.StatusOK {
		w.begin()
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write begins the response.
func (w *bodyWriter) Write(p []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(p) //nolint:wrapcheck // as the server says it
}

// ReadFrom lets net/http use sendfile.
func (w *bodyWriter) ReadFrom(src io.Reader) (int64, error) {
	w.begin()
	return io.Copy(w.ResponseWriter, src) //nolint:wrapcheck // as the server says it
}

// FlushError is for http.ResponseController.
func (w *bodyWriter) FlushError() error {
	w.begin()
	return http.NewResponseController(w.ResponseWriter).Flush() //nolint:wrapcheck // as the server says it
}

// Flush is for code that asserts http.Flusher.
func (w *bodyWriter) Flush() { _ = w.FlushError() }

// Hijack is for protocol upgrades.
func (w *bodyWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buf, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, fmt.Errorf("taking the connection over: %w", err)
	}
	w.begun = true
	w.body.hijacked()
	return conn, buf, nil
}
