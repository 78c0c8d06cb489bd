package adminapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/adminapi"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/issuance"
)

func TestNobodyIsChallenged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a := s.Do(t, "GET", root+"/me", "")
	a.Is(401)
	if got := a.Header.Get("WWW-Authenticate"); got != `Bearer realm="bearerd"` {
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
		with   []edgetest.Option
	}{
		"junk":                          {401, "malformed or unknown token", []edgetest.Option{edgetest.Bearer("junk")}},
		"empty":                         {400, "", []edgetest.Option{edgetest.Header("Authorization", "Bearer ")}},
		"two headers":                   {400, "", []edgetest.Option{edgetest.Bearer(s.ada), edgetest.Bearer(s.ada)}},
		"more than 8 KiB":               {400, "", []edgetest.Option{edgetest.Bearer(strings.Repeat("x", 8<<10+1))}},
		"a session as Bearer":           {401, "wrong type", []edgetest.Option{edgetest.Bearer(good)}},
		"a token in the cookie":         {401, "", []edgetest.Option{session(s.ada)}},
		"a dead session":                {401, "revoked", []edgetest.Option{session(dead)}},
		"junk in the cookie":            {401, "", []edgetest.Option{session("junk")}},
		"two good sessions":             {400, "", []edgetest.Option{session(good), session(other)}},
		"a bad token, a good session":   {401, "malformed or unknown token", []edgetest.Option{edgetest.Bearer("junk"), session(good)}},
		"another site's cookie":         {401, "", []edgetest.Option{edgetest.Header("Cookie", "sessionid="+good)}},
		"a token in the query":          {401, "", nil},
		"HTTP Basic is no login of its": {401, "", []edgetest.Option{edgetest.Header("Authorization", "Basic YTpi")}},
	} {
		a := s.Do(t, "GET", root+"/me?access_token="+s.ada, "", tc.with...)
		if a.Status != tc.status {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
		if tc.error != "" && !strings.Contains(a.Header.Get("WWW-Authenticate"), `error="invalid_token", error_description="`+tc.error+`"`) {
			t.Errorf("%s: challenge %q", name, a.Header.Get("WWW-Authenticate"))
		}
	}
}

func TestExpiredTokenIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Advance(time.Hour)
	a := s.as(t, s.ada, "GET", "/me", "")
	a.Is(401)
	if a.Str("detail") != "expired" {
		t.Errorf("detail %q", a.Str("detail"))
	}
}

func TestSessionChangesNothingAcrossOrigins(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	with := session(s.SessionToken(t, "ada", password).Value.Reveal())
	for name, cross := range map[string][]edgetest.Option{
		"another origin":   {edgetest.Header("Origin", "https://evil.example")},
		"another site":     {edgetest.Header("Sec-Fetch-Site", "cross-site")},
		"a neighbour host": {edgetest.Header("Sec-Fetch-Site", "same-site")},
	} {
		a := s.Do(t, "POST", root+"/me/revoke-all", "", append(cross, with)...)
		a.Is(403)
		if a := s.Do(t, "GET", root+"/me", "", append(cross, with)...); a.Status != 200 {
			t.Errorf("%s: reading is %d", name, a.Status)
		}
	}
	s.Do(t, "POST", root+"/me/revoke-all", "", with, edgetest.Header("Sec-Fetch-Site", "same-origin")).Is(204)
	s.Do(t, "GET", root+"/me", "", with).Is(401)
}

func TestZeroAPIRefusesSessions(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	value := s.SessionToken(t, "ada", password).Value.Reveal()
	for name, api := range map[string]*adminapi.API{
		"no cookie named":       {SignIn: s.Authenticator, Issuance: s.Issuance, Tokens: s.Tokens, Now: s.Time},
		"no cross-origin check": {SignIn: s.Authenticator, Issuance: s.Issuance, Tokens: s.Tokens, Now: s.Time, SessionCookies: []string{cookie}},
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
		a := s.as(t, s.ada, "GET", path, "")
		a.Is(403)
		b := s.as(t, plain, "GET", path, "")
		b.Is(403)
		if !strings.Contains(b.Header.Get("WWW-Authenticate"), `error="insufficient_scope"`) {
			t.Errorf("%s: challenge %q", path, b.Header.Get("WWW-Authenticate"))
		}
	}
	by := session(s.SessionToken(t, "root", password).Value.Reveal())
	s.Do(t, "GET", root+"/users", "", by).Is(200)
}

func TestUnknownPathsAndMethodsAreProblems(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, path := range []string{"/nothing", "/users/x/y/z", "/users/", "/"} {
		s.as(t, s.admin, "GET", path, "").Is(404)
	}
	for path, allow := range map[string]string{
		"/me":            "GET, HEAD, PATCH",
		"/users":         "GET, HEAD, POST",
		"/users/ada":     "DELETE, GET, HEAD, PATCH",
		"/keys/x":        "DELETE",
		"/explain":       "POST",
		"/me/revoke-all": "POST",
	} {
		a := s.as(t, s.admin, "PUT", path, "{}")
		a.Is(405)
		if got := a.Header.Get("Allow"); got != allow {
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
	a := s.as(t, s.admin, "GET", "/users", "")
	a.Is(503)
	if a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}

func TestMeTellsWhoCame(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	me := s.as(t, s.ada, "GET", "/me", "").Object()
	if me["type"] != "user" || me["username"] != "ada" || me["id"] != s.adaID || me["administrator"] != false {
		t.Errorf("me: %v", me)
	}
	if me := s.asAdmin(t, 200, "GET", "/me", ""); me["administrator"] != true || to[map[string]any](t, me["token"])["scope"] != "admin" {
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
	if me := s.as(t, issued.Value.Reveal(), "GET", "/me", "").Object(); me["type"] != "client" || me["id"] != "ci" {
		t.Errorf("a client's: %v", me)
	}
}
