package passhash

import (
	"crypto/sha1" // #nosec G505 -- only to check hashes of other systems
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"slices"
	"strings"
)

const maxSSHASalt = 64

// sshaHash is RFC 2307's salted SHA-1, which Plone and LDAP servers write.
type sshaHash struct {
	sum  []byte
	salt []byte
}

// parseSSHA reads the base64, in either alphabet, of the sum followed by the salt.
func parseSSHA(rest string) (digest, error) {
	b, err := base64.StdEncoding.DecodeString(strings.NewReplacer("-", "+", "_", "/").Replace(rest))
	if err != nil || len(b) <= sha1.Size || len(b) > sha1.Size+maxSSHASalt {
		return nil, errForm
	}
	return sshaHash{sum: b[:sha1.Size], salt: b[sha1.Size:]}, nil
}

func (s sshaHash) memory() int64 { return 1 }

func (s sshaHash) stale() bool { return true }

// matches tries the password as UTF-8 and, where it can be written so, as Latin-1: which
// of them was hashed depends on the version of Plone.
func (s sshaHash) matches(password string) (bool, error) {
	return s.sums([]byte(password)) || s.sums(latin1(password)), nil
}

func (s sshaHash) sums(password []byte) bool {
	sum := sha1.Sum(slices.Concat(password, s.salt)) // #nosec G401 -- that is what the hash is
	return subtle.ConstantTimeCompare(sum[:], s.sum) == 1
}

// latin1 returns s in ISO 8859-1, or unchanged when that has not all of its characters.
func latin1(s string) []byte {
	var b []byte
	for _, r := range s {
		if r > 0xff {
			return []byte(s)
		}
		b = append(b, byte(r)) // #nosec G115 -- checked above
	}
	return b
}

// ssha512Hash is the same with SHA-512.
type ssha512Hash struct {
	sum  []byte
	salt []byte
}

// parseSSHA512 reads the base64 of the sum followed by the salt.
func parseSSHA512(rest string) (digest, error) {
	b, err := base64.StdEncoding.DecodeString(rest)
	if err != nil || len(b) <= sha512.Size || len(b) > sha512.Size+maxSSHASalt {
		return nil, errForm
	}
	return ssha512Hash{sum: b[:sha512.Size], salt: b[sha512.Size:]}, nil
}

func (s ssha512Hash) memory() int64 { return 1 }

func (s ssha512Hash) stale() bool { return true }

func (s ssha512Hash) matches(password string) (bool, error) {
	return subtle.ConstantTimeCompare(sum512([]byte(password), s.salt), s.sum) == 1, nil
}
