package clustertest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Follower describes a service that verifies tokens by itself and follows the revocation
// log: Python's bearerd.verify. Revocations that wait for nodes don't wait for it: it applies a
// revocation at most L after the acknowledgement.
type Follower struct {
	Command     []string // its only output is its port
	Environment []string
}

// FollowerNode is the number of the first follower in a history: they come after every node.
const FollowerNode = 1000

// byFollower reports whether the operation was done at a follower.
func (o *Op) byFollower() bool { return o.Node >= FollowerNode }

// startFollower runs the follower until the test ends.
func (c *Cluster) startFollower(f Follower) {
	c.Helper()
	cmd := exec.CommandContext(context.Background(), f.Command[0], f.Command[1:]...) //nolint:gosec // of the test
	cmd.Env = append(append(cleanEnv(), f.Environment...), "ISSUER="+c.issuer, "CLIENT_ID="+verifierID, "CLIENT_SECRET="+clientSecret)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err = errors.Join(err, cmd.Start()); err != nil {
		c.Fatal(err)
	}
	killer := time.AfterFunc(startTimeout, func() { _ = cmd.Process.Kill() })
	port, err := bufio.NewReader(stdout).ReadString('\n')
	killer.Stop()
	c.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if c.Failed() {
			c.Logf("the follower said:\n%s", &stderr)
		}
	})
	if err != nil {
		_ = cmd.Wait()
		c.Fatalf("the follower doesn't listen: %v\n%s", err, &stderr)
	}
	c.follower = &Node{Number: FollowerNode, base: "http://127.0.0.1:" + strings.TrimSpace(port)}
}

// VerifyAtFollower verifies a token at the follower, where there is one.
func (c *Cluster) VerifyAtFollower(t *Token) Op {
	if c.follower == nil {
		return Op{}
	}
	return c.do(c.follower, Op{Kind: Verify, Token: t}, Ask{Path: "/", Bearer: t.Value})
}
