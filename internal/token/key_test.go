package token_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/token"
)

// TestKeyIDIsNoFlag: of thumbprints one in 64 begins with "-".
func TestKeyIDIsNoFlag(t *testing.T) {
	t.Parallel()
	for range 2000 {
		k, err := token.GenerateKey(token.EdDSA)
		if err != nil || strings.HasPrefix(k.KID, "-") {
			t.Fatalf("made the key %q, %v", k.KID, err)
		}
	}
}

func TestThumbprintIsThatOfRFC8037(t *testing.T) {
	t.Parallel()
	// RFC 8037, appendix A.3.
	k := parseJWK(t, map[string]any{
		"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
		"alg": "EdDSA", "use": "sig", "kid": "x",
	})
	if got, err := k.Thumbprint(); err != nil || got != "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" {
		t.Errorf("Thumbprint = %q, %v", got, err)
	}
}

func TestThumbprintIsThatOfRFC7638(t *testing.T) {
	t.Parallel()
	// RFC 7638, section 3.1.
	k := parseJWK(t, map[string]any{
		"kty": "RSA", "e": "AQAB", "alg": "RS256", "use": "sig", "kid": "2011-04-29",
		"n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj" +
			"hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQ" +
			"vRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
	})
	if got, err := k.Thumbprint(); err != nil || got != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" {
		t.Errorf("Thumbprint = %q, %v", got, err)
	}
}

func TestGeneratedKeysSurviveTheirJWK(t *testing.T) {
	t.Parallel()
	for alg, members := range map[token.Algorithm]map[string]string{
		token.EdDSA: {"kty": "OKP", "crv": "Ed25519"},
		token.ES256: {"kty": "EC", "crv": "P-256"},
		token.RS256: {"kty": "RSA", "e": "AQAB"},
		token.PS256: {"kty": "RSA", "e": "AQAB"},
	} {
		key := newKey(t, alg) // the RSA keys are made once and for all
		jwk, err := key.Verification().JWK()
		if err != nil {
			t.Fatal(err)
		}
		members["alg"], members["use"], members["kid"] = string(alg), "sig", key.KID
		for name, want := range members {
			if jwk[name] != want {
				t.Errorf("%s: %s is %q, want %q", alg, name, jwk[name], want)
			}
		}
		if diff := cmp.Diff(key.Verification(), parseJWK(t, anys(jwk))); diff != "" {
			t.Errorf("%s (-made +parsed):\n%s", alg, diff)
		}
		if sum, err := key.Verification().Thumbprint(); err != nil || sum != key.KID {
			t.Errorf("%s: kid %s, thumbprint %s, %v", alg, key.KID, sum, err)
		}
		for _, secret := range []string{"d", "p", "q", "k"} {
			if _, ok := jwk[secret]; ok {
				t.Errorf("%s: the private member %s is published", alg, secret)
			}
		}
	}
}

func TestRSAKeysAreLongEnough(t *testing.T) {
	t.Parallel()
	key, err := token.GenerateKey(token.PS256)
	if err != nil {
		t.Fatal(err)
	}
	if public, ok := key.Verification().Key.(*rsa.PublicKey); !ok || public.N.BitLen() != 3072 {
		t.Errorf("made %T, want RSA of 3072 bits", key.Verification().Key)
	}
	short := rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 2046), E: 65537}
	short.N.Add(short.N, big.NewInt(1))
	if _, err := token.NewSigningKey(token.RS256, signer{&short}); err == nil {
		t.Error("an RSA key of 2047 bits is taken")
	}
}

// signer is a private key of which only the public half matters.
type signer struct{ public crypto.PublicKey }

func (s signer) Public() crypto.PublicKey { return s.public }

func (signer) Sign(_ io.Reader, _ []byte, _ crypto.SignerOpts) ([]byte, error) { return nil, nil }

func TestNewSigningKeyRefusesKeysOfAnotherSort(t *testing.T) {
	t.Parallel()
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ed, ok := newKey(t, token.EdDSA).Key.(crypto.Signer)
	if !ok {
		t.Fatal("no signer")
	}
	for alg, key := range map[token.Algorithm]crypto.Signer{
		token.ES256: p384, token.EdDSA: p384, token.RS256: ed, token.HS256: ed, "none": ed, "": ed,
	} {
		if _, err := token.NewSigningKey(alg, key); err == nil {
			t.Errorf("a %T is taken for %s", key, alg)
		}
	}
}

func TestGenerateKeyMakesNoSecrets(t *testing.T) {
	t.Parallel()
	for _, alg := range []token.Algorithm{token.HS256, "none", ""} {
		if _, err := token.GenerateKey(alg); err == nil {
			t.Errorf("a key for %q was made", alg)
		}
	}
}

