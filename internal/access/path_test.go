package access_test

import (
	"net/url"
	"path"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
)

func TestParsePathAcceptsCanonicalPaths(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"/", "/tokens", "/collections/4", "/task-tokens/FOO/100", "/a b", "/*", "/...", "/.a", "/a..", "/ü/漢", "/a:b;c=d",
		"/" + strings.Repeat("x", 1023),
	} {
		if got, err := access.ParsePath(s); err != nil || string(got) != s {
			t.Errorf("ParsePath(%q) = %q, %v", s, got, err)
		}
	}
}

func TestParsePathRefusesEverySecondSpelling(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"", "tokens", "collections/4", " /a", "//", "//a", "/a//b", "/a/", "/.", "/..", "/a/.", "/a/..", "/a/../b", "/./a",
		"/a%2fb", "/%61", "/100%", "/a\x00", "/a\nb", "/a\x7f", "/a\u0085", "/a\u2028", "/a\u202eb", "/\xff", "/a\xc3",
		"/" + strings.Repeat("x", 1024), "https://example.org/a", "\\a",
	} {
		if got, err := access.ParsePath(s); !fault.Is(err, fault.Invalid) || got != "" {
			t.Errorf("ParsePath(%.30q) = %q, %v; want Invalid", s, got, err)
		}
	}
}

func TestCoversComparesWholeSegments(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		p, q access.Path
		want bool
	}{
		{"/collections/4", "/collections/4", true},
		{"/collections/4", "/collections/4/taxa", true},
		{"/collections/4", "/collections/42", false},
		{"/collections/4", "/collections/42/4", false},
		{"/collections/4", "/collections", false},
		{"/collections/4", "/", false},
		{"/collections/4", "/Collections/4", false},
		{"/collections", "/collections/4", true},
		{"/", "/", true},
		{"/", "/collections/4", true},
		{"", "", false},
		{"", "/", false},
		{"", "/a", false},
		{"/", "", false},
		{"/", "a", false},
		{"a", "a/b", false},
		{"/é", "/e\u0301", false},
	} {
		if got := c.p.Covers(c.q); got != c.want {
			t.Errorf("%q covers %q: %t", c.p, c.q, got)
		}
	}
}

func TestCollectionPath(t *testing.T) {
	t.Parallel()
	if got := access.CollectionPath(4); got != "/collections/4" {
		t.Errorf("CollectionPath(4) = %q", got)
	}
}

func TestCoversAgreesWithAComparisonOfSegments(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, q := paths().Draw(t, "p"), paths().Draw(t, "q")
		want := len(segments(p)) <= len(segments(q))
		for i, s := range segments(p) {
			want = want && s == segments(q)[i]
		}
		if got := p.Covers(q); got != want {
			t.Fatalf("%q covers %q: %t, want %t", p, q, got, want)
		}
	})
}

func TestJoinPutsOnePathBeneathAnother(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p, q, r := paths().Draw(t, "p"), paths().Draw(t, "q"), paths().Draw(t, "r")
		joined := p.Join(q)
		if _, err := access.ParsePath(string(joined)); err != nil {
			t.Fatalf("%q joined with %q is %q: %v", p, q, joined, err)
		}
		if !p.Covers(joined) {
			t.Fatalf("%q does not cover %q", p, joined)
		}
		if len(segments(joined)) != len(segments(p))+len(segments(q)) {
			t.Fatalf("%q joined with %q is %q", p, q, joined)
		}
		if a, b := p.Join(q).Join(r), p.Join(q.Join(r)); a != b {
			t.Fatalf("%q and %q", a, b)
		}
	})
	for _, p := range []access.Path{"", "/a", access.Root} {
		if got := p.Join(""); got != "" {
			t.Errorf("%q joined with nothing is %q", p, got)
		}
		if got := access.Path("").Join(p); got != "" {
			t.Errorf("nothing joined with %q is %q", p, got)
		}
	}
}

func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"/", "/collections/4", "/a/../b", "/a%2fb", "//", "/a/", "", "/\xff", "/a\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := access.ParsePath(s)
		if err != nil {
			if p != "" || !fault.Is(err, fault.Invalid) {
				t.Fatalf("ParsePath(%q) = %q, %v", s, p, err)
			}
			return
		}
		unescaped, uerr := url.PathUnescape(s)
		if string(p) != s || path.Clean(s) != s || !path.IsAbs(s) || unescaped != s || uerr != nil || !utf8.ValidString(s) {
			t.Fatalf("%q is not canonical", s)
		}
		if !p.Covers(p) || !access.Root.Covers(p) || p.Covers(p+"x") != (p == access.Root) || !p.Covers(p.Join("/x")) {
			t.Fatalf("%q covers the wrong paths", p)
		}
	})
}

// segments takes a path apart in another way than the package does.
func segments(p access.Path) []string {
	return strings.FieldsFunc(string(p), func(r rune) bool { return r == '/' })
}

// paths draws from few segments, so that paths meet each other often.
func paths() *rapid.Generator[access.Path] {
	segment := rapid.SampledFrom([]string{"a", "b", "4", "42", "collections", "task-tokens", "FOO", "100"})
	return rapid.Custom(func(t *rapid.T) access.Path {
		return access.Path("/" + strings.Join(rapid.SliceOfN(segment, 0, 4).Draw(t, "segments"), "/"))
	})
}
