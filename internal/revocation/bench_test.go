package revocation_test

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/revocation"
)

// fill applies n kills of random tokens, a page at a time, that matter for a day
// to three: what access tokens leave behind.
func fill(set *revocation.Set, n int) {
	page := make([]revocation.Entry, 0, 5000)
	for i := range n {
		page = append(page, revocation.Entry{
			Seq: revocation.Seq(i + 1), What: revocation.Token, ID: randomUUID(),
			At: base, Until: base.Add(day + time.Duration(i%3)*12*time.Hour),
		})
		if len(page) == cap(page) || i == n-1 {
			set.Apply(page)
			page = page[:0]
		}
	}
}

// randomUUID is quick, and random enough for a hash table.
func randomUUID() string {
	var id uuid.UUID
	binary.NativeEndian.PutUint64(id[:8], rand.Uint64())
	binary.NativeEndian.PutUint64(id[8:], rand.Uint64())
	return id.String()
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkBudgetRevokedIDMemory is the heap that revoked ids take; the budget is
// 40 bytes/id.
func BenchmarkBudgetRevokedIDMemory(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000, 10_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				before := heap()
				set := &revocation.Set{}
				fill(set, n)
				b.ReportMetric(float64(heap()-before)/float64(n), "bytes/id")
				runtime.KeepAlive(set)
			}
		})
	}
}

// BenchmarkBudgetRevocationLookup compares look-ups of keys that are not revoked,
// among 10 million, with the same look-ups among 10 thousand (ratio). Few keys
// come again and again, as tokens do; with a million different ones each look-up
// waits for memory (cold-ratio). The control is a raw signature check: what a
// look-up is of it, in parts of a thousand, when it has to wait.
func BenchmarkBudgetRevocationLookup(b *testing.B) {
	var empty, few, many revocation.Set
	fill(&few, 10_000)
	fill(&many, 10_000_000)
	hot, cold := randomKeys(256), randomKeys(1<<20)
	for b.Loop() {
		check := signatureCheck()
		hotFew, coldFew := lookups(b, &few, hot), lookups(b, &few, cold)
		hotMany, coldMany := lookups(b, &many, hot), lookups(b, &many, cold)
		b.ReportMetric(hotMany/hotFew, "ratio")
		b.ReportMetric(coldMany/coldFew, "cold-ratio")
		b.ReportMetric(lookups(b, &empty, cold), "ns-empty")
		b.ReportMetric(hotFew, "ns-10k")
		b.ReportMetric(hotMany, "ns-10M")
		b.ReportMetric(coldFew, "ns-cold-10k")
		b.ReportMetric(coldMany, "ns-cold-10M")
		b.ReportMetric(1000*coldMany/check, "per-mille-of-signature")
	}
}

func randomKeys(n int) []revocation.Key {
	keys := make([]revocation.Key, n)
	for i := range keys {
		keys[i] = revocation.KeyOf(revocation.Token, randomUUID())
	}
	return keys
}

// lookups returns the nanoseconds of one look-up, the least of five rounds.
func lookups(b *testing.B, set *revocation.Set, keys []revocation.Key) float64 {
	b.Helper()
	best := time.Duration(1<<63 - 1)
	for range 5 {
		start := time.Now()
		for i := range 1 << 20 {
			if set.Killed(keys[i&(len(keys)-1)]) {
				b.Fatal("a key that nobody revoked is killed")
			}
		}
		best = min(best, time.Since(start))
	}
	return float64(best) / (1 << 20)
}

// signatureCheck returns the nanoseconds of one Ed25519 verification.
func signatureCheck() float64 {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		panic(err)
	}
	message := make([]byte, 400)
	signature := ed25519.Sign(private, message)
	start := time.Now()
	for range 1000 {
		ed25519.Verify(public, message, signature)
	}
	return float64(time.Since(start)) / 1000
}

// BenchmarkBudgetStartMillion is the time in which a node that starts has taken in
// a million live revocations, the store's own time not counted; the budget for
// both is 5 s.
func BenchmarkBudgetStartMillion(b *testing.B) {
	const n = 1_000_000
	log := &memoryLog{entries: kills(1, n), head: n}
	for b.Loop() {
		ledger := revocation.NewLedger(revocation.BootClock, func() time.Time { return base })
		f, err := revocation.NewFollower(revocation.Config{Log: log, Ledger: ledger, Node: "n", Staleness: time.Minute})
		if err != nil {
			b.Fatal(err)
		}
		if err := f.CatchUp(context.Background()); err != nil || !f.Fresh() || ledger.Set().Len() != n {
			b.Fatalf("%v, fresh %v, %d held", err, f.Fresh(), ledger.Set().Len())
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s")
}

// BenchmarkBootClock is what asking a lease costs.
func BenchmarkBootClock(b *testing.B) {
	for b.Loop() {
		revocation.BootClock()
	}
}