func TestParseAlgorithmTakesExactNames(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"EdDSA", "ES256", "RS256", "PS256", "HS256"} {
		if got, err := token.ParseAlgorithm(s); err != nil || string(got) != s {
			t.Errorf("ParseAlgorithm(%q) = %q, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "none", "eddsa", "Ed25519", "HS512", "RS256 "} {
		if _, err := token.ParseAlgorithm(s); err == nil {
			t.Errorf("ParseAlgorithm(%q) is accepted", s)
		}
	}
}

func TestParseJWKIgnoresForeignSorts(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]map[string]any{
		"nothing":           {"kty": nil, "alg": nil, "use": nil},
		"symmetric":         {"kty": "oct", "k": "AAAA", "alg": "HS256"},
		"another curve":     {"crv": "Ed448"},
		"another algorithm": {"alg": "ES384"},
		"none":              {"alg": "none"},
		"no algorithm":      {"alg": nil},
		"for encryption":    {"use": "enc"},
		"no use":            {"use": nil},
		"alg of another":    {"alg": "ES256"},
		"kty no string":     {"kty": 1.0},
		"kty another case":  {"kty": "okp"},
	} {
		if k, err := token.ParseJWK(edJWK(t, change)); !errors.Is(err, token.ErrForeignKey) {
			t.Errorf("%s: %v, %v, want a foreign key", name, k, err)
		}
	}
}

func TestParseJWKRefusesBadKeys(t *testing.T) {
	t.Parallel()
	ec := jwkOf(t, token.ES256)
	rs := jwkOf(t, token.RS256)
	for name, members := range map[string]map[string]any{
		"private":                 edJWK(t, map[string]any{"d": "AAAA"}),
		"private, no string":      edJWK(t, map[string]any{"d": nil, "k": 1.0}),
		"no kid":                  edJWK(t, map[string]any{"kid": nil}),
		"an empty kid":            edJWK(t, map[string]any{"kid": ""}),
		"a long kid":              edJWK(t, map[string]any{"kid": strings.Repeat("k", 129)}),
		"no x":                    edJWK(t, map[string]any{"x": nil}),
		"a short x":               edJWK(t, map[string]any{"x": "AAAA"}),
		"x with padding":          edJWK(t, map[string]any{"x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo="}),
		"x with spare bits":       edJWK(t, map[string]any{"x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURp"}),
		"x with a line break":     edJWK(t, map[string]any{"x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\n"}),
		"off the curve":           with(ec, "y", ec["x"]),
		"the point at infinity":   with(with(ec, "x", strings.Repeat("A", 43)), "y", strings.Repeat("A", 43)),
		"no y":                    with(ec, "y", nil),
		"a weak modulus":          with(rs, "n", strings.Repeat("_", 171)),
		"no modulus":              with(rs, "n", nil),
		"a modulus that is 0":     with(rs, "n", "AAAA"),
		"a zero before a modulus": with(rs, "n", zeroBefore(t, rs["n"])),
		"an endless modulus":      with(rs, "n", strings.Repeat("_", 4000)),
		"no exponent":             with(rs, "e", nil),
		"exponent 1":              with(rs, "e", "AQ"),
		"exponent 3":              with(rs, "e", "Aw"),
		"an even exponent":        with(rs, "e", "AQAA"),
		"a zero before it":        with(rs, "e", "AAEAAQ"),
		"a huge exponent":         with(rs, "e", "_____w"),
		"a longer exponent":       with(rs, "e", "AQAAAAE"),
	} {
		if k, err := token.ParseJWK(members); err == nil || errors.Is(err, token.ErrForeignKey) {
			t.Errorf("%s: %v, %v, want an error", name, k, err)
		}
	}
}

func TestKeysPrintAsTheirID(t *testing.T) {
	t.Parallel()
	k := token.SigningKey{KID: "id", Algorithm: token.HS256, Key: []byte("hunter2hunter2")}
	v := k.Verification()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, v := range []any{k, []token.SigningKey{k}, fmt.Errorf("with %v", k), v, []token.VerificationKey{v}} {
			if s := fmt.Sprintf(verb, v); strings.Contains(s, "hunter2") || strings.Contains(s, "68756e746572") || strings.Contains(s, "104") {
				t.Errorf("%s shows the key: %s", verb, s)
			}
		}
	}
	if text, err := json.Marshal([]any{k, v}); err != nil || string(text) != `["HS256 key id","HS256 key id"]` {
		t.Errorf("JSON: %s, %v", text, err)
	}
}

// zeroBefore returns the same number with a byte more.
func zeroBefore(t *testing.T, number any) string {
	t.Helper()
	s, _ := number.(string)
	b, err := decode(s)
	if err != nil {
		t.Fatal(err)
	}
	return b64("\x00" + string(b))
}

func parseJWK(t *testing.T, members map[string]any) token.VerificationKey {
	t.Helper()
	k, err := token.ParseJWK(members)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func anys(m map[string]string) map[string]any {
	out := map[string]any{}
	for name, v := range m {
		out[name] = v
	}
	return out
}

func jwkOf(t *testing.T, alg token.Algorithm) map[string]any {
	t.Helper()
	m, err := newKey(t, alg).Verification().JWK()
	if err != nil {
		t.Fatal(err)
	}
	return anys(m)
}

// with returns a copy with one member changed; nil leaves it out.
func with(m map[string]any, name string, v any) map[string]any {
	out := maps.Clone(m)
	if out[name] = v; v == nil {
		delete(out, name)
	}
	return out
}

func edJWK(t *testing.T, change map[string]any) map[string]any {
	t.Helper()
	m := map[string]any{
		"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
		"alg": "EdDSA", "use": "sig", "kid": "x",
	}
	parseJWK(t, m)
	for name, v := range change {
		m = with(m, name, v)
	}
	return m
}
