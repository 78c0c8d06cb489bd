package suggest_test

import (
	"testing"

	"github.com/bearerd/bearerd/internal/suggest"
)

func TestClosestIsWhatWasMeant(t *testing.T) {
	t.Parallel()
	commands := []string{"user", "token", "role", "binding", "collection", "keys"}
	for typed, want := range map[string]string{
		"tokn": "token", "tokens": "token", "TOKEN": "token", "usre": "user", "coll": "collection", "bindign": "binding",
		"roel": "role", "xyz": "", "": "", "authorization": "", "us": "", "k": "", "a-word-of-many-letters-that-no-name-is-like": "",
	} {
		if got := suggest.Closest(typed, commands); got != want {
			t.Errorf("Closest(%q) = %q, want %q", typed, got, want)
		}
	}
	if got := suggest.Closest("spadmim", []string{"spadmin2", "spadmin"}); got != "spadmin" {
		t.Errorf("of two that are like it, %q is the closer one", got)
	}
	if got := suggest.Closest("device_code", []string{"authorization_code", "urn:ietf:params:oauth:grant-type:device_code"}); got != "urn:ietf:params:oauth:grant-type:device_code" {
		t.Errorf("the last part of a URN: %q", got)
	}
	if got := suggest.Closest("müler", []string{"Müller"}); got != "Müller" {
		t.Errorf("a letter of two bytes: %q", got)
	}
}

func TestInsteadSaysWhatThereIs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		typed string
		names []string
		more  bool
		want  string
	}{
		{"adda", []string{"ada", "bob"}, false, `did you mean "ada"?`},
		{"nobody", []string{"ada", "bob"}, false, "known users: ada, bob"},
		{"nobody", []string{"ada", "bob"}, true, "known users: ada, bob and others"},
		{"nobody", nil, false, "there are no users"},
		{"nobody", []string{"a1", "a2", "a3", "a4", "a5", "a6", "a7", "a8", "a9"}, false, "known users: a1, a2, a3, a4, a5, a6, a7, a8 and others"},
	} {
		if got := suggest.Instead("users", c.typed, c.names, c.more); got != c.want {
			t.Errorf("Instead(%q, %v) = %q, want %q", c.typed, c.names, got, c.want)
		}
	}
}
