package keyring

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
)

// Derive returns a key for a purpose, the same on every node: from the master key or, of a
// ring that signs with HS256, from its secret.
func (r *Ring) Derive(purpose string) (key [32]byte, err error) {
	if len(r.cfg.Secret) > 0 {
		return DeriveFrom(r.cfg.Secret, purpose)
	}
	return r.cfg.Master.Derive(purpose)
}

// Derive returns a key for a purpose, the same as a ring with this master key has for it.
func (m Master) Derive(purpose string) (key [32]byte, err error) { return DeriveFrom(m.key, purpose) }

// DeriveFrom returns a key for a purpose from a secret (HKDF, RFC 5869). It reveals
// nothing about the secret, or about the keys for other purposes.
func DeriveFrom(secret []byte, purpose string) (key [32]byte, err error) {
	if len(secret) == 0 {
		return key, fmt.Errorf("there is no key to derive one for %q from", purpose)
	}
	derived, err := hkdf.Key(sha256.New, secret, nil, "bearerd "+purpose, len(key))
	if err != nil {
		return key, fmt.Errorf("deriving a key for %q: %w", purpose, err)
	}
	return [32]byte(derived), nil
}
