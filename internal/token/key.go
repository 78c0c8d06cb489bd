package token

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// Algorithm is a JWS algorithm by its registered name (RFC 7518, RFC 8037).
type Algorithm string

// The algorithms that bearerd supports. "none" is not one of them.
const (
	EdDSA Algorithm = "EdDSA" // Ed25519
	ES256 Algorithm = "ES256" // ECDSA, P-256, SHA-256
	RS256 Algorithm = "RS256" // RSA PKCS #1 v1.5, SHA-256
	PS256 Algorithm = "PS256" // RSA PSS, SHA-256
	HS256 Algorithm = "HS256" // HMAC, SHA-256: a shared secret
)

// rsaBits is the size of the RSA keys that are made; minRSABits and maxRSABits limit
// those that are read, the latter because checking with a long key is slow.
const (
	rsaBits    = 3072
	minRSABits = 2048
	maxRSABits = 8192
)

var errKeyType = errors.New("the key doesn't fit its algorithm")

// ParseAlgorithm reads an algorithm's exact name.
func ParseAlgorithm(s string) (Algorithm, error) {
	if a := Algorithm(s); a.method() != nil {
		return a, nil
	}
	return "", fmt.Errorf("algorithm %q: must be EdDSA, ES256, RS256, PS256 or HS256", s)
}

// KeyType returns the type of the algorithm's keys (RFC 7518 §6.1, RFC 8037 §2): kty in a
// JWK. It is empty for an algorithm that bearerd doesn't support.
func (a Algorithm) KeyType() string {
	switch a {
	case EdDSA:
		return "OKP"
	case ES256:
		return "EC"
	case RS256, PS256:
		return "RSA"
	case HS256:
		return "oct"
	}
	return ""
}

func (a Algorithm) method() jwt.SigningMethod {
	switch a {
	case EdDSA:
		return jwt.SigningMethodEdDSA
	case ES256:
		return jwt.SigningMethodES256
	case RS256:
		return jwt.SigningMethodRS256
	case PS256:
		return jwt.SigningMethodPS256
	case HS256:
		return jwt.SigningMethodHS256
	}
	return nil
}

// VerificationKey is what checks a signature. Key is an ed25519.PublicKey, an
// *ecdsa.PublicKey on P-256, an *rsa.PublicKey, or for HS256 the secret's bytes.
type VerificationKey struct {
	KID       string
	Algorithm Algorithm
	Key       any
	// Revoked is set when the key was revoked: what it signed is refused whatever its
	// claims say, because a thief of the key may have written them.
	Revoked bool
}

// SigningKey is what makes a signature. Key is an ed25519.PrivateKey, an
// *ecdsa.PrivateKey, an *rsa.PrivateKey, or for HS256 the secret's bytes. It is
// secret, and prints as its id.
type SigningKey struct {
	KID       string
	Algorithm Algorithm
	Key       any
}

// String returns algorithm and id, never the key.
func (k SigningKey) String() string { return string(k.Algorithm) + " key " + k.KID }

// Format is String under every verb.
func (k SigningKey) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.String())) }

// MarshalText is String, for logs and JSON.
func (k SigningKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// String returns algorithm and id; the key of HS256 is a secret.
func (k VerificationKey) String() string { return string(k.Algorithm) + " key " + k.KID }

// Format is String under every verb.
func (k VerificationKey) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.String())) }

// MarshalText is String, for logs and JSON.
func (k VerificationKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Verification returns the key that verifies what k signs: the public half, or for
// HS256 the secret itself.
func (k SigningKey) Verification() VerificationKey {
	v := VerificationKey{KID: k.KID, Algorithm: k.Algorithm, Key: k.Key}
	if private, ok := k.Key.(crypto.Signer); ok {
		v.Key = private.Public()
	}
	return v
}

// GenerateKey makes a key from crypto/rand and names it by its RFC 7638
// thumbprint, which never begins with "-": on a command line it would be a flag.
// RSA keys have 3072 bits. HS256 is an error: its secret is the operator's.
func GenerateKey(alg Algorithm) (SigningKey, error) {
	for {
		private, err := generate(alg)
		if err != nil {
			return SigningKey{}, fmt.Errorf("making an %s key: %w", alg, err)
		}
		k, err := NewSigningKey(alg, private)
		if err != nil || !strings.HasPrefix(k.KID, "-") {
			return k, err
		}
	}
}

func generate(alg Algorithm) (crypto.Signer, error) {
	switch alg {
	case EdDSA:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	case ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case RS256, PS256:
		return rsa.GenerateKey(rand.Reader, rsaBits)
	case HS256:
	}
	return nil, errors.New("bearerd doesn't make such keys")
}

// NewSigningKey names a private key by its RFC 7638 thumbprint. The error is set when the
// key doesn't fit the algorithm or is an RSA key shorter than 2048 bits.
func NewSigningKey(alg Algorithm, private crypto.Signer) (SigningKey, error) {
	public := VerificationKey{Algorithm: alg, Key: private.Public()}
	kid, err := public.Thumbprint()
	if err != nil {
		return SigningKey{}, err
	}
	return SigningKey{KID: kid, Algorithm: alg, Key: private}, nil
}

// check reports an error unless the key fits its algorithm and is strong enough.
func (k VerificationKey) check() error {
	switch public := k.Key.(type) {
	case ed25519.PublicKey:
		if k.Algorithm == EdDSA && len(public) == ed25519.PublicKeySize {
			return nil
		}
	case *ecdsa.PublicKey:
		if k.Algorithm == ES256 && public.Curve == elliptic.P256() {
			return nil
		}
	case *rsa.PublicKey:
		if k.Algorithm == RS256 || k.Algorithm == PS256 {
			return checkRSA(public)
		}
	}
	return errKeyType
}

func checkRSA(public *rsa.PublicKey) error {
	if bits := public.N.BitLen(); bits < minRSABits || bits > maxRSABits {
		return fmt.Errorf("an RSA key of %d bits: must have %d to %d", bits, minRSABits, maxRSABits)
	}
	if public.E < 1<<16 || public.E&1 == 0 || public.E > 1<<31-1 {
		return errors.New("an RSA key with an unusual exponent")
	}
	return nil
}
