package upkeep_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/records/upkeep"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/store/storekit"
)

// BenchmarkPassConfirmations measures what it costs that confirmations reach other nodes than
// their streams come from: a node of 100 passes on 330 of them, as come within 20 ms from
// 100,000 verifiers that a load balancer spreads over all, and takes what 99 have passed
// on to it. The times are those of the call.
func BenchmarkPassConfirmations(b *testing.B) {
	const nodes, each = 100, 330
	_, stores := storekit.OnPostgres(b, 1, store.Options{})
	s := stores[0]
	name := func(i int) string { return fmt.Sprintf("6f1c2a52-7a0e-4a1b-9f0c-5d0a6b1f3%03d", i) }
	for i := range nodes {
		if err := s.Confirm(b.Context(), revocation.Confirmation{Node: name(i), Seq: 1, Lease: time.Minute}); err != nil {
			b.Fatal(err)
		}
	}
	var passing, taking time.Duration
	for n := int64(1); b.Loop(); n++ {
		for from := 1; from < nodes; from++ {
			batch := upkeep.PassedBatch{From: name(from), Count: n, To: map[string][]upkeep.PassedConfirmation{}}
			for i := range each {
				to := name((from + 1 + i%(nodes-1)) % nodes)
				batch.To[to] = append(batch.To[to], upkeep.PassedConfirmation{Stream: fmt.Sprintf("W737VNWN73NSMB64XANN%06d", i), Client: "client edge", Seq: 41})
			}
			began := time.Now()
			unknown, err := s.PassConfirmations(b.Context(), batch)
			passing += time.Since(began)
			if err != nil || len(unknown) > 0 {
				b.Fatal(unknown, err)
			}
		}
		for to := range nodes {
			began := time.Now()
			_, err := s.TakeConfirmations(b.Context(), name(to))
			taking += time.Since(began)
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(passing.Microseconds())/1000/float64(b.N*(nodes-1)), "ms/passing")
	b.ReportMetric(float64(taking.Microseconds())/1000/float64(b.N*nodes), "ms/taking")
}
