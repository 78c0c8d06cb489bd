package passhash

import (
	"crypto/subtle"
	"fmt"
	"math/bits"
	"strings"

	"golang.org/x/crypto/scrypt"
)

const (
	maxScryptLogN = 24
	maxScryptR    = 64
	maxScryptP    = 64
)

// scryptHash is a hash of RFC 7914.
type scryptHash struct {
	n, r, p int
	salt    []byte
	key     []byte
}

// parseScryptPHC reads "ln=…,r=…,p=…$salt$key", which passlib writes.
func parseScryptPHC(rest string) (digest, error) {
	f := strings.Split(rest, "$")
	if len(f) != 3 {
		return nil, errForm
	}
	costs := strings.Split(f[0], ",")
	if len(costs) != 3 {
		return nil, errForm
	}
	logN, err := parameter(costs[0], "ln", maxScryptLogN)
	if err != nil {
		return nil, err
	}
	s := scryptHash{n: 1 << logN}
	if s.r, err = parameter(costs[1], "r", maxScryptR); err != nil {
		return nil, err
	}
	if s.p, err = parameter(costs[2], "p", maxScryptP); err != nil {
		return nil, err
	}
	if s.salt, err = unpadded(f[1], 0, 64); err != nil {
		return nil, err
	}
	s.key, err = unpadded(f[2], 16, 64)
	return s.bounded(err)
}

// scryptKeyWerkzeug is the length of Werkzeug's keys, which is Python's default.
const scryptKeyWerkzeug = 64

// parseScryptWerkzeug reads "N:r:p$salt$key", where the salt is text and the key
// hexadecimal.
func parseScryptWerkzeug(rest string) (digest, error) {
	f := strings.Split(rest, "$")
	if len(f) != 3 || f[1] == "" {
		return nil, errForm
	}
	costs := strings.Split(f[0], ":")
	if len(costs) != 3 {
		return nil, errForm
	}
	s := scryptHash{salt: []byte(f[1])}
	var err error
	if s.n, err = number(costs[0], 1<<maxScryptLogN); err != nil {
		return nil, err
	}
	if s.r, err = number(costs[1], maxScryptR); err != nil {
		return nil, err
	}
	if s.p, err = number(costs[2], maxScryptP); err != nil {
		return nil, err
	}
	s.key, err = hexadecimal(f[2], scryptKeyWerkzeug)
	return s.bounded(err)
}

// parseScryptDjango reads "N$salt$r$p$key", where the salt is text.
func parseScryptDjango(rest string) (digest, error) {
	f := strings.Split(rest, "$")
	if len(f) != 5 || f[1] == "" {
		return nil, errForm
	}
	s := scryptHash{salt: []byte(f[1])}
	var err error
	if s.n, err = number(f[0], 1<<maxScryptLogN); err != nil {
		return nil, err
	}
	if s.r, err = number(f[2], maxScryptR); err != nil {
		return nil, err
	}
	if s.p, err = number(f[3], maxScryptP); err != nil {
		return nil, err
	}
	s.key, err = padded(f[4], 16, 64)
	return s.bounded(err)
}

func (s scryptHash) bounded(err error) (digest, error) {
	if err != nil {
		return nil, err
	}
	if s.n < 2 || bits.OnesCount(uint(s.n)) != 1 || s.memory() > maxMemory || s.memory()*int64(s.p) > maxWork { // #nosec G115 -- positive
		return nil, errCost
	}
	return s, nil
}

// memory is that of the table of n blocks of 128 r bytes.
func (s scryptHash) memory() int64 { return max(int64(s.n)*int64(s.r)/8, 1) }

func (s scryptHash) stale() bool { return true }

func (s scryptHash) matches(password string) (bool, error) {
	key, err := scrypt.Key([]byte(password), s.salt, s.n, s.r, s.p, len(s.key))
	if err != nil {
		return false, fmt.Errorf("scrypt: %w", err)
	}
	return subtle.ConstantTimeCompare(key, s.key) == 1, nil
}
