package passhash

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"

	"github.com/bearerd/bearerd/internal/fault"
)

const (
	maxHashBytes = 512

	// What checking one password may cost at most, whatever the hash asks for:
	// about two seconds of one core and 256 MiB.
	maxMemory = 256 << 10 // KiB
	maxWork   = 512 << 10 // KiB read and written
)

// digest is a parsed password hash.
type digest interface {
	matches(password string) (bool, error)
	memory() int64 // KiB needed
	stale() bool   // whether a login should replace it
}

// scheme is one format of password hashes, recognised by its prefix.
type scheme struct {
	prefix string
	parse  func(rest string) (digest, error)
}

func schemes() []scheme {
	return []scheme{
		{"$argon2id$", parseArgon2id},
		{"argon2$argon2id$", foreign(parseArgon2id)}, // Django
		{"$2a$", parseBcrypt("$2a$")},
		{"$2b$", parseBcrypt("$2b$")},
		{"$2y$", parseBcrypt("$2y$")},
		{"bcrypt$", parseNestedBcrypt(false)},       // Django
		{"bcrypt_sha256$", parseNestedBcrypt(true)}, // Django
		{"{BCRYPT}", parseNestedBcrypt(false)},      // Plone
		{"$scrypt$", parseScryptPHC},
		{"scrypt$", parseScryptDjango},
		{"pbkdf2_sha1$", parsePBKDF2Django(sha1Name)},
		{"pbkdf2_sha256$", parsePBKDF2Django(sha256Name)},
		{"$pbkdf2-sha256$", parsePBKDF2Passlib(sha256Name)},
		{"$pbkdf2-sha512$", parsePBKDF2Passlib(sha512Name)},
		{"{SSHA}", parseSSHA},       // Plone
		{"{SSHA512}", parseSSHA512}, // LDAP, Dovecot
		{"{CRYPT}$6$", parseSHA512Crypt},
		{"$P$", parsePhpass}, // WordPress
		{"$H$", parsePhpass}, // phpBB
		{"scrypt:", parseScryptWerkzeug},
		{"pbkdf2:sha1:", parsePBKDF2Werkzeug(sha1Name)},
		{"pbkdf2:sha256:", parsePBKDF2Werkzeug(sha256Name)},
		{"pbkdf2:sha512:", parsePBKDF2Werkzeug(sha512Name)},
	}
}

// Parse accepts an encoded password hash that Verify can check: argon2id and bcrypt
// in the common formats; scrypt and PBKDF2 in those of Django, passlib and Werkzeug;
// Django's argon2$, bcrypt$ and bcrypt_sha256$; Plone's {SSHA} and {BCRYPT}; {SSHA512},
// {CRYPT}$6$, and phpass. What other systems write where a user has no password (nothing,
// "*", or what begins with "!") is the empty hash, which no password matches. Cost
// parameters that would take more than 256 MiB or some seconds are refused. The error is
// fault.Invalid, says what is wrong, and does not repeat the hash.
func Parse(encoded string) (Hash, error) {
	if encoded == "" || encoded == "*" || strings.HasPrefix(encoded, "!") {
		return "", nil
	}
	if _, err := parseHash(encoded); err != nil {
		return "", err
	}
	return Hash(encoded), nil
}

func parseHash(encoded string) (digest, error) {
	if len(encoded) > maxHashBytes {
		return nil, fault.New(fault.Invalid, "password hash: longer than %d bytes", maxHashBytes).In("password_hash")
	}
	for _, s := range schemes() {
		rest, ok := strings.CutPrefix(encoded, s.prefix)
		if !ok {
			continue
		}
		d, err := s.parse(rest)
		if err != nil {
			return nil, fault.New(fault.Invalid, "password hash of the form %s…: %s", s.prefix, err).In("password_hash")
		}
		return d, nil
	}
	return nil, fault.New(fault.Invalid, "password hash: unknown format; docs/users.md lists the formats that bearerd reads").In("password_hash")
}

var (
	errForm = errors.New("not well formed")
	errCost = errors.New("its cost parameters are out of bounds: checking one password may take at most 256 MiB and some seconds")
)

// imported is a digest that is always stale.
type imported struct{ digest }

func (imported) stale() bool { return true }

func foreign(parse func(string) (digest, error)) func(string) (digest, error) {
	return func(rest string) (digest, error) {
		d, err := parse(rest)
		return imported{d}, err
	}
}

// number reads a decimal number in its only spelling, between 1 and limit.
func number(s string, limit int) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, errForm
	}
	if err != nil || n < 1 || n > limit {
		return 0, errCost
	}
	if strconv.Itoa(n) != s {
		return 0, errForm
	}
	return n, nil
}

// parameter reads "name=number".
func parameter(s, name string, limit int) (int, error) {
	value, ok := strings.CutPrefix(s, name+"=")
	if !ok {
		return 0, errForm
	}
	return number(value, limit)
}

// unpadded reads the base64 of PHC strings and of passlib, which writes "." for
// "+" in some of its schemes.
func unpadded(s string, least, most int) ([]byte, error) {
	b, err := base64.RawStdEncoding.DecodeString(strings.ReplaceAll(s, ".", "+"))
	if err != nil || len(b) < least || len(b) > most {
		return nil, errForm
	}
	return b, nil
}

// hexadecimal reads a key of exactly the given number of bytes.
func hexadecimal(s string, length int) ([]byte, error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != length {
		return nil, errForm
	}
	return b, nil
}

// padded reads the base64 of Django.
func padded(s string, least, most int) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(b) < least || len(b) > most {
		return nil, errForm
	}
	return b, nil
}
