package passhash

import (
	"crypto/pbkdf2"
	"crypto/sha1" // #nosec G505 -- only to check hashes of other systems
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"fmt"
	"hash"
	"strings"
)

const (
	maxPBKDF2Iterations = 5_000_000
	pbkdf2Memory        = 1 // KiB
)

// hashName names the hash function of a PBKDF2 hash by its output's length.
type hashName int

const (
	sha1Name   hashName = sha1.Size
	sha256Name hashName = sha256.Size
	sha512Name hashName = sha512.Size
)

func (h hashName) size() int { return int(h) }

// pbkdf2Hash is a hash of RFC 8018 §5.2 whose key is as long as the output of the hash
// function.
type pbkdf2Hash struct {
	name       hashName
	iterations int
	salt       []byte
	key        []byte
}

// parsePBKDF2Django reads "iterations$salt$key", where the salt is text.
func parsePBKDF2Django(name hashName) func(string) (digest, error) {
	return func(rest string) (digest, error) {
		f := strings.Split(rest, "$")
		if len(f) != 3 || f[1] == "" {
			return nil, errForm
		}
		iterations, err := number(f[0], maxPBKDF2Iterations)
		if err != nil {
			return nil, err
		}
		key, err := padded(f[2], name.size(), name.size())
		return pbkdf2Hash{name, iterations, []byte(f[1]), key}, err
	}
}

// parsePBKDF2Passlib reads "rounds$salt$key", where the salt is base64.
func parsePBKDF2Passlib(name hashName) func(string) (digest, error) {
	return func(rest string) (digest, error) {
		f := strings.Split(rest, "$")
		if len(f) != 3 {
			return nil, errForm
		}
		iterations, err := number(f[0], maxPBKDF2Iterations)
		if err != nil {
			return nil, err
		}
		salt, err := unpadded(f[1], 0, 128)
		if err != nil {
			return nil, err
		}
		key, err := unpadded(f[2], name.size(), name.size())
		return pbkdf2Hash{name, iterations, salt, key}, err
	}
}

// parsePBKDF2Werkzeug reads "iterations$salt$key", where the salt is text and the key
// hexadecimal.
func parsePBKDF2Werkzeug(name hashName) func(string) (digest, error) {
	return func(rest string) (digest, error) {
		f := strings.Split(rest, "$")
		if len(f) != 3 || f[1] == "" {
			return nil, errForm
		}
		iterations, err := number(f[0], maxPBKDF2Iterations)
		if err != nil {
			return nil, err
		}
		key, err := hexadecimal(f[2], name.size())
		return pbkdf2Hash{name, iterations, []byte(f[1]), key}, err
	}
}

func (p pbkdf2Hash) memory() int64 { return pbkdf2Memory }

func (p pbkdf2Hash) stale() bool { return true }

func (p pbkdf2Hash) matches(password string) (bool, error) {
	var key []byte
	var err error
	switch p.name {
	case sha1Name:
		key, err = derivePBKDF2(sha1.New, p, password)
	case sha256Name:
		key, err = derivePBKDF2(sha256.New, p, password)
	case sha512Name:
		key, err = derivePBKDF2(sha512.New, p, password)
	}
	return subtle.ConstantTimeCompare(key, p.key) == 1, err
}

func derivePBKDF2(h func() hash.Hash, p pbkdf2Hash, password string) ([]byte, error) {
	key, err := pbkdf2.Key(h, password, p.salt, p.iterations, p.name.size())
	if err != nil {
		return nil, fmt.Errorf("PBKDF2: %w", err)
	}
	return key, nil
}
