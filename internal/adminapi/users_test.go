package adminapi_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/signin"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/token"
)

const accessKind = token.KindAccess

// serveOn returns the status of one request, without a server.
func serveOn(mux *http.ServeMux, method, path string, options ...edgetest.Option) int {
	r := httptest.NewRequest(method, path, nil)
	for _, o := range options {
		o(r)
	}
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w.Code
}

func TestUserIsMadeReadChangedRemoved(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	made := s.asAdmin(t, 201, "POST", "/users", `{"username":"bob","password":"pass word","name":"Bob","email":"bob@example.org","groups":["curators"]}`)
	want := map[string]any{
		"id": made["id"], "username": "bob", "name": "Bob", "email": "bob@example.org",
		"groups": []any{"curators"}, "disabled": false, "owner": "",
	}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("made (-want +got):\n%s", diff)
	}
	id := to[string](t, made["id"])
	for _, ref := range []string{id, "bob"} {
		if diff := cmp.Diff(want, s.asAdmin(t, 200, "GET", "/users/"+ref, "")); diff != "" {
			t.Errorf("read as %s (-want +got):\n%s", ref, diff)
		}
	}
	want["name"], want["groups"] = "Robert", []any{}
	if diff := cmp.Diff(want, s.asAdmin(t, 200, "PATCH", "/users/bob", `{"name":"Robert","groups":[],"email":null}`)); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, s.asAdmin(t, 200, "PATCH", "/users/bob", `{}`)); diff != "" {
		t.Errorf("not changed (-want +got):\n%s", diff)
	}
	s.asAdmin(t, 204, "DELETE", "/users/"+id, "")
	s.asAdmin(t, 404, "GET", "/users/bob", "")
	s.asAdmin(t, 404, "DELETE", "/users/bob", "")
	s.asAdmin(t, 404, "PATCH", "/users/bob", `{"name":"x"}`)
}

func TestUserMayReadOnlyThemselves(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, ref := range []string{"ada", s.adaID} {
		s.as(t, s.ada, "GET", "/users/"+ref, "").Is(200)
		s.as(t, s.ada, "GET", "/users/"+ref+"/access", "").Is(200)
		s.as(t, s.ada, "GET", "/users/"+ref+"/tokens", "").Is(200)
		s.as(t, s.ada, "PATCH", "/users/"+ref, `{"disabled":false}`).Is(403)
		s.as(t, s.ada, "DELETE", "/users/"+ref, "").Is(403)
		s.as(t, s.ada, "DELETE", "/users/"+ref+"/access?path=/", "").Is(403)
	}
	for _, ref := range []string{"root", "nobody"} { // alike, so that names can't be tried
		for _, path := range []string{"", "/access", "/tokens"} {
			s.as(t, s.ada, "GET", "/users/"+ref+path, "").Is(403)
		}
		s.as(t, s.ada, "POST", "/users/"+ref+"/revoke-all", "").Is(403)
	}
}

func TestDisablingTakesTokensBackAndRefusesNewOnes(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if got := s.asAdmin(t, 200, "PATCH", "/users/ada", `{"disabled":true}`); got["disabled"] != true {
		t.Errorf("answer: %v", got)
	}
	s.as(t, s.ada, "GET", "/me", "").Is(401)
	if _, err := s.SignIn.Login(t.Context(), credentials("ada", password)); !fault.Is(err, fault.BadCredentials) {
		t.Errorf("login of a disabled user: %v", err)
	}
	s.asAdmin(t, 200, "PATCH", "/users/ada", `{"disabled":false}`)
	s.Login(t, "ada", password)
	s.as(t, s.ada, "GET", "/me", "").Is(401) // not brought back
}

func TestPasswordGoesInAndNeverOut(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a := s.as(t, s.admin, "PATCH", "/users/ada", `{"password":"another one"}`)
	a.Is(200)
	for _, body := range []string{a.Body, s.as(t, s.admin, "GET", "/users", "").Body, s.as(t, s.admin, "GET", "/audit", "").Body} {
		if strings.Contains(body, "another one") || strings.Contains(body, "argon2") || strings.Contains(body, "password\":") {
			t.Errorf("a password is told: %s", body)
		}
	}
	s.as(t, s.ada, "GET", "/me", "").Is(401)
	s.Login(t, "ada", "another one")
}

