package webui_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/directory"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/token"
	"github.com/bearerd/bearerd/internal/traffic"
	"github.com/bearerd/bearerd/internal/verification"
	"github.com/bearerd/bearerd/internal/webui"
)

var adminPages = []string{"", "users", "users/ada", "collections", "roles", "bindings", "clients", "keys", "audit", "audit/export?format=csv", "inspector"}

// long is longer than any password.
var long = strings.Repeat("long ", 1000)

// newOffice is a site with an administrator who is signed in.
func newOffice(t *testing.T, o nodetest.Options, change ...func(*webui.Pages)) (*site, *browser) {
	t.Helper()
	s := newSite(t, o, change...)
	s.User(t, "root", "power to root", nodetest.Admin())
	return s, s.signedIn(t, "root", "power to root")
}

func (s *site) id(t *testing.T, username string) string {
	t.Helper()
	u, err := s.Directory.User(t.Context(), caller.Operator(), username)
	if err != nil {
		t.Fatal(err)
	}
	return u.ID
}

func TestAdministrationIsForAdministrators(t *testing.T) {
	t.Parallel()
	s, root := newOffice(t, nodetest.Options{})
	nobody, ada := s.browser(t), s.ada(t)
	root.get("/auth/tokens").want(http.StatusOK, `href="/auth/admin/"`)
	ada.get("/auth/tokens").want(http.StatusOK).without("/auth/admin/")
	for _, page := range adminPages {
		path := "/auth/admin/" + page
		nobody.get(path).leads("/auth/login?next=" + url.QueryEscape(path))
		ada.get(path).want(http.StatusForbidden, "An administrator is needed.").without("ada@example.org", "root")
		root.get(path).want(http.StatusOK)
		if strings.HasPrefix(page, "audit") || page == "" {
			continue
		}
		for _, do := range []string{"create", "update", "remove", "rotate", "retire", "renew", "disable", "password"} {
			pairs := []string{"do", do, "confirm", "yes", "id", "4", "username", "x", "name", "x", "password", "a new password", "token", "x"}
			nobody.post(path, pairs...).want(http.StatusSeeOther)
			ada.post(path, pairs...).want(http.StatusForbidden, "An administrator is needed.")
		}
		for _, junk := range []string{"", "do=%zz", "do=create&do=create", strings.Repeat("x", 64<<10+1)} { // which is not read
			ada.do("POST", path, junk, header("Content-Type", "application/x-www-form-urlencoded")).want(http.StatusForbidden, "An administrator is needed.")
		}
		root.do("POST", path, form("do", "create"), header("Content-Type", "application/x-www-form-urlencoded"),
			header("Sec-Fetch-Site", "cross-site")).want(http.StatusForbidden, "Cross-origin")
		root.post(path, "do", "nonsense").want(http.StatusBadRequest)
	}
	if got := s.Events(t, audit.Filter{Action: audit.KeyRotate}); len(got) > 0 {
		t.Errorf("somebody rotated the keys: %+v", got)
	}
}

func TestUsersAreMadeFoundAndChanged(t *testing.T) {
	t.Parallel()
	s, b := newOffice(t, nodetest.Options{})
	a := b.post("/auth/admin/users", "do", "create", "username", "lis", "name", "Lis <b>", "email", "lis@example.org",
		"groups", "curators, fish & co ,", "password", "a good password")
	id := s.id(t, "lis")
	a.leads("/auth/admin/users/" + id + "?notice=made")
	b.get("/auth/admin/users/"+id+"?notice=made").want(http.StatusOK, "It is made.", "Lis &lt;b&gt;", "curators, fish &amp; co", id)
	b.get("/auth/admin/users?q=lis").want(http.StatusOK, ">lis</bdi></a>", "lis@example.org").without(">ada</bdi></a>")
	b.get("/auth/admin/users?q=%3Cnobody%3E").want(http.StatusOK, "No user has “&lt;nobody&gt;”")
	s.signedIn(t, "lis", "a good password")

	b.post("/auth/admin/users", "do", "create", "username", "lis", "name", "Another", "password", "a good password").
		want(http.StatusConflict, `role="alert"`, `value="Another"`).without("a good password")
	b.post("/auth/admin/users", "do", "create", "username", "lis").want(http.StatusConflict,
		`aria-describedby="create-username-error" aria-invalid="true"`, `role="alert" id="create-username-error"`)
	b.post("/auth/admin/users", "do", "create", "username", " ", "email", "no address").want(http.StatusBadRequest, `value="no address"`)
	b.post("/auth/admin/users", "do", "create", "username", "x", "groups", "g", "password", long).want(http.StatusBadRequest,
		`aria-describedby="password-hint create-password-error" aria-invalid="true"`)
	b.post("/auth/admin/users", "do", "create", "username", "x", "password", long).want(http.StatusBadRequest, "The password is longer").without(long)

	page := "/auth/admin/users/" + id
	b.post(page, "do", "update", "name", "", "email", "", "groups", "staff").leads(page + "?notice=saved")
	u, err := s.Directory.User(t.Context(), caller.Operator(), "lis")
	if err != nil || u.Name != "" || u.Email != "" || len(u.Groups) != 1 || u.Groups[0] != "staff" {
		t.Errorf("updated: %+v %v", u, err)
	}
	b.post(page, "do", "update", "email", "nonsense").want(http.StatusBadRequest, `value="nonsense"`)
	b.get("/auth/admin/users/nobody").want(http.StatusNotFound)
	b.post("/auth/admin/users/nobody", "do", "update").want(http.StatusNotFound)
}

