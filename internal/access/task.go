package access

import (
	"slices"
	"strconv"
	"strings"

	"github.com/bearerd/bearerd/internal/fault"
)

// ActionCreate is what a user must have on a task token type to get one.
const ActionCreate = "create"

// TaskPath is the path whose grants decide about task tokens of that type. A
// type that is not exactly one path segment is fault.Invalid: FOO/100 would turn
// the grant of one lifetime of FOO into one of a whole type.
func TaskPath(typ string) (Path, error) {
	if strings.Contains(typ, "/") {
		return "", fault.New(fault.Invalid, "a task token type has no slash")
	}
	return ParsePath("/task-tokens/" + typ)
}

// TaskRight is which lifetimes of one type of task token a user may have. The
// zero value allows none.
type TaskRight struct {
	Any     bool    // any lifetime up to the ceiling of the type
	Exact   []int64 // otherwise exactly these, in seconds, ascending
	Because []Grant // the grants that allow it
}

// Allows reports whether that lifetime, in seconds, is allowed.
func (t TaskRight) Allows(seconds int64) bool {
	return seconds > 0 && (t.Any || slices.Contains(t.Exact, seconds))
}

// TaskRights returns which task tokens of a type a user may have by their grants: create
// on /task-tokens/TYPE, or on a wider path, allows any lifetime, and on
// /task-tokens/TYPE/SECONDS that one. A type that TaskPath refuses allows none.
func TaskRights(grants []Grant, typ string) TaskRight {
	path, err := TaskPath(typ)
	if err != nil {
		return TaskRight{}
	}
	var t TaskRight
	for _, g := range grants {
		if g.Allows(ActionCreate, path) {
			t.Any = true
		} else if seconds, ok := exactSeconds(g, path); ok {
			t.Exact = append(t.Exact, seconds)
		} else {
			continue
		}
		t.Because = append(t.Because, g)
	}
	slices.Sort(t.Exact)
	t.Exact = slices.Compact(t.Exact)
	return t
}

// exactSeconds reads the lifetime that the grant is for. Only the canonical
// spelling counts, so that 0100 is no second grant of 100.
func exactSeconds(g Grant, typ Path) (int64, bool) {
	segment, ok := lastSegment(typ, g.Path)
	if !ok || (g.Action != ActionCreate && g.Action != Any) {
		return 0, false
	}
	seconds, err := strconv.ParseInt(segment, 10, 64)
	return seconds, err == nil && seconds > 0 && strconv.FormatInt(seconds, 10) == segment
}
