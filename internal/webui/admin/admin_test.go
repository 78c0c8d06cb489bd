package admin_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/apply"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/notice"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/upkeep"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/traffic"
	"github.com/bearerd/bearerd/internal/verification"
	"github.com/bearerd/bearerd/internal/webui"
	"github.com/bearerd/bearerd/internal/webui/kit"
	"github.com/bearerd/bearerd/internal/webui/webuitest"
)

var adminPages = []string{"", "users", "users/ada", "tokens", "collections", "roles", "bindings", "clients", "issuers", "keys", "audit", "audit/export?format=csv", "inspector"}

// long is longer than any password.
var long = strings.Repeat("long ", 1000)

func TestAdministrationIsForAdministrators(t *testing.T) {
	t.Parallel()
	s, root := webuitest.NewOffice(t, nodetest.Options{})
	nobody, ada := s.Browser(t), s.Ada(t)
	root.Get(t, "/auth/tokens").Is(http.StatusOK, `href="/auth/admin/"`)
	ada.Get(t, "/auth/tokens").Is(http.StatusOK).Lacks("/auth/admin/")
	for _, page := range adminPages {
		path := "/auth/admin/" + page
		nobody.Get(t, path).Leads("/auth/login?next=" + url.QueryEscape(path))
		ada.Get(t, path).Is(http.StatusForbidden, "An administrator is needed.").Lacks("ada@example.org", "root")
		root.Get(t, path).Is(http.StatusOK)
		if strings.HasPrefix(page, "audit") || page == "" || page == "issuers" || page == "tokens" { // they have no forms
			continue
		}
		for _, do := range []string{"create", "update", "remove", "rotate", "retire", "renew", "disable", "password"} {
			pairs := []string{"do", do, "confirm", "yes", "id", "4", "username", "x", "name", "x", "password", "a new password", "token", "x"}
			nobody.Submit(t, path, pairs...).Is(http.StatusSeeOther)
			ada.Submit(t, path, pairs...).Is(http.StatusForbidden, "An administrator is needed.")
		}
		for _, junk := range []string{"", "do=%zz", "do=create&do=create", strings.Repeat("x", 64<<10+1)} { // which is not read
			ada.Do(t, "POST", path, junk, edgetest.Header("Content-Type", "application/x-www-form-urlencoded")).Is(http.StatusForbidden, "An administrator is needed.")
		}
		root.Do(t, "POST", path, edgetest.Form("do", "create"), edgetest.Header("Content-Type", "application/x-www-form-urlencoded"),
			edgetest.Header("Sec-Fetch-Site", "cross-site")).Is(http.StatusForbidden, "Cross-origin")
		root.Submit(t, path, "do", "nonsense").Is(http.StatusBadRequest)
	}
	if got := s.Events(t, audit.Filter{Action: audit.KeyRotate}); len(got) > 0 {
		t.Errorf("somebody rotated the keys: %+v", got)
	}
}

func TestUsersAreMadeFoundAndChanged(t *testing.T) {
	t.Parallel()
	s, b := webuitest.NewOffice(t, nodetest.Options{})
	a := b.Submit(t, "/auth/admin/users", "do", "create", "username", "lis", "name", "Lis <b>", "email", "lis@example.org",
		"groups", "curators, fish & co ,", "password", "a good password")
	id := s.ID(t, "lis")
	a.Leads("/auth/admin/users/" + id + "?notice=made")
	b.Get(t, "/auth/admin/users/"+id+"?notice=made").Is(http.StatusOK, "Created.", "Lis &lt;b&gt;", "curators, fish &amp; co", id)
	b.Get(t, "/auth/admin/users?q=lis").Is(http.StatusOK, ">lis</bdi></a>", "lis@example.org").Lacks(">ada</bdi></a>")
	b.Get(t, "/auth/admin/users?q=%3Cnobody%3E").Is(http.StatusOK, "No user matches.", `value="&lt;nobody&gt;"`)
	s.SignedIn(t, "lis", "a good password")

	b.Submit(t, "/auth/admin/users", "do", "create", "username", "lis", "name", "Another", "password", "a good password").
		Is(http.StatusConflict, `role="alert"`, `value="Another"`).Lacks("a good password")
	b.Submit(t, "/auth/admin/users", "do", "create", "username", "lis").Is(http.StatusConflict,
		`aria-describedby="create-username-error" aria-invalid="true"`, `role="alert" id="create-username-error"`)
	b.Submit(t, "/auth/admin/users", "do", "create", "username", " ", "email", "no address").Is(http.StatusBadRequest, `value="no address"`)
	b.Submit(t, "/auth/admin/users", "do", "create", "username", "x", "groups", "g", "password", long).Is(http.StatusBadRequest,
		`aria-describedby="password-hint create-password-error" aria-invalid="true"`)
	b.Submit(t, "/auth/admin/users", "do", "create", "username", "x", "password", long).Is(http.StatusBadRequest, "The password is longer").Lacks(long)

	page := "/auth/admin/users/" + id
	b.Submit(t, page, "do", "update", "name", "", "email", "", "groups", "staff").Leads(page + "?notice=saved")
	u, err := s.Directory.User(t.Context(), caller.Operator(), "lis")
	if err != nil || u.Name != "" || u.Email != "" || len(u.Groups) != 1 || u.Groups[0] != "staff" {
		t.Errorf("updated: %+v %v", u, err)
	}
	b.Submit(t, page, "do", "update", "email", "nonsense").Is(http.StatusBadRequest, `value="nonsense"`)
	b.Get(t, "/auth/admin/users/nobody").Is(http.StatusNotFound)
	b.Submit(t, "/auth/admin/users/nobody", "do", "update").Is(http.StatusNotFound)
}