// TestEveryFormMarksTheFieldThatIsWrong sends each form of administration with one
// field wrong, some with the name of another field in its text.
func TestEveryFormMarksTheFieldThatIsWrong(t *testing.T) {
	t.Parallel()
	s, b := newOffice(t, nodetest.Options{})
	s.Collection(t, 4, "Fish")
	b.post("/auth/admin/roles", "do", "create", "name", "curator", "permissions", "access /").want(http.StatusSeeOther)
	b.post("/auth/admin/clients", "do", "create", "id", "ci", "grants", identity.GrantTypeClientCredentials).want(http.StatusCreated)
	ada := "users/" + s.id(t, "ada")
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
		{"bindings", "create", "name", []string{"whose", "group", "name", " g", "gives", "permission", "action", "x", "on", "/"}},
	} {
		a := b.post("/auth/admin/"+tt.page, append([]string{"do", tt.do}, tt.pairs...)...)
		marked := regexp.MustCompile(`role="alert" id="([^"]*)-error"`).FindAllStringSubmatch(a.body, -1)
		if len(marked) != 1 || marked[0][1] != tt.do+"-"+tt.field || strings.Contains(a.body, `class="note bad"`) {
			t.Errorf("%s %s %q: %d, marked: %q, want %s", tt.page, tt.do, tt.pairs, a.status, marked, tt.field)
		}
	}
}

func TestAManyUsersArePaged(t *testing.T) {
	t.Parallel()
	s, b := newOffice(t, nodetest.Options{})
	d := directory.Desired{}
	for i := range 120 {
		d.Users = append(d.Users, directory.DesiredUser{NewUser: directory.NewUser{Username: fmt.Sprintf("u%03d", i)}})
	}
	if _, _, err := s.Apply(t.Context(), caller.Operator(), d); err != nil {
		t.Fatal(err)
	}
	a := b.get("/auth/admin/users?q=u").want(http.StatusOK, ">u000</bdi></a>", "More users").body
	next := regexp.MustCompile(`href="(/auth/admin/users\?q=u&amp;after=[^"]+)"`).FindStringSubmatch(a)
	if next == nil || strings.Contains(a, ">u119</bdi></a>") {
		t.Fatal("there is no second page")
	}
	b.get(strings.ReplaceAll(next[1], "&amp;", "&")).want(http.StatusOK, ">u119</bdi></a>").without(">u000</bdi></a>", "More users")
}

func TestDisablingAsksAndThenEndsEverything(t *testing.T) {
	t.Parallel()
	s, b := newOffice(t, nodetest.Options{})
	ada := s.ada(t)
	page := "/auth/admin/users/" + s.id(t, "ada")
	b.post(page, "do", "disable").want(http.StatusOK, "Disable ada?", `name="confirm" value="yes"`, `name="do" value="disable"`)
	ada.get("/auth/tokens").want(http.StatusOK)
	b.post(page, "do", "disable", "confirm", "yes").leads(page + "?notice=saved")
	ada.get("/auth/tokens").want(http.StatusSeeOther)
	s.browser(t).post("/auth/login", "username", "ada", "password", "correct horse").want(http.StatusUnauthorized)
	b.get(page).want(http.StatusOK, "disabled", `value="enable"`)
	b.post(page, "do", "enable").leads(page + "?notice=saved")
	s.ada(t)
	root := "/auth/admin/users/" + s.id(t, "root")
	b.post(root, "do", "disable").want(http.StatusOK, "Disable root?", "This is you: you will be signed out.")
	for _, do := range []string{"disable", "remove", "revoke-all"} {
		b.post("/auth/admin/users/nobody", "do", do).want(http.StatusNotFound)
	}
}

