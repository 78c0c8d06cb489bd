// Package assertiontest signs the JWTs of made-up issuers for tests: good ones, and every
// bad one that a forger could write, because header and payload are text.
package assertiontest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"testing"
)

// Key is a key of a made-up issuer.
type Key struct {
	tb      testing.TB
	KID     string
	Alg     string // of what it signs: EdDSA, ES256, RS256, PS256 or HS256
	private crypto.Signer
	secret  []byte
}

// New returns a new key for an algorithm.
func New(tb testing.TB, alg, kid string) Key {
	tb.Helper()
	k := Key{tb: tb, KID: kid, Alg: alg}
	var err error
	switch alg {
	case "EdDSA":
		_, k.private, err = ed25519.GenerateKey(rand.Reader)
	case "ES256":
		k.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "RS256", "PS256":
		return RSA(tb, alg, kid, 2048)
	default:
		tb.Fatalf("no keys for %q", alg)
	}
	k.must(err)
	return k
}

// RSA returns a new RSA key of that many bits.
func RSA(tb testing.TB, alg, kid string, bits int) Key {
	tb.Helper()
	private, err := rsa.GenerateKey(rand.Reader, bits)
	k := Key{tb: tb, KID: kid, Alg: alg, private: private}
	k.must(err)
	return k
}

// Shared returns a key of HS256.
func Shared(tb testing.TB, secret []byte) Key { return Key{tb: tb, Alg: "HS256", secret: secret} }

// As returns the key under another id, or for another algorithm of its type.
func (k Key) As(alg, kid string) Key {
	k.Alg, k.KID = alg, kid
	return k
}

// JWK returns the public key with kty, kid, alg and use.
func (k Key) JWK() map[string]any {
	m := map[string]any{"kid": k.KID, "alg": k.Alg, "use": "sig"}
	switch public := k.private.Public().(type) {
	case ed25519.PublicKey:
		m["kty"], m["crv"], m["x"] = "OKP", "Ed25519", Encode(public)
	case *ecdsa.PublicKey:
		point, err := public.Bytes()
		k.must(err)
		m["kty"], m["crv"], m["x"], m["y"] = "EC", "P-256", Encode(point[1:33]), Encode(point[33:])
	case *rsa.PublicKey:
		m["kty"], m["n"], m["e"] = "RSA", Encode(public.N.Bytes()), Encode(big.NewInt(int64(public.E)).Bytes())
	}
	return m
}

// Public returns the DER or bytes of the public key, as a forger would use them for a
// secret.
func (k Key) Public() crypto.PublicKey { return k.private.Public() }

// Set returns a JWK Set.
func Set(jwks ...map[string]any) string {
	text, _ := json.Marshal(map[string]any{"keys": jwks}) // of strings alone
	return string(text)
}

// Sign returns a JWT with alg, kid and the given typ; an empty kid or typ is left out.
func (k Key) Sign(typ string, claims map[string]any) string {
	k.tb.Helper()
	header := map[string]any{"alg": k.Alg}
	if typ != "" {
		header["typ"] = typ
	}
	if k.KID != "" {
		header["kid"] = k.KID
	}
	return k.SignText(k.text(header), k.text(claims))
}

// SignText returns a JWT of a header and a payload as they are written.
func (k Key) SignText(header, payload string) string {
	k.tb.Helper()
	return k.SignParts(Encode([]byte(header)), Encode([]byte(payload)))
}

// SignParts returns a JWT of two parts as they are written.
func (k Key) SignParts(header, payload string) string {
	k.tb.Helper()
	signed := header + "." + payload
	return signed + "." + Encode(k.signature(signed))
}

func (k Key) signature(signed string) []byte {
	sum := sha256.Sum256([]byte(signed))
	switch private := k.private.(type) {
	case nil:
		mac := hmac.New(sha256.New, k.secret)
		_, _ = mac.Write([]byte(signed))
		return mac.Sum(nil)
	case ed25519.PrivateKey:
		return ed25519.Sign(private, []byte(signed))
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, private, sum[:])
		k.must(err)
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	case *rsa.PrivateKey:
		var opts crypto.SignerOpts = crypto.SHA256
		if k.Alg == "PS256" {
			opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
		}
		sig, err := private.Sign(rand.Reader, sum[:], opts)
		k.must(err)
		return sig
	}
	return nil
}

func (k Key) text(v any) string {
	text, err := json.Marshal(v)
	k.must(err)
	return string(text)
}

func (k Key) must(err error) {
	k.tb.Helper()
	if err != nil {
		k.tb.Fatal(err)
	}
}

// Encode is base64url without padding.
func Encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// With returns claims with some members set, and those of value nil left out.
func With(claims map[string]any, changes map[string]any) map[string]any {
	out := maps.Clone(claims)
	for name, value := range changes {
		if out[name] = value; value == nil {
			delete(out, name)
		}
	}
	return out
}
