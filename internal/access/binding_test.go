package access_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/fault"
)

func TestActions(t *testing.T) {
	t.Parallel()
	for s, ok := range map[string]bool{
		"*": true, "access": true, "create": true, "A.b_c:d-9": true, strings.Repeat("x", 64): true,
		"": false, "**": false, "a*": false, "a b": false, "a/b": false, "é": false, "a\n": false, "\xff": false,
		strings.Repeat("x", 65): false,
	} {
		got, err := access.ParseAction(s)
		if ok && (err != nil || got != s) || !ok && (!fault.Is(err, fault.Invalid) || got != "") {
			t.Errorf("ParseAction(%q) = %q, %v", s, got, err)
		}
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	all := access.Permission{Action: "*", Path: "/"}
	for name, c := range map[string]struct {
		role access.Role
		ok   bool
	}{
		"one permission":   {access.Role{Name: "collection-admin", Permissions: []access.Permission{all}}, true},
		"none":             {access.Role{Name: "empty"}, true},
		"name with spaces": {access.Role{Name: "Collection Admin"}, true},
		"no name":          {access.Role{Permissions: []access.Permission{all}}, false},
		"space at the end": {access.Role{Name: "a "}, false},
		"control":          {access.Role{Name: "a\nb"}, false},
		"not UTF-8":        {access.Role{Name: "\xff"}, false},
		"too long":         {access.Role{Name: strings.Repeat("x", 256)}, false},
		"bad action":       {access.Role{Name: "a", Permissions: []access.Permission{all, {Action: "", Path: "/"}}}, false},
		"bad path":         {access.Role{Name: "a", Permissions: []access.Permission{all, {Action: "*", Path: "a"}}}, false},
		"no path":          {access.Role{Name: "a", Permissions: []access.Permission{{Action: "*"}}}, false},
		"too many":         {access.Role{Name: "a", Permissions: make([]access.Permission, 1001)}, false},
	} {
		err := c.role.Validate()
		if c.ok && err != nil || !c.ok && !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBindings(t *testing.T) {
	t.Parallel()
	access4 := &access.Permission{Action: "access", Path: "/collections/4"}
	for name, c := range map[string]struct {
		binding access.Binding
		ok      bool
	}{
		"user, role":        {access.Binding{User: "u", Role: "r", Path: "/collections/4"}, true},
		"user, permission":  {access.Binding{User: "u", Permission: access4, Path: "/"}, true},
		"group, role":       {access.Binding{Group: "g", Role: "r", Path: "/"}, true},
		"group, permission": {access.Binding{Group: "g", Permission: access4, Path: "/a"}, true},
		"nobody":            {access.Binding{Role: "r", Path: "/"}, false},
		"user and group":    {access.Binding{User: "u", Group: "g", Role: "r", Path: "/"}, false},
		"nothing given":     {access.Binding{User: "u", Path: "/"}, false},
		"both given":        {access.Binding{User: "u", Role: "r", Permission: access4, Path: "/"}, false},
		"no path":           {access.Binding{User: "u", Role: "r"}, false},
		"bad path":          {access.Binding{User: "u", Role: "r", Path: "/a/"}, false},
		"bad permission":    {access.Binding{User: "u", Permission: &access.Permission{}, Path: "/"}, false},
		"bad role":          {access.Binding{User: "u", Role: " r", Path: "/"}, false},
		"bad user":          {access.Binding{User: "u\n", Role: "r", Path: "/"}, false},
		"bad group":         {access.Binding{Group: "\xff", Role: "r", Path: "/"}, false},
		"zero":              {access.Binding{}, false},
	} {
		err := c.binding.Validate()
		if c.ok && err != nil || !c.ok && !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCanonicalPutsABindingWithoutPathAtTheRoot(t *testing.T) {
	t.Parallel()
	b, err := access.Binding{User: "u", Role: "r"}.Canonical()
	if want := (access.Binding{User: "u", Role: "r", Path: "/"}); err != nil || !cmp.Equal(b, want) {
		t.Errorf("Canonical = %+v, %v", b, err)
	}
	b, err = access.Binding{User: "u", Role: "r", Path: "/a"}.Canonical()
	if err != nil || b.Path != "/a" {
		t.Errorf("Canonical = %+v, %v", b, err)
	}
	if _, err = (access.Binding{}).Canonical(); !fault.Is(err, fault.Invalid) {
		t.Errorf("Canonical of the zero value: %v; want Invalid", err)
	}
}

func TestExpandReadsPathsRelativeToTheBinding(t *testing.T) {
	t.Parallel()
	admin := access.Role{Name: "admin", Permissions: []access.Permission{{Action: "*", Path: "/"}}}
	curator := access.Role{Name: "curator", Permissions: []access.Permission{
		{Action: "read", Path: "/specimens"}, {Action: "access", Path: "/"},
	}}
	for name, c := range map[string]struct {
		binding access.Binding
		role    access.Role
		want    []access.Grant
	}{
		"a role beneath a collection": {
			access.Binding{ID: "1", User: "u", Role: "curator", Path: "/collections/4"},
			curator,
			[]access.Grant{
				{Action: "read", Path: "/collections/4/specimens", Binding: "1", Via: "user", Role: "curator"},
				{Action: "access", Path: "/collections/4", Binding: "1", Via: "user", Role: "curator"},
			},
		},
		"everything": {
			access.Binding{ID: "2", Group: "g", Role: "admin", Path: "/"},
			admin,
			[]access.Grant{{Action: "*", Path: "/", Binding: "2", Via: "group:g", Role: "admin"}},
		},
		"a permission": {
			access.Binding{ID: "3", User: "u", Permission: &access.Permission{Action: "access", Path: "/collections/4"}, Path: "/"},
			access.Role{},
			[]access.Grant{{Action: "access", Path: "/collections/4", Binding: "3", Via: "user"}},
		},
		"a permission and any role": {
			access.Binding{ID: "3", User: "u", Permission: &access.Permission{Action: "a", Path: "/"}, Path: "/x"},
			admin,
			[]access.Grant{{Action: "a", Path: "/x", Binding: "3", Via: "user"}},
		},
		"another role":    {access.Binding{User: "u", Role: "curator", Path: "/"}, admin, nil},
		"no role":         {access.Binding{User: "u", Role: "curator", Path: "/"}, access.Role{}, nil},
		"unnamed role":    {access.Binding{User: "u", Path: "/"}, access.Role{Permissions: admin.Permissions}, nil},
		"the path lost":   {access.Binding{User: "u", Role: "admin"}, admin, nil},
		"permission path": {access.Binding{User: "u", Permission: &access.Permission{Action: "a"}, Path: "/"}, access.Role{}, nil},
	} {
		if diff := cmp.Diff(c.want, access.Expand(c.binding, c.role)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", name, diff)
		}
	}
}