// TestEveryFormMarksTheFieldThatIsWrong sends each form of administration with one
// field wrong, some with the name of another field in its text.
func TestEveryFormMarksTheFieldThatIsWrong(t *testing.T) {
	t.Parallel()
	s, b := webuitest.NewOffice(t, nodetest.Options{})
	s.Collection(t, 4, "Fish")
	b.Submit(t, "/auth/admin/roles", "do", "create", "name", "curator", "permissions", "access /").Is(http.StatusSeeOther)
	b.Submit(t, "/auth/admin/clients", "do", "create", "id", "ci", "grants", identity.GrantTypeClientCredentials).Is(http.StatusCreated)
	ada := "users/" + s.ID(t, "ada")
	uuid := "5f0c7d3e-7d4c-4a86-9d5a-0c6f4f1f2b11"
	for _, tt := range []struct {
		page, do, field string
		pairs           []string
	}{
		{"users", "create", "username", []string{"name", "No Username"}},
		{"users", "create", "username", []string{"username", "ada"}},
		{"users", "create", "username", []string{"username", uuid}},
		{"users", "create", "name", []string{"username", "x", "name", " email"}},
		{"users", "create", "email", []string{"username", "x", "email", "username"}},
		{"users", "create", "groups", []string{"username", "x", "groups", "email,email"}},
		{"users", "create", "password", []string{"username", "x", "password", long}},
		{ada, "update", "name", []string{"name", " x"}},
		{ada, "update", "email", []string{"email", "x"}},
		{ada, "update", "groups", []string{"groups", "name,name"}},
		{ada, "password", "password", nil},
		{ada, "password", "password", []string{"password", long}},
		{ada, "remove-access", "at", []string{"at", "x"}},
		{"collections", "create", "id", []string{"id", "x", "name", "Birds"}},
		{"collections", "create", "id", []string{"id", "-1", "name", "Birds"}},
		{"collections", "create", "id", []string{"id", "4", "name", "Birds"}},
		{"collections", "create", "name", []string{"id", "5"}},
		{"collections", "create", "name", []string{"id", "5", "name", "Fish"}},
		{"collections", "update", "name", []string{"id", "4", "name", " x"}},
		{"roles", "create", "name", []string{"permissions", "access /"}},
		{"roles", "create", "name", []string{"name", "curator", "permissions", "access /"}},
		{"roles", "create", "permissions", []string{"name", "r", "permissions", "name"}},
		{"roles", "update", "permissions", []string{"name", "curator", "permissions", "read x"}},
		{"clients", "create", "id", []string{"scopes", "read"}},
		{"clients", "create", "id", []string{"id", "ci"}},
		{"clients", "create", "id", []string{"id", uuid}},
		{"clients", "create", "scopes", []string{"id", "x", "scopes", "a\\b"}},
		{"clients", "create", "audiences", []string{"id", "x", "audiences", "https://id.example/#scope"}},
		{"clients", "update", "scopes", []string{"id", "ci", "scopes", "a\"b"}},
		{"clients", "update", "audiences", []string{"id", "ci", "audiences", "a\r\na"}},
		{"bindings", "create", "name", []string{"whose", "group", "name", " g", "grant", "permission", "action", "x", "on", "/"}},
	} {
		a := b.Submit(t, "/auth/admin/"+tt.page, append([]string{"do", tt.do}, tt.pairs...)...)
		marked := regexp.MustCompile(`role="alert" id="([^"]*)-error"`).FindAllStringSubmatch(a.Body, -1)
		if len(marked) != 1 || marked[0][1] != tt.do+"-"+tt.field || strings.Contains(a.Body, `class="note bad"`) {
			t.Errorf("%s %s %q: %d, marked: %q, want %s", tt.page, tt.do, tt.pairs, a.Status, marked, tt.field)
		}
	}
}

func TestAManyUsersArePaged(t *testing.T) {
	t.Parallel()
	s, b := webuitest.NewOffice(t, nodetest.Options{})
	d := apply.Desired{}
	for i := range 120 {
		d.Users = append(d.Users, apply.DesiredUser{NewUser: identity.NewUser{Username: fmt.Sprintf("u%03d", i)}})
	}
	if _, _, err := s.Apply(t.Context(), caller.Operator(), d); err != nil {
		t.Fatal(err)
	}
	a := b.Get(t, "/auth/admin/users?q=u").Is(http.StatusOK, ">u000</bdi></a>", "Next page").Body
	next := regexp.MustCompile(`rel="next" href="(/auth/admin/users\?[^"]+)"`).FindStringSubmatch(a)
	if next == nil || strings.Contains(a, ">u119</bdi></a>") {
		t.Fatal("there is no second page")
	}
	b.Get(t, strings.ReplaceAll(next[1], "&amp;", "&")).Is(http.StatusOK, ">u119</bdi></a>").Lacks(">u000</bdi></a>", "Next page")
}

func TestDisablingAsksAndThenEndsEverything(t *testing.T) {
	t.Parallel()
	s, b := webuitest.NewOffice(t, nodetest.Options{})
	ada := s.Ada(t)
	page := "/auth/admin/users/" + s.ID(t, "ada")
	b.Submit(t, page, "do", "disable").Is(http.StatusOK, "Disable ada?", `name="confirm" value="yes"`, `name="do" value="disable"`)
	ada.Get(t, "/auth/tokens").Is(http.StatusOK)
	b.Submit(t, page, "do", "disable", "confirm", "yes").Leads(page + "?notice=saved")
	ada.Get(t, "/auth/tokens").Is(http.StatusSeeOther)
	s.Browser(t).Submit(t, "/auth/login", "username", "ada", "password", "correct horse").Is(http.StatusUnauthorized)
	b.Get(t, page).Is(http.StatusOK, "disabled", `value="enable"`)
	b.Submit(t, page, "do", "enable").Leads(page + "?notice=saved")
	s.Ada(t)
	root := "/auth/admin/users/" + s.ID(t, "root")
	b.Submit(t, root, "do", "disable").Is(http.StatusOK, "Disable root?", "This is you: you will be signed out.")
	for _, do := range []string{"disable", "remove", "revoke-all"} {
		b.Submit(t, "/auth/admin/users/nobody", "do", do).Is(http.StatusNotFound)
	}
}

