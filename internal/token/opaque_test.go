package token_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bearerd/bearerd/internal/token"
)

func forms(t testing.TB, prefix string) token.Forms {
	t.Helper()
	f, err := token.NewForms(prefix, "6879-")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestParseReadsWhatNewMakes(t *testing.T) {
	t.Parallel()
	f := forms(t, "acme-")
	for kind, prefix := range map[token.Kind]string{
		token.KindAPIToken: "acme-", token.KindRefresh: "bdr_", token.KindSession: "bds_", token.KindClientSecret: "bdc_",
	} {
		secret, made, err := f.New(kind)
		if err != nil {
			t.Fatal(err)
		}
		raw := secret.Reveal()
		want := token.Opaque{Kind: kind, Prefix: prefix, Last4: raw[len(raw)-4:], Digest: sha256.Sum256([]byte(raw))}
		if diff := cmp.Diff(want, made); diff != "" {
			t.Errorf("New(%s) (-want +got):\n%s", kind, diff)
		}
		if len(raw) != len(prefix)+36 || !strings.HasPrefix(raw, prefix) {
			t.Errorf("New(%s) has %d characters after %q", kind, len(raw)-len(prefix), prefix)
		}
		parsed, err := f.Parse(raw)
		if diff := cmp.Diff(want, parsed); err != nil || diff != "" {
			t.Errorf("Parse: %v (-want +got):\n%s", err, diff)
		}
		if again, _, _ := f.New(kind); again == secret {
			t.Errorf("two %s tokens are the same", kind)
		}
	}
}

func TestNewUsesTheWholeAlphabetEvenly(t *testing.T) {
	t.Parallel()
	f := forms(t, token.PrefixAPIToken)
	count := map[rune]int{}
	const tokens = 8000
	for range tokens {
		secret, _, err := f.New(token.KindSession)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range secret.Reveal()[4:34] {
			count[c]++
		}
	}
	mean := tokens * 30 / 62
	for c, n := range count {
		if n < mean*88/100 || n > mean*112/100 { // seven standard deviations
			t.Errorf("%q occurs %d times, about %d are expected", c, n, mean)
		}
	}
	if len(count) != 62 {
		t.Errorf("%d different characters, want 62", len(count))
	}
}

func TestParseTakesTheChecksumOfTheRandomPartAlone(t *testing.T) {
	t.Parallel()
	f := forms(t, "acme-")
	// CRC-32 as zlib has it, in base62 by hand.
	for random, sum := range map[string]string{
		"000000000000000000000000000000": "2C8GjS",
		"zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz": "4IlJEz",
		"abcdefghijklmnopqrstuvwxyz0123": "2LolCm",
		"000000000000000000000000000405": "00azb7",
	} {
		for prefix, kind := range map[string]token.Kind{
			"bda_": token.KindAPIToken, "6879-": token.KindAPIToken, "acme-": token.KindAPIToken,
			"bdr_": token.KindRefresh, "bds_": token.KindSession, "bdc_": token.KindClientSecret,
		} {
			got, err := f.Parse(prefix + random + sum)
			if err != nil || got.Kind != kind || got.Prefix != prefix || got.Last4 != sum[2:] {
				t.Errorf("Parse(%s%s%s) = %+v, %v", prefix, random, sum, got, err)
			}
		}
	}
}

func TestParseRefusesJunkBeforeAnyLookUp(t *testing.T) {
	t.Parallel()
	const good = "bda_abcdefghijklmnopqrstuvwxyz01232LolCm"
	f := forms(t, token.PrefixAPIToken)
	if _, err := f.Parse(good); err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string]string{
		"nothing":                   "",
		"a prefix alone":            "bda_",
		"no prefix":                 good[4:],
		"an unknown prefix":         "bdx_" + good[4:],
		"a prefix in another case":  "BDA_" + good[4:],
		"an operator's that is not": "acme-" + good[4:],
		"one character less":        good[:len(good)-1],
		"one character more":        good + "0",
		"a space before":            " " + good,
		"a space after":             good + " ",
		"a line break after":        good + "\n",
		"a dash":                    strings.Replace(good, "x", "-", 1),
		"an underscore":             strings.Replace(good, "x", "_", 1),
		"a zero byte":               strings.Replace(good, "x", "\x00", 1),
		"not ASCII":                 strings.Replace(good, "xy", "é", 1),
		"a wrong checksum":          good[:len(good)-1] + "n",
		"a letter changed":          strings.Replace(good, "x", "X", 1),
		"two letters swapped":       strings.Replace(good, "xy", "yx", 1),
		"very long":                 good + strings.Repeat("0", 1<<20),
	} {
		_, err := f.Parse(raw)
		var refusal *token.Refusal
		if !errors.As(err, &refusal) || refusal.Check != token.CheckWellFormed || refusal.Reason != token.ReasonMalformed {
			t.Errorf("%s: %v, want malformed", name, err)
		}
	}
	if _, err := (token.Forms{}).Parse(good); err == nil {
		t.Error("the zero Forms reads a token")
	}
}

