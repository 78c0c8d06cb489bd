package verify_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/verify"
)

// An issuer may leave HS256 because its secret has leaked. Its nodes refuse what the secret
// signs from then on, and so does a verifier that still has the secret.
func TestASharedSecretCountsOnlyWhereTheIssuerShowsNoKeys(t *testing.T) {
	t.Parallel()
	s := newScript(t)
	secret := []byte("thirty-two bytes of a shared secret, no less")
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, secret, 0o600); err != nil {
		t.Fatal(err)
	}
	keys := s.key
	shared := keyring.Shared(secret)
	s.set(func() {
		s.jwks, s.key = `{"keys":[]}`, token.SigningKey{KID: shared.KID, Algorithm: token.HS256, Key: secret}
	})
	v := s.start(t, func(c *verify.Config) { c.SharedSecretFile = file })
	known, later := s.sign(t), s.sign(t)
	wants(t, judge(v, known), yes)
	s.set(func() { s.jwks, s.key = setOf(t, keys), keys })
	wants(t, judge(v, s.sign(t)), yes) // of an unknown key, for which the set is read again
	for name, raw := range map[string]string{"seen before": known, "not seen before": later} {
		if judge(v, raw) == nil {
			t.Errorf("a token of the secret is accepted, which was %s", name)
		}
	}
}
