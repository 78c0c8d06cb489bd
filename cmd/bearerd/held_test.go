package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestServeEndsWhatARevokedTokenLetIn holds the body of a request back until the token is
// revoked.
func TestServeEndsWhatARevokedTokenLetIn(t *testing.T) {
	t.Parallel()
	app := newRecorder(t)
	b := newBench(t, t.TempDir(), fmt.Sprintf("upstream: {url: %s}\nrevocation: {max_staleness: 1s}\n", app.url))
	p := b.serve()
	token := b.token(p)
	conn, err := dialer(p.base)(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, "POST /x HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+token+"\r\nContent-Length: 10\r\n\r\nhalf "); err != nil {
		t.Fatal(err)
	}
	for begun := false; !begun; {
		app.mu.Lock()
		begun = len(app.requests) > 0
		app.mu.Unlock()
	}
	if a, err := b.post(p.base+"/oauth2/revoke", url.Values{"token": {token}}); err != nil || a.status != http.StatusOK {
		t.Fatalf("%v, %+v", err, a)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 401 ") || !strings.Contains(string(answer), `error_description="revoked"`) {
		t.Errorf("%v: %s", err, answer)
	}
	_, _ = io.WriteString(conn, "body!")
	if _, all := app.take(); strings.Contains(string(all), "body!") {
		t.Errorf("the application got %s", all)
	}
}