func TestAPasswordIsChangedAndNeverShown(t *testing.T) {
	t.Parallel()
	s, b := newOffice(t, nodetest.Options{})
	ada := s.ada(t)
	page := "/auth/admin/users/" + s.id(t, "ada")
	b.post(page, "do", "password").want(http.StatusBadRequest, "Type the new password.")
	b.post(page, "do", "password", "password", long).want(http.StatusBadRequest, "The password is longer").without(long)
	b.post(page, "do", "password", "password", "a new password").leads(page + "?notice=saved")
	ada.get("/auth/tokens").want(http.StatusSeeOther)
	s.signedIn(t, "ada", "a new password")
}

func TestTokensOfOthersAreSeenAndRevoked(t *testing.T) {
	t.Parallel()
	s, b := newOffice(t, nodetest.Options{})
	ada := s.ada(t)
	value := ada.post("/auth/tokens", "name", "adas <own>").want(http.StatusCreated).value()
	id, page := ada.idOf(), "/auth/admin/users/"+s.id(t, "ada")
	b.get(page).want(http.StatusOK, "adas &lt;own&gt;", "bda_…"+value[len(value)-4:], "session").without(value)
	b.post(page, "do", "revoke-token", "id", id).want(http.StatusOK, "Revoke “adas &lt;own&gt;”?", "It was never used.")
	b.post(page, "do", "revoke-token", "id", "nonsense").want(http.StatusNotFound)
	b.post(page, "do", "revoke-token", "id", id, "confirm", "yes").leads(page + "?notice=revoked")
	if _, err := s.Verify(t.Context(), value, verification.Requirements{}); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("it lives: %v", err)
	}
	ada.get("/auth/tokens").want(http.StatusOK)
	b.post(page, "do", "revoke-token", "id", "nonsense", "confirm", "yes").want(http.StatusNotFound, "There is no such token.")
	b.post(page, "do", "revoke-all").want(http.StatusOK, "Revoke all tokens of ada?")
	b.post(page, "do", "revoke-all", "confirm", "yes").leads(page + "?notice=all-dead")
	ada.get("/auth/tokens").want(http.StatusSeeOther)
	b.get(page+"?notice=all-dead").want(http.StatusOK, "Every token and session of this user is dead.", "None that lives.")
}

func TestRemovingAUserEndsThem(t *testing.T) {
	t.Parallel()
	s, b := newOffice(t, nodetest.Options{})
	ada := s.ada(t)
	page := "/auth/admin/users/" + s.id(t, "ada")
	b.post(page, "do", "remove").want(http.StatusOK, "Remove ada?")
	b.post(page, "do", "remove", "confirm", "yes").leads("/auth/admin/users?notice=removed")
	ada.get("/auth/tokens").want(http.StatusSeeOther)
	b.get(page).want(http.StatusNotFound)
}

