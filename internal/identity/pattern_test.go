package identity_test

import (
	"testing"

	"github.com/bearerd/bearerd/internal/identity"
)

// A pattern means whole names, and only * and ? stand for something else.
func TestGroupPatternsMeanWholeNames(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pattern, group string
		want           bool
	}{
		{"curators", "curators", true},
		{"curators", "Curators", false},
		{"curators", "curators2", false},
		{"museum-*", "museum-staff/at night\nand day", true},
		{"museum-*", "a museum-", false},
		{"museum-?", "museum-ü", true},
		{"museum-?", "museum-", false},
		{"*", "", true},
		{"a.c", "abc", false},
		{"[a-z]", "b", false},
		{`a\`, `a\`, true},
		{"(", "(", true},
	} {
		if got := identity.NewGroupPatterns([]string{"none", tt.pattern}).Match(tt.group); got != tt.want {
			t.Errorf("%q matches %q: %v, want %v", tt.pattern, tt.group, got, tt.want)
		}
	}
	if none := identity.NewGroupPatterns(nil); none.Any() || none.Match("") {
		t.Error("no pattern means something")
	}
}
