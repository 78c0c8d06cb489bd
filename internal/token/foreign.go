package token

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"github.com/bearerd/bearerd/internal/strictjson"
)

// MaxForeignBytes is the length beyond which a token of another issuer is refused without
// reading it. It is more than MaxBytes: such tokens list groups and roles.
const MaxForeignBytes = 64 << 10

// Foreign is a JWT that another issuer signed, whose signature is valid. Its claims are
// not checked here.
type Foreign struct {
	Type    string // typ as it stands; empty: absent
	Payload []byte // the payload's text, which is one JSON object once it is parsed
}

// FindKey returns the key of another issuer for the alg and kid of a header; kid is empty
// where the header has none. The error is that of VerifyForeign.
type FindKey func(alg Algorithm, kid string) (VerificationKey, error)

// ErrUnknownKey is what a FindKey returns when there is no such key: the token is refused.
// Any other error of it means that the token could not be judged.
var ErrUnknownKey = errors.New("unknown key")

// VerifyForeign reads a JWT of another issuer and checks its signature. It is as strict as
// Verify, and differs where other issuers do: a header may be without kid, and the payload
// is not read. The error is a *Refusal of CheckWellFormed or CheckSignature, or what find
// returned.
func VerifyForeign(raw string, find FindKey) (*Foreign, error) {
	j, err := parseJWS(raw, MaxForeignBytes)
	if err != nil {
		return nil, err
	}
	j.header.alg = foreignAlgorithm(string(j.header.alg))
	if j.header.alg.method() == nil {
		return nil, unsigned("unknown algorithm")
	}
	key, err := find(j.header.alg, j.header.kid)
	if errors.Is(err, ErrUnknownKey) {
		return nil, unsigned("unknown key")
	}
	if err != nil {
		return nil, err
	}
	j.header.hasKID = true // it may be absent here: find has decided
	if err := j.verify(key); err != nil {
		return nil, err
	}
	text, err := decodePart(j.payload)
	if err != nil {
		return nil, malformed(err)
	}
	return &Foreign{Type: j.header.typ, Payload: text}, nil
}

// foreignAlgorithm returns the algorithm that others call by this name. Ed25519 is EdDSA with
// the one curve that bearerd takes (RFC 9864 §2.2); our own tokens say EdDSA, which more
// verifiers know.
func foreignAlgorithm(name string) Algorithm {
	if name == "Ed25519" {
		return EdDSA
	}
	return Algorithm(name)
}

// ParseForeignAlgorithm reads the name of an algorithm that another issuer signs with.
func ParseForeignAlgorithm(name string) (Algorithm, error) {
	return ParseAlgorithm(string(foreignAlgorithm(name)))
}

// UnverifiedIssuer returns the iss that a JWT claims, so that the keys of that issuer can
// be found; nothing of the token has been checked. It is empty where there is none, or it
// holds a control character.
func UnverifiedIssuer(raw string) string {
	_, payload, _, ok := splitJWT(raw)
	if !ok || len(raw) > MaxForeignBytes {
		return ""
	}
	text, err := decodePart(payload)
	if err != nil {
		return ""
	}
	members, err := strictjson.Parse(text)
	if err != nil {
		return ""
	}
	var iss string
	if members.Read("iss", &iss) != nil || strings.ContainsFunc(iss, unicode.IsControl) {
		return ""
	}
	return iss
}

// Signed returns the part of a JWT that is signed: what can't be changed without the key.
// A signature may have several spellings.
func Signed(raw string) string { return raw[:max(strings.LastIndexByte(raw, '.'), 0)] }

// keyVerify is the key_ops (RFC 7517 §4.3) of a key that checks signatures.
const keyVerify = "verify"

// ParseForeignJWK reads a public signing key of another issuer. Unlike ParseJWK it takes
// keys without kid, use or alg (RFC 7517 §4): the result is one key for each algorithm
// that the key fits. The errors are those of ParseJWK.
func ParseForeignJWK(members map[string]any) ([]VerificationKey, error) {
	m := maps.Clone(members)
	if !forSignatures(m) {
		return nil, fmt.Errorf("not for checking signatures: %w", ErrForeignKey)
	}
	m["use"] = "sig"
	unnamed := m["kid"] == nil
	if unnamed {
		m["kid"] = "-" // any name: ParseJWK wants one
	}
	algorithms := []Algorithm{EdDSA, ES256, RS256, PS256}
	if alg, ok := m["alg"].(string); ok {
		algorithms = []Algorithm{foreignAlgorithm(alg)}
	} else if m["alg"] != nil {
		return nil, errors.New("alg isn't a string")
	}
	var keys []VerificationKey
	for _, alg := range algorithms {
		m["alg"] = string(alg)
		k, err := ParseJWK(m)
		if errors.Is(err, ErrForeignKey) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if unnamed {
			k.KID = ""
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("kty %q: %w", m["kty"], ErrForeignKey)
	}
	return keys, nil
}

// forSignatures reports whether use and key_ops, where they are there, allow a key to
// check signatures.
func forSignatures(m map[string]any) bool {
	if use := m["use"]; use != nil && use != "sig" {
		return false
	}
	if m["key_ops"] == nil {
		return true
	}
	operations, _ := m["key_ops"].([]any)
	return slices.Contains(operations, any(keyVerify))
}