func TestParseFindsAnyOneWrongCharacter(t *testing.T) {
	t.Parallel()
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	f := forms(t, token.PrefixAPIToken)
	rapid.Check(t, func(t *rapid.T) {
		secret, _, err := f.New(token.KindRefresh)
		if err != nil {
			t.Fatal(err)
		}
		raw := secret.Reveal()
		i := rapid.IntRange(4, len(raw)-1).Draw(t, "at")
		c := rapid.SampledFrom([]byte(alphabet)).Draw(t, "character")
		wrong := raw[:i] + string(c) + raw[i+1:]
		if _, err := f.Parse(wrong); (err == nil) != (wrong == raw) {
			t.Errorf("Parse(%q), %q changed at %d: %v", wrong, raw, i, err)
		}
	})
}

func TestNewFormsRefusesPrefixesThatConfuse(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{
		"", "a", "12345678901234567", // length
		"a.b", "a b", "a\n", "é_", "a/b", "ab\x00", "a\xff", // alphabet
		"bdr_", "bds_", "bdc_", "bd", "bdr", "bdr_x", "bda", "bda_x", "6879", "6879-x", // others'
		"ey", "eyJhbGciOiJ", // a JWT's
	} {
		if f, err := token.NewForms(prefix, "6879-"); err == nil {
			t.Errorf("NewForms(%q) is accepted", prefix)
		} else if f.Opaque("bda_x") {
			t.Errorf("NewForms(%q) returns forms beside the error", prefix)
		}
	}
	for _, prefix := range []string{"bda_", "6879-", "ab", "acme-", "Acme_PAT-", "1234567890123456", "BDR_"} {
		if _, err := token.NewForms(prefix, "6879-"); err != nil {
			t.Errorf("NewForms(%q): %v", prefix, err)
		}
	}
}

func TestNewRefusesKindsThatAreNotOpaque(t *testing.T) {
	t.Parallel()
	f := forms(t, token.PrefixAPIToken)
	for _, kind := range []token.Kind{token.KindUnknown, token.KindAccess, token.KindTask, token.KindExchangeKey, 99} {
		if s, _, err := f.New(kind); err == nil || s != "" {
			t.Errorf("New(%s) makes a token", kind)
		}
	}
	for _, prefix := range []string{"bdr_", "acme-", ""} {
		if s, _, err := f.NewAPIToken(prefix); err == nil || s != "" {
			t.Errorf("NewAPIToken(%q) makes a token", prefix)
		}
	}
	s, o, err := f.NewAPIToken("6879-")
	if err != nil || o.Kind != token.KindAPIToken || !strings.HasPrefix(s.Reveal(), "6879-") {
		t.Errorf("NewAPIToken(6879-) = %+v, %v", o, err)
	}
}

