package scim_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/apply"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/provisioning"
)

// A group that holds everything is filled by administrators alone, also when it comes to
// hold everything later; who is in it can still be taken out.
func TestGroupsThatHoldEverything(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ada := s.create(t, "ada")
	bind := func(group string) {
		b := nodetest.Admin()
		b.Group = group
		nodetest.Must(t, nodetest.Second(s.CreateBinding(t.Context(), operator, b)))
	}
	nodetest.Must(t, s.CreateRole(t.Context(), operator, access.Role{Name: "all", Permissions: []access.Permission{{Action: access.Any, Path: "/"}}}))
	bind("admins")
	nodetest.Must(t, nodetest.Second(s.CreateBinding(t.Context(), operator, access.Binding{Group: "by role", Role: "all", Path: "/"})))
	g := s.createGroup(t, "staff", ada)
	for _, name := range []string{"admins", "by role"} {
		s.as(t, "POST", "/Groups", `{"displayName":"`+name+`"}`).Is(403, "administrators alone")
		s.as(t, "PATCH", "/Groups/"+g, patch(`{"op":"replace","path":"displayName","value":"`+name+`"}`)).Is(403)
		s.as(t, "PUT", "/Groups/"+g, `{"displayName":"`+name+`","members":[]}`).Is(403)
	}
	s.createGroup(t, "Admins", ada) // another group: bindings name groups exactly
	bind("staff")
	grace := s.create(t, "grace")
	s.as(t, "PATCH", "/Groups/"+g, patch(`{"op":"add","path":"members","value":[{"value":"`+grace+`"}]}`)).Is(403)
	diff(t, "grace's groups", s.groups(t, "grace"), "")
	s.as(t, "PATCH", "/Groups/"+g, patch(`{"op":"remove","path":"members","value":[{"value":"`+ada+`"}]}`)).Is(204)
	diff(t, "ada's groups", s.groups(t, "ada"), "Admins")
	nodetest.Must(t, s.Journal.FlushRefusals(t.Context(), true))
	if events := s.Events(t, audit.Filter{Action: audit.GroupCreate, Target: "admins"}); len(events) != 1 || events[0].Outcome != audit.Refused {
		t.Errorf("in the audit log: %+v", events)
	}
}

// What members of a group are after a change, by what says so.
func TestMembers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ids := map[string]string{}
	for _, name := range []string{"a", "b", "c"} {
		ids[name] = s.create(t, name)
	}
	value := func(names string) string {
		var list []string
		for n := range strings.FieldsSeq(names) {
			list = append(list, `{"value":"`+ids[n]+`","display":"x","$ref":null}`)
		}
		return "[" + strings.Join(list, ",") + "]"
	}
	for name, c := range map[string]struct{ before, method, body, want string }{
		"add":                    {"a", "PATCH", patch(`{"op":"Add","path":"members","value":` + value("b c") + `}`), "a b c"},
		"add one":                {"a", "PATCH", patch(`{"op":"add","path":"members","value":{"value":"` + ids["b"] + `"}}`), "a b"},
		"add by filter":          {"a", "PATCH", patch(`{"op":"add","path":"members[value eq \"` + ids["b"] + `\"]"}`), "a b"},
		"add without a path":     {"a", "PATCH", patch(`{"op":"add","value":{"members":` + value("b") + `}}`), "a b"},
		"add who is in it":       {"a", "PATCH", patch(`{"op":"add","path":"members","value":` + value("a") + `}`), "a"},
		"with its schema":        {"a", "PATCH", patch(`{"op":"add","path":"urn:ietf:params:scim:schemas:core:2.0:Group:members","value":` + value("b") + `}`), "a b"},
		"replace":                {"a b", "PATCH", patch(`{"op":"replace","path":"members","value":` + value("b c") + `}`), "b c"},
		"replace without a path": {"a b", "PATCH", patch(`{"op":"replace","value":{"members":` + value("c") + `}}`), "c"},
		"replace by none":        {"a b", "PATCH", patch(`{"op":"replace","path":"members","value":[]}`), ""},
		"remove by filter":       {"a b", "PATCH", patch(`{"op":"Remove","path":"members[value eq \"` + ids["a"] + `\"]"}`), "b"},
		"remove by value":        {"a b", "PATCH", patch(`{"op":"Remove","path":"members","value":` + value("a") + `}`), "b"},
		"remove all":             {"a b", "PATCH", patch(`{"op":"remove","path":"members"}`), ""},
		"remove who isn't in it": {"a", "PATCH", patch(`{"op":"remove","path":"members[value eq \"nobody\"]"}`), "a"},
		"one after the other":    {"a", "PATCH", patch(`{"op":"add","path":"members","value":`+value("b c")+`}`, `{"op":"remove","path":"members","value":`+value("a b")+`}`), "c"},
		"the name alone":         {"a b", "PATCH", patch(`{"op":"replace","value":{"displayName":"other name"}}`), "a b"},
		"PUT":                    {"a b", "PUT", `{"displayName":"the name alone too","members":` + value("c") + `}`, "c"},
		"PUT without any":        {"a b", "PUT", `{"displayName":"yet another"}`, ""},
		"an attribute not kept":  {"a", "PATCH", patch(`{"op":"replace","path":"urn:ietf:params:scim:schemas:extension:x:2.0:Group:y","value":"z"}`), "a"},
	} {
		var members []string
		for n := range strings.FieldsSeq(c.before) {
			members = append(members, ids[n])
		}
		g := s.createGroup(t, "group", members...)
		s.as(t, c.method, "/Groups/"+g, c.body)
		var got []string
		for _, m := range s.as(t, "GET", "/Groups/"+g, "").Is(200).Object()["members"].([]any) { //nolint:errcheck,forcetypeassert // else the test fails
			got = append(got, m.(map[string]any)["display"].(string)) //nolint:errcheck,forcetypeassert // likewise
		}
		want := map[string]bool{}
		for n := range strings.FieldsSeq(c.want) {
			want[n] = true
		}
		if len(got) != len(want) {
			t.Errorf("%s: %v, want %s", name, got, c.want)
		}
		for _, n := range got {
			if !want[n] {
				t.Errorf("%s: %v, want %s", name, got, c.want)
			}
		}
		s.as(t, "DELETE", "/Groups/"+g, "").Is(204)
		for n := range ids {
			diff(t, name+", groups of "+n, s.groups(t, n), "")
		}
	}
}

