package audit_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func event() audit.Event {
	return audit.Event{
		At: noon, Actor: "5b0c", Action: audit.TokenRevoke, Target: "7a11", TokenID: "9d2e",
		Address: "192.0.2.1", RequestID: "r1", Outcome: audit.OK,
	}
}

func TestValidateRefusesEventsThatSayTooLittle(t *testing.T) {
	t.Parallel()
	if err := event().Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*audit.Event){
		"no time":         func(e *audit.Event) { e.At = time.Time{} },
		"local time":      func(e *audit.Event) { e.At = e.At.In(time.FixedZone("", 3600)) },
		"no action":       func(e *audit.Event) { e.Action = "" },
		"unknown action":  func(e *audit.Event) { e.Action = "token.steal" },
		"no outcome":      func(e *audit.Event) { e.Outcome = "" },
		"unknown outcome": func(e *audit.Event) { e.Outcome = "OK" },
		"long reason":     func(e *audit.Event) { e.Reason = strings.Repeat("x", 501) },
		"control":         func(e *audit.Event) { e.Actor = "a\nb" },
		"not UTF-8":       func(e *audit.Event) { e.Target = "\xff" },
	} {
		e := event()
		spoil(&e)
		if err := e.Validate(); err == nil || fault.KindOf(err) != fault.Internal {
			t.Errorf("%s: %v; want an internal error", name, err)
		}
	}
}

func TestCleanCutsBetweenCharacters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{strings.Repeat("x", 255), strings.Repeat("x", 255)},
		{strings.Repeat("x", 256), strings.Repeat("x", 255)},
		{strings.Repeat("é", 128), strings.Repeat("é", 127)},
		{strings.Repeat("x", 254) + "é", strings.Repeat("x", 254)},
		{strings.Repeat("x", 253) + "漢", strings.Repeat("x", 253)},
		{strings.Repeat("x", 252) + "🔑", strings.Repeat("x", 252)},
		{"a\x00b\nc", "a\uFFFDb\uFFFDc"},
		{"a\xffb", "a\uFFFDb"},
		{"a\u202eb\u2028c", "a\uFFFDb\uFFFDc"},
		{strings.Repeat("\n", 255), strings.Repeat("\uFFFD", 85)},
		{strings.Repeat("\x80", 1000), strings.Repeat("\uFFFD", 85)},
	} {
		e := audit.Event{Actor: c.in}.Clean()
		if e.Actor != c.want {
			t.Errorf("%.20q became %.20q of %d bytes, want %d", c.in, e.Actor, len(e.Actor), len(c.want))
		}
	}
}

func TestWhatCleanGivesCanBeWritten(t *testing.T) {
	t.Parallel()
	text := rapid.Custom(func(t *rapid.T) string {
		return string(rapid.SliceOfN(rapid.Byte(), 0, 1200).Draw(t, "bytes")) + rapid.String().Draw(t, "text")
	})
	rapid.Check(t, func(t *rapid.T) {
		dirty := event()
		dirty.Actor, dirty.Target, dirty.TokenID = text.Draw(t, "actor"), text.Draw(t, "target"), text.Draw(t, "token")
		dirty.Address, dirty.RequestID, dirty.Reason = text.Draw(t, "address"), text.Draw(t, "request"), text.Draw(t, "reason")
		dirty.At = noon.In(time.FixedZone("", 7200))
		e := dirty.Clean()
		if err := e.Validate(); err != nil {
			t.Fatal(err)
		}
		for s, limit := range map[string]int{
			e.Actor: 255, e.Target: 1024, e.TokenID: 255, e.Address: 255, e.RequestID: 255, e.Reason: 500,
		} {
			if len(s) > max(limit, 255) || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
				t.Fatalf("%q has %d bytes", s, len(s))
			}
		}
		if diff := cmp.Diff(e, e.Clean()); diff != "" {
			t.Fatalf("cleaning twice (-once +twice)\n%s", diff)
		}
	})
}

func TestCleanKeepsTokensOutOfTheLog(t *testing.T) {
	t.Parallel()
	const secret = "bda_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	e := event()
	e.Actor, e.Target, e.TokenID, e.Reason = secret, "user "+secret, secret, strings.Repeat("x ", 245)+secret
	e = e.Clean()
	if text := fmt.Sprint(e); strings.Contains(text, secret[4:20]) || e.Target != "user [token]" {
		t.Errorf("the event is %s", text)
	}
	if err := e.Validate(); err != nil {
		t.Error(err)
	}
}

