package revocation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// Config says whom a follower asks and what it feeds. All fields but Logger must
// be set.
type Config struct {
	Log       Log
	Set       *Set
	Node      string               // unique among the processes that live at the same time
	Staleness time.Duration        // L: how long a node may say yes on what it knows
	Now       func() time.Time     // decides what has run out; must not go back
	Clock     func() time.Duration // BootClock
	Logger    *slog.Logger         // nil: silent
	// Beats makes the node confirm with every answer, and not only what is new, so
	// that a Roll can tell who has fallen silent.
	Beats bool
}

// Follower keeps a set up with the log and holds the lease. It is safe for use by
// many goroutines once its hooks are in place.
type Follower struct {
	cfg    Config
	hooks  []func(Change)
	wake   chan struct{}
	turn   chan struct{} // who holds it may ask; it guards the next four
	place  place
	last   answer
	told   Seq           // what the watchers know
	ticked time.Duration // when they were last told, on the clock

	overBudget bool // whether it was logged that the set is; guarded by turn

	questions atomic.Uint64 // how many have started
	counts    counts
	applied   atomic.Int64
	head      atomic.Int64 // of the log, in the last answer
	leaseEnd  atomic.Int64 // on the clock; 0: no lease
	asked     atomic.Int64 // on the clock: start of the last question answered in full
	known     atomic.Pointer[Known]
	ready     atomic.Bool

	mu      sync.Mutex // guards the two below
	lastErr error
	tick    chan struct{}
}

// place is where the follower stands in the log and on the list of nodes.
type place struct {
	read      Seq           // everything up to it was read
	purged    Seq           // what the last answer said of it
	confirmed Seq           // what the list says
	since     time.Duration // start of the last question whose answer was confirmed
	listed    bool          // whether since is set
	doubt     bool          // the log went back: it must be read anew
	left      bool          // no lease any more
	failed    time.Duration // when confirming last failed
	err       error         // how
}

// answer is the outcome of the last question, for those who waited while it was
// under way.
type answer struct {
	question uint64
	started  time.Duration
	err      error
}

// Change is what a hook learns: entries in order, the sequence that they follow,
// and whether some before them were missed, so that nothing that was read from the
// store earlier may be kept.
type Change struct {
	Entries []Entry
	After   Seq
	Missed  bool
}

const (
	pageLimit = 5000
	// A question is given up after L, when its answer could give no lease any
	// more, but not so early that a slow store is never heard.
	minPatience = 500 * time.Millisecond
)

// NewFollower makes a follower that knows nothing yet and holds no lease.
func NewFollower(cfg Config) (*Follower, error) {
	if cfg.Log == nil || cfg.Set == nil || cfg.Node == "" || cfg.Now == nil || cfg.Clock == nil {
		return nil, errors.New("a follower of the revocation log needs a log, a set, a node name and its clocks")
	}
	if cfg.Staleness <= 0 {
		return nil, fmt.Errorf("the staleness must be positive, not %v", cfg.Staleness)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	f := &Follower{cfg: cfg, wake: make(chan struct{}, 1), turn: make(chan struct{}, 1), tick: make(chan struct{})}
	f.asked.Store(int64(cfg.Clock()))
	return f, nil
}

// OnApply adds a hook that is called for every change, after the set knows it and
// before Applied and the lease tell of it. Hooks are called one after another. It
// gives the sequence that the first change follows: 0 before the first question;
// one that is under way is waited for.
func (f *Follower) OnApply(hook func(Change)) Seq {
	f.turn <- struct{}{}
	defer func() { <-f.turn }()
	f.hooks = append(f.hooks, hook)
	return f.place.read
}

// Run asks every quarter of L, and at once when woken, until ctx ends; then it
// gives the lease up, tells the store so, and returns nil. A follower runs once.
func (f *Follower) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		_ = f.CatchUp(ctx) // is reported, and the next turn asks again
		f.pause(ctx)
	}
	f.leave(ctx)
	return nil
}

// pause waits for the next turn. Nodes that started together drift apart.
func (f *Follower) pause(ctx context.Context) {
	quarter := f.cfg.Staleness / 4
	timer := time.NewTimer(quarter - rand.N(quarter/8+1)) //nolint:gosec // spreads the nodes' questions, hides nothing
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-f.wake:
	case <-ctx.Done():
	}
}

// Wake makes Run ask at once. It does not block.
func (f *Follower) Wake() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// CatchUp asks the log until it has applied everything that was committed before
// the call. Callers share questions: one that comes while a question is under way
// waits for the next, which answers all who wait. It gives nil also when the node
// could not confirm and so holds no lease: what the set says is true as of now.
func (f *Follower) CatchUp(ctx context.Context) error {
	_, err := f.share(ctx)
	return err
}

// share waits for a question that started after the call, putting it when nobody
// else did, and tells when it started.
func (f *Follower) share(ctx context.Context) (time.Duration, error) {
	arrived := f.questions.Load()
	select {
	case f.turn <- struct{}{}:
	case <-ctx.Done():
		return 0, fmt.Errorf("waiting to ask the revocation log: %w", ctx.Err())
	}
	defer func() { <-f.turn }()
	if f.last.question > arrived {
		return f.last.started, f.last.err
	}
	started, err := f.catchUp(ctx)
	if err != nil && ctx.Err() != nil {
		return 0, err // this caller's own end says nothing of the log
	}
	if err != nil {
		f.counts.failed.Add(1)
		f.report(err)
	}
	f.last = answer{question: f.questions.Load(), started: started, err: err}
	return started, err
}

// maxRounds bounds the complete answers of one CatchUp. The first of a node that
// joins gives no lease and the second does, unless the first took as long as L.
const maxRounds = 3

// catchUp asks page after page until an answer is complete, and again while that
// gave no lease. It tells when the question of the last answer started.
func (f *Follower) catchUp(ctx context.Context) (time.Duration, error) {
	for round := 1; ; {
		started, complete, err := f.ask(ctx)
		if err != nil {
			return 0, err
		}
		if !complete {
			continue
		}
		f.learn(started)
		again, err := f.settle(ctx, started)
		if err == nil || ctx.Err() == nil {
			f.report(err)
		}
		if !again || round == maxRounds {
			return started, nil
		}
		round++
	}
}