func TestShapeNeedsNoTrial(t *testing.T) {
	t.Parallel()
	f := forms(t, "acme-")
	for raw, want := range map[string]bool{
		"bda_": true, "bdr_junk": true, "6879-x": true, "acme-1": true,
		"bda_a.b.c": true, // a prefix is looked at first
		"a.b.c":     false, "eyJ.eyJ.sig": false, "": false, "abc": false, "a.b": false, "BDA_x": false,
	} {
		if got := f.Opaque(raw); got != want {
			t.Errorf("Opaque(%q) = %t, want %t", raw, got, want)
		}
	}
	for _, raw := range []string{"", "abc", "a.b", "a.b.", ".b.c", "a..c", "a.b.c.d", "a.b.c.d.e", ".."} {
		_, err := token.Verify(raw, func(string) (token.VerificationKey, bool) {
			t.Errorf("a key is looked for because of %q", raw)
			return token.VerificationKey{}, false
		})
		if checkOf(err) != token.CheckWellFormed {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

func TestSecretPrintsNowhere(t *testing.T) {
	t.Parallel()
	const secret = token.Secret("bda_hunter2")
	holder := struct {
		S token.Secret
		P *token.Secret
		L []token.Secret
	}{secret, nil, []token.Secret{secret}}
	text, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("made", slog.Any("secret", secret), slog.Any("holder", holder))
	yaml, err := secret.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	printed := []string{string(yaml), string(text), log.String(), secret.String(), secret.GoString(), fmt.Errorf("with %w and %s", errors.New("x"), secret).Error()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%10.3s"} {
		printed = append(printed, fmt.Sprintf(verb, secret), fmt.Sprintf(verb, holder), fmt.Sprintf(verb, []token.Secret{secret}))
	}
	for _, s := range printed {
		if strings.Contains(s, "hunter2") || strings.Contains(strings.ToLower(s), "68756e746572") {
			t.Errorf("the secret shows in %q", s)
		}
	}
	if secret.Reveal() != "bda_hunter2" {
		t.Error("Reveal doesn't")
	}
}

// shapeOf is the shape of values of that length.
type shapeOf int

func (n shapeOf) Foreign(raw string) (prefix string, ok bool) { return "x_", len(raw) == int(n) }

// A value of another system's shape is an API token without a checksum; one that only
// begins like bearerd's own is not mistaken for one, and bearerd's own are as they were.
func TestAnotherSystemsTokensAreRecognisedByShape(t *testing.T) {
	t.Parallel()
	plain, err := token.NewForms(token.PrefixAPIToken, "6879-")
	if err != nil {
		t.Fatal(err)
	}
	forms := plain.WithForeign(shapeOf(48))
	raw := "6879-" + strings.Repeat("_", 39) + "wxyz"
	o, err := forms.Parse(raw)
	if err != nil || !o.Foreign || o.Kind != token.KindAPIToken || o.Prefix != "x_" || o.Last4 != "wxyz" || o.Digest != token.Digest(raw) {
		t.Errorf("Parse = %+v, %v", o, err)
	}
	if !forms.Opaque(strings.Repeat("a", 48)) || !forms.LooksLikeToken(strings.Repeat("a", 48)) || forms.Opaque(strings.Repeat("a", 47)) {
		t.Error("a shape is decided by something else")
	}
	for _, f := range []token.Forms{plain, forms} {
		if _, err := f.Parse("6879-" + strings.Repeat("_", 36)); err == nil {
			t.Error("a value with a prefix of bearerd's and without its form is accepted")
		}
	}
	if _, err := plain.Parse(raw); err == nil || plain.Opaque(strings.Repeat("a", 48)) {
		t.Error("without shapes there is one")
	}
	own, _, err := forms.New(token.KindAPIToken)
	if err != nil {
		t.Fatal(err)
	}
	if o, err := forms.Parse(own.Reveal()); err != nil || o.Foreign {
		t.Errorf("a token of bearerd's own: %+v, %v", o, err)
	}
}

func TestForeignDigestsAreThoseOfTheValueAndOfItsBytes(t *testing.T) {
	t.Parallel()
	short, long := sha256.Sum256([]byte("0aff")), sha512.Sum512([]byte("0aff"))
	shortOfBytes, longOfBytes := sha256.Sum256([]byte{0x0a, 0xff}), sha512.Sum512([]byte{0x0a, 0xff})
	want := [][]byte{short[:], long[:], shortOfBytes[:], longOfBytes[:]}
	if diff := cmp.Diff(want, token.ForeignDigests("0aff")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := len(token.ForeignDigests("0af")); n != 2 {
		t.Errorf("%d digests of a value that isn't hexadecimal", n)
	}
}

// The patterns of bearerd's own forms match what it makes.
func TestOwnPatternsMatchOwnTokens(t *testing.T) {
	t.Parallel()
	forms, err := token.NewForms("acme-")
	if err != nil {
		t.Fatal(err)
	}
	patterns := forms.OwnPatterns()
	for _, kind := range []token.Kind{token.KindAPIToken, token.KindRefresh, token.KindSession, token.KindClientSecret} {
		raw, o, err := forms.New(kind)
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile("^" + patterns[o.Prefix] + "$").MatchString(raw.Reveal()) {
			t.Errorf("%s: %s doesn't match", kind, patterns[o.Prefix])
		}
	}
	if len(patterns) != 6 {
		t.Errorf("%d patterns", len(patterns))
	}
}