func TestCleanLeavesGoodEventsAlone(t *testing.T) {
	t.Parallel()
	e := event()
	e.ID, e.Reason = 7, "wrong audience: https://app.example.org/é"
	if diff := cmp.Diff(e, e.Clean()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestFilterMatches(t *testing.T) {
	t.Parallel()
	e := event()
	e.ID = 10
	for name, c := range map[string]struct {
		filter audit.Filter
		want   bool
	}{
		"everything":     {audit.Filter{}, true},
		"all of it":      {audit.Filter{Actor: "5b0c", Action: audit.TokenRevoke, Target: "7a11", TokenID: "9d2e", Since: noon, Until: noon.Add(1), Cursor: 11, Limit: 1}, true},
		"another actor":  {audit.Filter{Actor: "5b0"}, false},
		"another action": {audit.Filter{Action: audit.TokenIssue}, false},
		"another target": {audit.Filter{Target: "x"}, false},
		"another token":  {audit.Filter{TokenID: "x"}, false},
		"since then":     {audit.Filter{Since: noon}, true},
		"since later":    {audit.Filter{Since: noon.Add(1)}, false},
		"until then":     {audit.Filter{Until: noon}, false},
		"until later":    {audit.Filter{Until: noon.Add(1)}, true},
		"seen already":   {audit.Filter{Cursor: 10}, false},
		"newer cursor":   {audit.Filter{Cursor: 11}, true},
	} {
		if got := c.filter.Matches(e); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestFilterCanonical(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		filter audit.Filter
		limit  int // 0: refused
	}{
		"default":           {audit.Filter{}, 100},
		"one":               {audit.Filter{Limit: 1}, 1},
		"the most":          {audit.Filter{Limit: 1000}, 1000},
		"too many":          {audit.Filter{Limit: 1001}, 0},
		"negative":          {audit.Filter{Limit: -1}, 0},
		"negative cursor":   {audit.Filter{Cursor: -1}, 0},
		"known action":      {audit.Filter{Action: audit.Login}, 100},
		"unknown action":    {audit.Filter{Action: "login%"}, 0},
		"an empty range":    {audit.Filter{Since: noon, Until: noon}, 0},
		"a range backwards": {audit.Filter{Since: noon, Until: noon.Add(-1)}, 0},
		"a range":           {audit.Filter{Since: noon, Until: noon.Add(1)}, 100},
		"since alone":       {audit.Filter{Since: noon}, 100},
		"until alone":       {audit.Filter{Until: noon}, 100},
	} {
		got, err := c.filter.Canonical()
		if c.limit == 0 {
			if !fault.Is(err, fault.Invalid) {
				t.Errorf("%s: %v; want Invalid", name, err)
			}
			continue
		}
		want := c.filter
		want.Limit = c.limit
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestParseCursor(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int64{"": 0, "1": 1, "9223372036854775807": 9223372036854775807} {
		if got, err := audit.ParseCursor(s); err != nil || got != want {
			t.Errorf("ParseCursor(%q) = %d, %v", s, got, err)
		}
	}
	for _, s := range []string{"0", "-1", "+1", "01", " 1", "1e3", "x", "9223372036854775808"} {
		if got, err := audit.ParseCursor(s); !fault.Is(err, fault.Invalid) || got != 0 {
			t.Errorf("ParseCursor(%q) = %d, %v; want Invalid", s, got, err)
		}
	}
}

func TestActionsAreWellNamedAndDifferent(t *testing.T) {
	t.Parallel()
	actions := audit.Actions()
	name := regexp.MustCompile(`^[a-z]+([.-][a-z]+)*$`)
	for i, a := range actions {
		if !name.MatchString(a) || slices.Contains(actions[:i], a) {
			t.Errorf("%q", a)
		}
		e := event()
		if e.Action = a; e.Validate() != nil {
			t.Errorf("%q is not accepted: %v", a, e.Validate())
		}
	}
	actions[0] = "changed"
	if audit.Actions()[0] == "changed" {
		t.Error("a caller can change the list")
	}
}