func TestAccessIsToldWithItsReasonsAndTakenAway(t *testing.T) {
	t.Parallel()
	s, b := newOffice(t, nodetest.Options{})
	s.Collection(t, 4, "Fish")
	b.post("/auth/admin/roles", "do", "create", "name", "curator", "permissions", "access /\r\nedit /specimens\r\n").want(http.StatusSeeOther)
	b.post("/auth/admin/bindings", "do", "create", "whose", "user", "name", "ada", "gives", "role", "role", "curator", "at", "/collections/4").
		leads("/auth/admin/bindings?notice=made")
	b.post("/auth/admin/bindings", "do", "create", "whose", "group", "name", "staff", "gives", "permission", "action", "access", "on", "/collections").want(http.StatusSeeOther)
	page := "/auth/admin/users/" + s.id(t, "ada")
	b.post(page, "do", "update", "groups", "staff").want(http.StatusSeeOther)

	b.get(page).want(http.StatusOK, "<code>/collections/4/specimens</code>", "the group staff", "a binding of their own", "curator")
	b.get(page+"?action=edit&path=/collections/4/specimens/7").want(http.StatusOK, ">yes</span>", "role curator")
	b.get(page+"?action=edit&path=/collections/42").want(http.StatusOK, ">no</span>")
	b.get(page+"?action=edit&path=collections").want(http.StatusOK, `role="alert" id="ask-path-error"`)

	b.post(page, "do", "remove-access", "at", "/collections/4").want(http.StatusOK, "1 binding removed at and beneath /collections/4.",
		"still granted by: the group staff, access /collections at /.").without("edit /specimens")
	b.post(page, "do", "remove-access", "at", "/collections/4").want(http.StatusOK, "No binding of the user&#39;s own lies at or beneath")
	b.post(page, "do", "remove-access", "at", "collections").want(http.StatusBadRequest, `value="collections"`)
	p, err := s.UserSubject(t.Context(), caller.Operator(), "ada")
	if err != nil || p.May("edit", "/collections/4/specimens").Allowed || !p.May("access", "/collections/4").Allowed {
		t.Errorf("left: %+v %v", p, err)
	}
}

func TestBindingsAreMadeWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	s, b := newOffice(t, nodetest.Options{})
	b.get("/auth/admin/bindings").want(http.StatusOK, ">root</a>", "<code class=\"tag\">* /</code>")
	for name, pairs := range map[string][]string{
		"choose whose binding it is":             {"gives", "role"},
		"type the name of the user or group":     {"whose", "user", "gives", "role"},
		"choose a role":                          {"whose", "user", "name", "ada", "gives", "role"},
		"choose what it gives":                   {"whose", "user", "name", "ada"},
		"an action is *":                         {"whose", "user", "name", "ada", "gives", "permission", "on", "/"},
		"there is no user &#34;nobody&#34;":      {"whose", "user", "name", "nobody", "gives", "permission", "action", "x", "on", "/"},
		"a path":                                 {"whose", "group", "name", "g", "gives", "permission", "action", "x", "on", "/", "at", "x/.."},
		"The role doesn&#39;t exist":             {"whose", "group", "name", "g", "gives", "role", "role", "nothing"},
		`value="the group" placeholder`:          {"whose", "group", "name", "the group", "gives", "nonsense"},
		`name="whose" value="group" checked`:     {"whose", "group", "name", "g", "gives", "nonsense"},
		`id="gives-permission" name="gives" val`: {"whose", "group", "name", "g", "gives", "permission"},
	} {
		a := b.post("/auth/admin/bindings", append([]string{"do", "create"}, pairs...)...)
		if a.status != http.StatusBadRequest || !strings.Contains(strings.ToLower(a.body), strings.ToLower(name)) {
			t.Errorf("%v: %d, want %q in\n%s", pairs, a.status, name, a.body)
		}
	}
	b.post("/auth/admin/roles", "do", "create", "name", "curator", "permissions", "access /").want(http.StatusSeeOther)
	for field, pairs := range map[string][]string{
		"name":   {"whose", "user", "name", "nobody", "gives", "permission", "action", "x", "on", "/"},
		"role":   {"whose", "group", "name", "g", "gives", "role", "role", "nothing"},
		"action": {"whose", "group", "name", "g", "gives", "permission", "action", "a b", "on", "/"},
		"on":     {"whose", "group", "name", "g", "gives", "permission", "action", "x", "on", "x"},
		"at":     {"whose", "group", "name", "g", "gives", "permission", "action", "x", "on", "/", "at", "x"},
	} {
		b.post("/auth/admin/bindings", append([]string{"do", "create"}, pairs...)...).want(http.StatusBadRequest,
			`create-`+field+`-error" aria-invalid="true"`, `role="alert" id="create-`+field+`-error"`).without(`class="note bad"`)
	}
	all, err := s.BindingList(t.Context(), caller.Operator(), records.BindingQuery{})
	if err != nil || len(all) != 1 {
		t.Errorf("bindings: %+v %v", all, err)
	}
	b.post("/auth/admin/bindings", "do", "create", "whose", "group", "name", "g & h", "gives", "permission", "action", "read", "on", "/x").want(http.StatusSeeOther)
	list := b.get("/auth/admin/bindings?group=g+%26+h").want(http.StatusOK, "group g &amp; h")
	list.without(">root</a>")
	b.get("/auth/admin/bindings?user=nobody").want(http.StatusOK, "There is no such user.")
	id := regexp.MustCompile(`name="id" value="([^"]+)"`).FindStringSubmatch(list.body)[1]
	b.post("/auth/admin/bindings", "do", "remove", "id", id, "what", "the group g & h read /x").want(http.StatusOK, "the group g &amp; h read /x")
	b.post("/auth/admin/bindings", "do", "remove", "id", id, "confirm", "yes").leads("/auth/admin/bindings?notice=removed")
	b.post("/auth/admin/bindings", "do", "remove", "id", id, "confirm", "yes").want(http.StatusNotFound)
}

