package revocation

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/bearerd/bearerd/internal/sleep"
)

// Acknowledgement counts the nodes on the list and their edges, those that have confirmed
// a revocation, and those whose lease has expired since.
type Acknowledgement struct {
	Nodes     int `json:"nodes"`
	Confirmed int `json:"confirmed"`
	Expired   int `json:"expired"`
	// Verifiers is the same count of the external verifiers; nil where they were not
	// waited for.
	*Verifiers
}

// Verifiers counts the external verifiers that confirm.
type Verifiers struct {
	Count     int `json:"verifiers"`
	Confirmed int `json:"verifiers_confirmed"`
	Expired   int `json:"verifiers_expired"`
}

// AwaitConfig is what to wait for. Drop may be nil: then a failed node is waited for each
// time. LeaseExpired may be nil: then a node that failed long ago is waited for too.
type AwaitConfig struct {
	Target  Seq                                           // the sequence that must be confirmed
	All     bool                                          // by external verifiers too
	Started time.Duration                                 // on Clock, read after the commit of Target returned
	Clock   func() time.Duration                          // BootClock
	Nodes   func(context.Context) ([]Confirmation, error) // the list, as committed at the time of the call
	// LeaseExpired reports whether a node with this entry on the list held no lease any
	// more when the list was read: NodeWatcher.LeaseExpired, where Nodes is
	// NodeWatcher.Read.
	LeaseExpired func(Confirmation) bool
	// Drop removes a node from the list if its entry is still this one, in one statement:
	// a node that has confirmed in between holds a lease and must stay.
	Drop func(context.Context, Confirmation) error
}

const (
	firstPoll = 5 * time.Millisecond
	lastPoll  = 50 * time.Millisecond
)

// Await waits until every node on the list has confirmed the target or holds no lease
// from before it: for 1.001 times the node's own lease after Started. From then on no
// node accepts what the target revokes. Reading the list is tried again when it fails;
// once it was read, waiting can end without reading it again. The error is that of ctx
// and of the list; what was known by then is returned beside it.
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
		if !sleep.For(ctx, pause) {
			return now.Acknowledgement, fmt.Errorf("waiting for the nodes to confirm %d: %w", cfg.Target, errors.Join(ctx.Err(), err))
		}
	}
}

// elapsed returns the time since the commit.
func (cfg AwaitConfig) elapsed() time.Duration { return cfg.Clock() - cfg.Started }

// verdict is what follows from the list of nodes as it was last read.
type verdict struct {
	Acknowledgement
	list    []Confirmation
	known   bool           // the list was read
	expired []Confirmation // of nodes that neither confirmed nor hold a lease
	next    time.Duration  // when the next lease expires, counted from the commit
	// When a node was first read to have left, counted from the commit. No lease of its
	// verifiers is longer than from then: they may count from questions after the commit.
	left map[string]time.Duration
}

// read reads the list, for no longer than there is something to wait for. One reading is
// enough: a node that isn't on a list read after the commit joins with a question that
// has the target.
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
	for _, c := range list {
		if _, known := v.left[c.Node]; c.Seq == SeqOfLeft && !known {
			if v.left == nil {
				v.left = map[string]time.Duration{}
			}
			v.left[c.Node] = cfg.elapsed()
		}
	}
	return nil
}

// judge counts the nodes as they are that long after the commit, and reports whether
// there is nothing left to wait for.
func (v *verdict) judge(cfg AwaitConfig) bool {
	elapsed := cfg.elapsed()
	v.expired, v.next = nil, math.MaxInt64
	var nodes, outside tally
	done := true
	for _, c := range v.list {
		if c.Lease <= 0 {
			continue // it has left
		}
		since := v.left[c.Node]
		gone := c.expiredAfter(elapsed-since) || cfg.LeaseExpired != nil && cfg.LeaseExpired(c)
		if c.lags(cfg, gone, &nodes, &outside) {
			done, v.next = false, min(v.next, since+c.longest())
		}
		if gone && (c.Seq < cfg.Target || c.Seq == SeqOfLeft) {
			v.expired = append(v.expired, c)
		}
	}
	v.Acknowledgement = Acknowledgement{Nodes: nodes.count, Confirmed: nodes.confirmed, Expired: nodes.expired}
	if cfg.All {
		v.Verifiers = &Verifiers{Count: outside.count, Confirmed: outside.confirmed, Expired: outside.expired}
	}
	return done
}

// lags counts a node, and those who read the log from it, and reports whether any of them
// must be waited for. Once the node's lease has expired (gone), theirs have too, because
// they count from the same questions.
func (c Confirmation) lags(cfg AwaitConfig, gone bool, nodes, outside *tally) bool {
	lags := false
	count := func(t *tally, r Readers) {
		waits := r != Readers{} && r.Seq < cfg.Target
		late := min(max(r.Behind, 1), r.Count)
		if c.Seq < cfg.Target || c.Seq == SeqOfLeft {
			late = r.Count // how many are behind is not known
		}
		t.count += r.Count
		switch {
		case !waits:
			t.confirmed += r.Count
		case gone:
			t.confirmed += r.Count - late
			t.expired += late
		default:
			lags = true
		}
	}
	if c.Seq != SeqOfLeft {
		count(nodes, Readers{Count: 1, Seq: c.Seq})
	}
	count(nodes, c.Edges)
	if cfg.All {
		count(outside, c.Verifiers)
	}
	return lags
}

// tally is the count of the nodes, or of the verifiers, that are waited for.
type tally struct{ count, confirmed, expired int }

// drop removes the expired nodes from the list, so that the next revocation doesn't wait
// for them. Where that fails it does wait, and nothing else is lost.
func (v *verdict) drop(ctx context.Context, cfg AwaitConfig) {
	if cfg.Drop == nil {
		return
	}
	for _, c := range v.expired {
		_ = cfg.Drop(ctx, c)
	}
}
