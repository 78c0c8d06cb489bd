package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
)

// base64url is the encoding of JOSE: no padding, no bits left over.
var base64url = base64.RawURLEncoding.Strict()

// privateMembers are the JWK members (RFC 7518 §6) that must never be in a public
// key.
var privateMembers = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

// ErrForeignKey is the error of ParseJWK for a key of a type that bearerd doesn't use,
// which RFC 7517 §5 says to ignore.
var ErrForeignKey = errors.New("a key of another type")

// JWK returns the members of the public key's JWK (RFC 7517): kty, crv or e and n,
// alg, use and kid. It is an error for HS256, whose key is never published.
func (k VerificationKey) JWK() (map[string]string, error) {
	m, err := k.required()
	if err != nil {
		return nil, err
	}
	m["alg"], m["use"], m["kid"] = string(k.Algorithm), "sig", k.KID
	return m, nil
}

// Thumbprint returns the RFC 7638 SHA-256 thumbprint of the public key, base64url.
func (k VerificationKey) Thumbprint() (string, error) {
	m, err := k.required()
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(m) // sorted, no white space: the form that §3 hashes
	if err != nil {
		return "", fmt.Errorf("encoding a key: %w", err)
	}
	sum := sha256.Sum256(text)
	return base64url.EncodeToString(sum[:]), nil
}

// required returns the members that RFC 7638 §3.2 and RFC 8037 §2 hash.
func (k VerificationKey) required() (map[string]string, error) {
	if err := k.check(); err != nil {
		return nil, err
	}
	switch public := k.Key.(type) {
	case ed25519.PublicKey:
		return map[string]string{"kty": "OKP", "crv": "Ed25519", "x": base64url.EncodeToString(public)}, nil
	case *ecdsa.PublicKey:
		point, err := public.Bytes() // 4, x, y
		if err != nil {
			return nil, fmt.Errorf("encoding a key: %w", err)
		}
		x, y := point[1:33], point[33:]
		return map[string]string{
			"kty": "EC", "crv": "P-256",
			"x": base64url.EncodeToString(x), "y": base64url.EncodeToString(y),
		}, nil
	case *rsa.PublicKey:
		e := big.NewInt(int64(public.E)).Bytes()
		return map[string]string{
			"kty": "RSA", "e": base64url.EncodeToString(e), "n": base64url.EncodeToString(public.N.Bytes()),
		}, nil
	}
	return nil, errKeyType
}

// ParseJWK reads a public signing key. The error wraps ErrForeignKey when kty, crv, alg
// or use has a value that bearerd doesn't use; any other error means that the key is of a
// known type and bad: a member missing or not canonical, a point off the curve, a weak
// RSA key, a private member.
func ParseJWK(members map[string]any) (VerificationKey, error) {
	m := make(map[string]string, len(members))
	for name, v := range members {
		if s, ok := v.(string); ok {
			m[name] = s
		}
	}
	alg, ok := jwkAlgorithm(m)
	if !ok {
		return VerificationKey{}, fmt.Errorf("kty %q, alg %q, use %q: %w", m["kty"], m["alg"], m["use"], ErrForeignKey)
	}
	for _, name := range privateMembers {
		if _, ok := members[name]; ok {
			return VerificationKey{}, fmt.Errorf("the private member %q in a public key", name)
		}
	}
	if m["kid"] == "" || len(m["kid"]) > maxKID {
		return VerificationKey{}, errors.New("kid is missing or too long")
	}
	public, err := jwkPublic(alg, m)
	if err != nil {
		return VerificationKey{}, err
	}
	k := VerificationKey{KID: m["kid"], Algorithm: alg, Key: public}
	return k, k.check()
}

// jwkAlgorithm returns the algorithm of a key of a type that bearerd uses.
func jwkAlgorithm(m map[string]string) (Algorithm, bool) {
	alg := Algorithm(m["alg"])
	if m["use"] != "sig" {
		return "", false
	}
	switch alg {
	case EdDSA:
		return alg, m["kty"] == alg.KeyType() && m["crv"] == "Ed25519"
	case ES256:
		return alg, m["kty"] == alg.KeyType() && m["crv"] == "P-256"
	case RS256, PS256:
		return alg, m["kty"] == alg.KeyType()
	case HS256:
	}
	return "", false
}

func jwkPublic(alg Algorithm, m map[string]string) (any, error) {
	switch alg {
	case EdDSA:
		x, err := decodeSized(m["x"], ed25519.PublicKeySize)
		return ed25519.PublicKey(x), err
	case ES256:
		return jwkEC(m)
	case RS256, PS256:
		return jwkRSA(m)
	case HS256:
	}
	return nil, errKeyType
}

func jwkEC(m map[string]string) (*ecdsa.PublicKey, error) {
	x, err := decodeSized(m["x"], 32)
	if err != nil {
		return nil, err
	}
	y, err := decodeSized(m["y"], 32)
	if err != nil {
		return nil, err
	}
	point := append(append([]byte{4}, x...), y...)
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
}

func jwkRSA(m map[string]string) (*rsa.PublicKey, error) {
	n, err := decodePart(m["n"])
	if err != nil {
		return nil, err
	}
	e, err := decodePart(m["e"])
	if err != nil {
		return nil, err
	}
	if len(n) == 0 || n[0] == 0 || len(e) == 0 || len(e) > 4 || e[0] == 0 {
		return nil, errors.New("an RSA number that is missing or not canonical")
	}
	var exponent [4]byte
	copy(exponent[4-len(e):], e)
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(binary.BigEndian.Uint32(exponent[:]))}, nil
}

func decodeSized(s string, size int) ([]byte, error) {
	b, err := decodePart(s)
	if err != nil {
		return nil, err
	}
	if len(b) != size {
		return nil, fmt.Errorf("a member of %d bytes where %d are needed", len(b), size)
	}
	return b, nil
}
