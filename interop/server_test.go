package interop_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/freeport"
)

var binary string // bearerd, built once

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "bearerd-interop")
	if err != nil {
		log.Fatal(err)
	}
	binary = filepath.Join(dir, "bearerd")
	build := exec.CommandContext(context.Background(), "go", "build", "-o", binary, "./cmd/bearerd")
	build.Dir = ".."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		log.Fatalf("building bearerd: %v\n%s", err, out)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

const (
	clientID     = "ci"
	clientSecret = "a client secret: long enough / and more?" // #nosec G101 -- of this test alone
	username     = "spadmin"
	password     = "test#password" // #nosec G101 -- of this test alone
)

const accessFile = `
collections:
  - {id: 4, name: KU Fish Voucher Collection}
roles:
  - {name: collection-admin, permissions: [{action: "*", path: /}]}
users:
  - {username: spadmin, password: "test#password", name: Sp Admin, email: sp@example.org}
bindings:
  - {user: spadmin, role: collection-admin, path: /collections/4}
  - {user: spadmin, permission: {action: create, path: /task-tokens/TES}}
clients:
  - {id: ci, secret: "a client secret: long enough / and more?", grants: [client_credentials], scopes: [read, write]}
`

const configFile = `
issuer: http://%[1]s
listen: %[1]s
ops_listen: %[2]s
task_tokens: {TES: {max_ttl: 96h}}
`

// serve starts a server that signs with the algorithm, and returns its URL.
func serve(t *testing.T, algorithm string) string {
	t.Helper()
	return serveDialects(t, algorithm, "specify, senaite, hypothesis")
}

// serveDialects is serve with these dialects. With gen3 among them every token has its
// scopes and audience as lists.
func serveDialects(t *testing.T, algorithm, dialects string) string {
	t.Helper()
	return serveWith(t, fmt.Sprintf("dialects: [%s]\nsigning: {algorithm: %s}\n", dialects, algorithm))
}

// serveBehind starts a server with an application behind it, and returns its URL.
func serveBehind(t *testing.T, application string) string {
	t.Helper()
	return serveWith(t, "dialects: [specify, senaite, hypothesis]"+fmt.Sprintf(settingsBehind, application))
}

// serveWith starts a server with more settings, and returns its URL.
func serveWith(t *testing.T, settings string) string {
	t.Helper()
	dir := t.TempDir()
	address, ops := freeport.Address(t), freeport.Address(t)
	write(t, filepath.Join(dir, "bearerd.yaml"), fmt.Sprintf(configFile, address, ops)+settings)
	write(t, filepath.Join(dir, "access.yaml"), accessFile)
	apply(t, dir)
	ended := startServer(t, dir)
	awaitReady(t, "http://"+ops+"/readyz", ended)
	return "http://" + address
}

// apply applies the access file of a directory.
func apply(t *testing.T, dir string) {
	t.Helper()
	apply := exec.CommandContext(t.Context(), binary, "apply", "-f", "access.yaml", "--config", "bearerd.yaml")
	apply.Dir = dir
	if out, err := apply.CombinedOutput(); err != nil {
		t.Fatalf("apply: %v\n%s", err, out)
	}
}

// startServer starts the server that a directory configures; it ends with the test.
func startServer(t *testing.T, dir string, arguments ...string) (ended <-chan struct{}) {
	t.Helper()
	server := exec.CommandContext(t.Context(), binary, append([]string{"serve", "--config", "bearerd.yaml"}, arguments...)...)
	server.Dir, server.Stderr = dir, t.Output()
	server.Cancel = func() error { return server.Process.Signal(syscall.SIGTERM) }
	server.WaitDelay = 10 * time.Second
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan struct{})
	go func() {
		_ = server.Wait()
		close(gone)
	}()
	t.Cleanup(func() { <-gone })
	return gone
}

func awaitReady(t *testing.T, url string, ended <-chan struct{}) {
	t.Helper()
	for range 400 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if res, err := http.DefaultClient.Do(r); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-ended:
			t.Fatal("the server ended before it was ready")
		case <-time.After(25 * time.Millisecond):
		}
	}
	t.Fatal("the server was not ready in time")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(strings.TrimLeft(text, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
}
