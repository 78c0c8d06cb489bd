package verifylisten

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/localaddr"
)

func socketAt(t *testing.T) localaddr.Address {
	t.Helper()
	dir, err := os.MkdirTemp("", "verify") //nolint:usetesting // t.TempDir can be too long for a socket
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	address, err := localaddr.Parse("unix:" + filepath.Join(dir, "s"))
	must(t, err)
	return address
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// listening returns a listener at a socket, whose every request is answered by h.
func listening(t *testing.T, h http.HandlerFunc) *Listener {
	t.Helper()
	l := New(Config{
		Address: socketAt(t), Auth: &gateway.ForwardAuth{}, HTTP: &http.Server{Handler: h, IdleTimeout: time.Minute, ReadHeaderTimeout: time.Minute},
		Log: slog.New(slog.DiscardHandler),
	})
	must(t, l.Listen(t.Context()))
	return l
}

func dial(t *testing.T, at net.Addr) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), at.Network(), at.String())
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	must(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	return conn
}

// A fault in one request must not end the process, which answers all others.
func TestAPanicEndsItsConnectionAlone(t *testing.T) {
	t.Parallel()
	l := listening(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/fault" {
			panic("a fault")
		}
		w.WriteHeader(http.StatusNotFound)
	})
	ended := make(chan error, 1)
	go func() { ended <- l.Serve() }()
	for _, c := range []struct {
		path   string
		closed bool
	}{{"/", false}, {"/fault", true}, {"/", false}} {
		conn := dial(t, l.Addr())
		_, err := io.WriteString(conn, "GET "+c.path+" HTTP/1.1\r\nHost: b\r\n\r\n")
		must(t, err)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err == nil {
			_ = resp.Body.Close()
		}
		if (err != nil) != c.closed {
			t.Errorf("%s: %v", c.path, err)
		}
	}
	must(t, l.Drain(context.Background()))
	must(t, <-ended)
}

// short is a listener that has no file descriptor at first.
type short struct {
	*net.UnixListener

	failures []error
}

func (s *short) Accept() (net.Conn, error) {
	if len(s.failures) == 0 {
		return s.UnixListener.Accept()
	}
	err := s.failures[0]
	s.failures = s.failures[1:]
	return nil, err
}

// When the process has as many files open as it may, net/http tries again; fasthttp would
// end, and with it the process.
func TestConnectionsWaitForFileDescriptors(t *testing.T) {
	t.Parallel()
	l := listening(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	failed := func(err error) error { return &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", err)} }
	socket, ok := l.door.Listener.(*net.UnixListener)
	if !ok {
		t.Fatal("no Unix listener")
	}
	faulty := &short{socket, []error{failed(syscall.EMFILE), failed(syscall.ENFILE), failed(syscall.ECONNABORTED)}}
	l.door.Listener = faulty
	ended := make(chan error, 1)
	go func() { ended <- l.Serve() }()
	conn := dial(t, l.Addr())
	_, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: b\r\n\r\n")
	must(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	must(t, err)
	_ = resp.Body.Close()
	must(t, l.Drain(context.Background()))
	must(t, <-ended)
	if len(faulty.failures) > 0 {
		t.Errorf("%d failures are left", len(faulty.failures))
	}
}

// A process that takes over opens its socket while the one before still answers who had
// connected.
func TestClosingLeavesTheSocketOfASuccessor(t *testing.T) {
	t.Parallel()
	l := listening(t, nil)
	must(t, l.door.Close())
	next, err := l.cfg.Address.Listen(t.Context())
	must(t, err)
	defer func() { _ = next.Close() }()
	for err = nil; err == nil; {
		_, err = l.door.Accept()
	}
	if !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
	if _, err := os.Stat(next.Addr().String()); err != nil {
		t.Errorf("the successor's socket: %v", err)
	}
	_ = dial(t, next.Addr())
}