func TestAPasswordIsChangedAndNeverShown(t *testing.T) {
	t.Parallel()
	s, b := webuitest.NewOffice(t, nodetest.Options{})
	ada := s.Ada(t)
	page := "/auth/admin/users/" + s.ID(t, "ada")
	b.Submit(t, page, "do", "password").Is(http.StatusBadRequest, "Enter the new password.")
	b.Submit(t, page, "do", "password", "password", long).Is(http.StatusBadRequest, "The password is longer").Lacks(long)
	b.Submit(t, page, "do", "password", "password", "a new password").Leads(page + "?notice=saved")
	ada.Get(t, "/auth/tokens").Is(http.StatusSeeOther)
	s.SignedIn(t, "ada", "a new password")
}

func TestTokensOfOthersAreSeenAndRevoked(t *testing.T) {
	t.Parallel()
	s, b := webuitest.NewOffice(t, nodetest.Options{})
	ada := s.Ada(t)
	value := webuitest.ShownToken(t, ada.Submit(t, "/auth/tokens", "name", "adas <own>").Is(http.StatusCreated))
	id, page := webuitest.IDOf(t, ada), "/auth/admin/users/"+s.ID(t, "ada")
	b.Get(t, page).Is(http.StatusOK, "adas &lt;own&gt;", "bda_…"+value[len(value)-4:], "session").Lacks(value)
	b.Submit(t, page, "do", "revoke-token", "id", id).Is(http.StatusOK, "Revoke “adas &lt;own&gt;”?", "It was never used.")
	b.Submit(t, page, "do", "revoke-token", "id", "nonsense").Is(http.StatusNotFound)
	b.Submit(t, page, "do", "revoke-token", "id", id, "confirm", "yes").Leads(page + "?notice=revoked")
	if _, err := s.Verify(t.Context(), value, verification.Requirements{}); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("it lives: %v", err)
	}
	ada.Get(t, "/auth/tokens").Is(http.StatusOK)
	b.Submit(t, page, "do", "revoke-token", "id", "nonsense", "confirm", "yes").Is(http.StatusNotFound, "There is no such token.")
	b.Submit(t, page, "do", "revoke-all").Is(http.StatusOK, "Revoke all tokens of ada?")
	b.Submit(t, page, "do", "revoke-all", "confirm", "yes").Leads(page + "?notice=all-revoked")
	ada.Get(t, "/auth/tokens").Is(http.StatusSeeOther)
	b.Get(t, page+"?notice=all-revoked").Is(http.StatusOK, "All tokens and sessions of this user are revoked.", "No valid tokens.")
}

func TestRemovingAUserEndsThem(t *testing.T) {
	t.Parallel()
	s, b := webuitest.NewOffice(t, nodetest.Options{})
	ada := s.Ada(t)
	page := "/auth/admin/users/" + s.ID(t, "ada")
	b.Submit(t, page, "do", "remove").Is(http.StatusOK, "Remove ada?")
	b.Submit(t, page, "do", "remove", "confirm", "yes").Leads("/auth/admin/users?notice=removed")
	ada.Get(t, "/auth/tokens").Is(http.StatusSeeOther)
	b.Get(t, page).Is(http.StatusNotFound)
}

func TestAccessIsToldWithItsReasonsAndTakenAway(t *testing.T) {
	t.Parallel()
	s, b := webuitest.NewOffice(t, nodetest.Options{})
	s.Collection(t, 4, "Fish")
	b.Submit(t, "/auth/admin/roles", "do", "create", "name", "curator", "permissions", "access /\r\nedit /specimens\r\n").Is(http.StatusSeeOther)
	b.Submit(t, "/auth/admin/bindings", "do", "create", "whose", "user", "name", "ada", "grant", "role", "role", "curator", "at", "/collections/4").
		Leads("/auth/admin/bindings?notice=made")
	b.Submit(t, "/auth/admin/bindings", "do", "create", "whose", "group", "name", "staff", "grant", "permission", "action", "access", "on", "/collections").Is(http.StatusSeeOther)
	page := "/auth/admin/users/" + s.ID(t, "ada")
	b.Submit(t, page, "do", "update", "groups", "staff").Is(http.StatusSeeOther)

	b.Get(t, page).Is(http.StatusOK, "<code>/collections/4/specimens</code>", "the group staff", "a direct binding", "curator")
	b.Get(t, page+"?action=edit&path=/collections/4/specimens/7").Is(http.StatusOK, ">yes</span>", "role curator")
	b.Get(t, page+"?action=edit&path=/collections/42").Is(http.StatusOK, ">no</span>")
	b.Get(t, page+"?action=edit&path=collections").Is(http.StatusOK, `role="alert" id="ask-path-error"`)

	b.Submit(t, page, "do", "remove-access", "at", "/collections/4").Is(http.StatusOK, "1 binding removed at and beneath /collections/4.",
		"still granted by: the group staff, access /collections at /.").Lacks("edit /specimens")
	b.Submit(t, page, "do", "remove-access", "at", "/collections/4").Is(http.StatusOK, "The user has no direct binding at or beneath")
	b.Submit(t, page, "do", "remove-access", "at", "collections").Is(http.StatusBadRequest, `value="collections"`)
	p, err := s.UserSubject(t.Context(), caller.Operator(), "ada")
	if err != nil || p.May("edit", "/collections/4/specimens").Allowed || !p.May("access", "/collections/4").Allowed {
		t.Errorf("left: %+v %v", p, err)
	}
}

func TestBindingsAreMadeWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	s, b := webuitest.NewOffice(t, nodetest.Options{})
	b.Get(t, "/auth/admin/bindings").Is(http.StatusOK, ">root</a>", "<code class=\"tag\">* /</code>")
	for name, pairs := range map[string][]string{
		"choose a user or a group":               {"grant", "role"},
		"enter the name of the user or group":    {"whose", "user", "grant", "role"},
		"choose a role":                          {"whose", "user", "name", "ada", "grant", "role"},
		"choose a role or a permission":          {"whose", "user", "name", "ada"},
		"an action is *":                         {"whose", "user", "name", "ada", "grant", "permission", "on", "/"},
		"there is no user &#34;nobody&#34;":      {"whose", "user", "name", "nobody", "grant", "permission", "action", "x", "on", "/"},
		"a path":                                 {"whose", "group", "name", "g", "grant", "permission", "action", "x", "on", "/", "at", "x/.."},
		"The role doesn&#39;t exist":             {"whose", "group", "name", "g", "grant", "role", "role", "nothing"},
		`value="the group" placeholder`:          {"whose", "group", "name", "the group", "grant", "nonsense"},
		`name="whose" value="group" checked`:     {"whose", "group", "name", "g", "grant", "nonsense"},
		`id="grant-permission" name="grant" val`: {"whose", "group", "name", "g", "grant", "permission"},
	} {
		a := b.Submit(t, "/auth/admin/bindings", append([]string{"do", "create"}, pairs...)...)
		if a.Status != http.StatusBadRequest || !strings.Contains(strings.ToLower(a.Body), strings.ToLower(name)) {
			t.Errorf("%v: %d, want %q in\n%s", pairs, a.Status, name, a.Body)
		}
	}
	b.Submit(t, "/auth/admin/roles", "do", "create", "name", "curator", "permissions", "access /").Is(http.StatusSeeOther)
	for field, pairs := range map[string][]string{
		"name":   {"whose", "user", "name", "nobody", "grant", "permission", "action", "x", "on", "/"},
		"role":   {"whose", "group", "name", "g", "grant", "role", "role", "nothing"},
		"action": {"whose", "group", "name", "g", "grant", "permission", "action", "a b", "on", "/"},
		"on":     {"whose", "group", "name", "g", "grant", "permission", "action", "x", "on", "x"},
		"at":     {"whose", "group", "name", "g", "grant", "permission", "action", "x", "on", "/", "at", "x"},
	} {
		b.Submit(t, "/auth/admin/bindings", append([]string{"do", "create"}, pairs...)...).Is(http.StatusBadRequest,
			`create-`+field+`-error" aria-invalid="true"`, `role="alert" id="create-`+field+`-error"`).Lacks(`class="note bad"`)
	}
	all, err := s.BindingList(t.Context(), caller.Operator(), records.BindingQuery{})
	if err != nil || len(all) != 1 {
		t.Errorf("bindings: %+v %v", all, err)
	}
	b.Submit(t, "/auth/admin/bindings", "do", "create", "whose", "group", "name", "g & h", "grant", "permission", "action", "read", "on", "/x").Is(http.StatusSeeOther)
	list := b.Get(t, "/auth/admin/bindings?group=g+%26+h").Is(http.StatusOK, "group g &amp; h")
	list.Lacks(">root</a>")
	b.Get(t, "/auth/admin/bindings?user=nobody").Is(http.StatusOK, "There is no such user.")
	id := regexp.MustCompile(`name="id" value="([^"]+)"`).FindStringSubmatch(list.Body)[1]
	b.Submit(t, "/auth/admin/bindings", "do", "remove", "id", id, "what", "the group g & h read /x").Is(http.StatusOK, "the group g &amp; h read /x")
	b.Submit(t, "/auth/admin/bindings", "do", "remove", "id", id, "confirm", "yes").Leads("/auth/admin/bindings?notice=removed")
	b.Submit(t, "/auth/admin/bindings", "do", "remove", "id", id, "confirm", "yes").Is(http.StatusNotFound)
}

func TestCollectionsAreMadeRenamedAndRemoved(t *testing.T) {
	t.Parallel()
	s, b := webuitest.NewOffice(t, nodetest.Options{})
	const page = "/auth/admin/collections"
	b.Get(t, page).Is(http.StatusOK, "There are no collections.")
	b.Submit(t, page, "do", "create", "id", "4", "name", "Fish & Co").Leads(page + "?notice=made")
	b.Submit(t, page, "do", "create", "id", "4", "name", "Other").Is(http.StatusConflict, `value="Other"`)
	b.Submit(t, page, "do", "create", "id", "x", "name", "Other").Is(http.StatusBadRequest, "integer", `value="x"`)
	b.Submit(t, page, "do", "create", "id", "5").Is(http.StatusBadRequest, `value="5"`)
	b.Get(t, page+"?edit=4").Is(http.StatusOK, `value="Fish &amp; Co"`)
	b.Submit(t, page, "do", "update", "id", "4", "name", " bad").Is(http.StatusBadRequest, `value=" bad"`)
	b.Submit(t, page, "do", "update", "id", "4", "name", "Birds").Leads(page + "?notice=saved")
	b.Submit(t, page, "do", "update", "id", "9", "name", "Nine").Is(http.StatusNotFound)
	b.Get(t, page).Is(http.StatusOK, "Birds")
	b.Submit(t, page, "do", "remove", "id", "4", "name", "Birds").Is(http.StatusOK, "Remove the collection Birds?")
	b.Submit(t, page, "do", "remove", "id", "4", "confirm", "yes").Leads(page + "?notice=removed")
	if all, err := s.CollectionList(t.Context(), caller.Operator()); err != nil || len(all) != 0 {
		t.Errorf("left: %v %v", all, err)
	}
}

