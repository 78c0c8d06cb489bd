package token_test

import (
	"testing"

	"github.com/bearerd/bearerd/internal/token"
)

func TestOneSlashAtTheEndOfAURLIsNothing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"https://host", "https://host", true},
		{"https://host", "https://host/", true},
		{"https://host/a/b", "https://host/a/b/", true},
		{"https://host/", "https://host//", false},
		{"https://host/a", "https://host/", false},
		{"https://host", "https://HOST/", false},
		{"https://host", "http://host/", false},
		{"https://host?q=a", "https://host?q=a/", false},
		{"https://host/?q=a", "https://host?q=a", false},
		{"TES", "TES/", false},
		{"urn:x:y", "urn:x:y/", false},
		{"", "/", false},
	} {
		if got := token.SameAudience(c.a, c.b); got != c.same || token.SameAudience(c.b, c.a) != c.same {
			t.Errorf("%q and %q: %v, want %v", c.a, c.b, got, c.same)
		}
		if got := token.HasAudience([]string{"other", c.a}, c.b); got != c.same {
			t.Errorf("%q in a list, and %q: %v, want %v", c.a, c.b, got, c.same)
		}
	}
	if token.HasAudience(nil, "https://host") {
		t.Error("nothing has an audience")
	}
}
