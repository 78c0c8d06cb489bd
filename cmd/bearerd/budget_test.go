package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/pgtest"
)

// BenchmarkBudgetRevokeManyByCommand is how long "bearerd token revoke --file -" takes for
// 100,000 ids on PostgreSQL beside a running server, which it waits for. The budget is 3 s.
// The control is the same command for one id.
func BenchmarkBudgetRevokeManyByCommand(b *testing.B) {
	const many = 100_000
	dir := b.TempDir()
	if _, err := keyring.MakeMaster(filepath.Join(dir, "master.key")); err != nil {
		b.Fatal(err)
	}
	bench := newBench(b, dir, fmt.Sprintf("database: %s\n", pgtest.Start(b).DSN()))
	bench.serve()
	revoke := func(n int) time.Duration {
		var ids strings.Builder
		for range n {
			ids.WriteString(uuid.NewString() + "\n")
		}
		cmd := bench.command("token", "revoke", "--file", "-")
		cmd.Stdin = strings.NewReader(ids.String())
		begun := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
		return time.Since(begun)
	}
	revoke(1)
	var one, all time.Duration
	for b.Loop() {
		one, all = revoke(1), revoke(many)
	}
	b.ReportMetric(all.Seconds(), "s")
	b.ReportMetric(float64(one.Milliseconds()), "one-ms")
	b.ReportMetric(all.Seconds()/one.Seconds(), "ratio")
}
