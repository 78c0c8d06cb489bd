package access_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bearerd/bearerd/internal/access"
)

func TestDecide(t *testing.T) {
	t.Parallel()
	grants := []access.Grant{
		{Action: "access", Path: "/collections/4", Binding: "1", Via: "user"},
		{Action: "*", Path: "/collections/5", Binding: "2", Via: "user"},
		{Action: "*", Path: "/collections/4/taxa", Binding: "3", Via: "group:g", Role: "r"},
		{Action: "access", Path: "/collections", Binding: "4", Via: "group:g"},
		{Action: "delete", Path: "/tokens", Binding: "5", Via: "user"},
	}
	for _, c := range []struct {
		action string
		path   access.Path
		want   []string
	}{
		{"access", "/collections/4", []string{"1", "4"}},
		{"access", "/collections/4/taxa/x", []string{"1", "3", "4"}},
		{"access", "/collections/42", []string{"4"}},
		{"access", "/collections/5", []string{"2", "4"}},
		{"read", "/collections/4", nil},
		{"read", "/collections/5/a", []string{"2"}},
		{"*", "/collections/5", []string{"2"}},
		{"*", "/collections/4", nil},
		{"*", "/", nil},
		{"delete", "/tokens", []string{"5"}},
		{"delete", "/token", nil},
		{"Delete", "/tokens", nil},
		{"delete", "/", nil},
		{"", "/collections/5", nil},
		{"access", "", nil},
		{"access", "collections/4", nil},
	} {
		got := access.Decide(grants, c.action, c.path)
		var because []string
		for _, g := range got.Because {
			because = append(because, g.Binding)
		}
		if got.Allowed != (c.want != nil) || !slices.Equal(because, c.want) {
			t.Errorf("%s %s: %t because of %v, want %v", c.action, c.path, got.Allowed, because, c.want)
		}
	}
	if access.Decide(nil, "*", "/").Allowed || access.Decide([]access.Grant{{}}, "", "").Allowed {
		t.Error("nothing allows something")
	}
}

func TestGrantSaysWhereItComesFrom(t *testing.T) {
	t.Parallel()
	for want, g := range map[string]access.Grant{
		"access /collections/4 (user)":    {Action: "access", Path: "/collections/4", Via: access.ViaUser},
		"* / (group:curators, role boss)": {Action: "*", Path: "/", Via: access.ViaGroup("curators"), Role: "boss"},
	} {
		if got := g.String(); got != want {
			t.Errorf("String = %q, want %q", got, want)
		}
	}
}

func TestMoreGrantsNeverTakeAccessAway(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		few := rapid.SliceOfN(someGrant(), 0, 6).Draw(t, "few")
		more := slices.Concat(few, rapid.SliceOfN(someGrant(), 0, 6).Draw(t, "more"))
		action, path := someAction().Draw(t, "action"), paths().Draw(t, "path")
		before, after := access.Decide(few, action, path), access.Decide(more, action, path)
		if before.Allowed && !after.Allowed {
			t.Fatalf("%s %s was allowed by %v and is not by %v", action, path, few, more)
		}
		for _, g := range before.Because {
			if !slices.Contains(after.Because, g) {
				t.Fatalf("%v is no reason any more", g)
			}
		}
	})
}

func TestMoreBindingsNeverTakeAccessAway(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		roles := someRoles().Draw(t, "roles")
		few := rapid.SliceOfN(someBinding(), 0, 6).Draw(t, "few")
		more := slices.Concat(few, rapid.SliceOfN(someBinding(), 0, 6).Draw(t, "more"))
		action, path := someAction().Draw(t, "action"), paths().Draw(t, "path")
		if access.Allows(expand(few, roles), action, path) && !access.Allows(expand(more, roles), action, path) {
			t.Fatalf("%s %s was allowed by %v and is not by %v", action, path, few, more)
		}
	})
}

func TestAChildPathNeverHasLessThanItsParent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		grants := rapid.SliceOfN(someGrant(), 0, 8).Draw(t, "grants")
		parent, action := paths().Draw(t, "parent"), someAction().Draw(t, "action")
		child := parent.Join(paths().Draw(t, "beneath"))
		if access.Allows(grants, action, parent) && !access.Allows(grants, action, child) {
			t.Fatalf("%s is allowed on %s and not on %s by %v", action, parent, child, grants)
		}
	})
}

func TestWhoMayDoEverythingMayDoEach(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		grants := rapid.SliceOfN(someGrant(), 0, 8).Draw(t, "grants")
		path, action := paths().Draw(t, "path"), someAction().Draw(t, "action")
		if access.Allows(grants, access.Any, path) && !access.Allows(grants, action, path) {
			t.Fatalf("* and not %s is allowed on %s by %v", action, path, grants)
		}
	})
}

