package identity_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
)

func TestParseScope(t *testing.T) {
	t.Parallel()
	for s, want := range map[string][]string{
		"":                       nil,
		" ":                      nil,
		"read":                   {"read"},
		"read write":             {"read", "write"},
		"write read":             {"write", "read"},
		"read read":              {"read"},
		"read  write ":           {"read", "write"},
		"Read read":              {"Read", "read"},
		"a:b https://x/y ~!#[]'": {"a:b", "https://x/y", "~!#[]'"},
	} {
		got, err := identity.ParseScope(s)
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("ParseScope(%q) = %q, %v; want %q", s, got, err, want)
		}
	}
}

func TestParseScopeRefuses(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"a\tb", "a\nb", "a,\"b\"", `a\b`, "é", "a\x00", "a\x7f", "\xff", "a\u00a0b",
		strings.Repeat("x", 256), strings.Repeat("ab ", 1366),
	} {
		if got, err := identity.ParseScope(s); !fault.Is(err, fault.InvalidScope) {
			t.Errorf("ParseScope(%.20q) = %q, %v; want InvalidScope", s, got, err)
		}
	}
}

func TestParseScopeReadsWhatFormatScopeWrites(t *testing.T) {
	t.Parallel()
	name := rapid.StringMatching(`[!#-\[\]-~]{1,20}`)
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfNDistinct(name, 0, 20, rapid.ID).Draw(t, "names")
		got, err := identity.ParseScope(identity.FormatScope(names))
		if err != nil || !slices.Equal(got, names) {
			t.Fatalf("%q became %q, %v", names, got, err)
		}
	})
}

func TestBuiltinScopesAreValidNames(t *testing.T) {
	t.Parallel()
	want := []string{"admin", "credentials", "introspect", "offline_access", "revocations", "scim"}
	if got := identity.BuiltinScopes(); !cmp.Equal(got, want) {
		t.Errorf("BuiltinScopes = %q, want %q", got, want)
	}
	for _, name := range want {
		if !identity.ValidScopeName(name) {
			t.Errorf("%q is no name", name)
		}
	}
}

func TestSubsetNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	names := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d", "A", ""}), 0, 6)
	rapid.Check(t, func(t *rapid.T) {
		a, b := names.Draw(t, "a"), names.Draw(t, "b")
		missing := identity.Subset(a, b)
		for _, name := range a {
			if slices.Contains(missing, name) == slices.Contains(b, name) {
				t.Fatalf("Subset(%q, %q) = %q", a, b, missing)
			}
		}
		for _, name := range missing {
			if !slices.Contains(a, name) {
				t.Fatalf("Subset(%q, %q) = %q", a, b, missing)
			}
		}
	})
	if got := identity.Subset(nil, nil); got != nil {
		t.Errorf("Subset(nil, nil) = %q", got)
	}
}
