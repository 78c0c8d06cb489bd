package identity

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/bearerd/bearerd/internal/fault"
)

const (
	maxTypedBytes  = 1024 // of a typed username
	maxFoldedBytes = 1024 // of a username's folded form: the store has an index over it
	maxFolds       = 8    // more rounds than any text needs until folding changes nothing
)

// fieldUsername is the field in errors about usernames.
const fieldUsername = "username"

// ValidateUsername accepts 1 to 255 bytes of UTF-8 in Unicode's form NFC, without
// characters of the categories Cc (control), Cf (format: invisible), Co (private use),
// Cs, Zl and Zp, and without space at either end. Usernames are compared by FoldName.
// The error is fault.Invalid.
func ValidateUsername(s string) error {
	if err := checkName(fieldUsername, s); err != nil {
		return fault.In(fieldUsername, err)
	}
	for _, r := range s {
		if kind := unprintable(r); kind != "" {
			return fault.New(fault.Invalid, "the username has %s, U+%04X", kind, r).In(fieldUsername)
		}
	}
	if !norm.NFC.IsNormalString(s) {
		return fault.New(fault.Invalid, "the username is not in Unicode's form NFC").In(fieldUsername)
	}
	switch folded := FoldName(s); {
	case folded == "":
		return fault.New(fault.Invalid, "the username has no visible character").In(fieldUsername)
	case len(folded) > maxFoldedBytes:
		return fault.New(fault.Invalid, "the username is too long once it is folded").In(fieldUsername)
	}
	return nil
}

// unprintable returns why a character is not allowed in usernames; "" when it is.
func unprintable(r rune) string {
	switch {
	case unicode.Is(unicode.Cf, r):
		return "an invisible character"
	case unicode.In(r, unicode.Co, unicode.Cs):
		return "a character without a meaning of its own"
	case unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp):
		return "a control character"
	}
	return ""
}

// FoldName returns the form by which usernames are compared, looked up and counted:
// without space at the ends and invisible characters, in Unicode's form NFKC with case
// folded. `Ada`, `ADA` and `ada ` are the same name, and so are the composed and the
// decomposed spelling of `zoë`. It is "" for a text that can't be a name: one that is
// empty, not UTF-8, longer than 1,024 bytes, or has a control character.
//
// Folding a folded name changes nothing.
func FoldName(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > maxTypedBytes || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return ""
	}
	for range maxFolds {
		folded := foldOnce(s)
		if folded == s {
			break
		}
		s = folded
	}
	return s
}

// foldOnce may have to be repeated: case folding can produce characters that NFKC changes
// again.
func foldOnce(s string) string {
	if plainLower(s) {
		return s
	}
	s = strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) {
			return -1
		}
		return r
	}, s)
	return strings.TrimSpace(norm.NFKC.String(cases.Fold().String(norm.NFKC.String(s))))
}

// plainLower reports whether s is ASCII without capitals, as most usernames are.
func plainLower(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf || s[i] >= 'A' && s[i] <= 'Z' {
			return false
		}
	}
	return true
}

// SameName reports whether two spellings are the same username.
func SameName(a, b string) bool { return a == b || FoldName(a) != "" && FoldName(a) == FoldName(b) }
