package foreign_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/foreign"
)

var ownForms = []foreign.Own{
	{Name: "an API token of bearerd's", Pattern: "bda_[0-9A-Za-z]{36}"},
	{Name: "an API token of bearerd's", Pattern: "6879-[0-9A-Za-z]{36}"},
}

func TestValuesAreRecognisedByTheirShape(t *testing.T) {
	t.Parallel()
	shapes, err := foreign.New([]foreign.Shape{
		{Name: "knox", Pattern: "[0-9a-f]{64}"},
		{Name: "drf", Pattern: "[0-9a-f]{40}"},
		{Name: "nb", Prefix: "nbt_"},
		{Name: "hypothesis", Pattern: "6879-[A-Za-z0-9_-]{43}"},
	}, ownForms...)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ raw, name string }{
		{strings.Repeat("0a", 32), "knox"},
		{strings.Repeat("0a", 20), "drf"},
		{strings.Repeat("0A", 20), ""},
		{strings.Repeat("0a", 31), ""},
		{"nbt_" + strings.Repeat("x", 16), "nb"},
		{"nbt_" + strings.Repeat("x", 15), ""},
		{"nbt_abcdefghijkl." + strings.Repeat("x", 40), "nb"},
		{"nbt_" + strings.Repeat("x", 508), "nb"},
		{"nbt_" + strings.Repeat("x", 509), ""},
		{"nbt_" + strings.Repeat("x", 20) + " ", ""},
		{"nbt_" + strings.Repeat("x", 20) + "\xff", ""},
		{"6879-" + strings.Repeat("_", 43), "hypothesis"},
		{"6879-" + strings.Repeat("a", 36), ""},
		{"", ""},
	} {
		got, ok := shapes.Find(c.raw)
		if got.Name != c.name || ok != (c.name != "") {
			t.Errorf("Find(%q) = %q, %v, want %q", c.raw, got.Name, ok, c.name)
		}
	}
	if prefix, ok := shapes.Foreign("nbt_" + strings.Repeat("x", 30)); prefix != "nbt_" || !ok {
		t.Errorf("the prefix of a shape is %q, %v", prefix, ok)
	}
	var none *foreign.Shapes
	if _, ok := none.Find(strings.Repeat("0a", 32)); ok {
		t.Error("no shapes recognise a value")
	}
}

