package senaite_test

import (
	"encoding/base64"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/dialect/senaite"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

// The doctests and the pages of senaite.jsonapi, with the token authentication of its pull
// request 88.
const (
	doctests = "senaite.jsonapi src/senaite/jsonapi/tests/doctests/"
	authRST  = doctests + "auth.rst: "
	loginRST = doctests + "login.rst: "
	tokenRST = doctests + "bearer.rst: "
	usersRST = doctests + "users.rst: "
	safeRST  = doctests + "security_fixes.rst: "
	docsRST  = "senaite.jsonapi docs/auth.rst: "
	routesPy = "senaite.jsonapi src/senaite/jsonapi/v1/routes/users.py: "
)

type (
	step = edgetest.Step
	has  = map[string]any
)

const (
	at      = senaite.SitePrefix
	inURL   = "?__ac_name=root&__ac_password=correct+horse"
	inForm  = "__ac_name=root&__ac_password=correct+horse"
	manager = "Authorization: Bearer <manager>"
	clerk   = "Authorization: Bearer <clerk>"
	unknown = "Authorization: Bearer not-a-real-token"
)

// facts are what SENAITE's own tests and pages expect of these endpoints. Its test user is
// root here, the clerk is ada.
func facts() []edgetest.Fact {
	one := func(from, says string, s ...step) edgetest.Fact {
		return edgetest.Fact{From: from, Says: says, Steps: s}
	}
	alone := func(from, says string, s ...step) edgetest.Fact {
		return edgetest.Fact{From: from, Says: says, Steps: s, Fresh: true}
	}
	differs := func(from, says, why string, s ...step) edgetest.Fact {
		return edgetest.Fact{From: from, Says: says, Steps: s, Differs: why}
	}
	get := func(path string, status int, h has, header ...string) step {
		return step{Ask: "GET " + at + path, Header: header, Status: status, Has: h}
	}
	kept := map[string]string{"token": "made"}
	byURL := step{Ask: "GET " + at + "/login" + inURL, Status: 200, Keep: kept, Sets: []string{"token"}}
	cookie := "Cookie: token=<made>"
	basicRoot := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("root:"+password))
	basicAda := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("ada:"+password))
	rotate := step{Ask: "POST " + at + "/users/root/rotate_secret", Header: []string{manager}, Status: 200}
	current := func(authenticated bool, header ...string) step {
		return get("/users/current", 200, has{"items.0.authenticated": authenticated}, header...)
	}
	return []edgetest.Fact{
		one(authRST+"Login", "a user logs in by GET with the fields in the URL", get("/login"+inURL, 200, has{"items.0.authenticated": true})),
		one(authRST+"Login", "is then somebody at /auth", byURL, get("/auth", 200, nil, cookie)),
		one(authRST+"Login", "which answers its running time", byURL, get("/auth", 200, has{"_runtime": edgetest.Any}, cookie)),
		one(authRST+"Logout", "logs out", byURL, get("/logout", 200, has{"authenticated": false}, cookie)),
		one(authRST+"Logout", "and is then nobody: 401", get("/auth", 401, nil)),

		one(loginRST+"Issue a token via /login", "who is signed in gets a token without a password", get("/login", 200, has{"items.0.authenticated": true}, "Cookie: bearerd_session=<session>")),
		one(loginRST+"Issue a token via /login", "it is in the answer", get("/login", 200, has{"token": edgetest.Any}, "Cookie: bearerd_session=<session>")),
		one(loginRST+"Issue a token via /login", "with its expiry", get("/login", 200, has{"expires": edgetest.Any}, "Cookie: bearerd_session=<session>")),
		one(loginRST+"Issue a token via /login", "and in a cookie", step{Ask: "GET " + at + "/login", Header: []string{"Cookie: bearerd_session=<session>"}, Status: 200, Sets: []string{"token"}}),
		one(loginRST+"Authenticate with Authorization: Bearer", "the token opens /auth", byURL, get("/auth", 200, has{"_runtime": edgetest.Any}, "Authorization: Bearer <made>")),
		one(loginRST+"Authenticate with Authorization: Bearer", "and /users/current", byURL, current(true, "Authorization: Bearer <made>")),
		one(loginRST+"An invalid Bearer token is rejected", "a bogus token is 401 at /auth", get("/auth", 401, nil, unknown)),
		alone(loginRST+"An expired token is rejected", "an expired one too", step{Act: "time passes"}, get("/auth", 401, nil, manager)),
		alone(loginRST+"Rotating the user's secret revokes existing tokens", "a rotated secret ends the tokens of before", rotate, get("/auth", 401, nil, manager)),
		alone(loginRST+"Rotating the user's secret revokes existing tokens", "a fresh one works", rotate, byURL, get("/auth", 200, has{"_runtime": edgetest.Any}, "Authorization: Bearer <made>")),

		one(tokenRST+"No token, no authentication", "without credentials one is nobody", current(false)),
		one(tokenRST+"A valid Bearer token authenticates the request", "a Bearer token is somebody's", current(true, manager)),
		one(tokenRST+"The X-JWT-Auth-Token fallback header authenticates the request", "so is one in the other header", current(true, "X-JWT-Auth-Token: <manager>")),
		differs(tokenRST+"An invalid Bearer token does not authenticate", "with a bad token one is nobody", "a bad token counts as none", get("/users/current", 401, nil, unknown)),
		one(tokenRST+"A token signed with the wrong secret does not authenticate", "a forged token authenticates nobody", get("/auth", 401, nil, "Authorization: Bearer <forged>")),
		one(tokenRST+"A token for an unknown user does not create a keystorage entry", "a token of an unknown user neither, and leaves nothing behind", step{Act: "count what is kept"}, get("/auth", 401, nil, "Authorization: Bearer <nobody's>"), step{Act: "nothing more is kept"}),
		alone(tokenRST+"An expired token does not authenticate", "nor does an expired one", step{Act: "time passes"}, get("/auth", 401, nil, "X-JWT-Auth-Token: <manager>")),
		alone(tokenRST+"Rotating the user's secret revokes existing tokens", "nor one of before a rotation", rotate, get("/auth", 401, nil, "Cookie: token=<manager>")),
		alone(tokenRST+"Rotating the user's secret revokes existing tokens", "one of after it does", rotate, byURL, current(true, "Authorization: Bearer <made>")),

		one(usersRST+"Get all users", "a manager sees all users", get("/users", 200, has{"items.0.username": "ada", "items.1.username": "root", "count": 2.0}, manager)),
		one(usersRST+"Get all users", "with their roles", get("/users", 200, has{"items.0.roles": []any{"Analyst", "Authenticated", "Member"}}, manager)),
		one(usersRST+"Get all users", "and groups", get("/users", 200, has{"items.0.groups": []any{"Analysts", "AuthenticatedUsers"}}, manager)),
		one(usersRST+"Get all users", "each with an address", get("/users", 200, has{"items.0.api_url": nodetest.Issuer + at + "/users/ada"}, manager)),
		one(usersRST+"Get all users", "whether it is the caller", get("/users", 200, has{"items.0.authenticated": false, "items.1.authenticated": true}, manager)),
		one(usersRST+"Get all users", "and an e-mail address", get("/users", 200, has{"items.0.email": "ada@example.org"}, manager)),
		one(usersRST+"Get all users", "a name", get("/users", 200, has{"items.0.fullname": "ada Example"}, manager)),
		one(usersRST+"Get all users", "an id", get("/users", 200, has{"items.0.id": "ada"}, manager)),
		one(usersRST+"Get current user", "the current user is one", get("/users/current", 200, has{"count": 1.0}, manager)),
		one(usersRST+"Get current user", "by their username", get("/users/current", 200, has{"items.0.username": "root"}, manager)),
		one(usersRST+"Get current user", "with all properties", get("/users/current", 200, has{"items.0.api_url": edgetest.Any, "items.0.authenticated": true, "items.0.email": edgetest.Any, "items.0.groups": edgetest.Any, "items.0.roles": edgetest.Any}, manager)),
		one(usersRST+"Get a single user", "a manager sees a single user", get("/users/ada", 200, has{"items.0.username": "ada"}, manager)),
		differs(usersRST+"Extend user info via IInfo", "an add-on may add members to a user", "add-ons may add members to a user", get("/users/current", 200, has{"items.0.dummy_info": edgetest.None}, manager)),
		differs(usersRST+"Filter users via IUsersFilter", "an add-on may filter the list", "add-ons may filter the list of users", get("/users?role=Analyst", 200, has{"count": 2.0}, manager)),

		one(safeRST+"/users listing is restricted to managers", "who is no manager sees one user in the list", get("/users", 200, has{"count": 1.0}, basicAda)),
		one(safeRST+"/users listing is restricted to managers", "which is themselves", get("/users", 200, has{"items.0.username": "ada"}, basicAda)),
		one(safeRST+"/users listing is restricted to managers", "who asks for another gets themselves", get("/users/root", 200, has{"items.0.username": "ada"}, basicAda)),
		one(safeRST+"/users listing is restricted to managers", "and by their own name too", get("/users/ada", 200, has{"items.0.username": "ada"}, clerk)),

		one(docsRST+"Login", "the answer has the address of the users", get("/login"+inURL, 200, has{"url": nodetest.Issuer + at + "/users"})),
		one(docsRST+"Login", "one item", get("/login"+inURL, 200, has{"count": 1.0, "items.1": edgetest.None})),
		one(docsRST+"Login", "with the username", get("/login"+inURL, 200, has{"items.0.username": "root"})),
		one(docsRST+"Login", "and its roles", get("/login"+inURL, 200, has{"items.0.roles": []any{"Authenticated", "Manager", "Member"}})),
		one(docsRST+"Login", "and the running time", get("/login"+inURL, 200, has{"_runtime": edgetest.Any})),
		one(docsRST+"Login", "HTTP Basic needs no fields", get("/login", 200, has{"token": edgetest.Any}, basicRoot)),
		one(docsRST+"Try it: curl", "a form logs in", step{Ask: "POST " + at + "/login", Body: inForm, Status: 200, Has: has{"token": edgetest.Any}, Sets: []string{"token"}}),
		one(docsRST+"Logout", "it stands beneath /users as well", get("/users/logout", 200, has{"success": true}, manager)),
		one(docsRST+"Logout", "and answers the address of the users", get("/logout", 200, has{"url": nodetest.Issuer + at + "/users", "_runtime": edgetest.Any}, manager)),
		one(docsRST+"Logout", "the token itself stays good", byURL, get("/logout", 200, nil, cookie), get("/auth", 200, nil, "Authorization: Bearer <made>")),
		one(docsRST+"Basic Authentication", "Basic is somebody at /auth", get("/auth", 200, nil, basicRoot)),
		one(docsRST+"Basic Authentication", "nobody is 401", get("/users/auth", 401, nil)),
		one(docsRST+"Bearer Token Authentication", "a Bearer token decides before a cookie", current(true, manager, "Cookie: token=junk")),
		one(docsRST+"Bearer Token Authentication", "a cookie before the other header", get("/auth", 200, nil, "Cookie: token=<manager>", "X-JWT-Auth-Token: junk")),
		one(docsRST+"Cookie security", "the cookie alone authenticates", current(true, "Cookie: token=<manager>")),
		one(docsRST+"Try it: curl", "a token of the site's address opens the site's address", byURL, current(true, "Authorization: Bearer <made>")),

		one(routesPy+"login", "a missing name is 400", step{Ask: "POST " + at + "/login", Body: "__ac_password=x", Status: 400, Text: "__ac_name is missing"}),
		one(routesPy+"login", "a missing password is 400", step{Ask: "POST " + at + "/login", Body: "__ac_name=root", Status: 400, Text: "__ac_password is missing"}),
		one(routesPy+"login", "a wrong one is 401", step{Ask: "POST " + at + "/login", Body: "__ac_name=root&__ac_password=x", Status: 401}),
		one(routesPy+"login", "it stands beneath /users as well", step{Ask: "POST " + at + "/users/login", Body: inForm, Status: 200, Has: has{"token": edgetest.Any}}),
		one(routesPy+"get", "nobody sees themselves, whomever they ask for", get("/users/root", 200, has{"items.0.username": "Anonymous User", "items.0.authenticated": false})),
		one(routesPy+"get", "and has the role Anonymous", get("/users", 200, has{"items.0.roles": []any{"Anonymous"}})),
		one(routesPy+"get", "the list has pages", get("/users?limit=1&b_start=1", 200, has{"pagesize": 1.0, "page": 2.0, "pages": 2.0, "previous": edgetest.Any, "items.0.username": "root"}, manager)),
		one(routesPy+"get", "and no next one at its end", get("/users?limit=1&b_start=1", 200, has{"next": nil}, manager)),
		differs(routesPy+"get_user_info", "an unknown user is null", "`/users/NAME` of somebody unknown has `null`", get("/users/nobody", 404, nil, manager)),
	}
}

