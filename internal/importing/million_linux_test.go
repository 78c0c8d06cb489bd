package importing_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/importing"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
)

// BenchmarkMillion imports so many tokens as BEARERD_IMPORT_LINES says, a million unless it
// says so, of a thousand users, into SQLite and PostgreSQL. Meanwhile another node creates a
// user every 100 ms.
func BenchmarkMillion(b *testing.B) {
	lines := 1_000_000
	if n, err := strconv.Atoi(os.Getenv("BEARERD_IMPORT_LINES")); err == nil {
		lines = n
	}
	for name, postgres := range map[string]bool{"sqlite": false, "postgres": true} {
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			f := nodetest.New(b, nodetest.Options{Dir: dir, Postgres: postgres, File: !postgres, Bulk: true})
			other := nodetest.New(b, nodetest.Options{Dir: dir, Postgres: postgres, File: !postgres})
			var users []op.Op
			for i := range 1000 {
				users = append(users, op.CreateUser{User: identity.User{ID: uuid.NewString(), Username: "user" + strconv.Itoa(i)}})
			}
			_, err := f.Store.Commit(b.Context(), op.Batch{Ops: users})
			nodetest.Must(b, err)
			stored := &measuredStore{Store: f.Store}
			importer := newImporter(b, f, func(c *importing.Config) { c.Store, c.Pause = stored, pause })
			writes := writeBeside(b, other)
			b.ResetTimer()
			began, processor := time.Now(), processorTime(b)
			for range b.N { // once, with -benchtime 1x: the same tokens would be known the next time
				r, w := io.Pipe()
				go writeLines(w, lines)
				report, err := importer.Import(b.Context(), caller.Operator(), importing.Request{Input: r, Name: "million.csv"})
				if err != nil || report.Imported != lines {
					b.Fatal(report, err)
				}
			}
			b.ReportMetric(time.Since(began).Seconds(), "s")
			b.ReportMetric((processorTime(b) - processor).Seconds(), "cpu-s")
			b.ReportMetric(stored.lookups.Seconds(), "lookup-s")
			b.ReportMetric(float64(peak(b)), "peak-MiB")
			waits := writes()
			b.ReportMetric(float64(waits[len(waits)/2].Microseconds())/1000, "write-p50-ms")
			b.ReportMetric(float64(waits[len(waits)*99/100].Milliseconds()), "write-p99-ms")
			b.ReportMetric(float64(waits[len(waits)-1].Milliseconds()), "write-most-ms")
		})
	}
}

// measuredStore measures how long the import looks for tokens that are stored already.
type measuredStore struct {
	importing.Store

	lookups time.Duration
}

// TokensHeld implements contract.Imports.
func (m *measuredStore) TokensHeld(ctx context.Context, digests [][]byte) ([]records.HeldToken, error) {
	began := time.Now()
	defer func() { m.lookups += time.Since(began) }()
	return m.Store.TokensHeld(ctx, digests) //nolint:wrapcheck // it is the store's
}

// writeBeside writes to a store until the function that it returns is called, which returns
// how long each write took, the shortest first.
func writeBeside(b *testing.B, f *nodetest.Fixture) func() []time.Duration {
	b.Helper()
	stop, done := make(chan struct{}), make(chan struct{})
	var waits []time.Duration
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			began := time.Now()
			user := identity.User{ID: uuid.NewString(), Username: "beside" + strconv.Itoa(n)}
			if _, err := f.Store.Commit(b.Context(), op.Batch{Ops: []op.Op{op.CreateUser{User: user}}}); err != nil {
				b.Errorf("another node's write failed after %s: %v", time.Since(began), err)
			}
			waits = append(waits, time.Since(began))
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	return func() []time.Duration {
		close(stop)
		<-done
		slices.Sort(waits)
		return waits
	}
}

// processorTime is what this process has used of the processor: with PostgreSQL, its server
// is another process.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var r syscall.Rusage
	nodetest.Must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &r))
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// peak returns the most memory that this process has had, in MiB.
func peak(b *testing.B) int64 {
	b.Helper()
	var r syscall.Rusage
	nodetest.Must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &r))
	return r.Maxrss >> 10
}

func writeLines(w *io.PipeWriter, lines int) {
	_, _ = io.WriteString(w, "value,owner,name,created_at\n")
	for i := range lines {
		_, _ = fmt.Fprintf(w, "%s,user%d,rest,2026-01-02 03:04:05.123456+00\n", hexValue(i), i%1000)
	}
	_ = w.Close()
}

// pause waits as the command does.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
