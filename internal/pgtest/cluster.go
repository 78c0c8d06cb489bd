package pgtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/freeport"
)

// Cluster is a PostgreSQL server of its own, on the loopback interface. Its
// methods may be called by one goroutine at a time.
type Cluster struct {
	bin  string // where the programs are
	dir  string
	port int
	conf []string
	user *syscall.Credential // nil: the user who runs the test

	guard *exec.Cmd // nil: the server doesn't run
	order io.WriteCloser
}

// A guard runs a server until it reads a line with the signal that ends it, or until
// its standard input is closed. When its test dies while the server is paused, the kernel sends
// the process group a SIGHUP, which must not end the guard.
const guard = `cd /
"$@" </dev/null >>"$0/log" 2>&1 &
server=$!
trap '' HUP
if read -r signal; then
	kill -s "$signal" $server
	wait $server
else
	kill -s QUIT $server
	kill -s CONT $server
	wait $server
	rm -rf "$0"
fi`

var (
	errNone = errors.New("there is no PostgreSQL here: install the package postgresql, or name a server in " + Variable)

	// throwaway are the settings of a server whose data may be lost.
	throwaway = []string{"fsync=off", "full_page_writes=off", "max_connections=400"}
)

// Start starts a server of the test's own, with PostgreSQL's own settings for
// durability; more are settings for it, "name=value" each. It ends with the test.
func Start(tb testing.TB, more ...string) *Cluster {
	tb.Helper()
	c, err := start(append([]string{"max_connections=200"}, more...))
	giveUp(tb, err)
	tb.Cleanup(func() {
		if err := c.Remove(); err != nil {
			tb.Error(err)
		}
	})
	return c
}

// DSN is the database postgres, as the superuser.
func (c *Cluster) DSN() string {
	return "postgres://postgres@" + c.Addr() + "/postgres?sslmode=disable"
}

// Addr is where the server listens: host and port. It stays the same after a
// restart.
func (c *Cluster) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port)) }

// Stop shuts the server down in order, and ends its connections.
func (c *Cluster) Stop(tb testing.TB) {
	tb.Helper()
	if err := c.end("INT"); err != nil {
		tb.Fatal(err)
	}
}

// Kill ends every process of the server at once, like a power cut.
func (c *Cluster) Kill(tb testing.TB) {
	tb.Helper()
	if err := c.Crash(); err != nil {
		tb.Fatal(err)
	}
}

// Crash is Kill for callers that are no test.
func (c *Cluster) Crash() error {
	pid, err := c.pid()
	if err != nil {
		return err
	}
	_ = syscall.Kill(pid, syscall.SIGSTOP) // it starts no more of them
	started := children(pid)
	for _, child := range started {
		_ = syscall.Kill(child, syscall.SIGKILL)
	}
	if err := c.end("KILL"); err != nil {
		return err
	}
	for _, child := range started {
		for running(child) { // and keeps the memory that the next server must not share
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}

// Restart starts the server again, on the same address and with the same data. If
// it still runs, it is stopped before.
func (c *Cluster) Restart(tb testing.TB) {
	tb.Helper()
	if c.guard != nil {
		c.Stop(tb)
	}
	if err := c.Serve(); err != nil {
		tb.Fatal(err)
	}
}

// start makes a cluster and starts its server.
func start(conf []string) (c *Cluster, err error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	c = &Cluster{bin: bin, conf: conf}
	if c.user, err = unprivileged(); err != nil {
		return nil, err
	}
	return c, c.create(c.initialize)
}

// create makes the cluster's directory, has fill make its data, and starts the server.
// Nothing is left behind when that fails.
func (c *Cluster) create(fill func() error) (err error) {
	if c.dir, err = os.MkdirTemp("", "bearerd-pg-"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Remove())
		}
	}()
	if c.user != nil {
		if err := os.Chown(c.dir, int(c.user.Uid), int(c.user.Gid)); err != nil {
			return err
		}
	}
	if err := fill(); err != nil {
		return err
	}
	for range 5 { // the port that was free may be taken again
		if c.port, err = freeport.Choose(); err != nil {
			return err
		}
		if err = c.Serve(); err == nil {
			return nil
		}
	}
	return err
}

// initialize makes the data directory. Where it can, it takes a collation that
// does not order text bytewise: bearerd must not depend on the server's.
func (c *Cluster) initialize() error {
	args := []string{"-D", c.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"}
	err := c.run("initdb", append(args, "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US")...)
	if err != nil {
		if err := os.RemoveAll(c.data()); err != nil {
			return err
		}
		err = c.run("initdb", append(args, "--locale=C")...)
	}
	return err
}

func (c *Cluster) data() string { return filepath.Join(c.dir, "data") }

// run runs one of PostgreSQL's programs as the user of the cluster.
func (c *Cluster) run(program string, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(c.bin, program), args...) //nolint:gosec // PostgreSQL's own program
	cmd.Dir, cmd.SysProcAttr = "/", &syscall.SysProcAttr{Credential: c.user}
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", program, err, out)
	}
	return nil
}

