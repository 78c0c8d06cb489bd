package identity_test

import (
	"bufio"
	"compress/gzip"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
)

// What is refused, in which words: the field is named, the password is not repeated.
func TestAPasswordThatIsSetIsJudged(t *testing.T) {
	t.Parallel()
	const short, common, like = "fewer than 8 characters", "most common", "too much like the username"
	for password, want := range map[string]string{
		"":                         "missing",
		"seven77":                  short,
		"äöüßäöü":                  short, // seven characters in fourteen bytes
		"äöüßäöüß":                 "",
		"test#password":            "",
		"correct horse":            "",
		"password":                 common,
		"PassWord":                 common,
		"ｐａｓｓｗｏｒｄ":                 common, // full width: NFKC
		"PASSWORD123":              common,
		"iloveyou1":                common,
		"grace.hopper":             like,
		"Grace.Hopper":             like,
		"grace.hopper2026!":        like,
		"123grace.hopper":          like,
		"repPoh.ecarg":             like,
		"grace.hoppergrace.hopper": like,
		"grace.hopper is admiral":  "",
		"12345678901234567":        "", // not a common one
	} {
		err := identity.PasswordRule{Min: 8}.Check(password, "grace.hopper")
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", password, err)
		case want == "":
		case !fault.Is(err, fault.Invalid) || fault.FieldOf(err) != "password" || !strings.Contains(fault.Message(err), want):
			t.Errorf("%q: %v, in the field %q; want %q", password, err, fault.FieldOf(err), want)
		}
	}
}

func TestTheOperatorSetsHowLongAPasswordIs(t *testing.T) {
	t.Parallel()
	for length, password := range map[int]string{1: "q", 12: "twelve chars", 20: "twenty characters, y"} {
		if err := (identity.PasswordRule{Min: length}).Check(password, "ada"); err != nil {
			t.Errorf("%d: %v", length, err)
		}
		if err := (identity.PasswordRule{Min: length + 1}).Check(password, "ada"); !fault.Is(err, fault.Invalid) {
			t.Errorf("%d and one: %v", length, err)
		}
	}
}

// A password is looked for as it is folded, so an entry in another form would never match.
func TestTheCommonPasswordsAreFolded(t *testing.T) {
	t.Parallel()
	f, err := os.Open("passwords/common.txt.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	list, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for lines := bufio.NewScanner(list); lines.Scan(); {
		all = append(all, lines.Text())
		if p := lines.Text(); identity.FoldName(p) != p || utf8.RuneCountInString(p) < 6 {
			t.Errorf("%q", p)
		}
	}
	if len(all) != 18151 || !slices.IsSorted(all) {
		t.Errorf("%d, sorted %t", len(all), slices.IsSorted(all))
	}
}
