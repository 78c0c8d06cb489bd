package adminapi_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTokenIsShownAsInTheList(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.User(t, "bob", password)
	person := session(s.SessionToken(t, "ada", password).Value.Reveal())
	one := made(t, s.send("POST", root+"/tokens", `{"name":"laptop","scope":"read"}`, person))
	list, _ := items(t, s.send("GET", root+"/tokens?kind=api-token", "", person).json(t))
	credentials := bearer(s.AccessToken(t, "ada", password, "credentials").Value.Reveal())
	for name, by := range map[string]option{
		"by session": person, "by Bearer with credentials": credentials, "by itself": bearer(one.Token), "by an administrator": bearer(s.admin),
	} {
		a := s.send("GET", root+"/tokens/"+one.ID, "", by)
		a.is(t, http.StatusOK)
		got := a.json(t)
		for _, member := range []string{"last_used_at", "last_used_from"} { // by itself just now
			delete(got, member)
			delete(list[0], member)
		}
		if diff := cmp.Diff(list[0], got); diff != "" || len(list) != 1 {
			t.Errorf("%s (-list +token):\n%s", name, diff)
		}
	}
	bob := s.AccessToken(t, "bob", password, "credentials").Value.Reveal()
	for name, c := range map[string]struct {
		by     option
		id     string
		status int
	}{
		"somebody else":           {bearer(bob), one.ID, 404},
		"another token of hers":   {bearer(s.ada), one.ID, 403},
		"nobody":                  {header("X-Nothing", "x"), one.ID, 401},
		"an unknown id":           {person, "00000000-0000-0000-0000-000000000000", 404},
		"no id":                   {person, "x", 404},
		"a name that nothing has": {person, "%ff", 404},
		"an administrator, no id": {bearer(s.admin), "x", 404},
	} {
		if a := s.send("GET", root+"/tokens/"+c.id, "", c.by); a.status != c.status {
			t.Errorf("%s: %d %s, want %d", name, a.status, a.body, c.status)
		}
	}
}

// An access token has no row, and yet it sees and revokes itself.
func TestPlainBearerSeesAndRevokesItselfAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Collection(t, 4, "Fish")
	person := session(s.SessionToken(t, "ada", password).Value.Reveal())
	other := made(t, s.send("POST", root+"/tokens", `{"name":"other"}`, person))
	opaque := made(t, s.send("POST", root+"/tokens", `{"name":"opaque","scope":"read"}`, person))
	issued := s.AccessToken(t, "ada", password, "read")
	for name, c := range map[string]struct{ raw, id, kind string }{
		"an access token": {issued.Value.Reveal(), issued.ID, "access"}, "an API token": {opaque.Token, opaque.ID, "api-token"},
	} {
		for _, path := range []string{"/tokens", "/users/ada/tokens"} {
			list, next := items(t, s.as(c.raw, "GET", path, "").json(t))
			if len(list) != 1 || next != "" || list[0]["id"] != c.id || list[0]["kind"] != c.kind || list[0]["scope"] != "read" || list[0]["created_at"] == nil {
				t.Errorf("%s lists %v at %s", name, list, path)
			}
		}
		if got := s.as(c.raw, "GET", "/tokens/"+c.id, "").json(t); got["id"] != c.id || got["kind"] != c.kind || got["revoked_at"] != nil {
			t.Errorf("%s sees itself as %v", name, got)
		}
		for _, refused := range [][2]string{{"GET", "/tokens/" + other.ID}, {"DELETE", "/tokens/" + other.ID}, {"POST", "/me/revoke-all"}, {"POST", "/users/ada/revoke-all"}} {
			a := s.as(c.raw, refused[0], refused[1], "")
			a.is(t, 403)
			if got := a.header.Get("WWW-Authenticate"); got != `Bearer realm="bearerd", error="insufficient_scope", error_description="the scope credentials is needed"` {
				t.Errorf("%s, %v: %s", name, refused, got)
			}
		}
		s.as(c.raw, "DELETE", "/tokens/"+c.id, "").is(t, 204)
		s.as(c.raw, "GET", "/me", "").is(t, 401)
	}
	s.as(other.Token, "GET", "/me", "").is(t, 200)
	credentials := s.AccessToken(t, "ada", password, "credentials").Value.Reveal()
	if list, _ := items(t, s.as(credentials, "GET", "/tokens?kind=api-token", "").json(t)); len(list) != 2 {
		t.Errorf("with credentials: %v", list)
	}
	s.as(credentials, "POST", "/me/revoke-all", "").is(t, 204)
	s.as(other.Token, "GET", "/me", "").is(t, 401)
}

func TestAPITokenWithTheScopeCreatesAndRegenerates(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	person := session(s.SessionToken(t, "ada", password).Value.Reveal())
	maker := made(t, s.send("POST", root+"/tokens", `{"name":"maker","scope":"credentials read","expires_in":1000}`, person))
	end := s.send("GET", root+"/tokens/"+maker.ID, "", person).json(t)["expires_at"]
	child := made(t, s.as(maker.Token, "POST", "/tokens", `{"name":"child","scope":"read"}`))
	s.as(child.Token, "GET", "/me", "").is(t, 200)
	if got := s.as(child.Token, "GET", "/tokens/"+child.ID, "").json(t)["expires_at"]; got != end || end == nil {
		t.Errorf("the child ends at %v, its maker at %v", got, end)
	}
	key := made(t, s.as(maker.Token, "POST", "/tokens", `{"kind":"api-key"}`))
	again := made(t, s.as(maker.Token, "POST", "/tokens/"+child.ID+"/regenerate", ""))
	s.as(child.Token, "GET", "/me", "").is(t, 401)
	s.as(again.Token, "GET", "/me", "").is(t, 200)
	unrelated := made(t, s.send("POST", root+"/tokens", `{"name":"unrelated","scope":"read"}`, person))
	s.as(maker.Token, "POST", "/tokens/"+unrelated.ID+"/regenerate", "").is(t, 403)
	s.as(maker.Token, "DELETE", "/tokens/"+maker.ID, "").is(t, 204)
	s.as(again.Token, "GET", "/me", "").is(t, 401)
	if row := s.send("GET", root+"/tokens/"+key.ID, "", person).json(t); row["revoked_at"] == nil {
		t.Errorf("the key: %v", row)
	}
	s.as(unrelated.Token, "GET", "/me", "").is(t, 200)
}
