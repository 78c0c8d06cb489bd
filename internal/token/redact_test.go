package token_test

import (
	"testing"

	"github.com/bearerd/bearerd/internal/redact"
	"github.com/bearerd/bearerd/internal/token"
)

// TestEveryTokenIsRedacted makes tokens of each kind, with prefixes of an operator's
// too, and puts them where they don't belong.
func TestEveryTokenIsRedacted(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{token.PrefixAPIToken, "acme_", "Lab7", "x-y-z-"} {
		forms, err := token.NewForms(prefix, "6879-")
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range []token.Kind{token.KindAPIToken, token.KindRefresh, token.KindSession, token.KindClientSecret} {
			secret, opaque, err := forms.New(kind)
			if err != nil {
				t.Fatal(err)
			}
			want := "/x/" + redact.Mark + "/y"
			if opaque.Prefix == prefix && prefix != token.PrefixAPIToken {
				want = "/x/" + prefix + redact.Mark + "/y" // known by its checksum, which the prefix has no part in
			}
			if got := redact.Tokens("/x/" + secret.Reveal() + "/y"); got != want {
				t.Errorf("%s with %q: %q, want %q", kind, prefix, got, want)
			}
		}
	}
	keys := readKeys(t)
	for _, file := range readVectors(t) {
		for _, v := range file.Vectors {
			if _, err := token.Verify(v.Token, keys.find(t, "keys")); err == nil {
				if got := redact.Tokens("#" + v.Token + "&"); got != "#"+redact.Mark+"&" {
					t.Errorf("%s: %q", v.Name, got)
				}
			}
		}
	}
}
