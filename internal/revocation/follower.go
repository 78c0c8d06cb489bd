package revocation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/bearerd/bearerd/internal/sleep"

	"github.com/bearerd/bearerd/internal/machine"
)

// Config configures a follower. All fields but Logger, ConfirmAlways and
// Outside must be set.
type Config struct {
	Log       Log
	Ledger    *Ledger       // is fed by this follower alone
	Node      string        // unique among the processes that live at the same time
	Staleness time.Duration // L: how long a lease runs from the start of a question
	Logger    *slog.Logger  // nil: nothing is logged
	// ConfirmAlways makes the node confirm with every answer, even without new entries,
	// so that a NodeWatcher sees when its lease has expired.
	ConfirmAlways bool
	// Outside is called each time this node confirms that it has applied the log up to a
	// sequence, and returns what is written with it. From then on nobody outside may
	// register at an earlier sequence than that of its group; and once the node leaves, no
	// heartbeat may be written. Nil: no external verifiers are registered here.
	Outside func(applied Seq, leaves bool) Outside
}

// Follower keeps a ledger up to date with the log in the store, renews its lease, and
// keeps the node on the list. It is safe for use by many goroutines.
//
// One goroutine at a time has the turn: it asks, applies, confirms and renews, so all of
// that happens in the order of the questions. The others wait for the turn or for the
// answer, and tokens are judged by the ledger in the meantime.
type Follower struct {
	cfg    Config
	ledger *Ledger
	wake   chan struct{}
	turn   chan struct{} // holds the turn; it guards the fields down to onReplaced

	membership membership
	purged     Seq // the log's purge mark in the last answer
	last       answer
	notified   Seq           // what the watchers were last notified of
	notifiedAt time.Duration // when that was, on the clock
	onReplaced []func()      // hooks

	replaced  atomic.Uint64 // how often the log was replaced
	questions atomic.Uint64 // how many have started
	counts    counts
	head      atomic.Int64 // of the log, in the last answer
	known     atomic.Pointer[Known]
	origin    atomic.Pointer[string] // of the database, in the last answer
	report    report
}

// answer is the outcome of the last question, for those who waited while it was
// under way.
type answer struct {
	question  uint64
	started   time.Duration
	confirmed bool // a confirmation that began after started was committed, where nodes must
	err       error
}

const (
	pageLimit = 5000 // entries
	// minAskTimeout is the shortest timeout of a question. The timeout is otherwise L,
	// because a later answer makes no lease; but with a short L, a slow store could never
	// answer in time.
	minAskTimeout = 500 * time.Millisecond
	// wakeRest is the least time between two questions that a node puts because it was
	// woken. Where many revoke, each commit wakes every node, and one question has the
	// entries of all commits before it.
	wakeRest = 20 * time.Millisecond
)

// NewFollower returns a follower that knows nothing yet and holds no lease.
func NewFollower(cfg Config) (*Follower, error) {
	if cfg.Log == nil || cfg.Ledger == nil || cfg.Node == "" {
		return nil, errors.New("a follower of the revocation log needs a log, a ledger and a node name")
	}
	if cfg.Staleness <= 0 {
		return nil, fmt.Errorf("the staleness must be positive, not %v", cfg.Staleness)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	f := &Follower{cfg: cfg, ledger: cfg.Ledger, wake: make(chan struct{}, 1), turn: make(chan struct{}, 1), report: report{logger: cfg.Logger}}
	f.membership = membership{cfg: &f.cfg, counts: &f.counts}
	return f, nil
}

// Ledger returns what the follower feeds.
func (f *Follower) Ledger() *Ledger { return f.ledger }

// OnApply is Ledger.OnApply, and returns the sequence that the first change follows: 0
// before the first question. It waits for a question that is under way.
func (f *Follower) OnApply(hook func(Change)) Seq {
	f.turn <- struct{}{}
	defer func() { <-f.turn }()
	f.ledger.OnApply(hook)
	return f.ledger.reached()
}

// OnReplaced adds a hook that is called when the log was replaced, before anything of the
// new one counts and before Replaced or Origin show it: what was read from the store
// before may not be in it any more. It waits for a question that is under way.
func (f *Follower) OnReplaced(hook func()) {
	f.turn <- struct{}{}
	defer func() { <-f.turn }()
	f.onReplaced = append(f.onReplaced, hook)
}

// replace records that the log was replaced.
func (f *Follower) replace() {
	for _, hook := range f.onReplaced {
		hook()
	}
	f.replaced.Add(1)
}

// Run asks every quarter of L, and when it is woken, until ctx ends: at once, but not within
// wakeRest of the last time that it was woken. Then it ends the lease, leaves the list, and
// returns nil. A follower runs once. With a quarter two questions may fail before the lease
// expires.
func (f *Follower) Run(ctx context.Context) error {
	var rested time.Duration // on the clock: when it may ask because it was woken
	for ctx.Err() == nil {
		_ = f.CatchUp(ctx)             // logged; the next turn asks again
		quarter := f.cfg.Staleness / 4 // nodes that started together drift apart
		select {
		case <-time.NewTimer(quarter - machine.Within(ctx, quarter/8+1)).C:
		case <-f.wake:
			sleep.For(ctx, rested-f.ledger.Clock())
			rested = f.ledger.Clock() + wakeRest
		case <-ctx.Done():
		}
	}
	f.leave(ctx)
	return nil
}

// Wake makes Run ask at once. It does not block.
func (f *Follower) Wake() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// CatchUp asks the log until it has applied everything that was committed before the
// call. Callers share questions: one that comes while a question is under way waits for
// the next, which answers all who wait: the answer to the one under way may have been
// read before the call. It returns nil also when the node could not confirm and so holds
// no lease: what the ledger holds is true as of now.
func (f *Follower) CatchUp(ctx context.Context) error {
	_, err := f.share(ctx)
	return err
}

// share waits for a question that started after the call, puts it when nobody else did,
// and returns its outcome.
func (f *Follower) share(ctx context.Context) (answer, error) {
	arrived := f.questions.Load()
	select {
	case f.turn <- struct{}{}:
	case <-ctx.Done():
		return answer{}, fmt.Errorf("waiting to ask the revocation log: %w", ctx.Err())
	}
	defer func() { <-f.turn }()
	if f.last.question > arrived {
		return f.last, f.last.err
	}
	a, err := f.catchUp(ctx)
	if err != nil && ctx.Err() != nil {
		return answer{}, err // only this caller's ctx ended, the log did not fail
	}
	if err != nil {
		f.counts.failed.Add(1)
		f.report.question(err, f.Applied())
	}
	a.question, a.err = f.questions.Load(), err
	f.last = a
	return a, err
}

// maxRounds bounds the complete answers of one CatchUp. For a node that joins the first
// makes no lease and the second does, unless the first took as long as L.
const maxRounds = 3

// catchUp asks page after page until an answer is complete, and again while that
// made no lease.
func (f *Follower) catchUp(ctx context.Context) (answer, error) {
	for round := 1; ; {
		started, complete, err := f.ask(ctx)
		if err != nil {
			return answer{}, err
		}
		if !complete {
			continue
		}
		again, err := f.renewLease(ctx, started)
		if err == nil || ctx.Err() == nil {
			f.report.question(err, f.Applied())
		}
		if !again || round == maxRounds {
			return answer{started: started, confirmed: err == nil}, nil
		}
		round++
	}
}
