package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/server"
)

// connect makes a connection, and reports whether it was refused.
func connect(ctx context.Context, address string) (conn net.Conn, refused bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	conn, err = new(net.Dialer).DialContext(ctx, "tcp", address)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil, true, nil
	}
	return conn, false, err
}

// askOn sends the one request of a connection. The error is that of a request that had no
// answer.
func askOn(conn net.Conn) error {
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET /x HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"); err != nil {
		return err
	}
	answer, err := io.ReadAll(conn)
	if err == nil && !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") {
		err = fmt.Errorf("the answer is %.100q", answer)
	}
	return err
}

// A server that stops answers all who have connected, also those whose connection waited to
// be accepted: who makes a connection for each request has an answer, or is refused, and is
// never reset.
func TestWhoHasConnectedIsAnsweredWhileTheServerStops(t *testing.T) {
	t.Parallel()
	r := run(t, server.Config{Edges: []server.Edge{edge{"GET /x": says("x")}}})
	var asking sync.WaitGroup
	var answered atomic.Int64
	for range 300 {
		asking.Go(func() {
			for {
				conn, refused, err := connect(context.WithoutCancel(t.Context()), r.Addr().String())
				if refused {
					return
				}
				if err == nil {
					err = askOn(conn)
				}
				if err != nil {
					t.Error(err)
					return
				}
				answered.Add(1)
			}
		})
	}
	eventually(t, "many requests are answered", func() bool { return answered.Load() > 2000 })
	r.end()
	asking.Wait()
	if err := r.wait(t); err != nil {
		t.Errorf("Run: %v", err)
	}
	t.Logf("%d requests", answered.Load())
}

// Who has connected is answered, also when the request comes after the server began to stop.
func TestAFirstRequestIsAnsweredAfterTheStopBegan(t *testing.T) {
	t.Parallel()
	r := run(t, server.Config{Edges: []server.Edge{edge{"GET /x": says("x")}}})
	conn, refused, err := connect(t.Context(), r.Addr().String())
	if err != nil || refused {
		t.Fatalf("refused: %t; %v", refused, err)
	}
	r.end()
	eventually(t, "no new connections", func() bool {
		late, refused, err := connect(t.Context(), r.Addr().String())
		if late != nil {
			_ = late.Close()
		}
		return err == nil && refused
	})
	if err := askOn(conn); err != nil {
		t.Error(err)
	}
	if err := r.wait(t); err != nil {
		t.Errorf("Run: %v", err)
	}
}
