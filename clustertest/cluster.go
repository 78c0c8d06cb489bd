package clustertest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Staleness is revocation.max_staleness (L) unless Config says otherwise.
const Staleness = time.Second

// Config describes a cluster.
type Config struct {
	Binary    string
	Database  string        // a DSN; with postgres://… each node gets a forwarder
	Pair      *Pair         // the database, instead of Database; nil: none
	Nodes     int           // how many to start
	Staleness time.Duration // 0: Staleness
	Follower  *Follower     // verifies in addition to the nodes; nil: none; not together with the fields below
	// External verifiers: edges, and services that confirm revocations or don't.
	Edges, Confirming, Services int
	// Fronts prepares for edges and services that are added after the start.
	Fronts bool
	// Environment is added to the environment of every process.
	Environment []string
}

// Cluster is a set of nodes on one database. An error of the harness itself ends the
// test.
type Cluster struct {
	testing.TB

	Nodes    []*Node
	Edges    []*Node
	Services []*Service
	History  *History
	Client   *Client

	admin  string // an API token
	serial serial
	config Config
	dir    string
	link   *Forwarder // of the commands, to a pair; nil: there is no pair

	issuer      string       // "": nobody asks for it
	certificate certificate  // of the issuer, where there are edges or services
	follower    *Node        // its address; nil: there is none
	turn        atomic.Int64 // which node the next request of a front goes to
}

// Users and clients of every cluster.
const (
	Users        = 4 // user0 to user3
	Collections  = 2 // 4 and 5
	password     = "correct horse battery staple"
	clientID     = "ci"
	clientSecret = "a secret of well over 32 characters, for ci"
	followerID   = "follower" // may follow the revocation log
	verifierID   = "verifier" // may introspect, too
)

// New fills the database, starts the nodes and waits until they are ready. When the
// test ends it stops them, and fails the test if a log contains a secret.
func New(tb testing.TB, config Config) *Cluster {
	tb.Helper()
	c := Prepare(tb, config)
	c.apply()
	for range config.Nodes {
		c.Start(c.Add())
	}
	if config.Follower != nil {
		c.startFollower(*config.Follower)
	}
	c.startOutside()
	return c
}

// Prepare returns a cluster without nodes on an empty database.
func Prepare(tb testing.TB, config Config) *Cluster {
	tb.Helper()
	c := &Cluster{TB: tb, History: NewHistory(), Client: newClient(), config: config, dir: tb.TempDir()}
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	c.write("master.key", base64.StdEncoding.EncodeToString(key)+"\n")
	tb.Cleanup(c.end)
	switch {
	case config.isOutside():
		var err error
		if c.certificate, err = newCertificate(); err != nil {
			tb.Fatal(err)
		}
		c.write("ca.pem", string(c.certificate.pem))
		c.issuer = "https://" + issuerHost
	case config.Follower != nil:
		c.issuer = c.startPlainFront()
	}
	dsn := config.Database
	if config.Pair != nil {
		c.link, dsn = c.forward(config.Pair.DSN())
	}
	c.write("cli.yaml", c.settings(dsn))
	stop := make(chan struct{})
	go c.History.WatchMachine(stop)
	tb.Cleanup(func() { close(stop) })
	return c
}

func (c *Cluster) settings(dsn string) string {
	issuer := cmp.Or(c.issuer, "http://localhost:8080")
	return fmt.Sprintf(`issuer: %s
listen: 127.0.0.1:0
ops_listen: 127.0.0.1:0
database: %q
master_key_file: %q
dialects: [specify, hypothesis]
revocation: {max_staleness: %v}
refresh_token: {grace: 0s}
login: {account_failures: 10, address_failures: 1000000}
`, issuer, dsn, filepath.Join(c.dir, "master.key"), c.staleness())
}

// apply creates the users and clients, and a token for the administrator, by the
// command line.
func (c *Cluster) apply() {
	c.Helper()
	var text strings.Builder
	text.WriteString("collections:\n  - {id: 4, name: Fishes}\n  - {id: 5, name: Birds}\nusers:\n")
	fmt.Fprintf(&text, "  - {username: root, password: %q}\n", password)
	for i := range Users {
		fmt.Fprintf(&text, "  - {username: user%d, password: %q}\n", i, password)
	}
	text.WriteString("bindings:\n  - {user: root, permission: {action: \"*\", path: /}}\n")
	for i := range Users {
		for collection := 4; collection < 4+Collections; collection++ {
			fmt.Fprintf(&text, "  - {user: user%d, permission: {action: access, path: /collections/%d}}\n", i, collection)
		}
	}
	fmt.Fprintf(&text, "clients:\n  - {id: %s, secret: %q, grants: [client_credentials]}\n", clientID, clientSecret)
	fmt.Fprintf(&text, "  - {id: %s, secret: %q, grants: [client_credentials], scopes: [revocations]}\n", followerID, clientSecret)
	fmt.Fprintf(&text, "  - {id: %s, secret: %q, grants: [client_credentials], scopes: [revocations, introspect]}\n", verifierID, clientSecret)
	text.WriteString("  - {id: tv, grants: [\"urn:ietf:params:oauth:grant-type:device_code\", refresh_token]}\n")
	c.write("access.yaml", text.String())
	c.Run("apply", "-f", filepath.Join(c.dir, "access.yaml"))
	c.admin = c.Run("token", "create", "root", "--name", "harness", "--scope", "admin")
}

