package clustertest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/pgtest"
)

// Pair is a PostgreSQL primary and its one synchronous standby: a commit on the primary
// is acknowledged when the standby has it on disk. The write-ahead log reaches the
// standby through a forwarder. Only one goroutine at a time may call methods that change
// the roles of the servers.
type Pair struct {
	Replication *Forwarder // between the standby and the primary that it follows

	mu       sync.Mutex // guards the fields below
	primary  *pgtest.Cluster
	standby  *pgtest.Cluster // nil: promoted, and there is no other yet
	unfenced *pgtest.Cluster // a former primary that still runs; nil: none
}

// standbyName is the application_name of every standby.
const standbyName = "standby"

var (
	errNoStandby = errors.New("the pair has no standby")
	errFenced    = errors.New("no former primary runs")
)

// NewPair starts a pair, which is stopped when the test ends.
func NewPair(tb testing.TB) *Pair {
	tb.Helper()
	// A standby that was disconnected for a while finds what it missed.
	p := &Pair{primary: pgtest.Start(tb, "wal_keep_size=512MB")}
	tb.Cleanup(func() {
		if err := p.remove(); err != nil {
			tb.Error(err)
		}
	})
	var err error
	if p.Replication, err = NewForwarder(p.primary.Addr()); err == nil {
		err = p.AddStandby()
	}
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// remove ends every server but the first primary, which ends with its test.
func (p *Pair) remove() error {
	var err error
	for _, c := range []*pgtest.Cluster{p.primary, p.standby, p.unfenced} {
		if c != nil {
			err = errors.Join(err, c.Remove())
		}
	}
	if p.Replication != nil {
		err = errors.Join(err, p.Replication.Close())
	}
	return err
}

// AddStandby creates a new synchronous standby of the primary, and returns when commits
// wait for it.
func (p *Pair) AddStandby() error {
	primary := p.current()
	if err := p.Replication.Redirect(primary.Addr()); err != nil {
		return err
	}
	if err := p.Replication.Restore(); err != nil {
		return err
	}
	standby, err := primary.Follow(standbyName, p.Replication.Addr())
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.standby = standby
	p.mu.Unlock()
	return primary.Synchronize(standbyName)
}

func (p *Pair) current() *pgtest.Cluster {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.primary
}

// DSN returns the DSN of the primary: after a promotion, of the new one.
func (p *Pair) DSN() string { return p.current().DSN() }

// Addr returns the address of the primary: after a promotion, of the new one.
func (p *Pair) Addr() string { return p.current().Addr() }

// Silence disconnects the standby: nothing that is committed from now on reaches it, and
// nothing that it sends reaches the primary. The connection stays open.
func (p *Pair) Silence() error { return p.Replication.Set(Weather{Up: Lose, Down: Lose}) }

// Heal ends Silence. The standby connects again.
func (p *Pair) Heal() error { return p.Replication.Restore() }

// RestartPrimary ends every process of the primary at once and starts it again. What it
// has committed is visible then, whether the standby has it or not.
func (p *Pair) RestartPrimary() error {
	primary := p.current()
	if err := primary.Crash(); err != nil {
		return err
	}
	return primary.Serve()
}

// CancelCommits makes the primary end every commit that waits for the standby, as an
// operator may, until the function it returns is called. What has committed is visible
// then, whether the standby has it or not. The primary warns of that.
func (p *Pair) CancelCommits() (end func() error) {
	const often = 50 * time.Millisecond
	primary, stop, ended := p.current(), make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			err := primary.Exec("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
			if err != nil || sleepUntil(stop, often) {
				ended <- err
				return
			}
		}
	}()
	return func() error {
		close(stop)
		return <-ended
	}
}

// PauseStandby stops the standby's processes until ResumeStandby.
func (p *Pair) PauseStandby() error { return p.onStandby((*pgtest.Cluster).Pause) }

// ResumeStandby continues a paused standby.
func (p *Pair) ResumeStandby() error { return p.onStandby((*pgtest.Cluster).Resume) }

func (p *Pair) onStandby(do func(*pgtest.Cluster) error) error {
	p.mu.Lock()
	standby := p.standby
	p.mu.Unlock()
	if standby == nil {
		return errNoStandby
	}
	return do(standby)
}

// Promote makes the standby the primary. The former primary is fenced only if it was
// before: otherwise it goes on running, and neither it nor its clients notice the
// promotion. No node is reconnected: see Cluster.Reconnect.
func (p *Pair) Promote() error {
	if err := p.onStandby((*pgtest.Cluster).Promote); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unfenced, p.primary, p.standby = p.primary, p.standby, nil
	return nil
}

// KillPrimary ends every process of the primary at once. Its data is gone for good when
// the standby is promoted.
func (p *Pair) KillPrimary() error { return p.current().Crash() }

// Fence ends the former primary, if it still runs, and removes it.
func (p *Pair) Fence() error {
	p.mu.Lock()
	former := p.unfenced
	p.unfenced = nil
	p.mu.Unlock()
	if former == nil {
		return errFenced
	}
	return former.Remove()
}
