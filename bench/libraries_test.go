package main

import (
	"crypto/ed25519"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v3/jwa"
	"github.com/lestrrat-go/jwx/v3/jwk"
	jwxjwt "github.com/lestrrat-go/jwx/v3/jwt"

	"github.com/bearerd/bearerd/internal/token"
)

const (
	issuer   = "https://auth.example.org"
	audience = "https://api.example.org"
)

var now = time.Unix(1_800_000_000, 0)

// judge verifies a token: signature, typ where the library can, issuer, audience and times.
type judge struct {
	name  string
	check func(raw string) error
}

// BenchmarkLibraries verifies the same new EdDSA tokens with bearerd's parser and with
// the JOSE libraries of Go, a token with each in turn. Every figure is a ratio to the
// raw signature check, of the medians.
func BenchmarkLibraries(b *testing.B) {
	key, err := token.GenerateKey(token.EdDSA)
	if err != nil {
		b.Fatal(err)
	}
	raws := tokens(b, key, 64)
	public, ok := key.Verification().Key.(ed25519.PublicKey)
	if !ok {
		b.Fatal("not an Ed25519 key")
	}
	judges := []judge{rawCheck(b, public), ours(key), golangJWT(public), goJOSE(public), jwx(b, public, key.KID)}
	took := make([][]time.Duration, len(judges))
	for i := 0; b.Loop(); i++ {
		for n := range judges {
			at := (n + i) % len(judges)
			start := time.Now()
			err := judges[at].check(raws[i%len(raws)])
			took[at] = append(took[at], time.Since(start))
			if err != nil {
				b.Fatal(judges[at].name, err)
			}
		}
	}
	control := medianOf(took[0])
	for n, j := range judges[1:] {
		b.ReportMetric(float64(medianOf(took[n+1]))/float64(control), j.name)
	}
	b.ReportMetric(float64(control), "ns-raw")
}

func medianOf(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func tokens(b *testing.B, key token.SigningKey, n int) []string {
	b.Helper()
	raws := make([]string, n)
	for i := range raws {
		raw, err := token.Sign(key, token.TypeAccess, token.Claims{
			Issuer: issuer, Subject: "5f0c7d3e-7d4c-4a86-9d5a-0c6f4f1f2b11", Audience: []string{audience},
			Expiry: now.Add(time.Hour), IssuedAt: now, ID: "0b6a3f52-3d0b-4d0e-8c0e-52f3a2f9f6a7",
			ClientID: "ci", Username: "ada", Scope: []string{"read", "write"}, Seq: int64(i),
			Chain: []string{"4f7d1a3c-1111-4222-8333-944455566677"},
		})
		if err != nil {
			b.Fatal(err)
		}
		raws[i] = raw
	}
	return raws
}

// rawCheck is the control: the signature alone, its parts found before.
func rawCheck(b *testing.B, public ed25519.PublicKey) judge {
	b.Helper()
	type parts struct{ signed, signature []byte }
	known := map[string]parts{}
	return judge{"raw", func(raw string) error {
		p, ok := known[raw]
		if !ok {
			dot := strings.LastIndexByte(raw, '.')
			signature, err := jwt.NewParser().DecodeSegment(raw[dot+1:])
			if err != nil {
				return err
			}
			p = parts{[]byte(raw[:dot]), signature}
			known[raw] = p
		}
		if !ed25519.Verify(public, p.signed, p.signature) {
			return jwt.ErrEd25519Verification
		}
		return nil
	}}
}

func ours(key token.SigningKey) judge {
	find := func(kid string) (token.VerificationKey, bool) { return key.Verification(), kid == key.KID }
	return judge{"bearerd", func(raw string) error {
		t, err := token.Verify(raw, find)
		if err != nil {
			return err
		}
		return t.Validate(token.Expectation{Type: token.TypeAccess, Issuer: issuer, Audience: audience, Now: now})
	}}
}

type claims struct {
	jwt.RegisteredClaims

	Scope    string   `json:"scope"`
	ClientID string   `json:"client_id"`
	Username string   `json:"username"`
	Chain    []string `json:"chain"`
	Seq      int64    `json:"seq"`
}

func golangJWT(public ed25519.PublicKey) judge {
	p := jwt.NewParser(jwt.WithValidMethods([]string{"EdDSA"}), jwt.WithIssuer(issuer), jwt.WithAudience(audience),
		jwt.WithIssuedAt(), jwt.WithExpirationRequired(), jwt.WithTimeFunc(func() time.Time { return now }))
	return judge{"golang-jwt", func(raw string) error {
		var c claims
		_, err := p.ParseWithClaims(raw, &c, func(*jwt.Token) (any, error) { return public, nil })
		return err
	}}
}

func goJOSE(public ed25519.PublicKey) judge {
	return judge{"go-jose", func(raw string) error {
		t, err := josejwt.ParseSigned(raw, []jose.SignatureAlgorithm{jose.EdDSA})
		if err != nil {
			return err
		}
		var registered josejwt.Claims
		var rest claims
		if err := t.Claims(public, &registered, &rest); err != nil {
			return err
		}
		return registered.ValidateWithLeeway(josejwt.Expected{Issuer: issuer, AnyAudience: josejwt.Audience{audience}, Time: now}, 0)
	}}
}

func jwx(b *testing.B, public ed25519.PublicKey, kid string) judge {
	b.Helper()
	key, err := jwk.Import(public)
	if err == nil {
		err = key.Set(jwk.KeyIDKey, kid)
	}
	if err != nil {
		b.Fatal(err)
	}
	return judge{"jwx", func(raw string) error {
		_, err := jwxjwt.Parse([]byte(raw), jwxjwt.WithKey(jwa.EdDSA(), key), jwxjwt.WithIssuer(issuer),
			jwxjwt.WithAudience(audience), jwxjwt.WithClock(jwxjwt.ClockFunc(func() time.Time { return now })))
		return err
	}}
}
