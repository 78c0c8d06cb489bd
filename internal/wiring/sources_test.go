package wiring

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/config"
)

// A secret that no header can carry would let nobody in, and nobody would know why.
func TestTheSecretOfAProxyFitsAHeader(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sso.secret")
	const good = "n7Uq2xPz9LmW4cVb8RtY1kJh5GfD3sAo"
	for text, usable := range map[string]bool{
		good: true, good + "\n": true, good + "\r\n": false, good + " ": false, "n7Uq2xPz9LmW4cVb\n8RtY1kJh5GfD3sAo": false,
		"n7Uq2xPz9LmW4cVb 8RtY1kJh5GfD3sAo": false, "n7Uq2xPz9LmW4cVb\u00e48RtY1kJh5GfD3sAo": false, "too short": false, "": false,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		secret, err := readProxySecret("sign_in.sources[0]", config.SignInSource{Name: "sso", SecretFile: path})
		if usable != (err == nil) || usable && string(secret) != good {
			t.Errorf("%q: %v", text, err)
		}
		if err != nil && (!strings.Contains(err.Error(), "sign_in.sources[0].secret_file") || len(text) > 9 && strings.Contains(err.Error(), text)) {
			t.Errorf("%q says %v", text, err)
		}
	}
}
