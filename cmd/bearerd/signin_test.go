package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/config"
)

// A secret that no header can carry would let nobody in, and nobody would know why.
func TestTheSecretOfAProxyFitsAHeader(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sso.secret")
	const good = "n7Uq2xPz9LmW4cVb8RtY1kJh5GfD3sAo"
	for secret, usable := range map[string]bool{
		good: true, good + "\n": true, good + "\r\n": false, good + " ": false, "n7Uq2xPz9LmW4cVb\n8RtY1kJh5GfD3sAo": false,
		"n7Uq2xPz9LmW4cVb 8RtY1kJh5GfD3sAo": false, "n7Uq2xPz9LmW4cVb\u00e48RtY1kJh5GfD3sAo": false, "too short": false, "": false,
	} {
		must(t, os.WriteFile(path, []byte(secret), 0o600))
		h, err := readHeader("sign_in.sources[0]", config.Config{}, config.SignInSource{Name: "sso", SecretFile: path}, time.Now)
		if usable != (err == nil) || usable && string(h.Secret) != good {
			t.Errorf("%q: %v", secret, err)
		}
		if err != nil && (!strings.Contains(err.Error(), "sign_in.sources[0].secret_file") || len(secret) > 9 && strings.Contains(err.Error(), secret)) {
			t.Errorf("%q says %v", secret, err)
		}
	}
}