func TestUserWithoutPasswordCantSignIn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.asAdmin(t, 201, "POST", "/users", `{"username":"robot"}`)
	if _, err := s.SignIn.Login(t.Context(), credentials("robot", "")); !fault.Is(err, fault.BadCredentials) {
		t.Errorf("login without a password: %v", err)
	}
}

func credentials(username, password string) signin.Credentials {
	return signin.Credentials{Username: username, Password: password}
}

func TestBadUsersAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.asAdmin(t, 409, "POST", "/users", `{"username":"ada"}`)
	for _, body := range []string{
		``, `null`, `[]`, `"ada"`, `{`, `{}`, `{"username":7}`, `{"username":""}`, `{"username":null}`,
		`{"username":"x","username":"y"}`, `{"Username":"x"}`, `{"username":"x","admin":true}`,
		`{"username":"x","password":""}`, `{"username":"x","password":1}`, `{"username":"x","groups":"a"}`,
		`{"username":"x","groups":["a","a"]}`, `{"username":"x","groups":["a,b"]}`, `{"username":"x","disabled":"no"}`,
		`{"username":"x","email":"nowhere"}`, `{"username":"x y "}`, "{\"username\":\"\xff\"}", `{"username":"x\u0000"}`,
		`{"username":"` + strings.Repeat("x", 256) + `"}`, `{"username":"x"} {}`, `{"username":"` + s.adaID + `"}`,
		`{"username":"x","password":"` + strings.Repeat("x", 5000) + `"}`,
	} {
		a := s.as(t, s.admin, "POST", "/users", body)
		if a.Status != 400 {
			t.Errorf("%.60s: %d %s", body, a.Status, a.Body)
		}
	}
	for _, body := range []string{`{"username":""}`, `{"username":"x "}`, `{"username":7}`, `{"username":"` + s.adaID + `"}`, `{"id":"x"}`, `{"password":""}`, `{"name":7}`, `{"email":"x"}`, `{"groups":[1]}`} {
		s.asAdmin(t, 400, "PATCH", "/users/ada", body)
	}
	s.asAdmin(t, 413, "POST", "/users", `{"username":"`+strings.Repeat("x", 64<<10)+`"}`)
	form := s.Do(t, "POST", root+"/users", "username=x", edgetest.Bearer(s.admin), func(r *http.Request) {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	})
	form.Is(400)
	users, _ := items(t, s.asAdmin(t, 200, "GET", "/users", ""))
	if len(users) != 2 {
		t.Errorf("something was made: %v", users)
	}
}

func TestUsersAreSearchedAndPaged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, name := range []string{"bob", "carol", "dave"} {
		s.asAdmin(t, 201, "POST", "/users", `{"username":"`+name+`"}`)
	}
	var seen []string
	cursor := ""
	for range 9 {
		page, next := items(t, s.asAdmin(t, 200, "GET", "/users?limit=2&cursor="+url.QueryEscape(cursor), ""))
		for _, u := range page {
			seen = append(seen, to[string](t, u["username"]))
		}
		if cursor = next; next == "" {
			break
		}
	}
	if diff := cmp.Diff([]string{"ada", "bob", "carol", "dave", "root"}, seen); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	found, _ := items(t, s.asAdmin(t, 200, "GET", "/users?search=AR", ""))
	if len(found) != 1 || found[0]["username"] != "carol" {
		t.Errorf("found %v", found)
	}
	for _, query := range []string{"limit=0", "limit=1001", "limit=-1", "limit=+1", "limit=x", "limit=01", "limit=1&limit=1", "cursor=x", "serch=a", "search=%ff", "search=%00"} {
		s.asAdmin(t, 400, "GET", "/users?"+query, "")
	}
}