func TestShapesThatCanNotBeDistinguishedAreRefused(t *testing.T) {
	t.Parallel()
	hex := foreign.Shape{Name: "hex", Pattern: "[0-9a-f]{40}"}
	for name, c := range map[string]struct {
		shapes []foreign.Shape
		index  int
		want   string // what the error says; "": the shapes are fine
	}{
		"the same shape":            {[]foreign.Shape{hex, {Name: "again", Pattern: "[0-9a-f]{40}"}}, 1, "overlaps the shape hex: both match " + strings.Repeat("0", 40)},
		"one within the other":      {[]foreign.Shape{hex, {Name: "wide", Pattern: "[A-Za-z0-9]{20,64}"}}, 1, "overlaps the shape hex"},
		"a single common value":     {[]foreign.Shape{{Name: "a", Pattern: "[ab]{10}c{10}"}, {Name: "b", Pattern: "b{10}[cd]{10}"}}, 1, "both match bbbbbbbbbbcccccccccc"},
		"other lengths":             {[]foreign.Shape{hex, {Name: "long", Pattern: "[0-9a-f]{41,64}"}}, 0, ""},
		"other letters":             {[]foreign.Shape{hex, {Name: "upper", Pattern: "[A-F]{40}"}}, 0, ""},
		"a common prefix":           {[]foreign.Shape{{Name: "a", Pattern: "x_[0-9]{20}"}, {Name: "b", Pattern: "x_[a-z]{20}"}}, 0, ""},
		"alternatives":              {[]foreign.Shape{{Name: "a", Pattern: "(x|y)[0-9]{20}"}, {Name: "b", Pattern: "(z|yy?)[0-9]{20}"}}, 1, "both match y00000000000000000000"},
		"bearerd's own form":        {[]foreign.Shape{{Name: "own", Pattern: "bda_[0-9A-Za-z]{36}"}}, 0, "must not match what an API token of bearerd's looks like"},
		"bearerd's prefix":          {[]foreign.Shape{{Name: "own", Prefix: "bda_"}}, 0, "must not match what an API token of bearerd's looks like"},
		"bearerd's among others":    {[]foreign.Shape{{Name: "own", Pattern: "[A-Za-z0-9_]{20,60}"}}, 0, "must not match what an API token of bearerd's looks like"},
		"a dialect's own form":      {[]foreign.Shape{{Name: "h", Pattern: "6879-[A-Za-z0-9_-]{30,43}"}}, 0, "must not match what an API token of bearerd's looks like"},
		"a dialect's prefix alone":  {[]foreign.Shape{{Name: "h", Pattern: "6879-[A-Za-z0-9_-]{43}"}}, 0, ""},
		"a JWT":                     {[]foreign.Shape{{Name: "j", Pattern: `[A-Za-z0-9_-]{10,40}\.[A-Za-z0-9_-]{10,40}\.[A-Za-z0-9_-]{10,40}`}}, 0, "must not match what a JWT looks like"},
		"a JWT by its prefix":       {[]foreign.Shape{{Name: "j", Prefix: "eyJ"}}, 0, "must not match what a JWT looks like"},
		"two dots and not a JWT":    {[]foreign.Shape{{Name: "j", Prefix: "nbt_"}}, 0, ""},
		"values that are too short": {[]foreign.Shape{{Name: "s", Pattern: "[0-9a-f]{19,40}"}}, 0, "matches values of 19 characters"},
		"values that are too long":  {[]foreign.Shape{{Name: "l", Pattern: "([0-9a-f]{100}){6}"}}, 0, "matches values of 600 characters"},
		"without a bound":           {[]foreign.Shape{{Name: "u", Pattern: "[0-9a-f]{40,}"}}, 0, "without an upper bound"},
		"plus":                      {[]foreign.Shape{{Name: "u", Pattern: "x+[0-9a-f]{40}"}}, 0, "without an upper bound"},
		"anchors":                   {[]foreign.Shape{{Name: "a", Pattern: "^[0-9a-f]{40}$"}}, 0, "leave ^ and $ out"},
		"a dot":                     {[]foreign.Shape{{Name: "d", Pattern: ".{40}"}}, 0, "must not have a dot"},
		"a negated class":           {[]foreign.Shape{{Name: "n", Pattern: "[^a]{40}"}}, 0, "visible ASCII characters alone"},
		"a space":                   {[]foreign.Shape{{Name: "s", Pattern: "x [0-9a-f]{40}"}}, 0, "visible ASCII characters alone"},
		"ignored case":              {[]foreign.Shape{{Name: "i", Pattern: "(?i)abc[0-9]{40}"}}, 0, "must not ignore case"},
		"a word boundary":           {[]foreign.Shape{{Name: "w", Pattern: `\b[0-9a-f]{40}`}}, 0, "bounded repetitions alone"},
		"no expression":             {[]foreign.Shape{{Name: "x", Pattern: "[0-9"}}, 0, "is not a regular expression"},
		"a look-ahead":              {[]foreign.Shape{{Name: "x", Pattern: "(?=a)[0-9]{40}"}}, 0, "is not a regular expression"},
		"nothing":                   {[]foreign.Shape{{Name: "x"}}, 0, "a pattern or a prefix"},
		"both":                      {[]foreign.Shape{{Name: "x", Pattern: "[0-9]{40}", Prefix: "x_"}}, 0, "a pattern or a prefix"},
		"no name":                   {[]foreign.Shape{{Pattern: "[0-9]{40}"}}, 0, "must be 1 to 32 letters"},
		"the same name":             {[]foreign.Shape{hex, {Name: "hex", Pattern: "[A-F]{40}"}}, 1, "is listed twice"},
		"a short prefix":            {[]foreign.Shape{{Name: "x", Prefix: "x"}}, 0, "must be 2 to 16"},
	} {
		_, err := foreign.New(c.shapes, ownForms...)
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		wrong, ok := errors.AsType[*foreign.ShapeError](err)
		if !ok || wrong.Index != c.index || !strings.Contains(wrong.Reason, c.want) {
			t.Errorf("%s: the error is %v, want foreign_tokens[%d] and %q", name, err, c.index, c.want)
		}
	}
}