func TestRolesAreMadeChangedAndRemoved(t *testing.T) {
	t.Parallel()
	s, b := webuitest.NewOffice(t, nodetest.Options{})
	const page = "/auth/admin/roles"
	b.Get(t, page).Is(http.StatusOK, "There are no roles.")
	b.Submit(t, page, "do", "create", "name", "a/b?c", "permissions", "access   /\n\n* /x").Leads(page + "?notice=made")
	b.Get(t, page).Is(http.StatusOK, `href="/auth/admin/roles?edit=a%2fb%3fc"`, "access /", "* /x")
	b.Get(t, page+"?edit=a%2fb%3fc").Is(http.StatusOK, "access /\n* /x</textarea>")
	b.Submit(t, page, "do", "create", "name", "bad", "permissions", "access /\naccess").Is(http.StatusBadRequest, "The line &#34;access&#34;", "access /\naccess</textarea>")
	b.Submit(t, page, "do", "update", "name", "a/b?c", "permissions", "nonsense /..").Is(http.StatusBadRequest, "Change a/b?c", "nonsense /..</textarea>")
	b.Submit(t, page, "do", "update", "name", "a/b?c", "permissions", "read /").Leads(page + "?notice=saved")
	roles, err := s.RoleList(t.Context(), caller.Operator())
	if err != nil || len(roles) != 1 || len(roles[0].Permissions) != 1 || roles[0].Permissions[0] != (access.Permission{Action: "read", Path: "/"}) {
		t.Errorf("roles: %+v %v", roles, err)
	}
	b.Submit(t, page, "do", "remove", "name", "a/b?c").Is(http.StatusOK, "Remove the role a/b?c?")
	b.Submit(t, page, "do", "remove", "name", "a/b?c", "confirm", "yes").Leads(page + "?notice=removed")
	b.Submit(t, page, "do", "remove", "name", "a/b?c", "confirm", "yes").Is(http.StatusNotFound)
}

func TestAClientsSecretIsShownOnce(t *testing.T) {
	t.Parallel()
	s, b := webuitest.NewOffice(t, nodetest.Options{})
	const page = "/auth/admin/clients"
	secretOf := func(a *edgetest.Answer) string {
		t.Helper()
		value := regexp.MustCompile(`bdc_[0-9A-Za-z]{36}`).FindString(a.Is(http.StatusCreated, "shown only once").Body)
		if value == "" {
			t.Fatal("no secret is shown")
		}
		return value
	}
	first := secretOf(b.Submit(t, page, "do", "create", "id", "ci", "grants", identity.GrantTypeClientCredentials,
		"grants", identity.GrantTypeTokenExchange, "scopes", "read write", "audiences", "https://a.example\r\nhttps://b.example"))
	c, err := s.AuthenticateClient(t.Context(), "ci", first)
	if err != nil || len(c.Principal.Client.Grants) != 2 || len(c.Principal.Client.Scopes) != 2 || len(c.Principal.Client.Audiences) != 2 {
		t.Fatalf("%+v %v", c, err)
	}
	b.Get(t, page).Is(http.StatusOK, "token-exchange", "https://b.example", "with a secret").Lacks(first, "bdc_")
	b.Get(t, page+"?edit=ci").Is(http.StatusOK, `value="client_credentials" checked`, "https://a.example\nhttps://b.example</textarea>", `value="read write"`)
	b.Submit(t, page, "do", "update", "id", "ci", "grants", identity.GrantTypeClientCredentials, "scopes", "read").Leads(page + "?notice=saved")

	b.Submit(t, page, "do", "renew", "id", "ci").Is(http.StatusOK, "A new secret for ci?", `name="overlap" value="86400" checked`, `name="revoke" value="no" checked`)
	second := secretOf(b.Submit(t, page, "do", "renew", "id", "ci", "confirm", "yes", "overlap", "0", "revoke", "no"))
	if _, err := s.AuthenticateClient(t.Context(), "ci", first); err == nil {
		t.Error("the old secret is good")
	}
	if c, err := s.AuthenticateClient(t.Context(), "ci", second); err != nil || len(c.Principal.Client.Grants) != 1 {
		t.Errorf("%+v %v", c, err)
	}
	b.Get(t, page).Is(http.StatusOK).Lacks(second)

	b.Submit(t, page, "do", "create", "id", "app", "grants", identity.GrantTypeDeviceCode, "public", "yes").Leads(page + "?notice=made")
	b.Get(t, page).Is(http.StatusOK, "public")
	b.Submit(t, page, "do", "create", "id", "ci", "scopes", "read").Is(http.StatusConflict, `value="read"`)
	b.Submit(t, page, "do", "create", "id", "x", "scopes", `"`).Is(http.StatusBadRequest, `role="alert"`)
	b.Submit(t, page, "do", "create", "id", "x", "grants", "password").Is(http.StatusBadRequest, `role="alert"`)
	b.Submit(t, page, "do", "renew", "confirm", "yes").Is(http.StatusBadRequest)
	b.Submit(t, page, "do", "renew", "id", "nobody", "confirm", "yes").Is(http.StatusNotFound).Lacks("bdc_")
	b.Submit(t, page, "do", "remove", "id", "ci").Is(http.StatusOK, "Remove the client ci?")
	b.Submit(t, page, "do", "remove", "id", "ci", "confirm", "yes").Leads(page + "?notice=removed")
}

