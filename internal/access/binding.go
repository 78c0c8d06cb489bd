package access

import (
	"strings"
	"unicode/utf8"

	"github.com/bearerd/bearerd/internal/fault"
)

// Any is the action that stands for every action. A request for Any is
// allowed only by a grant of Any.
const Any = "*"

const (
	maxActionBytes     = 64
	maxNameBytes       = 255
	maxRolePermissions = 1000
)

// ParseAction accepts Any, or 1 to 64 letters, digits and "_", ".", ":", "-".
// Everything else is fault.Invalid.
func ParseAction(s string) (string, error) {
	if s == Any {
		return s, nil
	}
	if s == "" || len(s) > maxActionBytes || strings.ContainsFunc(s, notActionRune) {
		return "", fault.New(fault.Invalid,
			"an action is * or 1 to %d of the characters A-Z a-z 0-9 _ . : -", maxActionBytes).In("action")
	}
	return s, nil
}

func notActionRune(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return false
	}
	return !strings.ContainsRune("_.:-", r)
}

// Permission is an action at a path. The path is relative to that of the binding which
// grants the permission.
type Permission struct {
	Action string
	Path   Path
}

// Validate returns what is wrong with a permission, as fault.Invalid.
func (p Permission) Validate() error {
	if _, err := ParseAction(p.Action); err != nil {
		return err
	}
	_, err := ParsePath(string(p.Path))
	return err
}

// Role is a named set of permissions. A role without permissions grants nothing.
type Role struct {
	Name        string
	Permissions []Permission
	Owner       string // the source that created it; empty: nobody but administrators
}

// Validate returns what is wrong with a role, as fault.Invalid with the field at fault. A name has 1 to 255
// bytes of valid UTF-8 without control characters or space at its ends.
func (r Role) Validate() error {
	if err := checkName("role", r.Name); err != nil {
		return fault.In("name", err)
	}
	if len(r.Permissions) > maxRolePermissions {
		return fault.New(fault.Invalid, "a role has at most %d permissions", maxRolePermissions).In("permissions")
	}
	for _, p := range r.Permissions {
		if err := p.Validate(); err != nil {
			return fault.In("permissions", err)
		}
	}
	return nil
}

// Binding grants one role or one permission to one user or one group, at a path.
type Binding struct {
	ID         string
	User       string // subject id; empty when Group is set
	Group      string // group name; empty when User is set
	Role       string // role name; empty when Permission is set
	Permission *Permission
	Path       Path   // what the role or permission is relative to; see Canonical
	Owner      string // the source that created it; empty: nobody but administrators
}

// Canonical returns the binding as it is stored: where no path was given it is
// Root. The error is that of Validate. Nowhere else does a missing path mean Root: a
// binding that lost its path on the way must not become one for everything.
func (b Binding) Canonical() (Binding, error) {
	if b.Path == "" {
		b.Path = Root
	}
	return b, b.Validate()
}

// Validate returns what is wrong with a binding, as fault.Invalid with the field at fault. It does not look
// at the ID, and not at whether the user, group and role exist.
func (b Binding) Validate() error {
	if (b.User == "") == (b.Group == "") {
		return fault.New(fault.Invalid, "a binding names either a user or a group").In("user")
	}
	if (b.Role == "") == (b.Permission == nil) {
		return fault.New(fault.Invalid, "a binding grants either a role or a permission").In("role")
	}
	field := "user"
	if b.Group != "" {
		field = "group"
	}
	if err := checkName("binding's user or group", b.User+b.Group); err != nil {
		return fault.In(field, err)
	}
	if b.Permission != nil {
		if err := b.Permission.Validate(); err != nil {
			return fault.In("permission", err)
		}
	} else if err := checkName("role", b.Role); err != nil {
		return fault.In("role", err)
	}
	_, err := ParsePath(string(b.Path))
	return err
}

func checkName(what, s string) error {
	switch {
	case s == "" || len(s) > maxNameBytes:
		return fault.New(fault.Invalid, "the %s name has 1 to %d bytes", what, maxNameBytes)
	case !utf8.ValidString(s):
		return fault.New(fault.Invalid, "the %s name is not valid UTF-8", what)
	case strings.ContainsFunc(s, invisible):
		return fault.New(fault.Invalid, "the %s name has a control character", what)
	case strings.TrimSpace(s) != s:
		return fault.New(fault.Invalid, "the %s name begins or ends with space", what)
	}
	return nil
}

// via returns whether the binding is the user's own, or which group's it is.
func (b Binding) via() string {
	if b.Group != "" {
		return ViaGroup(b.Group)
	}
	return ViaUser
}

// permissions returns what the binding grants, relative to its path. A role other
// than the one it names grants nothing.
func (b Binding) permissions(role Role) []Permission {
	if b.Permission != nil {
		return []Permission{*b.Permission}
	}
	if b.Role == "" || b.Role != role.Name {
		return nil
	}
	return role.Permissions
}
