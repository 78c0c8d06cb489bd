package store_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/pgtest"
	"github.com/bearerd/bearerd/internal/records/op"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/storekit"
)

// BenchmarkBudgetRevocationsOnPostgres is the rate at which one node revokes for 256
// that ask at once and don't wait for the nodes: each revocation is a JWT's, with its
// entry of the log and its audit event, on a server that writes to the disk as it
// does by default. The budget is 8,000 a second, and a median under 50 ms. The control
// is one that asks alone.
func BenchmarkBudgetRevocationsOnPostgres(b *testing.B) {
	const asking, each = 256, 100
	s := storekit.Open(b, pgtest.Start(b).DSN(), store.Options{})
	var next atomic.Int64
	run := func(asking, each int) (perSecond float64, median time.Duration) {
		took := make([][]time.Duration, asking)
		begun := time.Now()
		var all sync.WaitGroup
		for n := range asking {
			all.Go(func() {
				for range each {
					asked := time.Now()
					if _, err := s.Commit(b.Context(), revokedJWT(next.Add(1))); err != nil {
						b.Error(err)
						return
					}
					took[n] = append(took[n], time.Since(asked))
				}
			})
		}
		all.Wait()
		total := time.Since(begun)
		sorted := slices.Concat(took...)
		if len(sorted) == 0 {
			return 0, 0
		}
		slices.Sort(sorted)
		return float64(len(sorted)) / total.Seconds(), sorted[len(sorted)/2]
	}
	run(asking, 4) // statements are prepared, connections made
	var alone, together float64
	var median time.Duration
	for b.Loop() {
		alone, _ = run(1, each)
		together, median = run(asking, each)
	}
	b.ReportMetric(alone, "alone/s")
	b.ReportMetric(together, "together/s")
	b.ReportMetric(together/alone, "ratio")
	b.ReportMetric(float64(median.Microseconds())/1000, "ms")
}

// revokedJWT is what revoking an access token commits.
func revokedJWT(n int64) op.Batch {
	now := time.Now().UTC()
	id := fmt.Sprintf("%08x-%04x-4c6e-9a7e-6d1d3b0c2f11", uint32(n*2654435761), n&0xffff)
	return op.Batch{
		Ops: []op.Op{op.KillTokens{IDs: []string{id}, At: now, Reason: "revoked"}},
		Log: []revocation.Entry{{What: revocation.Token, ID: id, At: now, Until: now.Add(time.Hour)}},
		Audit: []audit.Event{{
			At: now, Actor: "0b9f6f5a-6f3b-4c6e-9a7e-6d1d3b0c2f11", Action: audit.TokenRevoke, Target: "0b9f6f5a-6f3b-4c6e-9a7e-6d1d3b0c2f11",
			TokenID: id, Address: "192.0.2.7", RequestID: fmt.Sprint(n), Outcome: audit.OK,
		}},
	}
}

// BenchmarkBudgetRevocationsBesideMany is how long single revocations through one node
// wait while another process revokes 100,000 ids, 1,000 a transaction. The budget is 100 ms,
// for the slowest of a hundred (p99-ms). The control is the same without the other process.
func BenchmarkBudgetRevocationsBesideMany(b *testing.B) {
	const asking, transactions = 4, 100
	dsn := pgtest.Start(b).DSN()
	here, there := storekit.Open(b, dsn, store.Options{}), storekit.Open(b, dsn, store.Options{})
	var next atomic.Int64
	singles := func(until <-chan struct{}) []time.Duration {
		took := make([][]time.Duration, asking)
		var all sync.WaitGroup
		for n := range asking {
			all.Go(func() {
				for {
					select {
					case <-until:
						return
					default:
					}
					asked := time.Now()
					if _, err := here.Commit(b.Context(), revokedJWT(next.Add(1))); err != nil {
						b.Error(err)
						return
					}
					took[n] = append(took[n], time.Since(asked))
				}
			})
		}
		all.Wait()
		sorted := slices.Concat(took...)
		slices.Sort(sorted)
		return sorted
	}
	at := func(sorted []time.Duration, q float64) float64 {
		return float64(sorted[min(len(sorted)-1, int(q*float64(len(sorted))))].Microseconds()) / 1000
	}
	var alone, beside []time.Duration
	for b.Loop() {
		begun := time.Now()
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range transactions {
				var many op.Batch
				for range 1000 {
					one := revokedJWT(next.Add(1))
					many.Ops, many.Log, many.Audit = append(many.Ops, one.Ops...), append(many.Log, one.Log...), append(many.Audit, one.Audit...)
				}
				if _, err := there.Commit(b.Context(), many); err != nil {
					b.Error(err)
				}
			}
		}()
		beside = singles(done)
		over := make(chan struct{})
		time.AfterFunc(time.Since(begun)/2, func() { close(over) })
		alone = singles(over)
	}
	if len(alone) == 0 || len(beside) == 0 {
		b.Fatal("nothing was measured")
	}
	b.ReportMetric(at(beside, 0.5), "ms")
	b.ReportMetric(at(beside, 0.99), "p99-ms")
	b.ReportMetric(at(beside, 1), "max-ms")
	b.ReportMetric(at(alone, 0.99), "alone-p99-ms")
	b.ReportMetric(at(beside, 0.99)/at(alone, 0.99), "ratio")
}
