package adminapi_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/records"
	"github.com/bearerd/bearerd/internal/records/op"
)

// linked links a user to a source, as their first sign-in does.
func (s *site) linked(t *testing.T, source, externalID, userID string) {
	t.Helper()
	link := records.Link{Source: source, ExternalID: externalID, UserID: userID, LinkedAt: time.Unix(1, 0)}
	_, err := s.Store.Commit(t.Context(), op.Batch{Ops: []op.Op{op.AddLink{Link: link}}})
	nodetest.Must(t, err)
}

// owned links a user to a source that is their owner.
func (s *site) owned(t *testing.T, source, externalID, username string) string {
	t.Helper()
	id := s.User(t, username, "").ID
	_, err := s.Store.Commit(t.Context(), op.Batch{Ops: []op.Op{op.UpdateUser{ID: id, Owner: &source}}})
	nodetest.Must(t, err)
	s.linked(t, source, externalID, id)
	return id
}

// clientToken returns a token of a new client that lists a scope, with that scope.
func (s *site) clientToken(t *testing.T, id string, scope ...string) string {
	t.Helper()
	client := s.NewClient(t, identity.NewClient{
		ID: id, Secret: nodetest.ClientSecret, Scopes: append(scope, "read"), Grants: []string{identity.GrantTypeClientCredentials},
	})
	issued, err := s.ClientCredentials(t.Context(), issuance.ClientCredentials{Client: client, Scope: scope})
	nodetest.Must(t, err)
	return issued.Value.Reveal()
}

// sourceToken returns a token for the users of a source.
func (s *site) sourceToken(t *testing.T, source string) string {
	t.Helper()
	return s.clientToken(t, "of-"+source, "source:"+source)
}

func TestASourceSeesItsUsersPageByPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	token := s.sourceToken(t, "museum")
	bob := s.owned(t, "museum", "2", "bob")
	s.linked(t, "museum", "10", s.adaID)
	s.owned(t, "other", "3", "eve")
	want := []map[string]any{
		{"external_id": "10", "id": s.adaID, "username": "ada", "disabled": false, "owner": ""},
		{"external_id": "2", "id": bob, "username": "bob", "disabled": false, "owner": "museum"},
	}
	for _, by := range []string{token, s.admin} {
		first, next := items(t, s.as(t, by, "GET", "/sources/museum/users?limit=1", "").Is(200).Object())
		second, end := items(t, s.as(t, by, "GET", "/sources/museum/users?cursor="+next, "").Is(200).Object())
		if diff := cmp.Diff(want, append(first, second...)); diff != "" || end != "" {
			t.Errorf("then %q (-want +got):\n%s", end, diff)
		}
	}
	s.as(t, token, "GET", "/sources/museum/users?cursor=x", "").Is(400)
	if none, _ := items(t, s.asAdmin(t, 200, "GET", "/sources/nobody/users", "")); len(none) != 0 {
		t.Errorf("an unknown source has %v", none)
	}
}

func TestASourceDisablesWhomItOwns(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	token := s.sourceToken(t, "museum")
	id := s.owned(t, "museum", "a/b", "bob")
	issued := s.MadeAccess(t, s.SignedIn(t, "bob"))
	at := "/sources/museum/users/a%2Fb"
	want := map[string]any{"external_id": "a/b", "id": id, "username": "bob", "disabled": true, "owner": "museum"}
	for range 2 {
		if diff := cmp.Diff(want, s.as(t, token, "PATCH", at, `{"disabled":true}`).Is(200).Object()); diff != "" {
			t.Errorf("disabled (-want +got):\n%s", diff)
		}
	}
	s.WantDead(t, "what was issued before", issued)
	want["disabled"] = false
	if diff := cmp.Diff(want, s.as(t, token, "PATCH", at+"?wait=false", `{"disabled":false}`).Is(200).Object()); diff != "" {
		t.Errorf("enabled (-want +got):\n%s", diff)
	}
	for _, body := range []string{`{}`, `{"disabled":null}`, `{"disabled":1}`, `{"disabled":true,"name":"x"}`} {
		s.as(t, token, "PATCH", at, body).Is(400)
	}
	s.as(t, token, "PATCH", "/sources/museum/users/nobody", `{"disabled":true}`).Is(404)
	s.asAdmin(t, 404, "PATCH", "/sources/other/users/a%2Fb", `{"disabled":true}`)
}

func TestTheScopeOfASourceOpensNothingElse(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	token := s.sourceToken(t, "museum")
	s.owned(t, "museum", "1", "bob")
	for _, request := range [][2]string{
		{"GET", "/users"},
		{"PATCH", "/users/bob"},
		{"GET", "/sources/museu/users"},
		{"GET", "/sources/museum2/users"},
		{"PATCH", "/sources/other/users/1"},
		{"GET", "/audit"},
	} {
		s.as(t, token, request[0], request[1], `{"disabled":true}`).Is(403)
	}
	for what, scope := range map[string][]string{"another-source": {"source:other"}, "no-scope": nil, "administrator": {"admin"}} {
		token := s.clientToken(t, what, scope...)
		s.as(t, token, "GET", "/sources/museum/users", "").Is(403)
		s.as(t, token, "PATCH", "/sources/museum/users/1", `{"disabled":true}`).Is(403)
	}
	s.as(t, s.ada, "GET", "/sources/museum/users", "").Is(403)
	s.Do(t, "GET", root+"/sources/museum/users", "").Is(401)
}
