package identity_test

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
)

func TestNamesThatCanStandInAHeaderAreAccepted(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		"spadmin", "Sp Admin", "jthomas@example.org", "DOMAIN\\user", "a:b", "José", "李", "имя", "x", strings.Repeat("x", 255),
	} {
		for what, validate := range map[string]func(string) error{
			"username": identity.ValidateUsername, "group": identity.ValidateGroup, "name": identity.ValidateName,
		} {
			if err := validate(s); err != nil {
				t.Errorf("%s %q: %v", what, s, err)
			}
		}
	}
}

// A person's name and a group may have the joiners that Persian is written with; a
// username may have nothing that can't be seen.
func TestJoinersAreForNamesAndGroups(t *testing.T) {
	t.Parallel()
	const s = "می\u200cخواهم"
	if err := identity.ValidateName(s); err != nil {
		t.Error(err)
	}
	if err := identity.ValidateGroup(s); err != nil {
		t.Error(err)
	}
	if err := identity.ValidateUsername(s); !fault.Is(err, fault.Invalid) {
		t.Errorf("as a username: %v", err)
	}
}

func TestNamesThatCannotStandInAHeaderAreRefused(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		" a", "a ", "\ta", "a\u00a0", "a\nb", "a\rb", "a\x00b", "a\x7fb", "a\u0085b", "a\u2028b", "a\u202eb",
		"a\u2066b", "\xff", "a\xc3", strings.Repeat("x", 256), strings.Repeat("é", 128),
	} {
		for what, validate := range map[string]func(string) error{
			"username": identity.ValidateUsername, "group": identity.ValidateGroup, "name": identity.ValidateName,
			"email": func(s string) error { return identity.ValidateEmail(s + "@example.org") },
		} {
			if what == "email" && strings.HasSuffix(s, " ") || what == "email" && s == "a\u00a0" {
				continue // not at the end any more; TestEmailAddresses has them
			}
			if err := validate(s); !fault.Is(err, fault.Invalid) {
				t.Errorf("%s %q: %v; want Invalid", what, s, err)
			}
		}
	}
	if err := identity.ValidateUsername(""); !fault.Is(err, fault.Invalid) {
		t.Errorf("no username: %v; want Invalid", err)
	}
	if err := identity.ValidateGroup(""); !fault.Is(err, fault.Invalid) {
		t.Errorf("no group: %v; want Invalid", err)
	}
	if err := identity.ValidateName(""); err != nil {
		t.Errorf("no name: %v; a name may be empty", err)
	}
}

func TestAGroupWithACommaIsRefused(t *testing.T) {
	t.Parallel()
	if err := identity.ValidateGroup("curators,admins"); !fault.Is(err, fault.Invalid) {
		t.Errorf("ValidateGroup = %v; the application would read two groups", err)
	}
}

func TestGroupsAreDifferentAndNotTooMany(t *testing.T) {
	t.Parallel()
	var many []string
	for i := range 1001 {
		many = append(many, "g"+strconv.Itoa(i))
	}
	for name, c := range map[string]struct {
		groups []string
		ok     bool
	}{
		"none":      {nil, true},
		"two":       {[]string{"a", "A"}, true},
		"1000":      {many[:1000], true},
		"1001":      {many, false},
		"twice":     {[]string{"a", "b", "a"}, false},
		"one empty": {[]string{"a", ""}, false},
	} {
		if err := identity.ValidateGroups(c.groups); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEmailAddresses(t *testing.T) {
	t.Parallel()
	for s, ok := range map[string]bool{
		"": true, "sp@example.org": true, "a@b": true, "\"a@b\"@example.org": true, "ü@example.org": true,
		"example.org": false, "@example.org": false, "sp@": false, "s p@example.org": false, "sp\u00a0@example.org": false,
		"sp@example.org\n": false, strings.Repeat("x", 250) + "@b.org": false,
	} {
		if err := identity.ValidateEmail(s); (err == nil) != ok {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestUserIsValidWhenEachPartIs(t *testing.T) {
	t.Parallel()
	good := identity.User{Username: "spadmin", Name: "Sp Admin", Email: "sp@example.org", Groups: []string{"curators"}}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*identity.User){
		"username": func(u *identity.User) { u.Username = "" },
		"name":     func(u *identity.User) { u.Name = " " },
		"email":    func(u *identity.User) { u.Email = "no" },
		"group":    func(u *identity.User) { u.Groups = []string{"a,b"} },
	} {
		u := good
		spoil(&u)
		if err := u.Validate(); !fault.Is(err, fault.Invalid) {
			t.Errorf("bad %s: %v; want Invalid", name, err)
		}
	}
}

func TestAUserReadFromJSONHasNoPasswordHash(t *testing.T) {
	t.Parallel()
	var u identity.User
	if err := json.Unmarshal([]byte(`{"Username":"a","PasswordHash":"{SSHA}x","password_hash":"{SSHA}x"}`), &u); err != nil {
		t.Fatal(err)
	}
	if u.Username != "a" || u.PasswordHash != "" {
		t.Errorf("read %q with a hash of %d bytes", u.Username, len(u.PasswordHash))
	}
}
