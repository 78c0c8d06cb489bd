package token_test

import (
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/token"
)

// BenchmarkBudgetVerifyNew holds the budget for a token that was never seen before:
// parsing, signature and validation take at most 1.25 times what the raw signature
// check takes. Both are measured in turns, so that whatever else the machine does
// concerns both; the ratio is of the medians.
func BenchmarkBudgetVerifyNew(b *testing.B) {
	key, raws := signedTokens(b, 512)
	public, ok := key.Verification().Key.(ed25519.PublicKey)
	if !ok {
		b.Fatal("not an Ed25519 key")
	}
	find := func(kid string) (token.VerificationKey, bool) { return key.Verification(), kid == key.KID }
	x := token.Expectation{
		Type: token.TypeAccess, Issuer: "https://auth.example.org", Audience: "https://api.example.org",
		Now: time.Unix(1800000000, 0),
	}
	var ours, theirs []time.Duration
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		raw := raws[i%len(raws)]
		signed, sig := rawParts(b, raw)
		start := time.Now()
		good := ed25519.Verify(public, signed, sig)
		between := time.Now()
		t, err := token.Verify(raw, find)
		if err == nil {
			err = t.Validate(x)
		}
		end := time.Now()
		if !good || err != nil {
			b.Fatal(good, err)
		}
		theirs, ours = append(theirs, between.Sub(start)), append(ours, end.Sub(between))
	}
	ratio := float64(median(ours)) / float64(median(theirs))
	b.ReportMetric(ratio, "ratio")
	if b.N > 1000 && ratio > 1.25 {
		b.Errorf("a new token takes %.2f times the raw signature check, over the budget of 1.25", ratio)
	}
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func rawParts(b *testing.B, raw string) (signed, sig []byte) {
	b.Helper()
	dot := strings.LastIndexByte(raw, '.')
	sig, err := decode(raw[dot+1:])
	if err != nil {
		b.Fatal(err)
	}
	return []byte(raw[:dot]), sig
}

func signedTokens(b *testing.B, n int) (token.SigningKey, []string) {
	b.Helper()
	key, err := token.GenerateKey(token.EdDSA)
	if err != nil {
		b.Fatal(err)
	}
	raws := make([]string, n)
	for i := range raws {
		c := goodClaims()
		c.ID = fmt.Sprintf("0b6a3f52-3d0b-4d0e-8c0e-52f3a2f9%04x", i)
		c.Chain = []string{"4f7d1a3c-1111-4222-8333-944455566677"}
		if raws[i], err = token.Sign(key, token.TypeAccess, c); err != nil {
			b.Fatal(err)
		}
	}
	return key, raws
}

// BenchmarkVerify returns what a new token costs with each algorithm.
func BenchmarkVerify(b *testing.B) {
	for _, alg := range []token.Algorithm{token.EdDSA, token.ES256, token.RS256, token.PS256} {
		b.Run(string(alg), func(b *testing.B) {
			key, err := token.GenerateKey(alg)
			if err != nil {
				b.Fatal(err)
			}
			raw, err := token.Sign(key, token.TypeAccess, goodClaims())
			if err != nil {
				b.Fatal(err)
			}
			v := key.Verification()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := token.Verify(raw, func(string) (token.VerificationKey, bool) { return v, true }); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkSign returns what issuing costs.
func BenchmarkSign(b *testing.B) {
	key, err := token.GenerateKey(token.EdDSA)
	if err != nil {
		b.Fatal(err)
	}
	c := goodClaims()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := token.Sign(key, token.TypeAccess, c); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParseOpaque returns what telling junk from an opaque token costs.
func BenchmarkParseOpaque(b *testing.B) {
	f := forms(b, token.PrefixAPIToken)
	secret, _, err := f.New(token.KindAPIToken)
	if err != nil {
		b.Fatal(err)
	}
	raw := secret.Reveal()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Parse(raw); err != nil {
			b.Fatal(err)
		}
	}
}
