package verification_test

import (
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/verification"
)

// BenchmarkBudgetVerifySeen verifies one token again and again, every check but the
// signature's each time. ratio is to an Ed25519 signature check of as many bytes,
// in turns in the same run, of the medians of the turns; queries/op counts what the
// store was asked.
func BenchmarkBudgetVerifySeen(b *testing.B) {
	f := nodetest.New(b, nodetest.Options{})
	f.User(b, "ada", "correct horse")
	raw := f.AccessToken(b, "ada", "correct horse").Value.Reveal()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		b.Fatal(err)
	}
	message := []byte(raw)
	signature := ed25519.Sign(private, message)
	ctx := b.Context()
	if _, err := f.Verify(ctx, raw, verification.Requirements{}); err != nil {
		b.Fatal(err)
	}
	var seen, control []time.Duration
	before := f.Store.Queries()
	b.ReportAllocs()
	const round = 1000
	for b.Loop() {
		started := time.Now()
		for range round {
			if _, err := f.Verify(ctx, raw, verification.Requirements{}); err != nil {
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

// timed returns the nanoseconds of a verification of tokens that were seen before, in
// the fastest of rounds.
func timed(b *testing.B, f *nodetest.Fixture, raws []string) float64 {
	b.Helper()
	const round = 2000
	ctx := b.Context()
	fastest := time.Duration(1<<63 - 1)
	for range 9 {
		start := time.Now()
		for range round {
			if _, err := f.Verify(ctx, raws[rand.IntN(len(raws))], verification.Requirements{}); err != nil {
				b.Fatal(err)
			}
		}
		fastest = min(fastest, time.Since(start))
	}
	return float64(fastest) / round
}

// BenchmarkGrowthOfRevocations verifies one token, seen before, while so many
// others are revoked.
func BenchmarkGrowthOfRevocations(b *testing.B) {
	for _, n := range []int{0, 10_000, 1_000_000, 10_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			// The store knows nothing of what is revoked here: no question to it must be due.
			f := nodetest.New(b, nodetest.Options{Settings: func(s *node.Settings) { s.Staleness = time.Hour }})
			f.User(b, "ada", "correct horse")
			raw := f.AccessToken(b, "ada", "correct horse").Value.Reveal()
			revokeOthers(f, n)
			for b.Loop() {
				b.ReportMetric(timed(b, f, []string{raw}), "ns/verify")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// revokeOthers applies the kills of so many tokens that nobody has.
func revokeOthers(f *nodetest.Fixture, n int) {
	page := make([]revocation.Entry, 0, 5000)
	for i := range n {
		page = append(page, revocation.Entry{
			Seq: 1, What: revocation.Token, ID: uuid.NewString(), At: f.Time(), Until: f.Time().Add(24 * time.Hour),
		})
		if len(page) == cap(page) || i == n-1 {
			f.Follower.Ledger().Apply(page)
			page = page[:0]
		}
	}
}

// BenchmarkGrowthOfTokens verifies tokens at random among so many that were seen
// before, and reports the memory that each takes.
func BenchmarkGrowthOfTokens(b *testing.B) {
	for _, n := range []int{1, 10_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			f := nodetest.New(b, nodetest.Options{TokenCache: 8 << 30})
			user := f.User(b, "ada", "correct horse")
			raws := signMany(b, f, user.ID, n)
			before := heap()
			verifyAll(b, f, raws)
			taken := heap() - before
			for b.Loop() {
				b.ReportMetric(timed(b, f, raws), "ns/verify")
			}
			b.ReportMetric(float64(taken)/float64(n), "bytes/token")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// onEveryCore does something for each of n on all of them.
func onEveryCore(n int, do func(i int)) {
	var all sync.WaitGroup
	cores := runtime.GOMAXPROCS(0)
	for core := range cores {
		all.Go(func() {
			for i := core; i < n; i += cores {
				do(i)
			}
		})
	}
	all.Wait()
}

func signMany(b *testing.B, f *nodetest.Fixture, subject string, n int) []string {
	b.Helper()
	key, err := f.Ring.Signing()
	nodetest.Must(b, err)
	raws, seq := make([]string, n), f.Ledger.Applied()
	onEveryCore(n, func(i int) {
		raw, err := token.Sign(key, token.TypeAccess, token.Claims{
			Issuer: nodetest.Issuer, Subject: subject, Audience: []string{nodetest.Issuer}, ClientID: identity.OwnClientID,
			ID: uuid.NewString(), IssuedAt: f.Time(), Expiry: f.Time().Add(time.Hour), Seq: seq, Scope: []string{"read"},
		})
		if err != nil {
			b.Error(err)
		}
		raws[i] = raw
	})
	return raws
}

// verifyAll has each token seen, as a string of its own that only the cache keeps.
func verifyAll(b *testing.B, f *nodetest.Fixture, raws []string) {
	b.Helper()
	ctx := b.Context()
	onEveryCore(len(raws), func(i int) {
		if _, err := f.Verify(ctx, strings.Clone(raws[i]), verification.Requirements{}); err != nil {
			b.Error(err)
		}
	})
}