func TestCollectionsAreMadeRenamedAndRemoved(t *testing.T) {
	t.Parallel()
	s, b := newOffice(t, nodetest.Options{})
	const page = "/auth/admin/collections"
	b.get(page).want(http.StatusOK, "There are no collections.")
	b.post(page, "do", "create", "id", "4", "name", "Fish & Co").leads(page + "?notice=made")
	b.post(page, "do", "create", "id", "4", "name", "Other").want(http.StatusConflict, `value="Other"`)
	b.post(page, "do", "create", "id", "x", "name", "Other").want(http.StatusBadRequest, "integer", `value="x"`)
	b.post(page, "do", "create", "id", "5").want(http.StatusBadRequest, `value="5"`)
	b.get(page+"?edit=4").want(http.StatusOK, `value="Fish &amp; Co"`)
	b.post(page, "do", "update", "id", "4", "name", " bad").want(http.StatusBadRequest, `value=" bad"`)
	b.post(page, "do", "update", "id", "4", "name", "Birds").leads(page + "?notice=saved")
	b.post(page, "do", "update", "id", "9", "name", "Nine").want(http.StatusNotFound)
	b.get(page).want(http.StatusOK, "Birds")
	b.post(page, "do", "remove", "id", "4", "name", "Birds").want(http.StatusOK, "Remove the collection Birds?")
	b.post(page, "do", "remove", "id", "4", "confirm", "yes").leads(page + "?notice=removed")
	if all, err := s.CollectionList(t.Context(), caller.Operator()); err != nil || len(all) != 0 {
		t.Errorf("left: %v %v", all, err)
	}
}

func TestRolesAreMadeChangedAndRemoved(t *testing.T) {
	t.Parallel()
	s, b := newOffice(t, nodetest.Options{})
	const page = "/auth/admin/roles"
	b.get(page).want(http.StatusOK, "There are no roles.")
	b.post(page, "do", "create", "name", "a/b?c", "permissions", "access   /\n\n* /x").leads(page + "?notice=made")
	b.get(page).want(http.StatusOK, `href="/auth/admin/roles?edit=a%2fb%3fc"`, "access /", "* /x")
	b.get(page+"?edit=a%2fb%3fc").want(http.StatusOK, "access /\n* /x</textarea>")
	b.post(page, "do", "create", "name", "bad", "permissions", "access /\naccess").want(http.StatusBadRequest, "The line &#34;access&#34;", "access /\naccess</textarea>")
	b.post(page, "do", "update", "name", "a/b?c", "permissions", "nonsense /..").want(http.StatusBadRequest, "Change a/b?c", "nonsense /..</textarea>")
	b.post(page, "do", "update", "name", "a/b?c", "permissions", "read /").leads(page + "?notice=saved")
	roles, err := s.RoleList(t.Context(), caller.Operator())
	if err != nil || len(roles) != 1 || len(roles[0].Permissions) != 1 || roles[0].Permissions[0] != (access.Permission{Action: "read", Path: "/"}) {
		t.Errorf("roles: %+v %v", roles, err)
	}
	b.post(page, "do", "remove", "name", "a/b?c").want(http.StatusOK, "Remove the role a/b?c?")
	b.post(page, "do", "remove", "name", "a/b?c", "confirm", "yes").leads(page + "?notice=removed")
	b.post(page, "do", "remove", "name", "a/b?c", "confirm", "yes").want(http.StatusNotFound)
}

