package keyring

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/bearerd/bearerd/internal/strictjson"
	"github.com/bearerd/bearerd/internal/token"
)

// maxSet is the largest JWK Set that is read, in bytes.
const maxSet = 256 << 10

func encodeJWKS(keys []token.VerificationKey) ([]byte, error) {
	set := make([]map[string]string, 0, len(keys))
	for _, k := range keys {
		jwk, err := k.JWK()
		if err != nil {
			return nil, fmt.Errorf("publishing key %s: %w", k.KID, err)
		}
		set = append(set, jwk)
	}
	return json.Marshal(map[string]any{"keys": set})
}

// ReadJWKS reads a JWK Set (RFC 7517 §5). Keys of a type that bearerd doesn't use are
// left out. Any other fault is an error: ambiguous JSON, a private or symmetric member, a
// bad or weak key, two keys with one id.
func ReadJWKS(body []byte) ([]token.VerificationKey, error) {
	if len(body) > maxSet {
		return nil, fmt.Errorf("reading a JWK Set: more than %d bytes", maxSet)
	}
	set, err := strictjson.Parse(body)
	if err != nil {
		return nil, fmt.Errorf("reading a JWK Set: %w", err)
	}
	var members []map[string]any
	if err := json.Unmarshal(set["keys"], &members); err != nil || members == nil {
		return nil, errors.New("reading a JWK Set: keys isn't a list of objects")
	}
	keys, err := parseKeys(members)
	if err != nil {
		return nil, fmt.Errorf("reading a JWK Set: %w", err)
	}
	return keys, nil
}

func parseKeys(members []map[string]any) ([]token.VerificationKey, error) {
	keys := make([]token.VerificationKey, 0, len(members))
	seen := make(map[string]bool, len(members))
	for i, m := range members {
		k, err := token.ParseJWK(m)
		if errors.Is(err, token.ErrForeignKey) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("key %d: %w", i, err)
		}
		if seen[k.KID] {
			return nil, fmt.Errorf("key %d: a second key with this id", i)
		}
		seen[k.KID] = true
		keys = append(keys, k)
	}
	return keys, nil
}
