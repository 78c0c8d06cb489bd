package verify

import (
	"crypto/rand"
	"strings"
	"testing"
)

func TestDigestsTellTokensApart(t *testing.T) {
	t.Parallel()
	keyed, err := newDigester()
	if err != nil {
		t.Fatal(err)
	}
	if keyed.gcm == nil {
		t.Error("no GCM")
	}
	base := strings.Repeat("a", 300)
	for name, d := range map[string]*digester{"keyed": keyed, "SHA-256": {}} {
		seen := map[digest]string{d.digest(base): base}
		for i := range len(base) {
			for _, raw := range []string{base[:i] + "b" + base[i+1:], base[:i], strings.Repeat("\x00", i)} {
				got := d.digest(raw)
				if other, ok := seen[got]; ok && other != raw {
					t.Fatalf("%s: %q and %q", name, raw, other)
				}
				if seen[got] = raw; got != d.digest(strings.Clone(raw)) {
					t.Fatalf("%s: %q has two digests", name, raw)
				}
			}
		}
	}
	other, err := newDigester()
	if err != nil {
		t.Fatal(err)
	}
	if raw := rand.Text(); keyed.digest(raw) == other.digest(raw) {
		t.Error("two verifiers have the same digests")
	}
}
