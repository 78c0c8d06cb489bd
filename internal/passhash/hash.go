package passhash

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
)

// Hash is an encoded password hash, or empty where there is none. It does not
// print, log or marshal its value; Reveal returns it. A store must write what Reveal
// returns, because an SQL driver may write a value as it prints.
type Hash string

const redacted = "[redacted]"

// Reveal returns the encoded hash itself.
func (h Hash) Reveal() string { return string(h) }

// Fingerprint identifies a hash without revealing it: the hexadecimal SHA-256.
func (h Hash) Fingerprint() string {
	sum := sha256.Sum256([]byte(h))
	return hex.EncodeToString(sum[:])
}

// String returns a fixed text.
func (h Hash) String() string { return redacted }

// Format writes the same fixed text for every verb.
func (h Hash) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText returns the same fixed text; JSON, YAML and slog use it.
func (h Hash) MarshalText() ([]byte, error) { return []byte(redacted), nil }