func (c *Cluster) write(name, text string) {
	c.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o600); err != nil {
		c.Fatal(err)
	}
}

// Run runs a command of bearerd, beside the nodes, and returns its output.
func (c *Cluster) Run(args ...string) string {
	c.Helper()
	text, err := c.TryRun(args...)
	if err != nil {
		c.Fatal(err)
	}
	return text
}

// TryRun is Run for a command that may fail.
func (c *Cluster) TryRun(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	args = append(args, "--config", filepath.Join(c.dir, "cli.yaml"))
	cmd := exec.CommandContext(ctx, c.config.Binary, args...) //nolint:gosec // our own binary
	cmd.Env, cmd.Dir = append(cleanEnv(), c.config.Environment...), c.dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("bearerd %s: %w\n%s", strings.Join(args, " "), err, &stderr)
	}
	return strings.TrimSpace(string(out)), nil
}

// Add adds a node without starting it.
func (c *Cluster) Add() *Node {
	c.Helper()
	return c.AddBinary(c.config.Binary, c.config.Environment...)
}

// AddBinary is Add for a node with a binary and an environment of its own.
func (c *Cluster) AddBinary(binary string, environment ...string) *Node {
	c.Helper()
	n := &Node{Number: len(c.Nodes), binary: binary, command: "serve", environment: environment}
	dsn := c.config.Database
	if c.config.Pair != nil {
		dsn = c.config.Pair.DSN()
	}
	n.Link, dsn = c.forward(dsn)
	name := fmt.Sprintf("node%d", n.Number)
	c.write(name+".yaml", c.settings(dsn))
	n.config, n.logFile = filepath.Join(c.dir, name+".yaml"), filepath.Join(c.dir, name+".log")
	c.Nodes = append(c.Nodes, n)
	return n
}

// forward returns a forwarder to the server of a DSN, and the DSN that goes through it.
// What isn't PostgreSQL has none.
func (c *Cluster) forward(dsn string) (*Forwarder, string) {
	c.Helper()
	u, err := url.Parse(dsn)
	if err != nil || u.Scheme != "postgres" {
		return nil, dsn
	}
	f := c.forwardTo(u.Host)
	u.Host = f.Addr()
	return f, u.String()
}

// Start starts a node and waits until it is ready.
func (c *Cluster) Start(n *Node) {
	c.Helper()
	if err := c.start(n); err != nil {
		c.Fatal(err)
	}
}

func (c *Cluster) start(n *Node) error {
	if err := n.Start(); err != nil {
		return err
	}
	return n.WaitReady(context.Background(), c.Client.HTTP)
}

// stop stops a process, if it runs. Its line is whole.
func (c *Cluster) stop(n *Node) {
	if n.Link != nil {
		_ = n.Link.Restore()
	}
	if n.Running() {
		if err := n.Stop(); err != nil {
			c.Error(err)
		}
	}
}

// end stops the nodes and checks the logs of all processes.
func (c *Cluster) end() {
	for _, n := range c.Nodes {
		c.stop(n)
	}
	for _, n := range slices.Concat(c.Nodes, c.Edges) {
		if n.Link != nil {
			_ = n.Link.Close()
		}
		if err := c.checkLog(n); err != nil {
			c.Error(err)
		}
		if c.Failed() {
			c.Logf("the log of node %d ends:\n%s", n.Number, n.LogTail())
		}
	}
	if c.link != nil {
		_ = c.link.Close()
	}
	c.Client.HTTP.CloseIdleConnections()
}

// secretShape matches tokens of any kind, which no log may contain.
var secretShape = regexp.MustCompile(`\bbd[arsc]_[0-9A-Za-z]{30,}|\beyJ[\w-]{10,}\.[\w-]+\.[\w-]+`)

// checkLog returns an error if a node's log contains a secret, a panic or a data race.
func (c *Cluster) checkLog(n *Node) error {
	text, err := os.ReadFile(n.logFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if secretShape.Match(text) || bytes.Contains(text, []byte(password)) || bytes.Contains(text, []byte(clientSecret)) {
		return fmt.Errorf("the log of node %d contains a secret", n.Number)
	}
	for _, word := range []string{"panic", "DATA RACE"} {
		if i := bytes.Index(text, []byte(word)); i >= 0 {
			return fmt.Errorf("the log of node %d reports a %s:\n%s", n.Number, word, text[i:min(len(text), i+2000)])
		}
	}
	return nil
}

func (c *Cluster) staleness() time.Duration { return cmp.Or(c.config.Staleness, Staleness) }

// Check returns the violations in the history so far.
func (c *Cluster) Check() []Violation {
	p := Promise{Staleness: c.staleness(), Nodes: len(c.Nodes), Waits: waits, Edges: len(c.Edges), Confirming: c.confirming()}
	if c.config.isOutside() {
		p.FollowerRecovery = outsideRecovery
	}
	return Check(c.History, p)
}
