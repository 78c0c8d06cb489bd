package nodetest

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/revocation"
)

// OnPostgres is the prefix of the names of tests whose nodes are on PostgreSQL.
const OnPostgres = "TestNodesOnPostgres/"

// Two returns two nodes on one database, which is PostgreSQL's where the test's name
// says so.
func Two(tb testing.TB, o Options) (here, there *Fixture) {
	tb.Helper()
	o.Dir = tb.TempDir()
	o.Postgres = o.Postgres || strings.HasPrefix(tb.Name(), OnPostgres)
	return New(tb, o), New(tb, o)
}

// OnEngines runs a test with a node on each engine.
func OnEngines(t *testing.T, test func(t *testing.T, f *Fixture)) {
	t.Helper()
	for name, postgres := range map[string]bool{"sqlite": false, "postgres": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, New(t, Options{Dir: t.TempDir(), Postgres: postgres}))
		})
	}
}

// KeepHouse runs what a node does from time to time until the test ends.
func (f *Fixture) KeepHouse(tb testing.TB) {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := f.Run(ctx); err != nil {
			tb.Error(err)
		}
	}()
	tb.Cleanup(func() { cancel(); <-done })
}

// CutLog is a log that can't be read, or not be written, while a test says so.
type CutLog struct {
	revocation.Log
	Reads, Writes atomic.Bool            // fail
	Server        atomic.Pointer[string] // that the log says it is on; nil: what it is on
}

var errCut = errors.New("the store is away")

// Entries reads the log.
func (l *CutLog) Entries(ctx context.Context, after revocation.Seq, limit int) (revocation.Page, error) {
	if l.Reads.Load() {
		return revocation.Page{}, errCut
	}
	p, err := l.Log.Entries(ctx, after, limit)
	if name := l.Server.Load(); name != nil {
		p.Origin = *name
	}
	return p, err
}

// Confirm confirms a sequence.
func (l *CutLog) Confirm(ctx context.Context, c revocation.Confirmation) error {
	if l.Writes.Load() {
		return errCut
	}
	if l.Server.Load() != nil {
		c.Origin = ""
	}
	return l.Log.Confirm(ctx, c)
}

// Still is a node that learns of the log only when it asks, by a boot clock that
// stands still until the test moves it.
type Still struct {
	*Fixture
	Log   CutLog
	clock atomic.Int64
}

// NewStill returns a still node on the database of a directory.
func NewStill(tb testing.TB, o Options) *Still {
	tb.Helper()
	n := &Still{}
	n.clock.Store(int64(time.Hour))
	o.Still = true
	o.Clock = func() time.Duration { return time.Duration(n.clock.Load()) }
	o.Log = func(l revocation.Log) revocation.Log { n.Log.Log = l; return &n.Log }
	n.Fixture = New(tb, o)
	return n
}

// Pass moves the boot clock.
func (n *Still) Pass(d time.Duration) { n.clock.Add(int64(d)) }
