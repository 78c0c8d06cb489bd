package passhash

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Parameters of new hashes.
const (
	argon2Memory  = 19456 // KiB
	argon2Passes  = 2
	argon2Lanes   = 1
	argon2SaltLen = 16
	argon2KeyLen  = 32
)

const (
	maxArgon2Passes = 1000
	maxArgon2Lanes  = 64
)

// argon2id is a hash of RFC 9106, version 0x13.
type argon2id struct {
	kib    uint32
	passes uint32
	lanes  uint8
	salt   []byte
	key    []byte // empty: matches nothing
}

// nobody is the hash of a user who doesn't exist: without a key it matches nothing, and
// checking it takes as long as any other.
type nobody struct{ argon2id }

func (nobody) stale() bool { return false }

// newArgon2id returns the parameters of a new hash with a new salt.
func newArgon2id() argon2id {
	salt := make([]byte, argon2SaltLen)
	_, _ = rand.Read(salt) // never fails
	return argon2id{kib: argon2Memory, passes: argon2Passes, lanes: argon2Lanes, salt: salt}
}

// parseArgon2id reads "v=19$m=…,t=…,p=…$salt$key".
func parseArgon2id(rest string) (digest, error) {
	f := strings.Split(rest, "$")
	if len(f) != 4 || f[0] != "v=19" {
		return nil, errForm
	}
	costs := strings.Split(f[1], ",")
	if len(costs) != 3 {
		return nil, errForm
	}
	kib, err := parameter(costs[0], "m", maxMemory)
	if err != nil {
		return nil, err
	}
	passes, err := parameter(costs[1], "t", maxArgon2Passes)
	if err != nil {
		return nil, err
	}
	lanes, err := parameter(costs[2], "p", maxArgon2Lanes)
	if err != nil {
		return nil, err
	}
	if kib < 8*lanes || kib*passes > 2*maxWork {
		return nil, errCost
	}
	a := argon2id{kib: uint32(kib), passes: uint32(passes), lanes: uint8(lanes)} // #nosec G115 -- all bounded above
	if a.salt, err = unpadded(f[2], 8, 64); err != nil {
		return nil, err
	}
	a.key, err = unpadded(f[3], 16, 64)
	return a, err
}

func (a argon2id) memory() int64 { return int64(a.kib) }

func (a argon2id) stale() bool {
	return a.kib < argon2Memory || a.passes < argon2Passes || len(a.key) < argon2KeyLen || len(a.salt) < argon2SaltLen
}

func (a argon2id) derive(password string, length int) []byte {
	return argon2.IDKey([]byte(password), a.salt, a.passes, a.kib, a.lanes, uint32(length)) // #nosec G115 -- at most 64
}

func (a argon2id) matches(password string) (bool, error) {
	key := a.derive(password, max(len(a.key), argon2KeyLen/2))
	return subtle.ConstantTimeCompare(key, a.key) == 1, nil
}

// hash returns a new hash of the password with these parameters.
func (a argon2id) hash(password string) Hash {
	return Hash(a.encode(a.derive(password, argon2KeyLen)))
}

// encode writes a PHC string.
func (a argon2id) encode(key []byte) string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, a.kib, a.passes, a.lanes, b64(a.salt), b64(key))
}