func TestNamesThatCantBeAreNotFound(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, id := range []string{"%ff", "%00", "nobody", "a%2Fb", strings.Repeat("x", 2000), "00000000-0000-0000-0000-000000000000"} {
		for _, path := range []string{"/users/", "/roles/", "/bindings/", "/clients/", "/keys/", "/tokens/", "/collections/"} {
			a := s.as(t, s.admin, "DELETE", path+id, "")
			if a.Status != 404 {
				t.Errorf("DELETE %s%.20s: %d %s", path, id, a.Status, a.Body)
			}
		}
	}
}

func TestRevokeAllOfAUser(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	live := session(s.SessionToken(t, "ada", password).Value.Reveal())
	s.asAdmin(t, 204, "POST", "/users/ada/revoke-all?wait=false", "")
	s.as(t, s.ada, "GET", "/me", "").Is(401)
	s.Do(t, "GET", root+"/me", "", live).Is(401)
	s.asAdmin(t, 404, "POST", "/users/nobody/revoke-all", "")
	s.asAdmin(t, 400, "POST", "/users/ada/revoke-all?wait=yes", "")

	s.User(t, "warden", password, nodetest.May(access.ActionDelete, access.PathTokens))
	warden := s.AccessToken(t, "warden", password, identity.ScopeAdmin).Value.Reveal()
	again := s.AccessToken(t, "ada", password).Value.Reveal()
	s.as(t, warden, "POST", "/users/ada/revoke-all", "").Is(204)
	s.as(t, again, "GET", "/me", "").Is(401)
	s.as(t, warden, "POST", "/users/nobody/revoke-all", "").Is(404)
}

// TestWhoChangesSomethingSaysWhetherToWait: a node that doesn't confirm holds up
// a caller who waits, until its lease has run out, and nobody else.
func TestWhoChangesSomethingSaysWhetherToWait(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.asAdmin(t, 201, "POST", "/roles", `{"name":"reader","permissions":[]}`)
	change := func(query string) time.Duration {
		begun := time.Now()
		s.asAdmin(t, 200, "PATCH", "/users/ada"+query, `{"groups":["g"]}`)
		s.asAdmin(t, 200, "PATCH", "/roles/reader"+query, `{"permissions":[{"action":"access","path":"/"}]}`)
		return time.Since(begun)
	}
	silent := revocation.Confirmation{Node: "silent", Lease: 500 * time.Millisecond}
	for _, query := range []string{"", "?wait=true"} {
		s.confirm(t, silent)
		if took := change(query); took < silent.Lease {
			t.Errorf("with %q it took %s", query, took)
		}
	}
	silent.Lease = time.Hour
	s.confirm(t, silent)
	if took := change("?wait=false"); took > 4*time.Second {
		t.Errorf("without waiting it took %s", took)
	}
	for _, path := range []string{"/users/ada", "/roles/reader"} {
		s.asAdmin(t, 400, "PATCH", path+"?wait=1", `{}`)
		s.asAdmin(t, 400, "DELETE", path+"?wait=true&wait=true", "")
	}
}

func (s *site) confirm(t *testing.T, c revocation.Confirmation) {
	t.Helper()
	if err := s.Store.Confirm(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

func TestRevokeMine(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	other := s.AccessToken(t, "ada", password).Value.Reveal()
	s.as(t, s.ada, "POST", "/me/revoke-all", "").Is(403)
	s.as(t, other, "GET", "/me", "").Is(200)
	credentials := s.AccessToken(t, "ada", password, "credentials").Value.Reveal()
	s.as(t, credentials, "POST", "/me/revoke-all", "").Is(204)
	s.as(t, s.ada, "GET", "/me", "").Is(401)
	s.as(t, credentials, "GET", "/me", "").Is(401)
	s.as(t, other, "GET", "/me", "").Is(401)
	s.asAdmin(t, 200, "GET", "/me", "")
	s.as(t, s.AccessToken(t, "ada", password).Value.Reveal(), "GET", "/me", "").Is(200)
}

func TestUnlockIsAnsweredWith204(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.asAdmin(t, 204, "POST", "/users/ada/unlock", "")
	s.asAdmin(t, 404, "POST", "/users/nobody/unlock", "")
	if a := s.as(t, s.ada, "POST", "/users/ada/unlock", ""); a.Status != 403 {
		t.Errorf("a user: %d", a.Status)
	}
}