func TestAClientsSecretIsShownOnce(t *testing.T) {
	t.Parallel()
	s, b := newOffice(t, nodetest.Options{})
	const page = "/auth/admin/clients"
	secretOf := func(a *answer) string {
		t.Helper()
		value := regexp.MustCompile(`bdc_[0-9A-Za-z]{36}`).FindString(a.want(http.StatusCreated, "shown this once").body)
		if value == "" {
			t.Fatal("no secret is shown")
		}
		return value
	}
	first := secretOf(b.post(page, "do", "create", "id", "ci", "grants", identity.GrantTypeClientCredentials,
		"grants", identity.GrantTypeTokenExchange, "scopes", "read write", "audiences", "https://a.example\r\nhttps://b.example"))
	c, err := s.AuthenticateClient(t.Context(), "ci", first)
	if err != nil || len(c.Principal.Client.Grants) != 2 || len(c.Principal.Client.Scopes) != 2 || len(c.Principal.Client.Audiences) != 2 {
		t.Fatalf("%+v %v", c, err)
	}
	b.get(page).want(http.StatusOK, "token-exchange", "https://b.example", "with a secret").without(first, "bdc_")
	b.get(page+"?edit=ci").want(http.StatusOK, `value="client_credentials" checked`, "https://a.example\nhttps://b.example</textarea>", `value="read write"`)
	b.post(page, "do", "update", "id", "ci", "grants", identity.GrantTypeClientCredentials, "scopes", "read").leads(page + "?notice=saved")

	b.post(page, "do", "renew", "id", "ci").want(http.StatusOK, "A new secret for ci?")
	second := secretOf(b.post(page, "do", "renew", "id", "ci", "confirm", "yes"))
	if _, err := s.AuthenticateClient(t.Context(), "ci", first); err == nil {
		t.Error("the old secret is good")
	}
	if c, err := s.AuthenticateClient(t.Context(), "ci", second); err != nil || len(c.Principal.Client.Grants) != 1 {
		t.Errorf("%+v %v", c, err)
	}
	b.get(page).want(http.StatusOK).without(second)

	b.post(page, "do", "create", "id", "app", "grants", identity.GrantTypeDeviceCode, "public", "yes").leads(page + "?notice=made")
	b.get(page).want(http.StatusOK, "public")
	b.post(page, "do", "create", "id", "ci", "scopes", "read").want(http.StatusConflict, `value="read"`)
	b.post(page, "do", "create", "id", "x", "scopes", `"`).want(http.StatusBadRequest, `role="alert"`)
	b.post(page, "do", "create", "id", "x", "grants", "password").want(http.StatusBadRequest, `role="alert"`)
	b.post(page, "do", "renew", "confirm", "yes").want(http.StatusBadRequest)
	b.post(page, "do", "renew", "id", "nobody", "confirm", "yes").want(http.StatusNotFound).without("bdc_")
	b.post(page, "do", "remove", "id", "ci").want(http.StatusOK, "Remove the client ci?")
	b.post(page, "do", "remove", "id", "ci", "confirm", "yes").leads(page + "?notice=removed")
}

func TestKeysAreRotatedAndRetired(t *testing.T) {
	t.Parallel()
	s, b := newOffice(t, nodetest.Options{})
	const page = "/auth/admin/keys"
	first := s.Ring.Keys()[0].KID
	b.get(page).want(http.StatusOK, first, "active")
	b.post(page, "do", "rotate").leads(page + "?notice=rotated")
	b.get(page+"?notice=rotated").want(http.StatusOK, "next", "The keys are rotated.")
	b.post(page, "do", "rotate", "now", "yes").leads(page + "?notice=rotated")
	b.get(page).want(http.StatusOK, "retired")
	issued := s.AccessToken(t, "ada", "correct horse").Value.Reveal()
	if _, err := s.Verify(t.Context(), issued, verification.Requirements{}); err != nil {
		t.Fatal(err)
	}
	signing, err := s.Ring.Signing()
	if err != nil || signing.KID == first {
		t.Fatalf("signs with %s: %v", signing.KID, err)
	}
	b.post(page, "do", "retire", "kid", signing.KID).want(http.StatusOK, "Every token that "+signing.KID+" signed")
	b.post(page, "do", "retire", "kid", signing.KID, "confirm", "yes").leads(page + "?notice=retired")
	if _, err := s.Verify(t.Context(), issued, verification.Requirements{}); !fault.Is(err, fault.InvalidToken) {
		t.Errorf("a token of a retired key: %v", err)
	}
	b.get(page).want(http.StatusOK, "taken back")
	b.post(page, "do", "retire", "kid", "nonsense", "confirm", "yes").want(http.StatusNotFound)
}

