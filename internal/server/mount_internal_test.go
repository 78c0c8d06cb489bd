package server

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestSlowBodyIsGivenUp sends a part of a body and no more.
func TestSlowBodyIsGivenUp(t *testing.T) {
	t.Parallel()
	read := make(chan error, 1)
	server := httptest.NewServer(limitBody(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		read <- err
	}), 50*time.Millisecond))
	defer server.Close()
	conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf")); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-read:
		if err == nil {
			t.Error("the body was read")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the body is waited for without end")
	}
}

// TestLimitEndsWithItsRequest uses one connection for longer than a body may take.
func TestLimitEndsWithItsRequest(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(limitBody(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
		if r.URL.Path == "/slow" {
			time.Sleep(100 * time.Millisecond) // longer than the body may take
		}
		_, _ = w.Write([]byte(" read"))
	}), 30*time.Millisecond))
	defer server.Close()
	for _, path := range []string{"/", "/slow", "/"} {
		res, err := server.Client().Post(server.URL+path, "text/plain", strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || string(text) != "body read" {
			t.Errorf("%s: %q, %v", path, text, err)
		}
	}
}
