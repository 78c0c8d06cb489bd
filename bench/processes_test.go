package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/freeport"
)

// The controls run in processes of their own, as bearerd does: this test's binary,
// started with controlVariable naming one of them.
const controlVariable = "BEARERD_BENCH_CONTROL"

var controls = map[string]func() http.Handler{
	"bare": func() http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	},
	"headers": func() http.Handler { return http.HandlerFunc(headersOnly) },
	"fan-out": newFanOut,
}

// headersOnly sends the ten headers.
func headersOnly(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	for name, value := range map[string]string{
		"Remote-User": "ada", "Remote-Name": "Ada Lovelace", "Remote-Email": "ada@example.org", "Remote-Groups": "curators",
		"X-Bearerd-Subject": "5f0c7d3e-7d4c-4a86-9d5a-0c6f4f1f2b11", "X-Bearerd-Token-Id": "0b6a3f52-3d0b-4d0e-8c0e-52f3a2f9f6a7",
		"X-Bearerd-Token-Kind": "access", "X-Bearerd-Scope": "", "X-Bearerd-Collection": "4", "X-Bearerd-Audience": "http://127.0.0.1:40000",
	} {
		h.Set(name, value)
	}
	w.WriteHeader(http.StatusOK)
}

var binary string // bearerd, built once

func TestMain(m *testing.M) {
	if name := os.Getenv(controlVariable); name != "" {
		if name == "verifiers" {
			fmt.Fprintln(os.Stderr, subscribers())
			os.Exit(1)
		}
		l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", os.Getenv("BEARERD_BENCH_LISTEN"))
		if err == nil {
			err = (&http.Server{Handler: controls[name](), ReadHeaderTimeout: time.Minute}).Serve(l)
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	dir, err := os.MkdirTemp("", "bearerd-bench")
	if err == nil {
		binary = filepath.Join(dir, "bearerd")
		build := exec.CommandContext(context.Background(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", binary, "./cmd/bearerd")
		build.Dir, build.Stderr = "..", os.Stderr
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		err = build.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func must(b testing.TB, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// process is a program that runs until the benchmark ends.
type process struct {
	cmd     *exec.Cmd
	address string
}

// start starts a program and waits until its address takes connections.
func start(b *testing.B, cmd *exec.Cmd, address string) *process {
	b.Helper()
	var said bytes.Buffer
	cmd.Stderr = &said
	must(b, cmd.Start())
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	b.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(15 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	for range 400 {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(b.Context(), "tcp", address)
		if err == nil {
			_ = conn.Close()
			return &process{cmd, address}
		}
		select {
		case <-ended:
			b.Fatalf("%s ended: %s", cmd.Path, said.String())
		case <-time.After(25 * time.Millisecond):
		}
	}
	b.Fatalf("%s takes no connection", cmd.Path)
	return nil
}

func startControl(b *testing.B, name string) *process {
	b.Helper()
	address := freeport.Address(b)
	self, err := os.Executable()
	must(b, err)
	cmd := exec.Command(self) //nolint:noctx // ended by start
	cmd.Env = append(os.Environ(), controlVariable+"="+name, "BEARERD_BENCH_LISTEN="+address)
	return start(b, cmd, address)
}

// resident is the memory of a process in MiB, as the kernel counts it.
func (p *process) resident(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile("/proc/" + strconv.Itoa(p.cmd.Process.Pid) + "/status")
	must(b, err)
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	must(b, err)
	return kib / 1024
}

const accessFile = `
collections:
  - {id: 4, name: Fish}
users:
  - {username: ada, password: "correct horse", name: Ada Lovelace, email: ada@example.org, groups: [curators]}
bindings:
  - {user: ada, permission: {action: access, path: /collections/4}}
clients:
  - {id: ci, secret: "a client secret of more than 32 characters", grants: [client_credentials], scopes: [read]}
`

const configFile = `
issuer: http://%[1]s
listen: %[1]s
ops_listen: %[2]s
dialects: [specify, senaite, hypothesis, gen3]
signing: {algorithm: EdDSA} # with gen3 it would be RS256
login: {account_failures: 1000000, address_failures: 1000000}
`

// startBearerd starts a server with one user and one client.
func startBearerd(b *testing.B) *process {
	b.Helper()
	dir := b.TempDir()
	address, ops := freeport.Address(b), freeport.Address(b)
	must(b, os.WriteFile(filepath.Join(dir, "bearerd.yaml"), fmt.Appendf(nil, configFile, address, ops), 0o600))
	must(b, os.WriteFile(filepath.Join(dir, "access.yaml"), []byte(accessFile), 0o600))
	command(b, dir, "apply", "-f", "access.yaml")
	cmd := exec.Command(binary, "serve", "--config", "bearerd.yaml") //nolint:gosec,noctx // built above, ended by start
	cmd.Dir = dir
	p := start(b, cmd, address)
	for range 200 { // the lease comes a moment after the listener
		r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://"+ops+"/readyz", http.NoBody)
		must(b, err)
		if res, err := http.DefaultClient.Do(r); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return p
			}
		}
		time.Sleep(25 * time.Millisecond)
	}
	b.Fatal("never ready")
	return nil
}

// command runs a command of bearerd's on the database in a directory.
func command(b *testing.B, dir string, args ...string) string {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), binary, append(args, "--config", "bearerd.yaml")...) //nolint:gosec // built above
	cmd.Dir = dir
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("bearerd %v: %v\n%s", args, err, said.String())
	}
	return strings.TrimSpace(string(out))
}