// A pattern that a matcher with backtracking would take for ever over, or whose automaton
// would have a state for each set of places, is refused or is as fast as any other.
func TestPatternsThatExplodeAreRefused(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{
		"[ab]{0,200}a[ab]{60}",
		"((a|b)(a|b|c)?){30,200}a[ab]{30}",
		"((((a{1,10}){1,10}){1,10}){1,10}){1,10}",
	} {
		if _, err := foreign.New([]foreign.Shape{{Name: "x", Pattern: pattern}}); err == nil {
			t.Errorf("%s is allowed", pattern)
		}
	}
}

// The automaton decides as Go's regexp does, for values that match and for values that
// nearly do.
func TestTheAutomatonDecidesAsRegexp(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for _, pattern := range []string{
		"[0-9a-f]{20,24}", "(ab|cd){10,12}", "x(y?[0-9]{5}z?){4}", "[a-c]{10}(d|ee|f?)[a-c]{10}", "(a|ab)(c|bcd)[a-d]{18}",
		"a{20}|b{21}|[ab]{25}",
	} {
		shapes, err := foreign.New([]foreign.Shape{{Name: "x", Pattern: pattern}})
		if err != nil {
			t.Fatalf("%s: %v", pattern, err)
		}
		re := regexp.MustCompile("^(?:" + pattern + ")$")
		matched := 0
		for range 20_000 {
			raw := sample(random, pattern)
			want := re.MatchString(raw)
			if want {
				matched++
			}
			if _, got := shapes.Find(raw); got != want {
				t.Fatalf("%s: Find(%q) = %v", pattern, raw, got)
			}
		}
		if matched == 0 {
			t.Errorf("%s: no sample matched", pattern)
		}
	}
}

// sample returns a value that is likely to match a pattern of the test above.
func sample(random *rand.Rand, pattern string) string {
	var b strings.Builder
	alphabet := "abcdef0123456789"
	switch {
	case strings.HasPrefix(pattern, "(ab"):
		for range 9 + random.IntN(5) {
			b.WriteString([]string{"ab", "cd"}[random.IntN(2)])
		}
	case strings.HasPrefix(pattern, "x("):
		b.WriteString("x")
		for range 4 {
			b.WriteString([]string{"y", ""}[random.IntN(2)] + fmt.Sprintf("%05d", random.IntN(100_000)) + []string{"z", ""}[random.IntN(2)])
		}
	case strings.HasPrefix(pattern, "a{20}"):
		b.WriteString(strings.Repeat([]string{"a", "b"}[random.IntN(2)], 19+random.IntN(7)))
	default:
		if strings.HasPrefix(pattern, "[a-c]") || strings.HasPrefix(pattern, "(a|") {
			alphabet = "abcd"
		}
		if strings.HasPrefix(pattern, "[a-c]") {
			for range 10 {
				b.WriteByte("abc"[random.IntN(3)])
			}
			b.WriteString([]string{"d", "ee", "f", ""}[random.IntN(4)])
			for range 10 {
				b.WriteByte("abc"[random.IntN(3)])
			}
			break
		}
		for range 18 + random.IntN(8) {
			b.WriteByte(alphabet[random.IntN(len(alphabet))])
		}
	}
	raw := []byte(b.String())
	if random.IntN(4) == 0 {
		raw[random.IntN(len(raw))] = "abcdef0123~"[random.IntN(11)]
	}
	return string(raw)
}

func FuzzNewNeverPanics(f *testing.F) {
	f.Add("[0-9a-f]{64}", strings.Repeat("0a", 32))
	f.Add("6879-[A-Za-z0-9_-]{43}", "6879-")
	f.Fuzz(func(t *testing.T, pattern, raw string) {
		shapes, err := foreign.New([]foreign.Shape{{Name: "x", Pattern: pattern}}, ownForms...)
		if err != nil {
			return
		}
		re, err := regexp.Compile("^(?:" + pattern + ")$")
		if err != nil {
			t.Fatal(err)
		}
		if _, got := shapes.Find(raw); got != re.MatchString(raw) {
			t.Errorf("%s: Find(%q) = %v", pattern, raw, got)
		}
	})
}

func BenchmarkFind(b *testing.B) {
	shapes, err := foreign.New([]foreign.Shape{{Name: "knox", Pattern: "[0-9a-f]{64}"}, {Name: "nb", Prefix: "nbt_"}}, ownForms...)
	if err != nil {
		b.Fatal(err)
	}
	raw := strings.Repeat("0a", 32)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := shapes.Find(raw); !ok {
			b.Fatal("not found")
		}
	}
}