// Serve starts a server that doesn't run, on the same address and with the same data,
// and waits until it takes connections.
func (c *Cluster) Serve() (err error) {
	args := []string{"-c", guard, c.dir, filepath.Join(c.bin, "postgres"), "-D", c.data(), "-p", strconv.Itoa(c.port)}
	settings := append([]string{
		"listen_addresses=127.0.0.1", "unix_socket_directories=", "dynamic_shared_memory_type=mmap", "shared_buffers=32MB", "timezone=Etc/GMT+5",
	}, c.conf...)
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	cmd := exec.CommandContext(context.Background(), "/bin/sh", args...) //nolint:gosec // a script of our own
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: c.user, Setpgid: true}
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if c.order, err = cmd.StdinPipe(); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	c.guard = cmd
	if err := c.ready(); err != nil {
		return errors.Join(err, c.end("QUIT"))
	}
	return nil
}

// ready waits until the server answers.
func (c *Cluster) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	for {
		err := run(c.DSN(), "SELECT 1")
		if err == nil {
			return nil
		}
		log, _ := os.ReadFile(filepath.Join(c.dir, "log"))
		if strings.Contains(string(log), "could not create any TCP/IP sockets") || ctx.Err() != nil {
			_ = os.Remove(filepath.Join(c.dir, "log"))
			return fmt.Errorf("the server doesn't answer: %w\n%s", err, log)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// end sends the server a signal and waits until it is gone.
func (c *Cluster) end(signal string) error {
	if c.guard == nil {
		return errors.New("the server doesn't run")
	}
	_, err := io.WriteString(c.order, signal+"\n")
	var ended *exec.ExitError // it is known which signal ended it
	if waitErr := c.guard.Wait(); !errors.As(waitErr, &ended) {
		err = errors.Join(err, waitErr)
	}
	c.guard = nil
	return err
}

// Remove ends the server, paused or not, and leaves nothing behind. A server that a
// test started is removed with the test; to remove one twice is no error.
func (c *Cluster) Remove() error {
	var err error
	if c.guard != nil {
		err = errors.Join(c.Resume(), c.end("QUIT"))
	} else if lines := c.pidFile(); len(lines) > 6 {
		// A killed server leaves a piece of shared memory: its key and its id.
		if ids := strings.Fields(lines[6]); len(ids) == 2 {
			_ = exec.CommandContext(context.Background(), "ipcrm", "-m", ids[1]).Run() //nolint:gosec // a number
		}
	}
	return errors.Join(err, os.RemoveAll(c.dir))
}

func (c *Cluster) pidFile() []string {
	b, _ := os.ReadFile(filepath.Join(c.data(), "postmaster.pid"))
	return strings.Split(string(b), "\n")
}

func (c *Cluster) pid() (int, error) {
	if c.guard == nil {
		return 0, errors.New("the server doesn't run")
	}
	return strconv.Atoi(c.pidFile()[0])
}

// children are the processes that a process has started and that still run.
func children(parent int) []int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	var pids []int
	for _, path := range stats {
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if _, p := stat(pid); p == parent {
			pids = append(pids, pid)
		}
	}
	return pids
}

// running reports whether a process still runs; one that nobody has waited for yet
// doesn't.
func running(pid int) bool {
	state, _ := stat(pid)
	return state != "" && state != "Z" && state != "X"
}

// stat returns the state and the parent of a process; none for one that isn't there.
func stat(pid int) (state string, parent int) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, _ := strings.Cut(string(b), ") ")
	if fields := strings.Fields(rest); len(fields) > 1 {
		state = fields[0]
		parent, _ = strconv.Atoi(fields[1])
	}
	return state, parent
}

// programs finds the newest PostgreSQL here.
func programs() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	version := func(path string) int {
		n, _ := strconv.Atoi(strings.Split(path, "/")[4])
		return n
	}
	slices.SortFunc(found, func(a, b string) int { return cmp.Compare(version(b), version(a)) })
	if path, err := exec.LookPath("postgres"); err == nil {
		found = append(found, path)
	}
	for _, path := range found {
		if _, err := os.Stat(filepath.Join(filepath.Dir(path), "initdb")); err == nil {
			return filepath.Dir(path), nil
		}
	}
	return "", errNone
}
