package passhash

import (
	"crypto/sha512"
	"crypto/subtle"
	"strings"
)

const (
	cryptAlphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

	defaultCryptRounds = 5000
	minCryptRounds     = 1000
	maxCryptRounds     = 1_000_000 // about a second; passlib writes 656,000
	maxCryptSalt       = 16
	sha512CryptLen     = 86
)

// sha512Crypt is a hash of crypt(3) with the id 6, by Ulrich Drepper's specification
// "Unix crypt using SHA-256 and SHA-512".
type sha512Crypt struct {
	rounds int
	salt   string
	key    string // as it is written
}

// parseSHA512Crypt reads "rounds=N$salt$key", where the first part may be missing.
func parseSHA512Crypt(rest string) (digest, error) {
	c := sha512Crypt{rounds: defaultCryptRounds}
	if costs, after, ok := strings.Cut(rest, "$"); ok && strings.HasPrefix(costs, "rounds=") {
		var err error
		if c.rounds, err = parameter(costs, "rounds", maxCryptRounds); err != nil {
			return nil, err
		}
		rest = after
	}
	if c.rounds < minCryptRounds {
		return nil, errCost
	}
	var ok bool
	c.salt, c.key, ok = strings.Cut(rest, "$")
	if !ok || len(c.salt) > maxCryptSalt || len(c.key) != sha512CryptLen || strings.Trim(c.key, cryptAlphabet) != "" {
		return nil, errForm
	}
	return c, nil
}

func (c sha512Crypt) memory() int64 { return 4 }

func (c sha512Crypt) stale() bool { return true }

// matches refuses a password with a NUL, where the original reads a C string.
func (c sha512Crypt) matches(password string) (bool, error) {
	if strings.Contains(password, "\x00") {
		return false, nil
	}
	return subtle.ConstantTimeCompare([]byte(c.derive(password)), []byte(c.key)) == 1, nil
}

// derive returns the key; the letters are those of the specification.
func (c sha512Crypt) derive(password string) string {
	pw, salt := []byte(password), []byte(c.salt)
	b := sum512(pw, salt, pw)
	a := sha512.New()
	_, _ = a.Write(pw)
	_, _ = a.Write(salt)
	_, _ = a.Write(repeated(b, len(pw)))
	for n := len(pw); n > 0; n >>= 1 {
		if n&1 != 0 {
			_, _ = a.Write(b)
		} else {
			_, _ = a.Write(pw)
		}
	}
	prev := a.Sum(nil)
	p := repeated(sum512(repeated(pw, len(pw)*len(pw))), len(pw))
	s := repeated(sum512(repeated(salt, len(salt)*(16+int(prev[0])))), len(salt))
	h := sha512.New()
	for round := range c.rounds {
		h.Reset()
		first, last := prev, p
		if round%2 != 0 {
			first, last = p, prev
		}
		_, _ = h.Write(first)
		if round%3 != 0 {
			_, _ = h.Write(s)
		}
		if round%7 != 0 {
			_, _ = h.Write(p)
		}
		_, _ = h.Write(last)
		prev = h.Sum(prev[:0:0])
	}
	return encodeSHA512Crypt(prev)
}

func sum512(parts ...[]byte) []byte {
	h := sha512.New()
	for _, part := range parts {
		_, _ = h.Write(part)
	}
	return h.Sum(nil)
}

// repeated returns n bytes of b, repeated as often as needed.
func repeated(b []byte, n int) []byte {
	out := make([]byte, 0, n)
	for len(b) > 0 && len(out) < n {
		out = append(out, b[:min(len(b), n-len(out))]...)
	}
	return out
}

// encodeSHA512Crypt writes three bytes as four characters, in the order of the
// specification: from one triple to the next the three indices are rotated and increased
// by one.
func encodeSHA512Crypt(sum []byte) string {
	out := make([]byte, 0, sha512CryptLen)
	put := func(v, n int) {
		for range n {
			out = append(out, cryptAlphabet[v&0x3f])
			v >>= 6
		}
	}
	x, y, z := 0, 21, 42
	for range 21 {
		put(int(sum[x])<<16|int(sum[y])<<8|int(sum[z]), 4)
		x, y, z = y+1, z+1, x+1
	}
	put(int(sum[63]), 2)
	return string(out)
}