func TestASharedSecretHasNoKeys(t *testing.T) {
	t.Parallel()
	_, b := newOffice(t, nodetest.Options{Algorithm: token.HS256, Secret: []byte("q7ZkT3mVw9RbLx2NcYh8PdFs5GjUe4Aa")})
	b.get("/auth/admin/keys").want(http.StatusOK, "signing.secret_file").without("Rotate the keys", "q7ZkT3m")
}

func TestTheAuditLogIsFilteredAndExported(t *testing.T) {
	t.Parallel()
	s, b := newOffice(t, nodetest.Options{})
	s.browser(t).post("/auth/login", "username", "=cmd()", "password", "wrong")
	s.ada(t)
	b.get("/auth/admin/audit").want(http.StatusOK, "user.create", ">ada</bdi>", "=cmd()")
	b.get("/auth/admin/audit?actor=ada&action=login").want(http.StatusOK, ">ada</bdi>", `<option selected>login</option>`, `value="ada"`).without("user.create</code>", "=cmd()")
	b.get("/auth/admin/audit?target="+url.QueryEscape("=cmd()")).want(http.StatusOK, "wrong username or password")
	b.get("/auth/admin/audit?since=2999-01-01T00:00").want(http.StatusOK, "No such event.")
	for _, field := range []string{"since", "until"} {
		b.get("/auth/admin/audit?"+field+"=yesterday").want(http.StatusBadRequest,
			`aria-describedby="filter-`+field+`-error" aria-invalid="true"`, `role="alert" id="filter-`+field+`-error"`).without("Export")
	}
	for _, bad := range []string{"action=nonsense", "since=yesterday", "cursor=x", "since=2026-02-02&until=2026-01-01"} {
		b.get("/auth/admin/audit?"+bad).want(http.StatusBadRequest, `role="alert"`)
	}

	a := b.get("/auth/admin/audit/export?format=csv&action=login").want(http.StatusOK)
	rows, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
	if err != nil || len(rows) != 4 || rows[0][3] != "action" || rows[2][4] != "'=cmd()" || rows[2][8] != "refused" {
		t.Errorf("CSV: %v %v", rows, err)
	}
	if got := a.header.Get("Content-Disposition"); !regexp.MustCompile(`^attachment; filename="bearerd-audit-\d{8}-\d{6}\.csv"$`).MatchString(got) {
		t.Errorf("Content-Disposition %q", got)
	}
	lines := strings.Split(strings.TrimSpace(b.get("/auth/admin/audit/export?format=jsonl&action=login").want(http.StatusOK).body), "\n")
	var e struct {
		Action, Target string
		At             time.Time
	}
	if err := json.Unmarshal([]byte(lines[1]), &e); err != nil || len(lines) != 3 || e.Target != "=cmd()" || e.Action != "login" || e.At.IsZero() {
		t.Errorf("JSON: %q %+v %v", lines, e, err)
	}
	b.get("/auth/admin/audit/export").want(http.StatusBadRequest, "The format is csv or jsonl.")
	b.get("/auth/admin/audit/export?format=csv&action=nonsense").want(http.StatusBadRequest)
}

