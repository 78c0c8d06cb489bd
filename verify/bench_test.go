package verify_test

import (
	"context"
	"crypto/ed25519"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearerd/bearerd/verify/verifytest"
)

// control checks the signature of a token as long as raw, with nothing around it.
func control(b *testing.B, raw string) func() {
	b.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		b.Fatal(err)
	}
	signed := []byte(raw[:strings.LastIndexByte(raw, '.')])
	sig := ed25519.Sign(private, signed)
	return func() {
		if !ed25519.Verify(public, signed, sig) {
			b.Fatal("a bad signature")
		}
	}
}

// ratio runs what is measured and its control in turns, and reports the median of
// the rounds' ratios with the least and the greatest. What the machine does beside
// slows both.
func ratio(b *testing.B, measured, control func()) {
	b.Helper()
	const rounds, controls = 15, 200
	var ratios []float64
	for range rounds {
		per := func(n int, f func()) float64 {
			began := time.Now()
			for range n {
				f()
			}
			return float64(time.Since(began)) / float64(n)
		}
		c := per(controls, control)
		ratios = append(ratios, per(max(controls, min(b.N, 20_000)), measured)/c)
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[rounds/2], "ratio")
	b.ReportMetric(ratios[0], "ratio-min")
	b.ReportMetric(ratios[rounds-1], "ratio-max")
}

func typical() verifytest.Claims {
	return verifytest.Claims{
		Subject: "5c1f6f0e-8f4e-4f0a-9a53-0d6f2b8f4c11", Username: "jthomas", ClientID: "ci",
		Scope: []string{"read", "write"}, Parent: "0b54a0f3-6a3f-4a4e-8f4b-2f6b0e6d5d11",
	}
}

// BenchmarkVerifySeen is a token that was seen before, against a raw Ed25519 check.
func BenchmarkVerifySeen(b *testing.B) {
	issuer := verifytest.NewIssuer(b)
	v := issuer.Verifier(b)
	for name, raw := range map[string]string{"jwt": issuer.Token(typical()), "opaque": issuer.APIToken(typical())} {
		b.Run(name, func(b *testing.B) {
			ctx := context.Background()
			verify := func() {
				if _, err := v.Verify(ctx, raw); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				verify()
			}
			ratio(b, verify, control(b, issuer.Token(typical())))
		})
	}
}

// BenchmarkVerifySeenParallel is the same from all cores.
func BenchmarkVerifySeenParallel(b *testing.B) {
	issuer := verifytest.NewIssuer(b)
	v, raw := issuer.Verifier(b), issuer.Token(typical())
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if _, err := v.Verify(context.Background(), raw); err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkVerifyNew is a token nobody has seen, against a raw Ed25519 check.
func BenchmarkVerifyNew(b *testing.B) {
	issuer := verifytest.NewIssuer(b)
	v := issuer.Verifier(b)
	var raws []string
	for range 5000 {
		raws = append(raws, issuer.Token(typical()))
	}
	i := 0
	verify := func() {
		if i == len(raws) {
			v.Forget()
			i = 0
		}
		if _, err := v.Verify(b.Context(), raws[i]); err != nil {
			b.Fatal(err)
		}
		i++
	}
	b.ReportAllocs()
	for b.Loop() {
		verify()
	}
	ratio(b, verify, control(b, raws[0]))
}

// BenchmarkMiddleware is a whole request, against the handler behind it.
func BenchmarkMiddleware(b *testing.B) {
	issuer := verifytest.NewIssuer(b)
	v := issuer.Verifier(b)
	h := v.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+issuer.Token(typical()))
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
	if w.Code != http.StatusOK {
		b.Fatal(w.Code)
	}
}

func TestATokenSeenBeforeCostsNoAllocation(t *testing.T) {
	issuer := verifytest.NewIssuer(t)
	v := issuer.Verifier(t)
	claims := typical()
	claims.Collection = 4
	for name, raw := range map[string]string{"jwt": issuer.Token(claims), "opaque": issuer.APIToken(claims)} {
		wants(t, judge(v, raw), yes)
		issuer.RevokeAll("somebody")
		var once sync.Once
		if n := testing.AllocsPerRun(1000, func() {
			if _, err := v.Verify(context.Background(), raw); err != nil {
				once.Do(func() { t.Error(err) })
			}
		}); n > 0.5 { // the stream's own come in between
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