func TestFactsOfSENAITE(t *testing.T) {
	t.Parallel()
	edgetest.CheckFacts(t, facts(), "../../../docs/dialect-senaite.md", newFactStage)
}

func newFactStage(t *testing.T) edgetest.Stage {
	t.Helper()
	s := newSite(t, func(d *senaite.Dialect) { d.LoginInQuery = true })
	operator, groups := caller.Operator(), []string{"Analysts"}
	_, err := s.UpdateUser(t.Context(), operator, "ada", identity.UserPatch{Groups: &groups})
	nodetest.Must(t, err)
	nodetest.Must(t, s.CreateRole(t.Context(), operator, access.Role{Name: "Analyst", Permissions: []access.Permission{{Action: "read", Path: "/"}}}))
	_, err = s.CreateBinding(t.Context(), operator, access.Binding{Group: "Analysts", Role: "Analyst"})
	nodetest.Must(t, err)
	forged := s.login("root")
	var kept int
	return edgetest.Stage{
		URL: s.url,
		Secrets: map[string]string{
			"manager": s.login("root"), "clerk": s.login("ada"), "session": s.SessionToken(t, "root", password).Value.Reveal(),
			"forged": forged[:len(forged)-8] + "AAAAAAAA", "nobody's": s.Forge(t, "7f1f0f6e-6d0e-4d0a-9a53-0b3a6c1f0001", 1).Value.Reveal(),
		},
		Acts: map[string]func(){
			"time passes":          func() { s.Advance(2 * time.Hour) },
			"count what is kept":   func() { kept = s.kept() },
			"nothing more is kept": func() { s.wantKept(kept) },
		},
	}
}

// kept counts what is stored: events of the audit log and entries of the revocation log.
func (s *site) kept() int {
	s.t.Helper()
	return len(s.Events(s.t, audit.Filter{})) + int(s.Ledger.Applied())
}

func (s *site) wantKept(want int) {
	s.t.Helper()
	if got := s.kept(); got != want {
		s.t.Errorf("%d things are stored, %d before", got, want)
	}
}
