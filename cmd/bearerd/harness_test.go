package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is bearerd running as a server.
type process struct {
	cmd       *exec.Cmd
	base, ops string
	log       *bytes.Buffer // complete when done is closed
	done      chan struct{}
	err       error // of Wait, when done is closed
}

var errNotListening = errors.New("the server ended before it listened")

// start runs bearerd serve on free ports and waits until it listens.
func start(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, log: &bytes.Buffer{}, done: make(chan struct{})}
	pipe, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	listening := make(chan struct{})
	go p.follow(pipe, listening)
	select {
	case <-listening:
		return p, nil
	case <-p.done:
		return p, errNotListening
	case <-time.After(30 * time.Second):
		_ = cmd.Process.Kill()
		return p, errors.New("the server does not listen")
	}
}

// follow reads the log until the process ends.
func (p *process) follow(pipe io.Reader, listening chan struct{}) {
	defer close(p.done)
	lines := bufio.NewScanner(pipe)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		p.log.Write(append(lines.Bytes(), '\n'))
		var event struct{ Msg, Listener, Address string }
		if json.Unmarshal(lines.Bytes(), &event) != nil || event.Msg != "listening" {
			continue
		}
		switch event.Listener {
		case "main":
			p.base = "http://" + event.Address
		case "ops":
			p.ops = "http://" + event.Address
		}
		if p.base != "" && p.ops != "" && listening != nil {
			close(listening)
			listening = nil
		}
	}
	p.err = p.cmd.Wait()
}

// stop ends the process in order.
func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	<-p.done
	return p.err
}

// expect sends a request; the answer must have the status, and its headers and body
// must match.
func expect(r *http.Request, status string, patterns []string) error {
	resp, err := (&http.Client{Timeout: 10 * time.Second}).Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	var text bytes.Buffer
	_ = resp.Header.Write(&text)
	if _, err := io.Copy(&text, resp.Body); err != nil {
		return err
	}
	if strconv.Itoa(resp.StatusCode) != status {
		return fmt.Errorf("%s answers %d, not %s:\n%s", r.URL, resp.StatusCode, status, &text)
	}
	for _, p := range patterns {
		if !regexp.MustCompile(`(?m)` + p).Match(text.Bytes()) {
			return fmt.Errorf("%s answers what does not match %q:\n%s", r.URL, p, &text)
		}
	}
	return nil
}

// bench is a directory with an access file applied, for tests of a whole server.
type bench struct {
	testing.TB

	dir    string
	client *http.Client
}

const benchAccess = `
users:
  - {username: ada, password: "correct horse"}
clients:
  - {id: ci, secret: "a secret of well over 32 characters, for ci", grants: [client_credentials], scopes: [read]}
`

const benchSecret = "a secret of well over 32 characters, for ci"

func newBench(tb testing.TB, dir, configuration string) *bench {
	tb.Helper()
	b := &bench{TB: tb, dir: dir, client: &http.Client{Timeout: 10 * time.Second}}
	b.write("bearerd.yaml", configuration)
	b.write("access.yaml", benchAccess)
	b.run("apply", "-f", "access.yaml")
	return b
}

func (b *bench) write(name, text string) {
	b.Helper()
	if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) command(args ...string) *exec.Cmd {
	cmd := exec.Command("bearerd", append(args, "--config", "bearerd.yaml")...)
	cmd.Dir = b.dir
	return cmd
}

// run runs a command and returns what it printed.
func (b *bench) run(args ...string) string {
	b.Helper()
	cmd := b.command(args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		b.Fatalf("bearerd %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return strings.TrimSpace(string(out))
}

func (b *bench) serve() *process {
	b.Helper()
	p, err := start(b.command("serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0"))
	if err != nil {
		b.Fatalf("%v\n%s", err, p.log)
	}
	b.Cleanup(func() { _ = p.stop() })
	return p
}

// post sends a form with the client's credentials and returns the answer.
func (b *bench) post(target string, form url.Values) (reply, error) {
	r, err := http.NewRequest(http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		return reply{}, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("ci", url.QueryEscape(benchSecret))
	return b.send(r)
}

// verify asks whether a token is good.
func (b *bench) verify(p *process, token string) (reply, error) {
	r, err := http.NewRequest(http.MethodGet, p.base+"/auth/verify", nil)
	if err != nil {
		return reply{}, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return b.send(r)
}

// reply is what an endpoint said.
type reply struct {
	status int
	header http.Header
	body   map[string]any
}

func (b *bench) send(r *http.Request) (a reply, err error) {
	resp, err := b.client.Do(r)
	if err != nil {
		return a, err
	}
	defer func() { _ = resp.Body.Close() }()
	a = reply{status: resp.StatusCode, header: resp.Header}
	if err := json.NewDecoder(resp.Body).Decode(&a.body); err != nil && !errors.Is(err, io.EOF) {
		return a, err
	}
	return a, nil
}

// token returns an access token of the client's.
func (b *bench) token(p *process) string {
	b.Helper()
	a, err := b.post(p.base+"/oauth2/token", url.Values{"grant_type": {"client_credentials"}})
	if err != nil || a.status != http.StatusOK {
		b.Fatalf("no token: %v, %+v", err, a)
	}
	token, _ := a.body["access_token"].(string)
	return token
}
