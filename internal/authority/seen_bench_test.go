package authority_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/authority"
	"github.com/bearerd/bearerd/internal/authority/authoritytest"
)

// BenchmarkBudgetVerifySeen verifies one token again and again, every check but the
// signature's each time. ratio is to an Ed25519 signature check of as many bytes,
// interleaved in the same run; queries/op counts what the store was asked.
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
	var seen, control time.Duration
	var checks int
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
		seen += time.Since(started)
		started = time.Now()
		for range round / 20 {
			if !ed25519.Verify(public, message, signature) {
				b.Fatal("the control failed")
			}
		}
		control += time.Since(started)
		checks += round
	}
	perVerify := seen.Seconds() / float64(checks)
	perControl := control.Seconds() / float64(checks/20)
	b.ReportMetric(perVerify/perControl, "ratio")
	b.ReportMetric(perVerify*1e9, "ns/verify")
	// The follower asks for itself, four times within its lease, whatever is verified.
	b.ReportMetric(float64(f.Store.Queries()-before)/float64(checks), "queries/op")
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
