package confirming

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/bearerd/bearerd/internal/sleep"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/records/upkeep"
)

const (
	maxPassed   = 5000 // confirmations in one batch
	maxPassedTo = 200  // nodes
	// ofOne is the part of a batch that one client may fill, so that others' confirmations
	// are passed on however many it sends, and for whatever nodes.
	ofOne       = 4
	passTimeout = 2 * time.Second
	// idleCollects is by which factor a node takes confirmations less often while no verifier is
	// registered: those sent to it then are useless, and must not pile up in the store.
	idleCollects = 8
)

// Run writes to the list of nodes what is confirmed, ends the streams of verifiers that lag,
// and passes on and takes confirmations between nodes, until ctx ends.
func (r *Room) Run(ctx context.Context) error {
	var aside sync.WaitGroup
	defer aside.Wait()
	if r.cfg.Store != nil {
		aside.Go(func() { r.passOn(ctx) })
		aside.Go(func() { r.collect(ctx) })
	}
	tick := time.NewTicker(r.cfg.Staleness / 8)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-r.wake:
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		r.endLate()
		if r.isNews() {
			if err := r.cfg.Publish(ctx); err != nil && ctx.Err() == nil {
				r.cfg.Log.WarnContext(ctx, "writing what verifiers have confirmed", slog.Any("error", err))
				r.unwritten()
			}
		}
		sleep.For(ctx, Pace)
	}
	return nil
}

// isNews reports whether the list of nodes should be written: a sequence has risen or, more
// rarely, a count has changed.
func (r *Room) isNews() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.cfg.Clock()
	r.sweep(now)
	o := r.tally(r.applied)
	return o.Edges.Seq > r.written.Edges.Seq || o.Verifiers.Seq > r.written.Verifiers.Seq ||
		o != r.written && now-r.wroteAt >= r.cfg.Staleness/4
}

// unwritten makes Run write again what was confirmed.
func (r *Room) unwritten() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.written.Edges.Seq, r.written.Verifiers.Seq = -1, -1
}

// endLate ends the streams of verifiers that are too far behind.
func (r *Room) endLate() {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.cfg.Clock()
	for _, s := range r.streams {
		if !s.lags(now) || s.why != nil {
			continue
		}
		s.end(ErrLags)
		r.counts.Ended++
		if len(r.refused) < maxRefusals {
			r.refused[s.who] = refusal{until: now + refusedFor, due: s.due}
		}
		r.cfg.Log.Warn("a verifier confirms too late: its stream was ended, and it is refused for a minute",
			slog.String("client", s.who.Client), slog.String("label", s.who.Label), slog.Int64("confirmed", s.confirmed), slog.Int64("written", s.written))
	}
}

// passer gathers confirmations for other nodes.
type passer struct {
	mu   sync.Mutex
	next *passing
	work chan struct{}
	n    int64 // of batches that were stored
}

// passing is a batch under way.
type passing struct {
	to      map[string][]upkeep.PassedConfirmation
	size    int
	of      map[string]*share // by client
	done    chan struct{}     // closed when the rest is set
	unknown map[string]bool
	err     error
}

// share is what one client has of a batch.
type share struct {
	size  int
	nodes map[string]bool
}

// add adds a confirmation, unless there are too many in all or from its client.
func (b *passing) add(c Confirmation) bool {
	own := b.of[c.Client]
	if own == nil {
		own = &share{nodes: map[string]bool{}}
		b.of[c.Client] = own
	}
	full := func(size, nodes int, known bool, part int) bool {
		return size >= maxPassed/part || !known && nodes >= maxPassedTo/part
	}
	_, known := b.to[c.Node]
	if full(b.size, len(b.to), known, 1) || full(own.size, len(own.nodes), own.nodes[c.Node], ofOne) {
		return false
	}
	b.size++
	own.size++
	own.nodes[c.Node] = true
	b.to[c.Node] = append(b.to[c.Node], upkeep.PassedConfirmation{Stream: c.Stream, Client: c.Client, Seq: c.Seq, Bye: c.Bye})
	return true
}

func newPasser() passer { return passer{next: newPassing(), work: make(chan struct{}, 1)} }

func newPassing() *passing {
	return &passing{to: map[string][]upkeep.PassedConfirmation{}, of: map[string]*share{}, done: make(chan struct{})}
}

// pass waits until a confirmation for another node is stored.
func (r *Room) pass(ctx context.Context, c Confirmation) error {
	if r.cfg.Store == nil {
		return errUnknown
	}
	p := &r.passer
	p.mu.Lock()
	b := p.next
	added := b.add(c)
	p.mu.Unlock()
	if !added {
		return fault.After(fault.Unavailable, time.Second, "too many confirmations are being passed on")
	}
	signal(p.work)
	select {
	case <-b.done:
	case <-ctx.Done():
		return fault.Wrap(ctx.Err(), fault.Unavailable, "the confirmation could not be passed on").Retry(time.Second)
	}
	switch {
	case b.err != nil:
		return fault.Wrap(b.err, fault.Unavailable, "the confirmation could not be passed on").Retry(time.Second)
	case b.unknown[c.Node]:
		return errUnknown
	}
	return nil
}

// passOn stores confirmations for other nodes, one row for each node and pace.
func (r *Room) passOn(ctx context.Context) {
	for {
		select {
		case <-r.passer.work:
		case <-ctx.Done():
			return
		}
		sleep.For(ctx, Pace)
		r.passNext(ctx)
	}
}

// passNext stores one batch.
func (r *Room) passNext(ctx context.Context) {
	p := &r.passer
	p.mu.Lock()
	b := p.next
	p.next = newPassing()
	p.n++
	n := p.n
	p.mu.Unlock()
	defer close(b.done)
	ctx, cancel := context.WithTimeout(ctx, passTimeout)
	defer cancel()
	unknown, err := r.cfg.Store.PassConfirmations(ctx, upkeep.PassedBatch{From: r.cfg.Node, Count: n, To: b.to})
	b.err, b.unknown = err, map[string]bool{}
	for _, node := range unknown {
		b.unknown[node] = true
	}
}

// collect takes what other nodes have passed on: often while a verifier is behind, now and then
// for goodbyes, and rarely while none is registered.
func (r *Room) collect(ctx context.Context) {
	slow := r.cfg.Staleness / 4
	pause, idle := slow, 0
	for ctx.Err() == nil {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-r.expect:
			timer.Stop()
			sleep.For(ctx, Pace)
			pause = Pace
		case <-ctx.Done():
			timer.Stop()
			return
		}
		some, behind := r.waits()
		if idle++; !some && idle < idleCollects {
			pause = slow
			continue
		}
		idle = 0
		if err := r.collectOnce(ctx); err != nil && ctx.Err() == nil {
			r.cfg.Log.WarnContext(ctx, "taking confirmations from other nodes", slog.Any("error", err))
		}
		if pause = min(2*pause, slow/2); !behind {
			pause = slow
		}
	}
}

// waits reports whether any verifier is registered, and whether one is behind.
func (r *Room) waits() (some, behind bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.streams {
		some = some || s.registered
		behind = behind || s.registered && (s.due != 0 || !s.open)
	}
	return some, behind
}

func (r *Room) collectOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, passTimeout)
	defer cancel()
	all, err := r.cfg.Store.TakeConfirmations(ctx, r.cfg.Node)
	if err != nil {
		return err
	}
	for _, p := range all {
		// Its sender already has an answer.
		_ = r.Confirm(ctx, Confirmation{Node: r.cfg.Node, Stream: p.Stream, Client: p.Client, Seq: p.Seq, Bye: p.Bye})
	}
	return nil
}
