package identity

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"

	"github.com/bearerd/bearerd/internal/fault"
)

// Bounds of the keys of a client.
const (
	MaxKeySetBytes = 32 << 10
	maxKeySetURL   = 1024
)

// ClientKeys are the public keys by which a client authenticates itself (private_key_jwt):
// exactly one of the two is set. The zero value is a client without keys.
type ClientKeys struct {
	JWKS string `json:"jwks,omitempty"`     // the text of a JWK Set (RFC 7517 §5)
	URI  string `json:"jwks_uri,omitempty"` // where the client publishes its JWK Set
}

// Any reports whether there are keys.
func (k ClientKeys) Any() bool { return k.JWKS != "" || k.URI != "" }

// Validate returns what is wrong with the keys of a client, as fault.Invalid with the field at
// fault. Whether the keys of a set can be used is not checked: package assertion reads them.
func (k ClientKeys) Validate() error {
	switch {
	case k.JWKS != "" && k.URI != "":
		return fault.New(fault.Invalid, "a client has jwks or jwks_uri, not both").In("jwks_uri")
	case len(k.JWKS) > MaxKeySetBytes:
		return fault.New(fault.Invalid, "the keys of a client have at most %d bytes", MaxKeySetBytes).In("jwks")
	case k.URI == "":
		return nil
	}
	u, err := url.Parse(k.URI)
	if err != nil || len(k.URI) > maxKeySetURL || u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http" {
		return fault.New(fault.Invalid, "jwks_uri is no URL of https, or of http on loopback").In("jwks_uri")
	}
	return nil
}

// ReplacedBy reports whether none of the keys is among those that follow: what was obtained with
// them must end, as with a secret that was replaced. A key set that keeps a key is a rotation.
func (k ClientKeys) ReplacedBy(now ClientKeys) bool {
	if !k.Any() || k == now {
		return false
	}
	if k.JWKS == "" || now.JWKS == "" {
		return true
	}
	kept := keysOf(now.JWKS)
	return !slices.ContainsFunc(keysOf(k.JWKS), func(one string) bool { return slices.Contains(kept, one) })
}

// Same reports whether the keys are the same, in any spelling.
func (k ClientKeys) Same(other ClientKeys) bool {
	return k.URI == other.URI && slices.Equal(keysOf(k.JWKS), keysOf(other.JWKS))
}

// keysOf returns the keys of a set, each in one spelling.
func keysOf(set string) []string {
	var parsed struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if set == "" || json.Unmarshal([]byte(set), &parsed) != nil {
		return nil
	}
	all := make([]string, 0, len(parsed.Keys))
	for _, key := range parsed.Keys {
		var members map[string]any
		spelled := bytes.TrimSpace(key)
		if json.Unmarshal(key, &members) == nil {
			if again, err := json.Marshal(members); err == nil { // in the order of the names
				spelled = again
			}
		}
		all = append(all, string(spelled))
	}
	slices.Sort(all)
	return all
}
