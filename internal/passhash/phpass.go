package passhash

import (
	"crypto/md5" // #nosec G501 -- only to check hashes of other systems
	"crypto/subtle"
	"slices"
	"strings"
)

const (
	phpassSaltLen    = 8
	phpassKeyLen     = 22
	minPhpassLogN    = 7
	maxPhpassLogN    = 20 // about a second for a long password; passlib writes 19, WordPress 13
	phpassRestLen    = 1 + phpassSaltLen + phpassKeyLen
	phpassMemory     = 1 // KiB
	bitsPerCharacter = 6
)

// phpassHash is the portable hash of Openwall's phpass, as WordPress and phpBB used it:
// MD5, iterated.
type phpassHash struct {
	logN int
	salt string
	key  string // as it is written
}

// parsePhpass reads a character of cost, eight of salt and 22 of key.
func parsePhpass(rest string) (digest, error) {
	if len(rest) != phpassRestLen || strings.Trim(rest, cryptAlphabet) != "" {
		return nil, errForm
	}
	p := phpassHash{logN: strings.IndexByte(cryptAlphabet, rest[0]), salt: rest[1 : 1+phpassSaltLen], key: rest[1+phpassSaltLen:]}
	if p.logN < minPhpassLogN || p.logN > maxPhpassLogN {
		return nil, errCost
	}
	return p, nil
}

func (p phpassHash) memory() int64 { return phpassMemory }

func (p phpassHash) stale() bool { return true }

func (p phpassHash) matches(password string) (bool, error) {
	sum := md5.Sum([]byte(p.salt + password))       // #nosec G401 -- that is what the hash is
	both := slices.Concat(sum[:], []byte(password)) // the last sum, then the password
	for range 1 << p.logN {
		sum = md5.Sum(both) // #nosec G401 -- as above
		copy(both, sum[:])
	}
	return subtle.ConstantTimeCompare([]byte(encodePhpass(sum[:])), []byte(p.key)) == 1, nil
}

// encodePhpass writes bytes as characters of six bits, the lowest first.
func encodePhpass(b []byte) string {
	var out []byte
	value, bits := 0, 0
	for _, one := range b {
		value |= int(one) << bits
		for bits += 8; bits >= bitsPerCharacter; bits -= bitsPerCharacter {
			out = append(out, cryptAlphabet[value&0x3f])
			value >>= bitsPerCharacter
		}
	}
	if bits > 0 {
		out = append(out, cryptAlphabet[value&0x3f])
	}
	return string(out)
}
