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
// for each time. Silent may be nil; then one that died long ago is waited for too.
type AwaitConfig struct {
	Target  Seq                                           // the sequence that must be confirmed
	Started time.Duration                                 // on Clock, read after the commit of Target returned
	Clock   func() time.Duration                          // BootClock
	Nodes   func(context.Context) ([]Confirmation, error) // the list, as committed at the time of the call
	// Silent reports whether a node held no lease any more when the list was read
	// that says this of it: Roll.Silent, where Nodes is Roll.Read.
	Silent func(Confirmation) bool
	// Drop takes a node off the list if it still says this of the node, in one
	// statement.
	Drop func(context.Context, Confirmation) error
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
		if now.known && now.judge(cfg) {
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
	known  bool           // the list was read
	silent []Confirmation // of nodes that neither confirmed nor hold a lease
	next   time.Duration  // when the next lease runs out, counted from the commit
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
// whether there is nothing left to wait for.
func (v *verdict) judge(cfg AwaitConfig) bool {
	elapsed := cfg.elapsed()
	v.Acknowledgement, v.silent, v.next = Acknowledgement{}, nil, math.MaxInt64
	for _, c := range v.list {
		if c.Lease <= 0 {
			continue
		}
		v.Nodes++
		switch {
		case c.Seq >= cfg.Target:
			v.Confirmed++
		case c.over(elapsed) || cfg.Silent != nil && cfg.Silent(c):
			v.Expired++
			v.silent = append(v.silent, c)
		default:
			v.next = min(v.next, c.end())
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
	for _, c := range v.silent {
		_ = cfg.Drop(ctx, c)
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
