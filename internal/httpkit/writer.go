package httpkit

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
)

// recorder records the status and size of a response. http.ResponseController and io.Copy
// can still use everything that the underlying writer supports.
type recorder struct {
	http.ResponseWriter
	status int // 0 until the response has begun
	bytes  int64
}

// record returns w as a recorder, wrapping it unless it is one.
func record(w http.ResponseWriter) *recorder {
	if rec, ok := w.(*recorder); ok {
		return rec
	}
	return &recorder{ResponseWriter: w}
}

// begun reports whether a status line has been sent or the connection taken over.
func (w *recorder) begun() bool { return w.status != 0 }

// final returns the status of a response that has ended: 200 where none was set.
func (w *recorder) final() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}

// Unwrap is for http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader records the final status; informational ones other than 101 precede it.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write counts the bytes of the body.
func (w *recorder) Write(p []byte) (int, error) {
	w.begin()
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	if err != nil {
		return n, fmt.Errorf("writing the answer: %w", err)
	}
	return n, nil
}

// ReadFrom lets net/http use sendfile.
func (w *recorder) ReadFrom(src io.Reader) (int64, error) {
	w.begin()
	n, err := io.Copy(w.ResponseWriter, src)
	w.bytes += n
	if err != nil {
		return n, fmt.Errorf("writing the answer: %w", err)
	}
	return n, nil
}

// Flush is for code that asserts http.Flusher.
func (w *recorder) Flush() { _ = w.FlushError() }

// FlushError is for http.ResponseController.
func (w *recorder) FlushError() error {
	w.begin()
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Hijack is for protocol upgrades; what follows is no longer counted.
func (w *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buf, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil && w.status == 0 {
		w.status = http.StatusSwitchingProtocols
	}
	return conn, buf, err
}

func (w *recorder) begin() {
	if w.status == 0 {
		w.status = http.StatusOK
	}
}

// innermost returns net/http's own writer. http.MaxBytesReader makes it close the
// connection, which works through no wrapper.
func innermost(w http.ResponseWriter) http.ResponseWriter {
	for {
		wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = wrapper.Unwrap()
	}
}
