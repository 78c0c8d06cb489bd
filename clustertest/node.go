package clustertest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// startTimeout is how long a node may take to listen, and to become ready.
const startTimeout = 30 * time.Second

// Node is one bearerd and its line to the database, or an edge and its line to the nodes. It may
// be stopped and started again; only one goroutine at a time may do that.
type Node struct {
	Number int
	Link   *Forwarder // nil: it connects to the database directly

	binary, command, config, logFile string
	environment                      []string
	broken                           atomic.Bool // set by Cluster.Break

	mu        sync.Mutex // guards the fields below
	cmd       *exec.Cmd  // nil: not running
	ended     chan struct{}
	base, ops string
}

var errEnded = errors.New("the process ended before it listened")

// Start runs bearerd on free ports and returns when it listens, which is before
// it is ready.
func (n *Node) Start() error {
	log, err := os.OpenFile(n.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(context.Background(), n.binary, n.command, "--config", n.config) //nolint:gosec // our own binary
	cmd.Env = append(cleanEnv(), n.environment...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	pipe, err := cmd.StderrPipe()
	if err != nil {
		return errors.Join(err, log.Close())
	}
	if err := cmd.Start(); err != nil {
		return errors.Join(err, log.Close())
	}
	ended, listening := make(chan struct{}), make(chan struct{})
	n.mu.Lock()
	n.cmd, n.ended, n.base, n.ops = cmd, ended, "", ""
	n.mu.Unlock()
	go func() {
		defer close(ended)
		n.follow(pipe, log, listening)
		_ = cmd.Wait()
		_ = log.Close()
	}()
	select {
	case <-listening:
		return nil
	case <-ended:
		return fmt.Errorf("node %d: %w\n%s", n.Number, errEnded, n.LogTail())
	case <-time.After(startTimeout):
		_ = cmd.Process.Kill()
		return fmt.Errorf("node %d does not listen\n%s", n.Number, n.LogTail())
	}
}

// StartAgain starts a node as a service manager does: one that ends because the database
// doesn't answer in time is started again, for as long as startTimeout.
func (n *Node) StartAgain() error {
	end := time.Now().Add(startTimeout)
	err := n.Start()
	for errors.Is(err, errEnded) && time.Now().Before(end) {
		err = n.Start()
	}
	return err
}

// cleanEnv returns the part of this process's environment that nodes inherit: no
// setting of bearerd.
func cleanEnv() []string {
	env := []string{}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "GORACE"} {
		if v := os.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// follow copies the log to a file and takes the addresses from it.
func (n *Node) follow(pipe io.Reader, log io.Writer, listening chan struct{}) {
	lines := bufio.NewReader(pipe)
	for {
		line, err := lines.ReadBytes('\n')
		_, _ = log.Write(line)
		if listening != nil && bytes.Contains(line, []byte("listening")) && n.note(line) {
			close(listening)
			listening = nil
		}
		if err != nil {
			return
		}
	}
}

// note reads an address from a line of the log, and reports whether both addresses are
// known.
func (n *Node) note(line []byte) bool {
	var event struct{ Msg, Listener, Address string }
	if json.Unmarshal(line, &event) != nil || event.Msg != "listening" {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	switch event.Listener {
	case "main":
		n.base = "http://" + event.Address
	case "ops":
		n.ops = "http://" + event.Address
	}
	return n.base != "" && n.ops != ""
}

// Base returns the URL of the endpoints, and "" while the node doesn't listen.
func (n *Node) Base() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.base
}

// Ops returns the URL of health and metrics.
func (n *Node) Ops() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ops
}

// Ready reports whether /readyz answers 200.
func (n *Node) Ready(ctx context.Context, client *http.Client) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, n.Ops()+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := client.Do(r)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// WaitReady waits until the node is ready.
func (n *Node) WaitReady(ctx context.Context, client *http.Client) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for !n.Ready(ctx, client) {
		if ctx.Err() != nil {
			return fmt.Errorf("node %d is not ready\n%s", n.Number, n.LogTail())
		}
		time.Sleep(5 * time.Millisecond)
	}
	return nil
}

// signal sends the process a signal.
func (n *Node) signal(s os.Signal) error {
	n.mu.Lock()
	cmd := n.cmd
	n.mu.Unlock()
	if cmd == nil {
		return fmt.Errorf("node %d doesn't run", n.Number)
	}
	return cmd.Process.Signal(s)
}

// Signal sends the process a signal.
func (n *Node) Signal(s syscall.Signal) error { return n.signal(s) }

// Pause stops the process (SIGSTOP) until Resume.
func (n *Node) Pause() error { return n.signal(syscall.SIGSTOP) }

// Resume continues a paused process.
func (n *Node) Resume() error { return n.signal(syscall.SIGCONT) }

// Kill kills the process (SIGKILL) and waits until it has ended.
func (n *Node) Kill() error { return n.end(syscall.SIGKILL) }

// Stop ends the process by SIGTERM and waits until it has ended. A paused process is
// resumed first.
func (n *Node) Stop() error {
	_ = n.signal(syscall.SIGCONT)
	return n.end(syscall.SIGTERM)
}

func (n *Node) end(s os.Signal) error {
	if err := n.signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	n.mu.Lock()
	cmd, ended := n.cmd, n.ended
	n.mu.Unlock()
	select {
	case <-ended:
	case <-time.After(startTimeout):
		_ = cmd.Process.Kill()
		<-ended
		return fmt.Errorf("node %d did not end\n%s", n.Number, n.LogTail())
	}
	n.mu.Lock()
	n.cmd = nil
	n.mu.Unlock()
	return nil
}

// Running reports whether the node has a process.
func (n *Node) Running() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cmd != nil
}

// LogTail returns the end of the log without ordinary requests.
func (n *Node) LogTail() string {
	text, err := os.ReadFile(n.logFile)
	if err != nil {
		return err.Error()
	}
	var lines [][]byte
	for line := range bytes.SplitSeq(text, []byte("\n")) {
		if !ordinary.Match(line) {
			lines = append(lines, line[:min(len(line), 300)])
		}
	}
	return string(bytes.Join(lines[max(0, len(lines)-12):], []byte("\n")))
}

// Logged returns the number of lines of the log that match.
func (n *Node) Logged(lines *regexp.Regexp) int {
	text, err := os.ReadFile(n.logFile)
	if err != nil {
		return 0
	}
	count := 0
	for line := range bytes.SplitSeq(text, []byte("\n")) {
		if lines.Match(line) {
			count++
		}
	}
	return count
}

var ordinary = regexp.MustCompile(`"msg":"request".*"status":[234]\d\d`)
