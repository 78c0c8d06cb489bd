package access

import "strings"

// ViaUser is Grant.Via for a binding of the user's own.
const ViaUser = "user"

// ViaGroup is Grant.Via for a binding of that group.
func ViaGroup(name string) string { return "group:" + name }

// Grant is one action at one absolute path, and where it comes from.
type Grant struct {
	Action  string
	Path    Path
	Binding string // the binding's id
	Via     string // ViaUser or ViaGroup(name)
	Role    string // the role's name; empty for a permission bound by itself
}

// String returns in words what the grant allows and where it comes from.
func (g Grant) String() string {
	from := g.Via
	if g.Role != "" {
		from += ", role " + g.Role
	}
	return g.Action + " " + string(g.Path) + " (" + from + ")"
}

// Allows reports whether this grant alone allows the action at the path.
func (g Grant) Allows(action string, path Path) bool {
	return action != "" && (g.Action == action || g.Action == Any) && g.Path.Covers(path)
}

// Expand returns the grants of a binding. The role is the one that the binding
// names; it is ignored when the binding grants a permission, and any other role grants
// nothing.
func Expand(b Binding, role Role) []Grant {
	var grants []Grant
	for _, p := range b.permissions(role) {
		if path := b.Path.Join(p.Path); path != "" {
			grants = append(grants, Grant{p.Action, path, b.ID, b.via(), b.Role})
		}
	}
	return grants
}

// Decision is whether something is allowed, and by which grants.
type Decision struct {
	Allowed bool
	Because []Grant // every grant that allows it by itself, in their order
}

// Decide reports whether the grants, which are all of one user's, allow the action
// at the path, and names those that do. An empty action or path is refused.
func Decide(grants []Grant, action string, path Path) Decision {
	var d Decision
	for _, g := range grants {
		if g.Allows(action, path) {
			d.Because = append(d.Because, g)
		}
	}
	d.Allowed = len(d.Because) > 0
	return d
}

// Allows is Decide without the reasons; it stops at the first grant that allows
// and does not allocate.
func Allows(grants []Grant, action string, path Path) bool {
	for i := range grants {
		if grants[i].Allows(action, path) {
			return true
		}
	}
	return false
}

// Remove sorts bindings for the removal of a user from a path. The bindings are
// all that concern the user, direct ones and those of the user's groups.
//
// Removed are the direct bindings that grant nothing outside of `at`, whether they grant
// a permission or a role. Remaining are those of the others that still grant something
// at, beneath or above `at`: a group's, or one of a wider path.
func Remove(bindings []Binding, roles map[string]Role, at Path) (removed, remaining []Binding) {
	for _, b := range bindings {
		grants := Expand(b, roles[b.Role])
		switch {
		case b.Group == "" && within(b, grants, at):
			removed = append(removed, b)
		case touches(grants, at):
			remaining = append(remaining, b)
		}
	}
	return removed, remaining
}

// within reports whether the binding can grant nothing outside of at. A binding whose own
// path is within counts even if its role is empty now, because it would grant access
// again once the role gets permissions.
func within(b Binding, grants []Grant, at Path) bool {
	if at.Covers(b.Path) {
		return true
	}
	for _, g := range grants {
		if !at.Covers(g.Path) {
			return false
		}
	}
	return len(grants) > 0
}

func touches(grants []Grant, at Path) bool {
	for _, g := range grants {
		if g.Path.Covers(at) || at.Covers(g.Path) {
			return true
		}
	}
	return false
}

// lastSegment splits a path beneath parent into its one further segment.
func lastSegment(parent, p Path) (string, bool) {
	rest, ok := strings.CutPrefix(string(p), string(parent)+"/")
	return rest, ok && rest != "" && !strings.Contains(rest, "/")
}