// A membership that an administrator has set is theirs, and a group that is renamed takes
// along whom the source has put there.
func TestOthersMemberships(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ada, grace := s.create(t, "ada"), s.create(t, "grace")
	nodetest.Must(t, nodetest.Second(s.UpdateUser(t.Context(), operator, "ada", identity.UserPatch{Groups: &[]string{"curators"}})))
	g := s.createGroup(t, "curators", ada, grace)
	s.as(t, "GET", "/Groups/"+g, "").Is(200, grace).Lacks(ada)
	s.as(t, "PUT", "/Groups/"+g, `{"displayName":"staff","members":[{"value":"`+grace+`"}]}`).Is(200, `"id":"`+g+`"`)
	diff(t, "ada's", s.groups(t, "ada"), "curators")
	diff(t, "grace's", s.groups(t, "grace"), "staff")
	s.as(t, "DELETE", "/Groups/"+g, "").Is(204)
	diff(t, "ada's, afterwards", s.groups(t, "ada"), "curators")
	diff(t, "grace's, afterwards", s.groups(t, "grace"), "")
}

// Groups of thousands are filled and emptied at once, up to a bound.
func TestManyMembers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const n = 3000
	d := apply.Desired{Source: "scim:hr"}
	for i := range n {
		d.Users = append(d.Users, apply.DesiredUser{NewUser: identity.NewUser{Username: fmt.Sprint("u", i)}})
	}
	_, _, err := s.Apply(t.Context(), operator, d)
	nodetest.Must(t, err)
	var ids []string
	for start := 1; start <= n; start += 200 {
		for _, r := range s.as(t, "GET", fmt.Sprint("/Users?startIndex=", start), "").Is(200).Object()["Resources"].([]any) { //nolint:errcheck,forcetypeassert // else the test fails
			ids = append(ids, r.(map[string]any)["id"].(string)) //nolint:errcheck,forcetypeassert // likewise
		}
	}
	g := s.createGroup(t, "all")
	body := patch(`{"op":"add","path":"members","value":[` + strings.Join(each(ids, `{"value":"`, `"}`), ",") + `]}`)
	s.as(t, "PATCH", "/Groups/"+g, body).Is(204)
	diff(t, "the last one's groups", s.groups(t, fmt.Sprint("u", n-1)), "all")
	s.as(t, "PATCH", "/Groups/"+g, patch(`{"op":"remove","path":"members"}`)).Is(204)
	diff(t, "afterwards", s.groups(t, fmt.Sprint("u", n-1)), "")
	var nobody []string
	for i := range provisioning.MaxMemberChanges + 1 {
		nobody = append(nobody, fmt.Sprint("x", i))
	}
	s.as(t, "PATCH", "/Groups/"+g, patch(`{"op":"add","path":"members","value":[`+strings.Join(each(nobody, `{"value":"`, `"}`), ",")+`]}`)).Is(413)
}
