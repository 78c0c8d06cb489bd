package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// Follow makes a hot standby of a running server from a base backup, and starts it. It
// streams the write-ahead log from the address through, which leads to the server. Its
// application_name is name. The caller removes it.
func (c *Cluster) Follow(name, through string) (*Cluster, error) {
	host, port, err := net.SplitHostPort(through)
	if err != nil {
		return nil, err
	}
	s := &Cluster{bin: c.bin, user: c.user}
	s.conf = append(slices.Clone(c.conf), // of two settings with the same name the last counts
		fmt.Sprintf("primary_conninfo=host=%s port=%s user=postgres application_name=%s", host, port, name),
		"wal_retrieve_retry_interval=100ms")
	err = s.create(func() error {
		return s.run("pg_basebackup", "-h", "127.0.0.1", "-p", strconv.Itoa(c.port), "-U", "postgres", "-D", s.data(),
			"--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf", "--no-sync")
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Synchronize makes every commit from now on wait until one of the standbys has it on
// disk, and returns when that one is streaming. names is the value of
// synchronous_standby_names.
func (c *Cluster) Synchronize(names string) error {
	for _, sql := range []string{"ALTER SYSTEM SET synchronous_standby_names = '" + names + "'", "SELECT pg_reload_conf()"} {
		if err := c.Exec(sql); err != nil {
			return err
		}
	}
	const noStandby = "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')) " +
		"THEN RAISE EXCEPTION 'no standby is synchronous yet'; END IF; END $$"
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	for err := c.Exec(noStandby); err != nil; err = c.Exec(noStandby) {
		if ctx.Err() != nil {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
	// Commits wait once the checkpointer has read the setting. It has when it answers.
	return c.Exec("CHECKPOINT")
}

// Exec runs SQL on a connection of its own.
func (c *Cluster) Exec(sql string) error { return run(c.DSN(), sql) }

// Pause stops every process of the server (SIGSTOP) until Resume. Connections stay
// open.
func (c *Cluster) Pause() error { return c.signal(syscall.SIGSTOP) }

// Resume continues a paused server.
func (c *Cluster) Resume() error { return c.signal(syscall.SIGCONT) }

// signal sends a signal to the server's first process and then to the others.
func (c *Cluster) signal(s syscall.Signal) error {
	pid, err := c.pid()
	if err != nil {
		return err
	}
	err = syscall.Kill(pid, s)
	for _, child := range children(pid) {
		if childErr := syscall.Kill(child, s); !errors.Is(childErr, syscall.ESRCH) {
			err = errors.Join(err, childErr)
		}
	}
	return err
}

// Promote turns a standby into a primary, and returns when it accepts writes. What it has
// received is kept, and nothing more is received.
func (c *Cluster) Promote() error {
	return c.run("pg_ctl", "promote", "-D", c.data(), "--wait", "--timeout", strconv.Itoa(int(stepTimeout.Seconds())))
}
