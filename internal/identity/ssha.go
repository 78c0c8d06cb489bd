package identity

import (
	"crypto/sha1" // #nosec G505 -- only to check hashes of other systems
	"crypto/subtle"
	"encoding/base64"
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

func (s sshaHash) matches(password string) (bool, error) {
	sum := sha1.Sum(append([]byte(password), s.salt...)) // #nosec G401 -- that is what the hash is
	return subtle.ConstantTimeCompare(sum[:], s.sum) == 1, nil
}
