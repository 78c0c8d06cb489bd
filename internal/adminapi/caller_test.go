package adminapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/adminapi"
	"github.com/bearerd/bearerd/internal/issuance"
)

func TestNobodyIsChallenged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a := s.send("GET", root+"/me", "")
	a.is(t, 401)
	if got := a.header.Get("WWW-Authenticate"); got != `Bearer realm="bearerd"` {
		t.Errorf("challenge %q", got)
	}
}

func TestBadCredentialsAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	good := s.SessionToken(t, "ada", password).Value.Reveal()
	dead := s.SessionToken(t, "ada", password).Value.Reveal()
	other := s.SessionToken(t, "ada", password).Value.Reveal()
	c, err := s.Session(t.Context(), dead)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.EndSession(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		status int
		error  string
		with   []option
	}{
		"junk":                          {401, "malformed or unknown token", []option{bearer("junk")}},
		"empty":                         {400, "", []option{header("Authorization", "Bearer ")}},
		"two headers":                   {400, "", []option{bearer(s.ada), bearer(s.ada)}},
		"more than 8 KiB":               {400, "", []option{bearer(strings.Repeat("x", 8<<10+1))}},
		"a session as Bearer":           {401, "wrong type", []option{bearer(good)}},
		"a token in the cookie":         {401, "", []option{session(s.ada)}},
		"a dead session":                {401, "revoked", []option{session(dead)}},
		"junk in the cookie":            {401, "", []option{session("junk")}},
		"two good sessions":             {400, "", []option{session(good), session(other)}},
		"a bad token, a good session":   {401, "malformed or unknown token", []option{bearer("junk"), session(good)}},
		"another site's cookie":         {401, "", []option{header("Cookie", "sessionid="+good)}},
		"a token in the query":          {401, "", nil},
		"HTTP Basic is no login of its": {401, "", []option{header("Authorization", "Basic YTpi")}},
	} {
		a := s.send("GET", root+"/me?access_token="+s.ada, "", tc.with...)
		if a.status != tc.status {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		if tc.error != "" && !strings.Contains(a.header.Get("WWW-Authenticate"), `error="invalid_token", error_description="`+tc.error+`"`) {
			t.Errorf("%s: challenge %q", name, a.header.Get("WWW-Authenticate"))
		}
	}
}

func TestExpiredTokenIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Advance(time.Hour)
	a := s.as(s.ada, "GET", "/me", "")
	a.is(t, 401)
	if a.detail(t) != "expired" {
		t.Errorf("detail %q", a.detail(t))
	}
}

func TestSessionChangesNothingAcrossOrigins(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	with := session(s.SessionToken(t, "ada", password).Value.Reveal())
	for name, cross := range map[string][]option{
		"another origin":   {header("Origin", "https://evil.example")},
		"another site":     {header("Sec-Fetch-Site", "cross-site")},
		"a neighbour host": {header("Sec-Fetch-Site", "same-site")},
	} {
		a := s.send("POST", root+"/me/revoke-all", "", append(cross, with)...)
		a.is(t, 403)
		if a := s.send("GET", root+"/me", "", append(cross, with)...); a.status != 200 {
			t.Errorf("%s: reading is %d", name, a.status)
		}
	}
	s.send("POST", root+"/me/revoke-all", "", with, header("Sec-Fetch-Site", "same-origin")).is(t, 204)
	s.send("GET", root+"/me", "", with).is(t, 401)
}

func TestZeroAPIRefusesSessions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	value := s.SessionToken(t, "ada", password).Value.Reveal()
	for name, api := range map[string]*adminapi.API{
		"no cookie named":       {SignIn: s.Authenticator, Issuance: s.Issuance, Now: s.Time},
		"no cross-origin check": {SignIn: s.Authenticator, Issuance: s.Issuance, Now: s.Time, SessionCookies: []string{cookie}},
	} {
		mux := http.NewServeMux()
		api.Register(mux)
		if got := serveOn(mux, "GET", root+"/me", session(value)); got != 401 && got != 403 {
			t.Errorf("%s: %d", name, got)
		}
	}
}

func TestAdministrationNeedsRightAndScope(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	plain := s.AccessToken(t, "root", password).Value.Reveal()
	for _, path := range []string{
		"/users", "/collections", "/roles", "/bindings", "/clients", "/keys", "/audit", "/users/" + s.adaID[:8],
	} {
		a := s.as(s.ada, "GET", path, "")
		a.is(t, 403)
		b := s.as(plain, "GET", path, "")
		b.is(t, 403)
		if !strings.Contains(b.header.Get("WWW-Authenticate"), `error="insufficient_scope"`) {
			t.Errorf("%s: challenge %q", path, b.header.Get("WWW-Authenticate"))
		}
	}
	by := session(s.SessionToken(t, "root", password).Value.Reveal())
	s.send("GET", root+"/users", "", by).is(t, 200)
}

func TestUnknownPathsAndMethodsAreProblems(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, path := range []string{"/nothing", "/users/x/y/z", "/users/", "/"} {
		s.as(s.admin, "GET", path, "").is(t, 404)
	}
	for path, allow := range map[string]string{
		"/me":            "GET, HEAD",
		"/users":         "GET, HEAD, POST",
		"/users/ada":     "DELETE, GET, HEAD, PATCH",
		"/keys/x":        "DELETE",
		"/explain":       "POST",
		"/me/revoke-all": "POST",
	} {
		a := s.as(s.admin, "PUT", path, "{}")
		a.is(t, 405)
		if got := a.header.Get("Allow"); got != allow {
			t.Errorf("%s: Allow %q, want %q", path, got, allow)
		}
	}
}

func TestStoreOutOfReachIs503(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if err := s.Store.Close(); err != nil {
		t.Fatal(err)
	}
	a := s.as(s.admin, "GET", "/users", "")
	a.is(t, 503)
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestMeTellsWhoCame(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	me := s.as(s.ada, "GET", "/me", "").json(t)
	if me["type"] != "user" || me["username"] != "ada" || me["id"] != s.adaID || me["administrator"] != false {
		t.Errorf("me: %v", me)
	}
	if me := s.asAdmin(200, "GET", "/me", ""); me["administrator"] != true || to[map[string]any](t, me["token"])["scope"] != "admin" {
		t.Errorf("me: %v", me)
	}
	s.Client(t, "ci")
	c, err := s.AuthenticateClient(t.Context(), "ci", "a client secret of more than 32 characters")
	if err != nil {
		t.Fatal(err)
	}
	issued, err := s.Issue(t.Context(), c, &issuance.Request{Kind: accessKind, Principal: c.Principal, Client: c.Principal})
	if err != nil {
		t.Fatal(err)
	}
	if me := s.as(issued.Value.Reveal(), "GET", "/me", "").json(t); me["type"] != "client" || me["id"] != "ci" {
		t.Errorf("a client's: %v", me)
	}
}
