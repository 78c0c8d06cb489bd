package revocation

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"
)

// Acknowledgement says how far a revocation has come: of so many nodes, those that
// confirmed it and those whose lease has run out since.
type Acknowledgement struct {
	Nodes     int `json:"nodes"`
	Confirmed int `json:"confirmed"`
	Expired   int `json:"expired"`
}

// AwaitConfig says what to wait for. Drop may be nil; then a dead node is waited
// for each time.
type AwaitConfig struct {
	Target  Seq                                           // the sequence that must be confirmed
	Started time.Duration                                 // on Clock, read after the commit of Target returned
	Clock   func() time.Duration                          // BootClock
	Nodes   func(context.Context) ([]Confirmation, error) // the list, as committed at the time of the call
	// Drop takes a node off the list if what it confirmed is still below Target,
	// in one statement.
	Drop func(ctx context.Context, node string, below Seq) error
}

const (
	firstPoll = 5 * time.Millisecond
	lastPoll  = 50 * time.Millisecond
)

// Await waits until every node on the list has confirmed the target or holds no
// lease from before it: for as long as the node's own lease after Started. Then
// no node says yes to what the target takes back. A list that can't be read is
// asked for again; once it was read, waiting ends without it. The error is that
// of ctx and of the list, and what was known by then is beside it.
func Await(ctx context.Context, cfg AwaitConfig) (Acknowledgement, error) {
	var now verdict
	for pause := firstPoll; ; pause = min(2*pause, lastPoll) {
		err := now.read(ctx, cfg)
		if now.known && now.judge(cfg.Target, cfg.elapsed()) {
			now.drop(ctx, cfg)
			return now.Acknowledgement, nil
		}
		if now.known {
			pause = min(pause, now.next-cfg.elapsed())
		}
		if !sleep(ctx, pause) {
			return now.Acknowledgement, fmt.Errorf("waiting for the nodes to confirm %d: %w", cfg.Target, errors.Join(ctx.Err(), err))
		}
	}
}

// elapsed is the time since the commit.
func (cfg AwaitConfig) elapsed() time.Duration { return cfg.Clock() - cfg.Started }

// verdict is what follows from the list of nodes as it was last read.
type verdict struct {
	Acknowledgement
	list   []Confirmation
	known  bool          // the list was read
	silent []string      // nodes that neither confirmed nor hold a lease
	next   time.Duration // when the next lease runs out, counted from the commit
}

// read reads the list, for no longer than there is something to wait for.
func (v *verdict) read(ctx context.Context, cfg AwaitConfig) error {
	if v.known {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, v.next-cfg.elapsed())
		defer cancel()
	}
	list, err := cfg.Nodes(ctx)
	if err != nil {
		return err
	}
	v.list, v.known = list, true
	return nil
}

// judge counts the nodes as they are that long after the commit, and reports
// whether there is nothing left to wait for. Clocks that nobody can set are still
// slewed, by at most 500 millionths each, so a lease is given a thousandth more.
func (v *verdict) judge(target Seq, elapsed time.Duration) bool {
	v.Acknowledgement, v.silent, v.next = Acknowledgement{}, nil, math.MaxInt64
	for _, c := range v.list {
		if c.Lease <= 0 {
			continue
		}
		v.Nodes++
		end := c.Lease + c.Lease/1000
		switch {
		case c.Seq >= target:
			v.Confirmed++
		case end <= elapsed:
			v.Expired++
			v.silent = append(v.silent, c.Node)
		default:
			v.next = min(v.next, end)
		}
	}
	return v.Confirmed+v.Expired == v.Nodes
}

// drop takes the silent nodes off the list, so that the next revocation doesn't
// wait for them. Where that fails it does wait, and nothing else is lost.
func (v *verdict) drop(ctx context.Context, cfg AwaitConfig) {
	if cfg.Drop == nil {
		return
	}
	for _, node := range v.silent {
		_ = cfg.Drop(ctx, node, cfg.Target)
	}
}

// sleep reports false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
