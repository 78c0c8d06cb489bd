package importing_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/importing"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
)

// BenchmarkMillion imports so many tokens as BEARERD_IMPORT_LINES says, a million unless it
// says so, of a thousand users, into SQLite and PostgreSQL.
func BenchmarkMillion(b *testing.B) {
	lines := 1_000_000
	if n, err := strconv.Atoi(os.Getenv("BEARERD_IMPORT_LINES")); err == nil {
		lines = n
	}
	for name, postgres := range map[string]bool{"sqlite": false, "postgres": true} {
		b.Run(name, func(b *testing.B) {
			f := nodetest.New(b, nodetest.Options{Postgres: postgres, File: !postgres, Bulk: true})
			var users []records.Op
			for i := range 1000 {
				users = append(users, records.CreateUser{User: identity.User{ID: uuid.NewString(), Username: "user" + strconv.Itoa(i)}})
			}
			_, err := f.Store.Commit(b.Context(), records.Batch{Ops: users})
			nodetest.Must(b, err)
			importer := newImporter(b, f, func(c *importing.Config) { c.Pause = pause })
			var peak uint64
			b.ResetTimer()
			began := time.Now()
			for range b.N { // once, with -benchtime 1x: the same tokens would be known the next time
				r, w := io.Pipe()
				go writeLines(w, lines)
				report, err := importer.Import(b.Context(), caller.Operator(), importing.Request{Input: r, Name: "million.csv"})
				if err != nil || report.Imported != lines {
					b.Fatal(report, err)
				}
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapSys)
			}
			b.ReportMetric(time.Since(began).Seconds(), "s")
			b.ReportMetric(float64(peak>>20), "MiB")
		})
	}
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