func TestAllowsAgreesWithDecide(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		grants := rapid.SliceOfN(someGrant(), 0, 8).Draw(t, "grants")
		action, path := someAction().Draw(t, "action"), paths().Draw(t, "path")
		d := access.Decide(grants, action, path)
		if d.Allowed != access.Allows(grants, action, path) || d.Allowed != (len(d.Because) > 0) {
			t.Fatalf("%s %s: Decide %+v, Allows %t", action, path, d, !d.Allowed)
		}
		for _, g := range d.Because {
			if !access.Allows([]access.Grant{g}, action, path) {
				t.Fatalf("%v is given as a reason and does not allow %s %s", g, action, path)
			}
		}
	})
}

func TestGrantsLieBeneathTheirBinding(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b, roles := someBinding().Draw(t, "binding"), someRoles().Draw(t, "roles")
		for _, g := range access.Expand(b, roles[b.Role]) {
			if !b.Path.Covers(g.Path) || g.Binding != b.ID || g.Role != b.Role {
				t.Fatalf("%+v grants %+v", b, g)
			}
		}
	})
}

func FuzzDecide(f *testing.F) {
	f.Add("access", "/collections/4", "access", "/collections/4")
	f.Add("*", "/", "delete", "/tokens")
	f.Add("access", "/collections/4", "access", "/collections/42")
	f.Add("", "", "", "")
	f.Fuzz(func(t *testing.T, granted, at, action, path string) {
		g := access.Grant{Action: granted, Path: access.Path(at)}
		p := access.Path(path)
		d := access.Decide([]access.Grant{g}, action, p)
		want := action != "" && (granted == "*" || granted == action) && g.Path.Covers(p)
		if d.Allowed != want {
			t.Fatalf("%v: %s %s is %t", g, action, path, d.Allowed)
		}
		if _, err := access.ParsePath(path); err != nil || !d.Allowed {
			return
		}
		if !access.Allows([]access.Grant{g}, action, p.Join("/x")) {
			t.Fatalf("%v allows %s on %s and not beneath", g, action, path)
		}
		if !access.Decide([]access.Grant{g, {}, g}, action, p).Allowed {
			t.Fatal("more grants took it away")
		}
	})
}

func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{10, 1000, 100_000} {
		grants := make([]access.Grant, n)
		for i := range grants {
			grants[i] = access.Grant{Action: "access", Path: access.CollectionPath(int64(i)), Binding: strconv.Itoa(i), Via: "user"}
		}
		last := grants[n-1].Path
		b.Run(fmt.Sprintf("grants=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !access.Allows(grants, "access", last) {
					b.Fatal("refused")
				}
			}
		})
	}
}

func TestAllowsDoesNotAllocate(t *testing.T) {
	grants := []access.Grant{{Action: "a", Path: "/a"}, {Action: "b", Path: "/b"}}
	if n := testing.AllocsPerRun(100, func() { access.Allows(grants, "b", "/b/c") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func someAction() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"access", "create", "read", access.Any})
}

func somePermission() *rapid.Generator[access.Permission] {
	return rapid.Custom(func(t *rapid.T) access.Permission {
		return access.Permission{Action: someAction().Draw(t, "action"), Path: paths().Draw(t, "path")}
	})
}

func someGrant() *rapid.Generator[access.Grant] {
	return rapid.Custom(func(t *rapid.T) access.Grant {
		p := somePermission().Draw(t, "permission")
		return access.Grant{Action: p.Action, Path: p.Path, Via: access.ViaUser}
	})
}

var roleNames = []string{"empty", "one", "two", "missing"}

// someRoles draws roles of each name but "missing".
func someRoles() *rapid.Generator[map[string]access.Role] {
	return rapid.Custom(func(t *rapid.T) map[string]access.Role {
		roles := map[string]access.Role{}
		for n, name := range roleNames[:3] {
			roles[name] = access.Role{Name: name, Permissions: rapid.SliceOfN(somePermission(), n, n).Draw(t, name)}
		}
		return roles
	})
}

func someBinding() *rapid.Generator[access.Binding] {
	return rapid.Custom(func(t *rapid.T) access.Binding {
		b := access.Binding{ID: rapid.StringMatching(`[0-9a-f]{16}`).Draw(t, "id"), Path: paths().Draw(t, "at")}
		if rapid.Bool().Draw(t, "direct") {
			b.User = "u"
		} else {
			b.Group = "g"
		}
		if rapid.Bool().Draw(t, "role") {
			b.Role = rapid.SampledFrom(roleNames).Draw(t, "name")
		} else {
			p := somePermission().Draw(t, "permission")
			b.Permission = &p
		}
		return b
	})
}

func expand(bindings []access.Binding, roles map[string]access.Role) []access.Grant {
	var grants []access.Grant
	for _, b := range bindings {
		grants = append(grants, access.Expand(b, roles[b.Role])...)
	}
	return grants
}

