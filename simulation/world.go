package simulation

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearerd/bearerd/clustertest"
)

// Options say how large a world is, and how long it is watched.
type Options struct {
	Seed      uint64
	Nodes     int
	Verifiers int
	Staleness time.Duration // L
	Length    time.Duration // how long faults follow each other; then all is whole, and the work goes on
	Breaks    string        // a rule of the store that doesn't hold; "": none
	Secret    string        // the file with the secret of HS256
	Log       io.Writer     // what the processes log; nil: nothing
}

// Draw draws a world from a seed: mostly small ones, and now and then one with a hundred
// verifiers.
func Draw(seed uint64) Options {
	c := newChance(seed, "size")
	o := Options{
		Seed: seed, Nodes: 2 + c.index(3), Verifiers: 1 + c.index(8),
		Staleness: []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 10 * time.Second}[c.index(4)],
	}
	if c.oneIn(20) {
		o.Verifiers = 100
	}
	o.Length = max(60*o.Staleness, time.Minute)
	if o.Verifiers == 100 {
		o.Length /= 2
	}
	return o
}

// World is one cluster and everything around it.
type World struct {
	Options

	History   *clustertest.History
	ctx       context.Context //nolint:containedctx // ends with the world
	db        *database
	nodes     []*node
	verifiers []*verifier
	work      work
	aside     sync.WaitGroup // what is done beside the work
}

// Result is what came of a world.
type Result struct {
	History    *clustertest.History
	Violations []clustertest.Violation
	Lasted     time.Duration // on its own clock
}

// logger returns the logger of a process.
func (w *World) logger(process string) *slog.Logger {
	if w.Log == nil {
		return nil
	}
	h := slog.NewTextHandler(w.Log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey && w.History != nil {
			return slog.Duration("at", w.History.Now())
		}
		return a
	}})
	return slog.New(h).With(slog.String("process", process))
}

// calm is how long the work goes on after the last fault.
func (w *World) calm() time.Duration { return 60*time.Second + 4*w.Staleness }

// Run runs a world to its end, on its own clock, and checks what happened.
func Run(t *testing.T, o Options) (r Result) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &World{Options: o, db: newDatabase()}
		w.db.breaks = o.Breaks
		ctx, end := context.WithCancel(t.Context())
		w.ctx = ctx
		w.start()
		w.History = clustertest.NewHistory()
		begun := time.Now()
		var working sync.WaitGroup
		for i := range workers {
			working.Go(func() { w.toil(newChance(o.Seed, fmt.Sprintf("worker %d", i))) })
		}
		working.Go(func() { w.breakNodes(newChance(o.Seed, "faults of nodes")) })
		working.Go(func() { w.breakVerifiers(newChance(o.Seed, "faults of verifiers")) })
		working.Go(func() { w.breakDatabase(newChance(o.Seed, "faults of the database")) })
		working.Wait()
		w.aside.Wait()
		r.Lasted = time.Since(begun)
		end()
		w.stop()
		r.History = w.History
		r.Violations = clustertest.Check(w.History, clustertest.Promise{
			Staleness: o.Staleness + o.Staleness/1000, Nodes: o.Nodes, FollowerRecovery: w.calm() - 15*time.Second,
			Waits: waits, Edges: (o.Verifiers + 2) / 4, Confirming: (o.Verifiers+3)/4 + (o.Verifiers+1)/4,
		})
	})
	return r
}

// start starts everything and waits until all of it accepts tokens.
func (w *World) start() {
	for i := range w.Nodes {
		w.nodes = append(w.nodes, &node{world: w, number: i, line: newLine(w.Seed, fmt.Sprintf("database %d", i))})
	}
	w.db.news = w.wake
	for _, n := range w.nodes {
		n.start()
	}
	for _, n := range w.nodes {
		<-n.now().follower.Ledger().Ready()
	}
	for _, subject := range subjects() {
		w.db.primary.state.access[subject], w.db.standby.state.access[subject] = true, true
	}
	for i := range w.Verifiers {
		w.verifiers = append(w.verifiers, newVerifier(w, i))
	}
	for _, v := range w.verifiers {
		v.start()
	}
	for _, v := range w.verifiers {
		for !v.now().isReady() {
			time.Sleep(w.Staleness / 8)
		}
	}
	time.Sleep(w.Staleness)
}

// wake is the database's notification: who is connected to the primary asks soon.
func (w *World) wake() {
	for _, n := range w.nodes {
		time.AfterFunc(n.line.delay(weather{}), func() {
			i := n.now()
			now, _ := n.line.weather()
			now.slow, now.slowFacts = 0, 0
			if now == (weather{}) && !i.crashed() {
				i.follower.Wake()
			}
		})
	}
}

// stop ends everything.
func (w *World) stop() {
	for _, v := range w.verifiers {
		v.crash()
	}
	for _, n := range w.nodes {
		i := n.now()
		i.feed.EndStreams()
		i.crash()
		i.running.Wait()
	}
}
