package keyring

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/bearerd/bearerd/internal/token"
)

const (
	minSecret = 32
	maxSecret = 4 << 10
)

// ExampleSecret is the secret that the documentation shows. CheckSecret refuses it.
const ExampleSecret = "documentation-example-of-a-shared-secret"

// placeholders are the words that placeholder secrets consist of.
var placeholders = strings.NewReplacer(
	"changeme", "", "changeit", "", "change", "", "replace", "", "placeholder", "", "example", "",
	"insecure", "", "default", "", "password", "", "secret", "", "shared", "", "signing", "",
	"token", "", "please", "", "production", "", "characters", "", "bytes", "", "least", "",
	"django", "", "documentation", "", "super", "", "your", "", "this", "", "jwt", "", "key", "",
)

// signingSecret is the setting of bearerd's own shared secret.
const signingSecret = "signing.secret_file"

// ReadSecret reads the shared secret of HS256: the file's bytes, one trailing
// newline aside. It is checked as by CheckSecret.
func ReadSecret(path string) ([]byte, error) { return ReadSecretOf(signingSecret, path) }

// ReadSecretOf is ReadSecret for the secret of another setting, which errors name.
func ReadSecretOf(setting, path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxSecret+2))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	secret := bytes.TrimSuffix(text, []byte("\n"))
	return secret, CheckSecretOf(setting, secret)
}

// CheckSecret reports why a shared secret can't be used: shorter than 32 bytes, longer
// than 4 KiB, or a placeholder. The message names signing.secret_file and contains
// nothing of the secret.
func CheckSecret(secret []byte) error { return CheckSecretOf(signingSecret, secret) }

// CheckSecretOf is CheckSecret for the secret of another setting, which the message names.
func CheckSecretOf(setting string, secret []byte) error {
	switch {
	case len(secret) < minSecret:
		return fmt.Errorf("%s: the secret has %d bytes and needs at least %d", setting, len(secret), minSecret)
	case len(secret) > maxSecret:
		return fmt.Errorf("%s: the secret has more than %d bytes", setting, maxSecret)
	case repeats(secret), worded(secret):
		return fmt.Errorf("%s: the secret is a placeholder; make one with: openssl rand -base64 48", setting)
	}
	return nil
}

// repeats reports whether the secret is a short run of bytes over and over, or has
// hardly any variety.
func repeats(secret []byte) bool {
	for period := 1; period <= len(secret)/2; period++ {
		if bytes.Equal(secret[period:], secret[:len(secret)-period]) {
			return true
		}
	}
	var seen [256]bool
	variety := 0
	for _, b := range secret {
		if !seen[b] {
			seen[b] = true
			variety++
		}
	}
	return variety < 8
}

// worded reports whether the secret consists mostly of placeholder words.
func worded(secret []byte) bool {
	if string(secret) == ExampleSecret {
		return true
	}
	rest := placeholders.Replace(strings.ToLower(string(secret)))
	rest = strings.Trim(rest, "-_ .!<>0123456789")
	return len(rest) < minSecret/2 && len(rest) < len(secret)/2
}

// Shared returns the key that verifies what is signed with a shared secret, for a
// verifier that has the secret and no ring. The secret must pass CheckSecret.
func Shared(secret []byte) token.VerificationKey { return shared(secret).Verification() }

// shared returns the key of a shared secret. Its id distinguishes secrets and nothing
// else: guessing the secret from it is no easier than from a token.
func shared(secret []byte) token.SigningKey {
	mac := hmac.New(sha256.New, secret)
	_, _ = mac.Write([]byte("bearerd key id"))
	kid := base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	return token.SigningKey{KID: kid, Algorithm: token.HS256, Key: bytes.Clone(secret)}
}
