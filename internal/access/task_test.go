package access_test

import (
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
)

func TestTaskRights(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		action  string
		path    access.Path
		any     bool
		exact   []int64
		because bool
	}{
		"the type":               {"create", "/task-tokens/FOO", true, nil, true},
		"all types":              {"create", "/task-tokens", true, nil, true},
		"everything":             {"*", "/", true, nil, true},
		"one lifetime":           {"create", "/task-tokens/FOO/100", false, []int64{100}, true},
		"one lifetime, any":      {"*", "/task-tokens/FOO/100", false, []int64{100}, true},
		"another type":           {"create", "/task-tokens/FOOD", false, nil, false},
		"another type's":         {"create", "/task-tokens/BAR/100", false, nil, false},
		"another action":         {"access", "/task-tokens/FOO", false, nil, false},
		"another action's":       {"access", "/task-tokens/FOO/100", false, nil, false},
		"beneath a lifetime":     {"create", "/task-tokens/FOO/100/x", false, nil, false},
		"zero":                   {"create", "/task-tokens/FOO/0", false, nil, false},
		"negative":               {"create", "/task-tokens/FOO/-100", false, nil, false},
		"plus":                   {"create", "/task-tokens/FOO/+100", false, nil, false},
		"leading zero":           {"create", "/task-tokens/FOO/0100", false, nil, false},
		"a word":                 {"create", "/task-tokens/FOO/x", false, nil, false},
		"an overflow":            {"create", "/task-tokens/FOO/9223372036854775808", false, nil, false},
		"the largest":            {"create", "/task-tokens/FOO/9223372036854775807", false, []int64{9223372036854775807}, true},
		"a number of other form": {"create", "/task-tokens/FOO/1e2", false, nil, false},
	} {
		grants := []access.Grant{{Action: c.action, Path: c.path, Binding: "1"}}
		got := access.TaskRights(grants, "FOO")
		if got.Any != c.any || !slices.Equal(got.Exact, c.exact) || (len(got.Because) == 1) != c.because {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestExactLifetimesAreNamedOnceAndInOrder(t *testing.T) {
	t.Parallel()
	var grants []access.Grant
	for _, s := range []string{"300", "100", "300", "200"} {
		grants = append(grants, access.Grant{Action: "create", Path: access.Path("/task-tokens/FOO/" + s)})
	}
	got := access.TaskRights(grants, "FOO")
	if !slices.Equal(got.Exact, []int64{100, 200, 300}) || len(got.Because) != 4 {
		t.Errorf("TaskRights = %+v", got)
	}
}

func TestATypeThatIsNoSegmentHasNoRights(t *testing.T) {
	t.Parallel()
	everything := []access.Grant{{Action: "*", Path: "/"}, {Action: "create", Path: "/task-tokens/FOO/100"}}
	for _, typ := range []string{"", "FOO/100", "/FOO", "FOO/", ".", "..", "FOO%", "FOO\n", "\xff"} {
		if got := access.TaskRights(everything, typ); got.Any || got.Exact != nil || got.Because != nil {
			t.Errorf("%q: %+v", typ, got)
		}
		if _, err := access.TaskPath(typ); !fault.Is(err, fault.Invalid) {
			t.Errorf("TaskPath(%q): %v; want Invalid", typ, err)
		}
	}
	if p, err := access.TaskPath("TES"); err != nil || p != "/task-tokens/TES" {
		t.Errorf("TaskPath(TES) = %q, %v", p, err)
	}
}

func TestTaskRightsAgreeWithDecide(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		grants := rapid.SliceOfN(someGrant(), 0, 10).Draw(t, "grants")
		rights := access.TaskRights(grants, "FOO")
		if want := access.Allows(grants, "create", "/task-tokens/FOO"); rights.Any != want {
			t.Fatalf("Any is %t by %v", rights.Any, grants)
		}
		for _, seconds := range []int64{1, 4, 42, 100} {
			path := access.Path("/task-tokens/FOO/" + strconv.FormatInt(seconds, 10))
			if want := access.Allows(grants, "create", path); rights.Allows(seconds) != want {
				t.Fatalf("%d seconds: %t by %v", seconds, !want, grants)
			}
		}
		if rights.Allows(0) || rights.Allows(-1) {
			t.Fatalf("%+v allows what is no lifetime", rights)
		}
	})
}