// The page offers the overlap, and shows until when the old secret works.
func TestAClientsSecretIsRotatedWithAnOverlapOnThePage(t *testing.T) {
	t.Parallel()
	s, b := webuitest.NewOffice(t, nodetest.Options{})
	const page = "/auth/admin/clients"
	s.NewClient(t, identity.NewClient{ID: "ci", Secret: nodetest.ClientSecret, Grants: []string{identity.GrantTypeClientCredentials}})
	b.Submit(t, page, "do", "renew", "id", "ci", "confirm", "yes", "overlap", "86400", "revoke", "no").
		Is(http.StatusCreated, "bdc_", "The old secret works until")
	b.Get(t, page).Is(http.StatusOK, "The old secret works until")
	if _, err := s.AuthenticateClient(t.Context(), "ci", nodetest.ClientSecret); err != nil {
		t.Errorf("the old secret during the overlap: %v", err)
	}
	b.Submit(t, page, "do", "renew", "id", "ci", "confirm", "yes", "overlap", "a day").Is(http.StatusBadRequest)
	b.Submit(t, page, "do", "renew", "id", "ci", "confirm", "yes", "overlap", "0", "revoke", "yes").
		Is(http.StatusCreated).Lacks("The old secret works until")
	if _, err := s.AuthenticateClient(t.Context(), "ci", nodetest.ClientSecret); err == nil {
		t.Error("the old secret is good after the overlap was ended")
	}
	b.Get(t, page).Is(http.StatusOK).Lacks("The old secret works until")
}

func TestThePageSaysWhatCurlCantSend(t *testing.T) {
	t.Parallel()
	_, b := webuitest.NewOffice(t, nodetest.Options{})
	const page = "/auth/admin/clients"
	const why = "form-encoding"
	b.Submit(t, page, "do", "create", "id", "a:b", "grants", identity.GrantTypeDeviceCode, "public", "yes").Is(http.StatusOK, why)
	b.Submit(t, page, "do", "create", "id", "c+d", "grants", identity.GrantTypeClientCredentials).Is(http.StatusCreated, why)
	b.Submit(t, page, "do", "create", "id", "plain", "grants", identity.GrantTypeClientCredentials).Is(http.StatusCreated).Lacks(why)
}

func TestAClientsExchangeFromIsChangedOnThePage(t *testing.T) {
	t.Parallel()
	s, b := webuitest.NewOffice(t, nodetest.Options{})
	const page = "/auth/admin/clients"
	b.Submit(t, page, "do", "create", "id", "api", "grants", identity.GrantTypeTokenExchange, "exchange_from", "web\r\nphone").Is(http.StatusCreated)
	b.Get(t, page+"?edit=api").Is(http.StatusOK, "web\nphone</textarea>")
	b.Submit(t, page, "do", "update", "id", "api", "grants", identity.GrantTypeTokenExchange, "exchange_from", "web").Leads(page + "?notice=saved")
	if c, err := s.Directory.Client(t.Context(), caller.Operator(), "api"); err != nil || !slices.Equal(c.ExchangeFrom, []string{"web"}) {
		t.Errorf("%+v %v", c, err)
	}
	b.Submit(t, page, "do", "update", "id", "api", "grants", identity.GrantTypeTokenExchange, "exchange_from", "api").
		Is(http.StatusBadRequest, `id="update-exchange_from-error"`)
}

func TestKeysAreRotatedAndRetired(t *testing.T) {
	t.Parallel()
	s, b := webuitest.NewOffice(t, nodetest.Options{})
	const page = "/auth/admin/keys"
	first := s.Ring.Keys()[0].KID
	b.Get(t, page).Is(http.StatusOK, first, "active")
	b.Submit(t, page, "do", "rotate").Leads(page + "?notice=rotated")
	b.Get(t, page+"?notice=rotated").Is(http.StatusOK, "next", "The keys are rotated.")
	b.Submit(t, page, "do", "rotate", "now", "yes").Leads(page + "?notice=rotated")
	b.Get(t, page).Is(http.StatusOK, "retired")
	issued := s.AccessToken(t, "ada", "correct horse").Value.Reveal()
	if _, err := s.Verify(t.Context(), issued, verification.Requirements{}); err != nil {
		t.Fatal(err)
	}
	signing, err := s.Ring.Signing()
	if err != nil || signing.KID == first {
		t.Fatalf("signs with %s: %v", signing.KID, err)
	}
	b.Submit(t, page, "do", "retire", "kid", signing.KID).Is(http.StatusOK, "Every token that "+signing.KID+" signed")
	b.Submit(t, page, "do", "retire", "kid", signing.KID, "confirm", "yes").Leads(page + "?notice=retired")
	if _, err := s.Verify(t.Context(), issued, verification.Requirements{}); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("a token of a retired key: %v", err)
	}
	b.Get(t, page).Is(http.StatusOK, "revoked")
	b.Submit(t, page, "do", "retire", "kid", "nonsense", "confirm", "yes").Is(http.StatusNotFound)
}

func TestASharedSecretHasNoKeys(t *testing.T) {
	t.Parallel()
	_, b := webuitest.NewOffice(t, nodetest.Options{Algorithm: token.HS256, Secret: []byte("q7ZkT3mVw9RbLx2NcYh8PdFs5GjUe4Aa")})
	b.Get(t, "/auth/admin/keys").Is(http.StatusOK, "signing.secret_file").Lacks("Rotate the keys", "q7ZkT3m")
}

