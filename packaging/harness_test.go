package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// host is the platform whose binaries the tests can run.
func host() platform { return platform{"linux", runtime.GOARCH} }

// needRoot skips a test that makes folders of other users; in CI it fails.
func needRoot(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "linux" && os.Getuid() == 0 {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("this test needs root")
	}
	t.Skip("this test needs root, for chroot")
}

// tool finds a program. Without it the test is skipped, in CI it fails.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing", name)
	}
	t.Skipf("%s is missing: make packages installs it", name)
	return ""
}

// command runs a program and returns what it printed.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// newRelease returns a release for the host, in a directory of its own.
func newRelease(t testing.TB, v version) *release {
	t.Helper()
	dir, err := os.MkdirTemp("", "bearerd-packaging-test-") //nolint:usetesting // several tests share it
	if err != nil {
		t.Fatal(err)
	}
	r := &release{
		root: "..", out: filepath.Join(dir, "out"), work: filepath.Join(dir, "work"), version: v, epoch: time.Unix(1_700_000_000, 0),
		platforms: []platform{host()}, say: func(string, ...any) {},
	}
	shared.mu.Lock()
	defer shared.mu.Unlock()
	shared.dirs = append(shared.dirs, dir)
	return r
}

// shared is what the tests of one run share.
var shared struct {
	mu     sync.Mutex
	dirs   []string
	once   sync.Once
	first  *release
	failed error
}

// firstRelease returns v1.2.3, made once.
func firstRelease(t *testing.T) *release {
	t.Helper()
	shared.once.Do(func() {
		shared.first = newRelease(t, "v1.2.3")
		shared.failed = shared.first.make(t.Context())
	})
	if shared.failed != nil {
		t.Fatal(shared.failed)
	}
	return shared.first
}

// find returns the one file of a release that a pattern names.
func (r *release) find(t *testing.T, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(r.out, pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %v, %v", pattern, found, err)
	}
	return found[0]
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, dir := range shared.dirs {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// served is bearerd running somewhere.
type served struct {
	t         *testing.T
	cmd       *exec.Cmd
	base, ops string
	log       *bytes.Buffer
	done      chan error
}

// serve starts a server and waits until it listens.
func serve(t *testing.T, cmd *exec.Cmd) *served {
	t.Helper()
	s := &served{t: t, cmd: cmd, log: &bytes.Buffer{}, done: make(chan error, 1)}
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	listening := make(chan bool, 2)
	go func() {
		lines := bufio.NewScanner(pipe)
		for lines.Scan() {
			s.log.Write(append(lines.Bytes(), '\n'))
			var event struct{ Msg, Listener, Address string }
			if json.Unmarshal(lines.Bytes(), &event) != nil || event.Msg != "listening" {
				continue
			}
			address := "http://" + strings.Replace(event.Address, "[::]", "127.0.0.1", 1)
			if event.Listener == "ops" {
				s.ops = address
			} else {
				s.base = address
			}
			if s.ops != "" && s.base != "" {
				listening <- true
			}
		}
		s.done <- cmd.Wait()
		listening <- false
	}()
	select {
	case ok := <-listening:
		if !ok {
			t.Fatalf("the server ended:\n%s", s.log)
		}
	case <-time.After(time.Minute):
		_ = cmd.Process.Kill()
		t.Fatal("the server does not listen")
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	return s
}

// stop ends the server in order.
func (s *served) stop() {
	s.t.Helper()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-s.done:
		if err != nil {
			s.t.Errorf("the server ended with %v:\n%s", err, s.log)
		}
	case <-time.After(time.Minute):
		s.t.Fatal("the server doesn't end")
	}
}

const (
	clientAccess = `clients:
  - {id: ci, secret: "` + clientSecret + `", grants: [client_credentials], scopes: [read]}
`
	clientSecret = "a secret of well over 32 characters, for ci"
)

// token returns an access token of the client ci.
func (s *served) token() string {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.base+"/oauth2/token", strings.NewReader("grant_type=client_credentials"))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("ci", url.QueryEscape(clientSecret))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.AccessToken == "" {
		s.t.Fatalf("no token: %d, %v", resp.StatusCode, err)
	}
	return answer.AccessToken
}

// status returns the status of a request with a token; "" for none.
func (s *served) status(target, token string) int {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, target, http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode
}
