package senaite_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/identity"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
)

// subjectOf returns the subject of a user.
func (s *site) subjectOf(name string) (string, error) {
	u, err := s.Directory.User(s.t.Context(), caller.Operator(), name)
	return u.ID, err
}

func TestAnAdministratorSeesEverybody(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for name, o := range map[string]option{"by token": bearer(s.login("root")), "by password": basic("root", password)} {
		got := decode[listing](t, s.do("GET", "/users", "", o))
		if diff := cmp.Diff([]string{"ada", "root"}, got.names()); diff != "" || got.Count != 2 {
			t.Errorf("%s: %+v", name, got)
		}
		if got.Items[0].Authenticated || !got.Items[1].Authenticated {
			t.Errorf("%s: who is the caller? %+v", name, got.Items)
		}
		if one := decode[listing](t, s.do("GET", "/users/ada", "", o)); one.Count != 1 || one.Items[0].Username != "ada" {
			t.Errorf("%s: %+v", name, one)
		}
		for _, nobody := range []string{"nobody", "%ff", "a%00b", strings.Repeat("x", 300)} {
			s.do("GET", "/users/"+nobody, "", o).refused(t, name+": "+nobody, 404)
		}
	}
}

func TestEverybodyElseSeesThemselves(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for name, o := range map[string]option{
		"by token": bearer(s.login("ada")), "by password": basic("ada", password), "by cookie": cookie(s.login("ada")),
	} {
		for _, path := range []string{"/users", "/users/current", "/users/ada", "/users/root", "/users/nobody"} {
			a := s.do("GET", path, "", o)
			got := decode[listing](t, a)
			want := []user{{
				Username: "ada", FullName: "ada Example", Email: "ada@example.org", Roles: []string{"Authenticated", "Member"}, Groups: []string{"AuthenticatedUsers"},
				Authenticated: true, URL: nodetest.Issuer + prefix + "/users/ada",
			}}
			if diff := cmp.Diff(want, got.Items); diff != "" || got.Count != 1 || a.status != http.StatusOK {
				t.Errorf("%s: %s: %d (-want +got)\n%s", name, path, a.status, diff)
			}
		}
	}
}

func TestUsersHaveTheirRolesAndGroups(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	operator := caller.Operator()
	groups := []string{"analysts"}
	if _, err := s.UpdateUser(t.Context(), operator, "ada", identity.UserPatch{Groups: &groups}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Analyst", "Sampler"} {
		role := access.Role{Name: name, Permissions: []access.Permission{{Action: "read", Path: "/a"}, {Action: "read", Path: "/b"}}}
		if err := s.CreateRole(t.Context(), operator, role); err != nil {
			t.Fatal(err)
		}
	}
	for _, b := range []access.Binding{{User: "ada", Role: "Sampler"}, {Group: "analysts", Role: "Analyst"}} {
		if _, err := s.CreateBinding(t.Context(), operator, b); err != nil {
			t.Fatal(err)
		}
	}
	got := decode[listing](t, s.do("GET", "/users", "", bearer(s.login("root"))))
	if diff := cmp.Diff([]string{"Analyst", "Authenticated", "Member", "Sampler"}, got.Items[0].Roles); diff != "" {
		t.Errorf("ada's roles (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(append(groups, "AuthenticatedUsers"), got.Items[0].Groups); diff != "" {
		t.Errorf("ada's groups (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"Authenticated", "Manager", "Member"}, got.Items[1].Roles); diff != "" {
		t.Errorf("root's roles (-want +got)\n%s", diff)
	}
}

func TestPagesOfUsers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i := range 3 {
		_, err := s.CreateUser(t.Context(), caller.Operator(), identity.NewUser{Username: fmt.Sprintf("user %d", i)})
		if err != nil {
			t.Fatal(err)
		}
	}
	as := bearer(s.login("root"))
	link := func(start, size int) string {
		return fmt.Sprintf("%s%s/users?b_start=%d&limit=%d", nodetest.Issuer, prefix, start, size)
	}
	for query, want := range map[string]struct {
		names             []string
		size, page, pages int
		next, previous    string
	}{
		"":                   {[]string{"ada", "root", "user 0", "user 1", "user 2"}, 25, 1, 1, "", ""},
		"?limit=2":           {[]string{"ada", "root"}, 2, 1, 3, link(2, 2), ""},
		"?limit=2&b_start=2": {[]string{"user 0", "user 1"}, 2, 2, 3, link(4, 2), link(0, 2)},
		"?limit=2&b_start=4": {[]string{"user 2"}, 2, 3, 3, "", link(2, 2)},
		"?limit=5":           {[]string{"ada", "root", "user 0", "user 1", "user 2"}, 5, 1, 1, "", ""},
		"?limit=3&b_start=1": {[]string{"root", "user 0", "user 1"}, 3, 1, 2, link(4, 3), link(0, 3)},
		"?b_start=5":         {[]string{}, 25, 1, 1, "", link(0, 25)},
		"?b_start=900":       {[]string{}, 25, 37, 1, "", link(875, 25)},
		"?limit=&b_start=":   {[]string{"ada", "root", "user 0", "user 1", "user 2"}, 25, 1, 1, "", ""},
		"?role=Analyst":      {[]string{"ada", "root", "user 0", "user 1", "user 2"}, 25, 1, 1, "", ""},
	} {
		got := decode[listing](t, s.do("GET", "/users"+query, "", as))
		if diff := cmp.Diff(want.names, got.names()); diff != "" {
			t.Errorf("%q (-want +got)\n%s", query, diff)
		}
		if got.Count != 5 || got.PageSize != want.size || got.Page != want.page || got.Pages != want.pages ||
			text(got.Next) != want.next || text(got.Previous) != want.previous {
			t.Errorf("%q: %+v, next %s, previous %s", query, got, text(got.Next), text(got.Previous))
		}
	}
	one := decode[listing](t, s.do("GET", "/users/user%201?b_start=1", "", as))
	if len(one.Items) != 0 || one.Count != 1 || !strings.HasSuffix(text(one.Previous), "/users/user%201?b_start=0&limit=25") {
		t.Errorf("%+v", one)
	}
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func TestPagesOfUsersAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	root := bearer(s.login("root"))
	for _, query := range []string{
		"limit=0", "limit=-1", "limit=1001", "limit=x", "limit=1.5", "limit=%2B1", "limit=+1", "limit=99999999999999999999",
		"b_start=-1", "b_start=x", "b_start=99999999999999999999", "b_start=2000000000", "limit=1&limit=1", "b_start=0&b_start=0", "x=%ff",
	} {
		s.do("GET", "/users?"+query, "", root).refused(t, query, 400)
		s.do("GET", "/users/current?"+query, "").refused(t, query, 400)
	}
}

func TestRotatingASecretKillsEveryTokenOfThatUser(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		who, path string
	}{
		"one's own":        {"ada", "/users/ada/rotate_secret"},
		"the caller's":     {"ada", "/users/current/rotate_secret"},
		"an administrator": {"root", "/users/ada/rotate_secret"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			first, second, opaque := s.login("ada"), s.login("ada"), s.apiToken()
			as := first
			if c.who != "ada" {
				as = s.login(c.who)
			}
			a := s.do("POST", c.path, "", bearer(as))
			got := decode[struct {
				URL     string
				Success bool
			}](t, a)
			if a.status != http.StatusOK || !got.Success || !strings.HasPrefix(got.URL, nodetest.Issuer+prefix+"/users/") {
				t.Fatalf("%d %s", a.status, a.text)
			}
			for _, dead := range []string{first, second, opaque} {
				if s.alive(dead) {
					t.Error("a token is alive still")
				}
			}
			if !s.alive(s.login("ada")) {
				t.Error("a new token is dead")
			}
			if c.who != "ada" && !s.alive(as) {
				t.Error("the administrator's own token is dead")
			}
		})
	}
}

func TestRotatingSomebodyElsesSecretIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	root, ada := s.login("root"), s.login("ada")
	for _, o := range []option{bearer(ada), basic("ada", password)} {
		s.do("POST", "/users/root/rotate_secret", "", o).refused(t, "root's, by ada", 403)
		s.do("POST", "/users/nobody/rotate_secret", "", o).refused(t, "nobody's, by ada", 403)
	}
	s.do("POST", "/users/nobody/rotate_secret", "", bearer(root)).refused(t, "nobody's, by root", 404)
	if a := s.do("GET", "/users/ada/rotate_secret", "", bearer(ada)); a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != "POST" {
		t.Errorf("%d %v", a.status, a.header)
	}
	if !s.alive(root) || !s.alive(ada) {
		t.Error("a token is dead")
	}
}

// A token that was limited to less is not its user's password.
func TestRotatingWithALimitedTokenIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Collection(t, 4, "Fish")
	s.User(t, "lis", password, nodetest.May("access", "/collections/4"))
	lis := s.Login(t, "lis", password, 4)
	whole := s.login("lis")
	for name, r := range map[string]*issuance.Request{
		"a scope":      {Scope: []string{"read"}},
		"a collection": {Collection: new(int64(4))},
	} {
		r.Kind, r.Principal = token.KindAccess, lis.Principal
		issued, err := s.Issue(t.Context(), lis, r)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/users/lis/rotate_secret", "/users/current/rotate_secret"} {
			s.do("POST", path, "", bearer(issued.Value.Reveal())).refused(t, name, 403)
		}
		if a := s.do("GET", "/logout?revoke=true", "", bearer(issued.Value.Reveal())); a.status != http.StatusOK || s.alive(issued.Value.Reveal()) {
			t.Errorf("%s: revoking itself: %d %s", name, a.status, a.text)
		}
	}
	if !s.alive(whole) {
		t.Error("another token is dead")
	}
}

func TestOtherSitesChangeNothing(t *testing.T) {
	t.Parallel()
	s, none := newSite(t), newSite(t, noCrossOrigin)
	good, other := s.login("ada"), none.login("ada")
	for _, o := range foreign {
		for _, by := range []option{cookie(good), basic("ada", password)} {
			s.do("POST", "/users/ada/rotate_secret", "", by, o).refused(t, "rotating", 403)
		}
		s.do("GET", "/logout?revoke=true", "", cookie(good), o).refused(t, "revoking", 403)
	}
	none.do("POST", "/users/ada/rotate_secret", "", cookie(other)).refused(t, "without a check", 403)
	if !s.alive(good) || !none.alive(other) {
		t.Error("the token is dead")
	}
	// What a script sends on purpose is nobody else's doing.
	if a := s.do("POST", "/users/ada/rotate_secret", "", bearer(good), foreign[0]); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.text)
	}
	if a := s.do("POST", "/users/ada/rotate_secret", "", cookie(s.login("ada")), header("Sec-Fetch-Site", "same-origin")); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.text)
	}
}