func ids(bindings []access.Binding) []string {
	var list []string
	for _, b := range bindings {
		list = append(list, b.ID)
	}
	return list
}

func TestRemoveTakesDirectBindingsThroughRolesToo(t *testing.T) {
	t.Parallel()
	roles := map[string]access.Role{
		"admin":   {Name: "admin", Permissions: []access.Permission{{Action: "*", Path: "/"}}},
		"fish":    {Name: "fish", Permissions: []access.Permission{{Action: "access", Path: "/collections/4"}}},
		"both":    {Name: "both", Permissions: []access.Permission{{Action: "access", Path: "/collections/4"}, {Action: "access", Path: "/tokens"}}},
		"empty":   {Name: "empty"},
		"nothing": {Name: "nothing"},
	}
	permission := func(path access.Path) *access.Permission { return &access.Permission{Action: "access", Path: path} }
	bindings := []access.Binding{
		{ID: "role at the path", User: "u", Role: "admin", Path: "/collections/4"},
		{ID: "permission at the path", User: "u", Permission: permission("/"), Path: "/collections/4"},
		{ID: "permission from the root", User: "u", Permission: permission("/collections/4"), Path: "/"},
		{ID: "beneath", User: "u", Permission: permission("/"), Path: "/collections/4/taxa"},
		{ID: "role whose permissions lie within", User: "u", Role: "fish", Path: "/"},
		{ID: "role that is empty today", User: "u", Role: "empty", Path: "/collections/4"},
		{ID: "role that is gone", User: "u", Role: "gone", Path: "/collections/4"},
		{ID: "another collection", User: "u", Role: "admin", Path: "/collections/42"},
		{ID: "empty role elsewhere", User: "u", Role: "empty", Path: "/"},
		{ID: "a wider path", User: "u", Role: "admin", Path: "/collections"},
		{ID: "role with more", User: "u", Role: "both", Path: "/"},
		{ID: "a group", Group: "g", Role: "admin", Path: "/collections/4"},
		{ID: "a group beneath", Group: "g", Permission: permission("/"), Path: "/collections/4/taxa"},
		{ID: "a group elsewhere", Group: "g", Role: "admin", Path: "/collections/42"},
		{ID: "a group's empty role", Group: "g", Role: "empty", Path: "/collections/4"},
	}
	removed, remaining := access.Remove(bindings, roles, "/collections/4")
	if diff := cmp.Diff(ids(bindings[:7]), ids(removed)); diff != "" {
		t.Errorf("removed (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(ids(bindings[9:13]), ids(remaining)); diff != "" {
		t.Errorf("remaining (-want +got)\n%s", diff)
	}
}

func TestRemoveAtTheRootLeavesGroupsAlone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		roles := someRoles().Draw(t, "roles")
		bindings := rapid.SliceOfN(someBinding(), 0, 10).Draw(t, "bindings")
		removed, remaining := access.Remove(bindings, roles, access.Root)
		for _, b := range bindings {
			if direct := b.User != ""; direct != slices.Contains(ids(removed), b.ID) {
				t.Fatalf("%+v: removed %t", b, !direct)
			}
		}
		for _, b := range remaining {
			if b.Group == "" {
				t.Fatalf("%+v remains", b)
			}
		}
	})
}

func TestRemoveIsHonest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		roles := someRoles().Draw(t, "roles")
		bindings := rapid.SliceOfN(someBinding(), 0, 10).Draw(t, "bindings")
		at := paths().Draw(t, "at")
		removed, remaining := access.Remove(bindings, roles, at)

		var kept []access.Binding
		for _, b := range bindings {
			if !slices.Contains(ids(removed), b.ID) {
				kept = append(kept, b)
			}
		}
		before, after := expand(bindings, roles), expand(kept, roles)
		action := someAction().Draw(t, "action")

		within := at.Join(paths().Draw(t, "beneath"))
		for _, path := range []access.Path{at, within} {
			if access.Allows(after, action, path) != access.Allows(expand(remaining, roles), action, path) {
				t.Fatalf("%s %s is still granted by something that remaining does not name", action, path)
			}
		}
		outside := paths().Draw(t, "outside")
		if !at.Covers(outside) && access.Allows(before, action, outside) != access.Allows(after, action, outside) {
			t.Fatalf("%s %s, outside of %s, was lost", action, outside, at)
		}
		for _, b := range removed {
			if b.User == "" || slices.Contains(ids(remaining), b.ID) {
				t.Fatalf("%+v is removed", b)
			}
		}
		for _, b := range kept {
			if b.User != "" && at.Covers(b.Path) {
				t.Fatalf("%+v is kept", b)
			}
		}
		for _, b := range remaining {
			if len(access.Expand(b, roles[b.Role])) == 0 {
				t.Fatalf("%+v remains and grants nothing", b)
			}
		}
	})
}
