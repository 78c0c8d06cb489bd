package token_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"testing"

	"github.com/bearerd/bearerd/internal/token"
)

// TestOthersMayCallEdDSAEd25519 reads a token and a key that use the newer name of the
// algorithm (RFC 9864). Our own tokens never do.
func TestOthersMayCallEdDSAEd25519(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"Ed25519","kid":"k"}`)) + "." + encode([]byte(`{"iss":"https://idp.example.org"}`))
	raw := signed + "." + encode(ed25519.Sign(private, []byte(signed)))
	keys, err := token.ParseForeignJWK(map[string]any{"kty": "OKP", "crv": "Ed25519", "kid": "k", "alg": "Ed25519", "x": encode(public)})
	if err != nil || len(keys) != 1 || keys[0].Algorithm != token.EdDSA {
		t.Fatal(keys, err)
	}
	got, err := token.VerifyForeign(raw, func(a token.Algorithm, kid string) (token.VerificationKey, error) {
		if a != token.EdDSA || kid != "k" {
			t.Errorf("asked for the key %q of %s", kid, a)
		}
		return keys[0], nil
	})
	if err != nil || string(got.Payload) != `{"iss":"https://idp.example.org"}` {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := token.Verify(raw, func(string) (token.VerificationKey, bool) { return keys[0], true }); err == nil {
		t.Error("it was taken for a token of ours")
	}
}
