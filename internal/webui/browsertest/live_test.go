package browsertest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/bearerd/bearerd/internal/freeport"
)

// password is everybody's, of this test alone. It is told from all else in a log.
const password = "pâss#wörd quokka" // #nosec G101 -- of this test alone

// people are the users of the live server: each test has its own, so that none
// disturbs another.
var people = []string{
	"ada", "bea", "cleo", "dora", "eve", "fay", "gus", "hal", "ida", "jon", "kim", "lou", "mia", "nia", "oli", "pam",
	"quy", "ria", "sam", "tea", "una",
}

const liveConfig = `
issuer: http://%[1]s
listen: %[1]s
ops_listen: %[2]s
dialects: [hypothesis, gen3]
scopes: {read: Read specimens, write: Add specimens}
login: {account_failures: 3}
`

const liveAccess = `
collections:
  - {id: 4, name: KU Fish Voucher Collection}
  - {id: 32768, name: KU Fish Tissue Collection}
roles:
  - {name: curator, permissions: [{action: access, path: /}]}
users:
  - {username: root, password: "%[1]s", name: Root}
%[2]s
bindings:
  - {user: root, permission: {action: "*", path: /}}
  - {group: curators, role: curator, path: /collections/4}
clients:
  - {id: tv, grants: ["urn:ietf:params:oauth:grant-type:device_code", refresh_token], scopes: [read, offline_access]}
  - {id: assistant, name: Museum assistant, grants: [authorization_code], redirect_uris: ["http://127.0.0.1/callback"]}
`

// liveServer is the real binary, serving.
type liveServer struct {
	url  string
	log  *output
	stop func()
}

// output is what a program wrote so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// startLive builds the binary, fills a database and serves it.
func startLive(dir string) (*liveServer, error) {
	binary := filepath.Join(dir, "bearerd")
	if err := build(binary); err != nil {
		return nil, err
	}
	port, err := freeport.Choose()
	if err != nil {
		return nil, err
	}
	opsPort, err := freeport.Choose()
	if err != nil {
		return nil, err
	}
	address, ops := fmt.Sprintf("127.0.0.1:%d", port), fmt.Sprintf("127.0.0.1:%d", opsPort)
	var users strings.Builder
	for _, name := range people {
		fmt.Fprintf(&users, "  - {username: %s, password: \"%s\", name: %s Example, groups: [curators]}\n", name, password, name)
	}
	err = errors.Join(
		os.WriteFile(filepath.Join(dir, "bearerd.yaml"), fmt.Appendf(nil, liveConfig, address, ops), 0o600),
		os.WriteFile(filepath.Join(dir, "access.yaml"), fmt.Appendf(nil, liveAccess, password, users.String()), 0o600),
	)
	if err != nil {
		return nil, err
	}
	apply := program(context.Background(), dir, binary, "apply", "-f", "access.yaml")
	if out, err := apply.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("apply: %w\n%s", err, out)
	}
	return serve(dir, binary, "http://"+address, "http://"+ops+"/readyz")
}

// build builds the program under test; the compiler's cache makes that quick.
func build(binary string) error {
	compiler := exec.CommandContext(context.Background(), "go", "build", "-o", binary, "./cmd/bearerd")
	compiler.Dir = filepath.Join("..", "..", "..")
	compiler.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := compiler.CombinedOutput(); err != nil {
		return fmt.Errorf("building bearerd: %w\n%s", err, out)
	}
	return nil
}

// program is bearerd with its configuration and no variables of ours.
func program(ctx context.Context, dir, binary string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, binary, append(args, "--config", "bearerd.yaml")...)
	cmd.Dir = dir
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "BEARERD_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	return cmd
}

func serve(dir, binary, url, ready string) (*liveServer, error) {
	ctx, cancel := context.WithCancel(context.Background())
	cmd := program(ctx, dir, binary, "serve")
	s := &liveServer{url: url, log: &output{}}
	cmd.Stdout, cmd.Stderr = s.log, s.log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	s.stop = func() {
		cancel()
		<-ended
	}
	if err := awaitReady(ready, ended); err != nil {
		s.stop()
		return nil, fmt.Errorf("%w:\n%s", err, s.log)
	}
	return s, nil
}

// awaitReady asks until the server says that it is ready.
func awaitReady(url string, ended <-chan struct{}) error {
	for range 2400 {
		r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if res, err := http.DefaultClient.Do(r); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ended:
			return errors.New("the server ended before it was ready")
		case <-time.After(25 * time.Millisecond):
		}
	}
	return errors.New("the server was not ready in time")
}
