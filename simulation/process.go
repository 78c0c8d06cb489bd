package simulation

import (
	"context"
	"sync"
	"time"

	"github.com/bearerd/bearerd/internal/sleep"

	"github.com/bearerd/bearerd/internal/machine"
)

// process is one process and the machine that it runs on: its boot clock runs at a rate of
// its own, and everything in it can be stopped for a while.
type process struct {
	name   string
	chance *chance
	rate   int64 // of its boot clock, in millionths, from −500 to 500
	begun  time.Time
	ctx    context.Context //nolint:containedctx // ends with the process
	kill   context.CancelFunc

	mu      sync.Mutex
	stopped time.Time     // until then it does nothing
	waiting time.Duration // a nanosecond for each goroutine that waits for that, so that they go on in order
	killed  bool
	dead    chan struct{} // closed when it was killed
}

// newProcess starts a process on a machine of the world.
func newProcess(ctx context.Context, seed uint64, name string) *process {
	p := &process{name: name, chance: newChance(seed, name), begun: time.Now(), dead: make(chan struct{})}
	p.rate = p.chance.Below(1001) - 500
	p.ctx, p.kill = context.WithCancel(machine.With(ctx, &machine.Machine{Clock: p.clock, Below: p.chance.Below}))
	return p
}

// clock returns the time of the boot clock. Each process has its own.
func (p *process) clock() time.Duration {
	passed := time.Since(p.begun)
	return time.Hour + passed + passed/1_000_000*time.Duration(p.rate)
}

// stop stops the process for a time.
func (p *process) stop(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped, p.waiting = time.Now().Add(d), 0
}

// crash ends the process: what it does from now on has no effect.
func (p *process) crash() {
	p.mu.Lock()
	if !p.killed {
		close(p.dead)
	}
	p.killed = true
	p.mu.Unlock()
	p.kill()
}

func (p *process) crashed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.killed
}

// awake waits while the process is stopped, and reports false when ctx ended or the process
// was killed.
func (p *process) awake(ctx context.Context) bool {
	for {
		p.mu.Lock()
		d, killed := time.Until(p.stopped), p.killed
		p.waiting++
		turn := p.waiting
		p.mu.Unlock()
		if killed || d <= 0 {
			return !killed && ctx.Err() == nil
		}
		sleep.For(context.WithoutCancel(ctx), d+turn) // a stopped process doesn't notice that ctx ends
	}
}
