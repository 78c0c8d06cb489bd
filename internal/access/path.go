// Package access decides who may do what, where. It is pure: it takes bindings and roles
// as values, and returns a decision together with the grants that led to it.
//
// Everything is a path, and a binding covers its path and all beneath it. A Binding
// grants a user or a group a role or a single permission at a path; Expand turns it into
// grants, each one action at one absolute path; Decide looks for a grant that covers what
// is asked. Nothing denies: a further grant never removes access, and what no grant
// covers is refused.
package access

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bearerd/bearerd/internal/fault"
)

// The actions and paths that bearerd itself asks about.
const (
	// ActionAccess is what a user needs on /collections/ID to have, and to use, a
	// token for that collection.
	ActionAccess = "access"
	// ActionDelete on PathTokens is the right to revoke others' tokens.
	ActionDelete = "delete"
	// PathTokens is where the rights over others' tokens are bound.
	PathTokens = Path("/tokens")
	// PathUsers is where the right to provision users is bound.
	PathUsers = Path("/users")
)

// Path names a resource: "/" or "/" followed by segments that are separated by
// single slashes. Paths are compared bytewise by whole segments, so
// /collections/4 has nothing to do with /collections/42. The zero value names
// nothing, covers nothing and is covered by nothing.
type Path string

// Root covers every path.
const Root Path = "/"

const maxPathBytes = 1024

// ParsePath accepts a canonical absolute path of at most 1024 bytes of valid
// UTF-8. Segments that are empty, "." or "..", a slash at the end, "%" and
// control characters are refused with fault.Invalid: some program along the way would
// read each of them as another path.
func ParsePath(s string) (Path, error) {
	switch {
	case s == "":
		return "", fault.New(fault.Invalid, "path is missing").In("path")
	case len(s) > maxPathBytes:
		return "", fault.New(fault.Invalid, "path is longer than %d bytes", maxPathBytes).In("path")
	case s[0] != '/':
		return "", fault.New(fault.Invalid, "path does not begin with a slash").In("path")
	case s == "/":
		return Root, nil
	}
	for segment := range strings.SplitSeq(s[1:], "/") {
		if err := checkSegment(segment); err != nil {
			return "", err
		}
	}
	return Path(s), nil
}

func checkSegment(s string) error {
	switch {
	case s == "":
		return fault.New(fault.Invalid, "path has an empty segment").In("path")
	case s == "." || s == "..":
		return fault.New(fault.Invalid, "path has a segment %q", s).In("path")
	case strings.Contains(s, "%"):
		return fault.New(fault.Invalid, "path has a percent sign").In("path")
	case !utf8.ValidString(s):
		return fault.New(fault.Invalid, "path is not valid UTF-8").In("path")
	case strings.ContainsFunc(s, invisible):
		return fault.New(fault.Invalid, "path has a control character").In("path")
	}
	return nil
}

// invisible reports whether r could make a name look like another one: control
// characters, line and paragraph separators, and what reverses the direction of writing.
func invisible(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}

// Covers reports whether q is p or is beneath p.
func (p Path) Covers(q Path) bool {
	if p == "" || !strings.HasPrefix(string(q), "/") {
		return false
	}
	if p == Root || p == q {
		return true
	}
	return len(q) > len(p) && q[len(p)] == '/' && strings.HasPrefix(string(q), string(p))
}

// Join returns the path that q names when it is read relative to p: /a joined with
// /b is /a/b. If either side is the zero value, so is the result. The result may
// be longer than ParsePath allows, and then covers nothing that can be asked for.
func (p Path) Join(q Path) Path {
	switch {
	case p == "" || q == "":
		return ""
	case p == Root:
		return q
	case q == Root:
		return p
	}
	return p + q
}

// ParseCollection reads the id of a collection: an integer, 0 or more, in canonical form.
// Everything else is fault.Invalid.
func ParseCollection(s string) (int64, error) {
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil || id < 0 || strconv.FormatInt(id, 10) != s {
		return 0, fault.New(fault.Invalid, "a collection's id is an integer, 0 or more").In("collection")
	}
	return id, nil
}

// CollectionPath is the path of the collection with that id.
func CollectionPath(id int64) Path {
	return Path("/collections/" + strconv.FormatInt(id, 10))
}
