// Package identity defines users with their groups, and OAuth clients with their secrets.
// It validates them, judges new passwords, parses scopes, and decides when there were too
// many password attempts. It stores nothing.
package identity

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/passhash"
	"github.com/bearerd/bearerd/internal/token"
)

// User is a person who can sign in. The zero value is no user.
type User struct {
	ID           string            // the subject: a UUID, never used twice
	Username     string            // the spelling that the application gets; see FoldName
	Name         string            // as people write it; may be empty
	Email        string            // may be empty
	Groups       []string          // names
	SetBy        map[string]string // the sources that set memberships, by group; a group that is not in it was set by administrators
	Disabled     bool
	Owner        string        // the source that created this user and maintains them; empty: nobody but administrators
	PasswordHash passhash.Hash `json:"-" yaml:"-"` // empty: no password lets this user in
	// PasswordChangedAt is when the password was set, here or in the source that owns the
	// user; zero when it is not known.
	PasswordChangedAt time.Time `json:"-" yaml:"-"`
	// ReplacedHash is the Fingerprint of the imported hash that a login replaced by
	// one of ours; "" when there was none, or the password has changed since.
	ReplacedHash string `json:"-" yaml:"-"`
}

const (
	maxNameBytes = 255
	maxGroups    = 1000
)

// fieldGroups is the field in errors about groups.
const fieldGroups = "groups"

// Validate returns what is wrong with a user, as fault.Invalid with the field at
// fault. It checks neither the ID nor the password hash.
func (u User) Validate() error {
	if err := ValidateUsername(u.Username); err != nil {
		return err
	}
	if err := ValidateName(u.Name); err != nil {
		return err
	}
	if err := ValidateEmail(u.Email); err != nil {
		return err
	}
	return ValidateGroups(u.Groups)
}

// GroupsSetBy returns the groups of which a source set the membership; "" are those that
// administrators set.
func (u User) GroupsSetBy(source string) []string {
	var set []string
	for _, g := range u.Groups {
		if u.SetBy[g] == source {
			set = append(set, g)
		}
	}
	return set
}

// ValidateGroup accepts 1 to 255 bytes of valid UTF-8 that can stand in a header and on a
// page, without commas: groups are sent to the application in one header, separated by
// them. It refuses control characters, line separators, characters that change the
// direction of text, and space at either end. Groups are compared bytewise.
func ValidateGroup(s string) error {
	if strings.Contains(s, ",") {
		return fault.New(fault.Invalid, "the group name has a comma").In(fieldGroups)
	}
	return fault.In(fieldGroups, checkName("group name", s))
}

// ValidateGroups accepts at most 1,000 different valid group names.
func ValidateGroups(names []string) error {
	if len(names) > maxGroups {
		return fault.New(fault.Invalid, "a user is in at most %d groups", maxGroups).In(fieldGroups)
	}
	for i, name := range names {
		if err := ValidateGroup(name); err != nil {
			return err
		}
		if slices.Contains(names[:i], name) {
			return fault.New(fault.Invalid, "the group %q is named twice", name).In(fieldGroups)
		}
	}
	return nil
}

// ValidateName accepts a person's name: empty, or what ValidateGroup does, commas too.
func ValidateName(s string) error {
	if s == "" {
		return nil
	}
	return fault.In("name", checkName("name", s))
}

// ValidateEmail accepts the empty string, or what could be an address: text on both sides
// of an "@", without space, at most 255 bytes. bearerd can't know whether mail arrives
// there.
func ValidateEmail(s string) error {
	if s == "" {
		return nil
	}
	if err := checkName("email address", s); err != nil {
		return fault.In("email", err)
	}
	at := strings.LastIndexByte(s, '@')
	if at < 1 || at == len(s)-1 || strings.ContainsFunc(s, unicode.IsSpace) {
		return fault.New(fault.Invalid, "the email address is not one").In("email")
	}
	return nil
}

func checkName(what, s string) error {
	switch {
	case s == "":
		return fault.New(fault.Invalid, "the %s is missing", what)
	case len(s) > maxNameBytes:
		return fault.New(fault.Invalid, "the %s is longer than %d bytes", what, maxNameBytes)
	case !utf8.ValidString(s):
		return fault.New(fault.Invalid, "the %s is not valid UTF-8", what)
	case strings.ContainsFunc(s, invisible):
		return fault.New(fault.Invalid, "the %s has a control character", what)
	case strings.TrimSpace(s) != s:
		return fault.New(fault.Invalid, "the %s begins or ends with space", what)
	}
	return nil
}

// invisible reports whether r could end a header line or make a name look like another
// one.
func invisible(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}

// NewUser is a user to be created. Without a password and a hash, no password is
// accepted for the user.
type NewUser struct {
	Username, Name, Email string
	Groups                []string
	Disabled              bool
	Password              token.Secret
	PasswordHash          passhash.Hash // of another system; see passhash.Parse
	Administrator         bool          // bound to everything from the start; the directory's CreateUser does it
}

// UserPatch is a change of a user; a nil field is left as it is.
type UserPatch struct {
	Username     *string
	Name, Email  *string
	Groups       *[]string
	Disabled     *bool
	Password     *token.Secret
	PasswordHash *passhash.Hash
}