func TestTheAuditLogIsFilteredAndExported(t *testing.T) {
	t.Parallel()
	s, b := webuitest.NewOffice(t, nodetest.Options{})
	s.Browser(t).Submit(t, "/auth/login", "username", "=cmd()", "password", "wrong")
	s.Ada(t)
	b.Get(t, "/auth/admin/audit").Is(http.StatusOK, "user.create", ">ada</bdi>", "=cmd()")
	b.Get(t, "/auth/admin/audit?actor=ada&action=login").Is(http.StatusOK, ">ada</bdi>", `<option selected>login</option>`, `value="ada"`).Lacks("user.create</code>", "=cmd()")
	b.Get(t, "/auth/admin/audit?target="+url.QueryEscape("=cmd()")).Is(http.StatusOK, "wrong username or password")
	b.Get(t, "/auth/admin/audit?since=2999-01-01T00:00").Is(http.StatusOK, "No events match.")
	for _, field := range []string{"since", "until"} {
		b.Get(t, "/auth/admin/audit?"+field+"=yesterday").Is(http.StatusBadRequest,
			`aria-describedby="filter-`+field+`-error" aria-invalid="true"`, `role="alert" id="filter-`+field+`-error"`).Lacks("Export")
	}
	for _, bad := range []string{"action=nonsense", "since=yesterday", "cursor=x", "since=2026-02-02&until=2026-01-01"} {
		b.Get(t, "/auth/admin/audit?"+bad).Is(http.StatusBadRequest, `role="alert"`)
	}

	a := b.Get(t, "/auth/admin/audit/export?format=csv&action=login").Is(http.StatusOK)
	rows, err := csv.NewReader(strings.NewReader(a.Body)).ReadAll()
	if err != nil || len(rows) != 4 || rows[0][3] != "action" || rows[2][4] != "'=cmd()" || rows[2][8] != "refused" {
		t.Errorf("CSV: %v %v", rows, err)
	}
	if got := a.Header.Get("Content-Disposition"); !regexp.MustCompile(`^attachment; filename="bearerd-audit-\d{8}-\d{6}\.csv"$`).MatchString(got) {
		t.Errorf("Content-Disposition %q", got)
	}
	lines := strings.Split(strings.TrimSpace(b.Get(t, "/auth/admin/audit/export?format=jsonl&action=login").Is(http.StatusOK).Body), "\n")
	var e struct {
		Action, Target string
		At             time.Time
	}
	if err := json.Unmarshal([]byte(lines[1]), &e); err != nil || len(lines) != 3 || e.Target != "=cmd()" || e.Action != "login" || e.At.IsZero() {
		t.Errorf("JSON: %q %+v %v", lines, e, err)
	}
	b.Get(t, "/auth/admin/audit/export").Is(http.StatusBadRequest, "The format must be csv or jsonl.")
	b.Get(t, "/auth/admin/audit/export?format=csv&action=nonsense").Is(http.StatusBadRequest)
}

func TestTheAuditLogIsPagedAndExportedWhole(t *testing.T) {
	t.Parallel()
	s, b := webuitest.NewOffice(t, nodetest.Options{})
	b.Get(t, "/auth/admin/audit?action=collection.create").Is(http.StatusOK).Lacks("Older events")
	const many = 1203
	d := apply.Desired{}
	for i := range many {
		d.Collections = append(d.Collections, records.Collection{ID: int64(i), Name: fmt.Sprintf("Collection %04d", i)})
	}
	if _, _, err := s.Apply(t.Context(), caller.Operator(), d); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	page := "/auth/admin/audit?action=collection.create"
	for range 2 {
		body := b.Get(t, page).Is(http.StatusOK, "Older events").Body
		for _, m := range regexp.MustCompile(`class="text"><bdi>(\d+)</bdi>`).FindAllStringSubmatch(body, -1) {
			if seen[m[1]] {
				t.Fatalf("%s is listed twice", m[1])
			}
			seen[m[1]] = true
		}
		page = strings.ReplaceAll(regexp.MustCompile(`href="(/auth/admin/audit\?action=[^"]*cursor=[^"]*)"`).FindStringSubmatch(body)[1], "&amp;", "&")
	}
	if len(seen) != 200 {
		t.Errorf("two pages list %d events", len(seen))
	}
	if got := strings.Count(b.Get(t, "/auth/admin/audit/export?format=jsonl&action=collection.create").Body, "\n"); got != many {
		t.Errorf("%d events are exported, want %d", got, many)
	}
}

func TestTheInspectorTellsWhyAndKeepsNothing(t *testing.T) {
	t.Parallel()
	s, b := webuitest.NewOffice(t, nodetest.Options{Settings: webuitest.Scopes})
	s.Collection(t, 4, "Fish")
	value := webuitest.ShownToken(t, s.Ada(t).Submit(t, "/auth/tokens", "name", "n", "scope", "read").Is(http.StatusCreated))
	const page = "/auth/admin/inspector"
	b.Submit(t, page, "token", " "+value+"\n").Is(http.StatusOK, "accepted", "…"+value[len(value)-4:], "ada", "n").Lacks(value)
	b.Submit(t, page, "token", value, "scope", "write").Is(http.StatusOK, "refused", "the scope write is needed", "not checked", `value="write"`).Lacks(value)
	b.Submit(t, page, "token", value, "collection", "4").Is(http.StatusOK, "refused", "no access to the collection")
	b.Submit(t, page, "token", "nonsense").Is(http.StatusOK, "refused", "malformed").Lacks("nonsense")
	b.Submit(t, page).Is(http.StatusBadRequest, "Enter a token.")
	b.Submit(t, page, "token", value, "collection", "x").Is(http.StatusBadRequest, "integer", `value="x"`).Lacks(value)
	b.Submit(t, page, "token", value, "path", "/x").Is(http.StatusBadRequest, "An action", `id="ask-action-error"`).Lacks(value)
	b.Submit(t, page, "collection", "1").Is(http.StatusBadRequest, `aria-describedby="token-hint ask-token-error" aria-invalid="true"`, `value="1"`)
	for field, pairs := range map[string][]string{
		"collection": {"collection", "four"}, "path": {"action", "read", "path", "x"}, "scope": {"scope", "\""},
	} {
		b.Submit(t, page, append(pairs, "token", value)...).Is(http.StatusBadRequest, `role="alert" id="ask-`+field+`-error"`).
			Lacks(value, `class="note bad"`)
	}
	if _, err := s.RevokeAllOf(t.Context(), caller.Operator(), "ada"); err != nil {
		t.Fatal(err)
	}
	b.Submit(t, page, "token", value).Is(http.StatusOK, "refused", "Revoked", "revoke-all")
}

// numbers are a traffic log that a test makes up.
type numbers struct{ err error }

func (n numbers) Hours(_ context.Context, step time.Duration, steps int) ([]traffic.Step, error) {
	return n.Traffic(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), step, steps)
}

