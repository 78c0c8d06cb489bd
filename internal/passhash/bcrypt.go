package passhash

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"

	"golang.org/x/crypto/bcrypt"
)

const (
	bcryptRestLen     = 56 // cost, "$", 22 characters of salt and 31 of hash
	maxBcryptCost     = 15 // about two seconds
	maxBcryptPassword = 72
	bcryptMemory      = 4 // KiB
	bcryptAlphabet    = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
)

// bcryptHash is a bcrypt hash in the modular crypt format.
type bcryptHash struct {
	encoded   string
	prehashed bool // of the SHA-256 of the password in hexadecimal, as Django's bcrypt_sha256
}

func parseBcrypt(prefix string) func(string) (digest, error) {
	return func(rest string) (digest, error) {
		if len(rest) != bcryptRestLen || rest[2] != '$' ||
			strings.Trim(rest[:2], "0123456789") != "" || strings.Trim(rest[3:], bcryptAlphabet) != "" {
			return nil, errForm
		}
		cost, err := bcrypt.Cost([]byte(prefix + rest))
		if err != nil || cost > maxBcryptCost {
			return nil, errCost
		}
		return bcryptHash{encoded: prefix + rest}, nil
	}
}

// parseNestedBcrypt reads a bcrypt hash after another prefix.
func parseNestedBcrypt(prehashed bool) func(string) (digest, error) {
	return func(rest string) (digest, error) {
		for _, prefix := range []string{"$2a$", "$2b$", "$2y$"} {
			inner, ok := strings.CutPrefix(rest, prefix)
			if !ok {
				continue
			}
			if _, err := parseBcrypt(prefix)(inner); err != nil {
				return nil, err
			}
			return bcryptHash{encoded: rest, prehashed: prehashed}, nil
		}
		return nil, errForm
	}
}

func (b bcryptHash) memory() int64 { return bcryptMemory }

func (b bcryptHash) stale() bool { return true }

func (b bcryptHash) matches(password string) (bool, error) {
	key := []byte(password)
	switch {
	case b.prehashed:
		sum := sha256.Sum256(key)
		key = hex.AppendEncode(nil, sum[:])
	case strings.Contains(password, "\x00"):
		// bcrypt's own key ends in a NUL and is read again and again, so that
		// "a", NUL, "a" would pass for "a"; and the original reads a C string,
		// in which what follows a NUL does not count.
		return false, nil
	case len(key) > maxBcryptPassword:
		// bcrypt has room for 72 bytes and its implementations silently drop the rest. A
		// user who chose a longer password then must be able to sign in with it now; the
		// hash that replaces this one covers all of it.
		key = key[:maxBcryptPassword]
	}
	err := bcrypt.CompareHashAndPassword([]byte(b.encoded), key)
	if errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) {
		return false, nil
	}
	return err == nil, err
}
