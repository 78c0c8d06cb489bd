package identity_test

import (
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
)

// Spellings of a name that people take for the same one are the same.
func TestSpellingsOfOneNameFoldToTheSame(t *testing.T) {
	t.Parallel()
	for want, spellings := range map[string][]string{
		"ada":      {"ada", "Ada", "ADA", "ada ", " ada", "\tada\n", "ada\u00a0", "\u3000ada", "ａｄａ", "ＡＤＡ", "ad\u200ba", "\u200bada", "\ufeffada", "a\u00adda", "ad\u034fa"},
		"zo\u00eb": {"zoë", "ZOË", "zoe\u0308", "ZOE\u0308", "Zo\u00cb "},
		"strasse":  {"strasse", "straße", "STRASSE", "Stra\u1e9ee"},
		"σ":        {"Σ", "σ", "ς"},
		"office":   {"oﬃce", "OFFICE"},
		"1":        {"１", "①", "¹"},
		"i\u0307":  {"İ", "i\u0307"},
		"가":        {"\u1100\u1161", "\uac00"},
	} {
		for _, s := range spellings {
			if got := identity.FoldName(s); got != want {
				t.Errorf("FoldName(%q) = %q, want %q", s, got, want)
			}
			if !identity.SameName(s, spellings[0]) {
				t.Errorf("%q and %q are not the same name", s, spellings[0])
			}
		}
	}
	for _, pair := range [][2]string{{"ada", "adа"}, {"ada", "a da"}, {"ada", "ada1"}, {"zoe", "zoë"}} {
		if identity.SameName(pair[0], pair[1]) && pair[0] != pair[1] {
			t.Errorf("%q and %q are the same name", pair[0], pair[1])
		}
	}
}

func TestWhatCanBeNobodysNameFoldsToNothing(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", " ", "\u200b", "\xff", "a\x00b", "a\nb", "a\x1bb", strings.Repeat("x", 1025)} {
		if got := identity.FoldName(s); got != "" {
			t.Errorf("FoldName(%q) = %q", s, got)
		}
		if identity.SameName(s, "ada") {
			t.Errorf("%q is ada", s)
		}
	}
}

// A username looks as it reads: what can't be seen, or has two encodings, is refused.
func TestUsernamesThatReadAsOthersAreRefused(t *testing.T) {
	t.Parallel()
	for s, why := range map[string]string{
		"ad\u200ba":                  "invisible", // zero-width space
		"ad\u200da":                  "invisible", // joiner
		"a\u00adda":                  "invisible", // soft hyphen
		"\ufeffada":                  "invisible",
		"ad\u202ea":                  "control",    // turns the direction around
		"ad\U000e0061a":              "invisible",  // tag
		"ada\ue000":                  "of its own", // private use
		"ada\U0010fffd":              "of its own",
		"a\x07da":                    "control",
		"a\u0085da":                  "control",
		"a\u2028da":                  "control",
		"zoe\u0308":                  "NFC",
		"\u212bngstr\u00f6m":         "NFC", // the sign, not the letter
		"\ufe0f":                     "visible",
		"\u115f":                     "visible", // a filler
		"ada ":                       "space",
		"\u00a0ada":                  "space",
		strings.Repeat("\ufdfa", 85): "folded",
	} {
		err := identity.ValidateUsername(s)
		if !fault.Is(err, fault.Invalid) || fault.FieldOf(err) != "username" || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v; want Invalid that says %q, in username", s, err, why)
		}
	}
	for _, s := range []string{"ada", "Ada Lovelace", "zo\u00eb", "\u00c5ngstr\u00f6m", "李", "❤\ufe0f fan", "가나다", "نام", strings.Repeat("x", 255)} {
		if err := identity.ValidateUsername(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
}

// Every spelling of an account has the same key, so that guesses at it count together.
func TestSpellingsOfAnAccountCountTogether(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"ADA", "ada ", "Ada", "ａda"} {
		if identity.AccountKey(s) != identity.AccountKey("ada") {
			t.Errorf("%q is counted apart", s)
		}
	}
	if identity.AccountKey("a\x00") == identity.AccountKey("b\x00") {
		t.Error("what can be nobody's name is counted together")
	}
}

// FuzzFoldName looks for names that fold differently the second time, or that are the
// same in one form of Unicode and not in another.
func FuzzFoldName(f *testing.F) {
	for _, s := range []string{
		"ada", "Ada ", "zoe\u0308", "straße", "İ", "ΐ", "\u00a8ada", "ﬃ", "\u1e9e", "ᾳ\u0345", "\u034f", "a\u034f\u0301", "\u0345\u0301",
		strings.Repeat("\u0301", 40), "\u1100\u1161\u11a8", "\ufdfa", "\u3164x", "a\u200b\u0308", "ǰ\u0323", "ŉ",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once := identity.FoldName(s)
		if once == "" {
			return
		}
		if len(once) <= 1024 {
			if twice := identity.FoldName(once); twice != once {
				t.Fatalf("%q folds to %q, and that to %q", s, once, twice)
			}
		}
		if strings.TrimSpace(once) != once || !norm.NFKC.IsNormalString(once) {
			t.Fatalf("%q folds to %q, which is not trimmed NFKC", s, once)
		}
		for _, other := range []string{" " + s, s + " ", norm.NFC.String(s), norm.NFD.String(s), norm.NFKC.String(s), norm.NFKD.String(s)} {
			if len(other) <= 1024 && identity.FoldName(other) != once {
				t.Fatalf("%q folds to %q, and %q to %q", s, once, other, identity.FoldName(other))
			}
		}
		if identity.ValidateUsername(s) == nil && !identity.SameName(s, once) {
			t.Fatalf("%q is not the same name as %q", s, once)
		}
	})
}