func (n numbers) Traffic(now time.Time, step time.Duration, steps int) ([]traffic.Step, error) {
	list := make([]traffic.Step, steps)
	for i := range list {
		list[i].From = now.Add(-step * time.Duration(steps-i))
	}
	last := &list[steps-1]
	last.Issued = map[string]int64{"access": 3, "api-token": 1}
	last.VerifyRefused = map[string]int64{"revoked": 7}
	last.Logins = map[string]int64{"ok": 2, "failed": 5, "limited": 1}
	last.IssueRefused = map[string]int64{"invalid_scope": 4}
	last.Revoked, last.Acknowledged, last.AcknowledgedIn, last.SlowestBelow = map[string]int64{"token": 8, "user": 1}, 2, 60*time.Millisecond, 50*time.Millisecond
	return list, n.err
}

// refusals are a traffic log of tokens that every check refused.
type refusals struct{}

func (refusals) Traffic(now time.Time, step time.Duration, steps int) ([]traffic.Step, error) {
	list := make([]traffic.Step, steps)
	for i := range list {
		list[i].From = now.Add(-step * time.Duration(steps-i))
	}
	all := map[string]int64{}
	for i, c := range token.Checks() {
		all[c.String()] = int64(100 - i)
	}
	list[0].VerifyRefused = all
	return list, nil
}

// The tiles say what was counted last and when, and receivers that take no notices are named.
func TestTheOverviewSaysWhatThereIs(t *testing.T) {
	t.Parallel()
	counted := upkeep.CountedFigures{
		Began:   time.Date(2026, 3, 1, 12, 30, 15, 0, time.UTC),
		Figures: upkeep.Figures{Users: 1234, Live: 10_000_000, Expiring: 3, NeverUsed: 4, NeverExpires: 5, RevokedToday: 6},
	}
	_, b := webuitest.NewOffice(t, nodetest.Options{}, func(p *webui.Pages) {
		p.Cluster.Figures = func(context.Context) (upkeep.CountedFigures, error) { return counted, nil }
		p.Cluster.Notices = func() []notice.State {
			return []notice.State{
				{Receiver: "https://good.example.org"},
				{Receiver: "https://bad.example.org", Failure: "the receiver answered 500", Waiting: upkeep.Waiting{Count: 17, Oldest: counted.Began}},
			}
		}
	})
	b.Get(t, "/auth/admin/").Is(http.StatusOK, "<dt>Users</dt><dd>"+kit.Grouped(1234)+"</dd>", "<dt>Live API tokens and keys</dt><dd>"+kit.Grouped(10_000_000)+"</dd>",
		"<dt>Expiring this week</dt><dd>3</dd>", "<dt>Never used</dt><dd>4</dd>", "<dt>Never expiring</dt><dd>5</dd>", "<dt>Revoked today</dt><dd>6</dd>",
		"Counted at <time", "2026-03-01 12:30:15</time> UTC.", "17 notices can't be sent to https://bad.example.org", "the receiver answered 500").Lacks("good.example.org")
	counted = upkeep.CountedFigures{}
	b.Get(t, "/auth/admin/").Is(http.StatusOK).Lacks("<dt>Users</dt>")
}

// TestAChartHasAColourForEachPart draws more parts than there are colours: the rarest
// are drawn as one, and the table lists them one by one.
func TestAChartHasAColourForEachPart(t *testing.T) {
	t.Parallel()
	_, b := webuitest.NewOffice(t, nodetest.Options{}, func(p *webui.Pages) { p.Traffic = refusals{} })
	body := b.Get(t, "/auth/admin/?span=hour").Is(http.StatusOK, "465 the rest", "the rest: 465</title>", ">expired or early</th>", ">access</th>").Body
	classes := regexp.MustCompile(`<rect class="(\w+\d)" x=`).FindAllStringSubmatch(body, -1)
	var got []string
	for _, m := range classes {
		got = append(got, m[1])
	}
	if want := "refused0 refused1 refused2 refused3 refused4 refused5"; strings.Join(got, " ") != want {
		t.Errorf("the parts have the colours %v, want %s", got, want)
	}
}

func TestTheFirstPageDrawsWhatHappened(t *testing.T) {
	t.Parallel()
	_, b := webuitest.NewOffice(t, nodetest.Options{}, func(p *webui.Pages) { p.Traffic, p.Cluster.History = numbers{}, numbers{} })
	for span, whose := range map[string]string{
		"": "All nodes", "?span=hour": "This node only", "?span=day": "All nodes", "?span=week": "All nodes", "?span=quarter": "All nodes", "?span=nonsense": "All nodes",
	} {
		b.Get(t, "/auth/admin/"+span).Is(http.StatusOK, whose,
			`aria-label="Tokens issued: 3 access token, 1 API token"`, `aria-label="Tokens refused, by failed check: 7 revoked"`,
			"access token: 3</title>", "5 wrong password", "1 too many attempts", "mean 30 ms, all below 50 ms", "2 revocations, all below 50 ms", "No data in this period.",
			"<dt>Revocations</dt><dd>9</dd>", "8 tokens and sessions", "1 all of a user",
			`<rect class="allowed0"`, `<rect class="revoked0"`, `<rect class="refused0"`,
			"<dt>Sign-ins refused</dt><dd>6</dd>", "<dt>Sign-ins</dt><dd>2</dd>", "<dt>Token requests refused</dt><dd>4</dd>").
			Lacks("NaN", "Inf", "style=")
	}
	_, plain := webuitest.NewOffice(t, nodetest.Options{})
	plain.Get(t, "/auth/admin/").Is(http.StatusOK, "This server collects no statistics.", "Revocations applied up to")
	_, failing := webuitest.NewOffice(t, nodetest.Options{}, func(p *webui.Pages) { p.Traffic = numbers{fault.New(fault.Unavailable, "the counts are away")} })
	failing.Get(t, "/auth/admin/?span=hour").Is(http.StatusServiceUnavailable)
}