func TestTheAuditLogIsPagedAndExportedWhole(t *testing.T) {
	t.Parallel()
	s, b := newOffice(t, nodetest.Options{})
	b.get("/auth/admin/audit?action=collection.create").want(http.StatusOK).without("Older events")
	const many = 1203
	d := directory.Desired{}
	for i := range many {
		d.Collections = append(d.Collections, records.Collection{ID: int64(i), Name: fmt.Sprintf("Collection %04d", i)})
	}
	if _, _, err := s.Apply(t.Context(), caller.Operator(), d); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	page := "/auth/admin/audit?action=collection.create"
	for range 2 {
		body := b.get(page).want(http.StatusOK, "Older events").body
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
	if got := strings.Count(b.get("/auth/admin/audit/export?format=jsonl&action=collection.create").body, "\n"); got != many {
		t.Errorf("%d events are exported, want %d", got, many)
	}
}

func TestTheInspectorTellsWhyAndKeepsNothing(t *testing.T) {
	t.Parallel()
	s, b := newOffice(t, nodetest.Options{Settings: scopes})
	s.Collection(t, 4, "Fish")
	value := s.ada(t).post("/auth/tokens", "name", "n", "scope", "read").want(http.StatusCreated).value()
	const page = "/auth/admin/inspector"
	b.post(page, "token", " "+value+"\n").want(http.StatusOK, "let in", "…"+value[len(value)-4:], "ada", "n").without(value)
	b.post(page, "token", value, "scope", "write").want(http.StatusOK, "refused", "the scope write is needed", "not checked", `value="write"`).without(value)
	b.post(page, "token", value, "collection", "4").want(http.StatusOK, "refused", "no access to the collection")
	b.post(page, "token", "nonsense").want(http.StatusOK, "refused", "malformed").without("nonsense")
	b.post(page).want(http.StatusBadRequest, "Paste a token.")
	b.post(page, "token", value, "collection", "x").want(http.StatusBadRequest, "integer", `value="x"`).without(value)
	b.post(page, "token", value, "path", "/x").want(http.StatusBadRequest, "An action", `id="ask-action-error"`).without(value)
	b.post(page, "collection", "1").want(http.StatusBadRequest, `aria-describedby="token-hint ask-token-error" aria-invalid="true"`, `value="1"`)
	for field, pairs := range map[string][]string{
		"collection": {"collection", "four"}, "path": {"action", "read", "path", "x"}, "scope": {"scope", "\""},
	} {
		b.post(page, append(pairs, "token", value)...).want(http.StatusBadRequest, `role="alert" id="ask-`+field+`-error"`).
			without(value, `class="note bad"`)
	}
	if _, err := s.RevokeAllOf(t.Context(), caller.Operator(), "ada"); err != nil {
		t.Fatal(err)
	}
	b.post(page, "token", value).want(http.StatusOK, "refused", "Taken back", "revoke-all")
}

// numbers are a traffic log that a test makes up.
type numbers struct{ err error }

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
	last.Revoked, last.Acknowledged, last.AcknowledgedIn, last.SlowestBelow = 9, 2, 60*time.Millisecond, 50*time.Millisecond
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

// TestAChartHasAColourForEachPart draws more parts than there are colours: the rarest
// are drawn as one, and the table tells them apart.
func TestAChartHasAColourForEachPart(t *testing.T) {
	t.Parallel()
	_, b := newOffice(t, nodetest.Options{}, func(p *webui.Pages) { p.Traffic = refusals{} })
	body := b.get("/auth/admin/").want(http.StatusOK, "374 the rest", "the rest: 374</title>", ">expired or early</th>", ">access</th>").body
	classes := regexp.MustCompile(`<rect class="(s\d)" x=`).FindAllStringSubmatch(body, -1)
	var got []string
	for _, m := range classes {
		got = append(got, m[1])
	}
	if want := "s0 s1 s2 s3 s4 s5"; strings.Join(got, " ") != want {
		t.Errorf("the parts have the colours %v, want %s", got, want)
	}
}

func TestTheFirstPageDrawsWhatHappened(t *testing.T) {
	t.Parallel()
	_, b := newOffice(t, nodetest.Options{}, func(p *webui.Pages) { p.Traffic = numbers{} })
	for _, span := range []string{"", "?span=hour", "?span=day", "?span=nonsense"} {
		b.get("/auth/admin/"+span).want(http.StatusOK,
			`aria-label="Tokens issued: 3 access token, 1 API token"`, `aria-label="Tokens refused, by the check that failed: 7 revoked"`,
			"access token: 3</title>", "5 wrong password", "1 too many attempts", "mean 30 ms, all below 50 ms", "2 revocations, all below 50 ms", "Nothing in this time.",
			"<dt>Passwords refused</dt><dd>6</dd>", "<dt>Sign-ins</dt><dd>2</dd>", "<dt>Token requests refused</dt><dd>4</dd>").
			without("NaN", "Inf", "style=")
	}
	_, plain := newOffice(t, nodetest.Options{})
	plain.get("/auth/admin/").want(http.StatusOK, "This server keeps no numbers.", "Log honoured up to")
	_, failing := newOffice(t, nodetest.Options{}, func(p *webui.Pages) { p.Traffic = numbers{errAway()} })
	failing.get("/auth/admin/").want(http.StatusServiceUnavailable)
}
