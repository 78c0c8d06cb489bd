package authority_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/authority"
	"github.com/bearerd/bearerd/internal/authority/authoritytest"
)

// BenchmarkBudgetVerifySeen verifies one token again and again, every check but the
// signature's each time. ratio is to an Ed25519 signature check of as many bytes,
// in turns in the same run, of the medians of the turns; queries/op counts what the
// store was asked.
func BenchmarkBudgetVerifySeen(b *testing.B) {
	f := authoritytest.New(b, authoritytest.Options{})
	f.User(b, "ada", "correct horse")
	raw := f.AccessToken(b, "ada", "correct horse").Value.Reveal()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	message := []byte(raw)
	signature := ed25519.Sign(private, message)
	ctx := b.Context()
	if _, err := f.Verify(ctx, raw, authority.Demand{}); err != nil {
		b.Fatal(err)
	}
	var seen, control []time.Duration
	before := f.Store.Queries()
	b.ReportAllocs()
	const round = 1000
	for b.Loop() {
		started := time.Now()
		for range round {
			if _, err := f.Verify(ctx, raw, authority.Demand{}); err != nil {
				b.Fatal(err)
			}
		}
		between := time.Now()
		for range round / 100 {
			if !ed25519.Verify(public, message, signature) {
				b.Fatal("the control failed")
			}
		}
		seen, control = append(seen, between.Sub(started)), append(control, time.Since(between))
	}
	checks := float64(len(seen) * round)
	perVerify := float64(median(seen)) / round
	ratio := perVerify / (float64(median(control)) / (round / 100))
	b.ReportMetric(ratio, "ratio")
	b.ReportMetric(perVerify, "ns/verify")
	// The follower asks for itself, four times within its lease, whatever is verified.
	b.ReportMetric(float64(f.Store.Queries()-before)/checks, "queries/op")
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

// TestVerifyingASeenTokenAllocatesNothing holds the other half of the budget.
func TestVerifyingASeenTokenAllocatesNothing(t *testing.T) {
	f := authoritytest.New(t, authoritytest.Options{})
	f.User(t, "ada", "correct horse")
	raw := f.AccessToken(t, "ada", "correct horse").Value.Reveal()
	ctx := t.Context()
	verify := func() {
		if _, err := f.Verify(ctx, raw, authority.Demand{}); err != nil {
			t.Fatal(err)
		}
	}
	verify()
	if n := testing.AllocsPerRun(1000, verify); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
