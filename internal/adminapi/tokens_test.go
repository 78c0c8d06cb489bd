package adminapi_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/edgetest"
)

func TestTokenIsShownAsInTheList(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.User(t, "bob", password)
	person := session(s.SessionToken(t, "ada", password).Value.Reveal())
	one := made(t, s.Do(t, "POST", root+"/tokens", `{"name":"laptop","scope":"read"}`, person))
	list, _ := items(t, s.Do(t, "GET", root+"/tokens?kind=api-token", "", person).Object())
	credentials := edgetest.Bearer(s.AccessToken(t, "ada", password, "credentials").Value.Reveal())
	for name, by := range map[string]edgetest.Option{
		"by session": person, "by Bearer with credentials": credentials, "by itself": edgetest.Bearer(one.Token), "by an administrator": edgetest.Bearer(s.admin),
	} {
		a := s.Do(t, "GET", root+"/tokens/"+one.ID, "", by)
		a.Is(http.StatusOK)
		got := a.Object()
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
		by     edgetest.Option
		id     string
		status int
	}{
		"somebody else":           {edgetest.Bearer(bob), one.ID, 404},
		"another token of hers":   {edgetest.Bearer(s.ada), one.ID, 403},
		"nobody":                  {edgetest.Header("X-Nothing", "x"), one.ID, 401},
		"an unknown id":           {person, "00000000-0000-0000-0000-000000000000", 404},
		"no id":                   {person, "x", 404},
		"a name that nothing has": {person, "%ff", 404},
		"an administrator, no id": {edgetest.Bearer(s.admin), "x", 404},
	} {
		if a := s.Do(t, "GET", root+"/tokens/"+c.id, "", c.by); a.Status != c.status {
			t.Errorf("%s: %d %s, want %d", name, a.Status, a.Body, c.status)
		}
	}
}

// An access token has no row, and yet it sees and revokes itself.
func TestPlainBearerSeesAndRevokesItselfAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Collection(t, 4, "Fish")
	person := session(s.SessionToken(t, "ada", password).Value.Reveal())
	other := made(t, s.Do(t, "POST", root+"/tokens", `{"name":"other"}`, person))
	opaque := made(t, s.Do(t, "POST", root+"/tokens", `{"name":"opaque","scope":"read"}`, person))
	issued := s.AccessToken(t, "ada", password, "read")
	for name, c := range map[string]struct{ raw, id, kind string }{
		"an access token": {issued.Value.Reveal(), issued.ID, "access"}, "an API token": {opaque.Token, opaque.ID, "api-token"},
	} {
		for _, path := range []string{"/tokens", "/users/ada/tokens"} {
			list, next := items(t, s.as(t, c.raw, "GET", path, "").Object())
			if len(list) != 1 || next != "" || list[0]["id"] != c.id || list[0]["kind"] != c.kind || list[0]["scope"] != "read" || list[0]["created_at"] == nil {
				t.Errorf("%s lists %v at %s", name, list, path)
			}
		}
		if got := s.as(t, c.raw, "GET", "/tokens/"+c.id, "").Object(); got["id"] != c.id || got["kind"] != c.kind || got["revoked_at"] != nil {
			t.Errorf("%s sees itself as %v", name, got)
		}
		for _, refused := range [][2]string{{"GET", "/tokens/" + other.ID}, {"DELETE", "/tokens/" + other.ID}, {"POST", "/me/revoke-all"}, {"POST", "/users/ada/revoke-all"}} {
			a := s.as(t, c.raw, refused[0], refused[1], "")
			a.Is(403)
			if got := a.Header.Get("WWW-Authenticate"); got != `Bearer realm="bearerd", error="insufficient_scope", error_description="the scope credentials is needed"` {
				t.Errorf("%s, %v: %s", name, refused, got)
			}
		}
		s.as(t, c.raw, "DELETE", "/tokens/"+c.id, "").Is(204)
		s.as(t, c.raw, "GET", "/me", "").Is(401)
	}
	s.as(t, other.Token, "GET", "/me", "").Is(200)
	credentials := s.AccessToken(t, "ada", password, "credentials").Value.Reveal()
	if list, _ := items(t, s.as(t, credentials, "GET", "/tokens?kind=api-token", "").Object()); len(list) != 2 {
		t.Errorf("with credentials: %v", list)
	}
	s.as(t, credentials, "POST", "/me/revoke-all", "").Is(204)
	s.as(t, other.Token, "GET", "/me", "").Is(401)
}

func TestAPITokenWithTheScopeCreatesAndRegenerates(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	person := session(s.SessionToken(t, "ada", password).Value.Reveal())
	maker := made(t, s.Do(t, "POST", root+"/tokens", `{"name":"maker","scope":"credentials read","expires_in":1000}`, person))
	end := s.Do(t, "GET", root+"/tokens/"+maker.ID, "", person).Object()["expires_at"]
	child := made(t, s.as(t, maker.Token, "POST", "/tokens", `{"name":"child","scope":"read"}`))
	s.as(t, child.Token, "GET", "/me", "").Is(200)
	if got := s.as(t, child.Token, "GET", "/tokens/"+child.ID, "").Object()["expires_at"]; got != end || end == nil {
		t.Errorf("the child ends at %v, its maker at %v", got, end)
	}
	key := made(t, s.as(t, maker.Token, "POST", "/tokens", `{"kind":"api-key"}`))
	again := made(t, s.as(t, maker.Token, "POST", "/tokens/"+child.ID+"/regenerate", ""))
	s.as(t, child.Token, "GET", "/me", "").Is(401)
	s.as(t, again.Token, "GET", "/me", "").Is(200)
	unrelated := made(t, s.Do(t, "POST", root+"/tokens", `{"name":"unrelated","scope":"read"}`, person))
	s.as(t, maker.Token, "POST", "/tokens/"+unrelated.ID+"/regenerate", "").Is(403)
	s.as(t, maker.Token, "DELETE", "/tokens/"+maker.ID, "").Is(204)
	s.as(t, again.Token, "GET", "/me", "").Is(401)
	if row := s.Do(t, "GET", root+"/tokens/"+key.ID, "", person).Object(); row["revoked_at"] == nil {
		t.Errorf("the key: %v", row)
	}
	s.as(t, unrelated.Token, "GET", "/me", "").Is(200)
}
