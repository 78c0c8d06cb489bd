package keyring

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
)

// Derive returns a key for a purpose, the same on every node: from the master key or, of a
// ring that signs with HS256, from its secret (HKDF, RFC 5869). Nothing is learnt from it of
// what it was made from, or of the keys for other purposes.
func (r *Ring) Derive(purpose string) (key [32]byte, err error) {
	from := r.cfg.Master.key
	if len(r.cfg.Secret) > 0 {
		from = r.cfg.Secret
	}
	if len(from) == 0 {
		return key, fmt.Errorf("there is no key to derive one for %q from", purpose)
	}
	derived, err := hkdf.Key(sha256.New, from, nil, "bearerd "+purpose, len(key))
	if err != nil {
		return key, fmt.Errorf("deriving a key for %q: %w", purpose, err)
	}
	return [32]byte(derived), nil
}
