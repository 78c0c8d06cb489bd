package gen3_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"

	"github.com/bearerd/bearerd/internal/records"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/token"
)

type userInfo struct {
	UserID    string `json:"user_id"`
	Username  string `json:"username"`
	Name      string `json:"name"`
	Email     string `json:"email"`
	IsAdmin   bool   `json:"is_admin"`
	Role      string
	Groups    []string
	Resources []string
	Authz     map[string][]map[string]string
}

func TestUserTellsWhoTheyAreAndWhatTheyMayDo(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.May("read", "/programs/jnkns"), nodetest.May("create", "/programs/jnkns"),
		nodetest.May("*", "/programs/jnkns/projects/a"))
	groups := []string{"curators"}
	if _, err := s.UpdateUser(t.Context(), caller.Operator(), "ada", identity.UserPatch{Groups: &groups}); err != nil {
		t.Fatal(err)
	}
	_, err := s.CreateBinding(t.Context(), caller.Operator(), access.Binding{
		Group: "curators", Permission: &access.Permission{Action: "read", Path: "/programs/jnkns"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := userInfo{
		UserID: s.ada, Username: "ada", Name: "ada Example", Email: "ada@example.org", Role: "user", Groups: groups,
		Resources: []string{"/programs/jnkns", "/programs/jnkns/projects/a"},
		Authz: map[string][]map[string]string{
			"/programs/jnkns":            {{"service": "*", "method": "create"}, {"service": "*", "method": "read"}},
			"/programs/jnkns/projects/a": {{"service": "*", "method": "*"}},
		},
	}
	for _, o := range []option{s.bySession, bearer(s.AccessToken(t, "ada", password).Value.Reveal())} {
		a := s.do("GET", "/user", "", o)
		if diff := cmp.Diff(want, decode[userInfo](t, a)); diff != "" || a.status != http.StatusOK {
			t.Errorf("%d (-want +got)\n%s", a.status, diff)
		}
	}
}

func TestUserHasNoNullsForWhoHasNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if _, err := s.UpdateUser(t.Context(), caller.Operator(), "ada", identity.UserPatch{Name: new(string), Email: new(string)}); err != nil {
		t.Fatal(err)
	}
	a := s.do("GET", "/user/", "", s.bySession)
	got := decode[map[string]any](t, a)
	for name, want := range map[string]any{
		"name": "ada", "username": "ada", "email": "", "authz": map[string]any{}, "resources": []any{}, "groups": []any{},
		"project_access": map[string]any{}, "message": "", "active": true, "azp": nil, "idp": "", "phone_number": nil,
		"certificates_uploaded": []any{}, "resources_granted": []any{}, "primary_google_service_account": nil,
	} {
		if value, there := got[name]; !there || !cmp.Equal(want, value) {
			t.Errorf("%s is %v", name, value)
		}
	}
}

func TestUserNamesTheClientThatTheTokenWasIssuedTo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	client := s.NewClient(t, identity.NewClient{ID: "portal", Secret: nodetest.ClientSecret, Grants: nodetest.AllGrants()})
	pair, err := s.Exchange(t.Context(), issuance.Exchange{
		Subject: s.AccessToken(t, "ada", password).Value.Reveal(),
		Client:  client,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"GET", "POST"} {
		a := s.do(method, "/user/", "", bearer(pair.Access.Value.Reveal()))
		if got := decode[map[string]any](t, a); a.status != http.StatusOK || got["azp"] != "portal" || got["sub"] != s.ada {
			t.Errorf("%s: %d %v", method, a.status, got)
		}
	}
}

func TestAnyAccessIsForUsersWithAGrant(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.May("read", "/programs/jnkns"), nodetest.May("create", "/programs/other"))
	s.User(t, "eve", "battery staple")
	eve := bearer(s.AccessToken(t, "eve", "battery staple").Value.Reveal())
	ada := bearer(s.AccessToken(t, "ada", password).Value.Reveal())
	for what, x := range map[string]struct {
		query string
		by    option
	}{
		"by session":              {"", s.bySession},
		"by token":                {"", ada},
		"what may be read":        {"?project=/programs/jnkns/projects/a", ada},
		"without the first slash": {"?project=programs/jnkns", ada},
		"an empty project":        {"?project=", ada},
	} {
		a := s.do("GET", "/user/anyaccess"+x.query, "", x.by)
		if a.status != http.StatusOK || strings.TrimSpace(a.text) != `{"result":"success"}` || a.header.Get("Remote_user") != "ada" {
			t.Errorf("%s: %d %s %v", what, a.status, a.text, a.header)
		}
	}
	for what, x := range map[string]struct {
		query string
		by    option
	}{
		"nobody":                 {"", func(*http.Request) {}},
		"who has nothing":        {"", eve},
		"what may not be read":   {"?project=/programs/other", ada},
		"a path with dots":       {"?project=/programs/jnkns/../other", ada},
		"a name that is no path": {"?project=jnkns", ada},
		"a revoked token":        {"", bearer(s.revoked())},
	} {
		a := s.do("GET", "/user/anyaccess"+x.query, "", x.by)
		a.refused(t, what, 401)
		if len(a.header["Remote_user"]) > 0 {
			t.Errorf("%s: %v", what, a.header)
		}
	}
	s.do("GET", "/user/anyaccess?project=a&project=b", "", ada).refused(t, "two projects", 400)
}

func TestUserTellsAnAdministrator(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.Admin())
	if got := decode[userInfo](t, s.do("GET", "/user", "", s.bySession)); !got.IsAdmin || got.Role != "admin" {
		t.Errorf("%+v", got)
	}
}

func TestUserIsForUsersWithATokenForThisAudience(t *testing.T) {
	t.Parallel()
	s := newSite(t, nodetest.May("create", "/task-tokens/FOO"))
	key := s.key("").Value
	s.do("GET", "/user", "", bearer(s.accessToken("?task_token=FOO", key))).refused(t, "a task token", 401)
	s.do("GET", "/user", "", bearer(key)).refused(t, "an API key", 401)
	s.do("GET", "/user", "", bearer(s.revoked())).refused(t, "a revoked token", 401)

	client := s.Client(t, "ci")
	issued, err := s.Issue(t.Context(), &caller.Caller{Principal: &records.Principal{Client: &client}}, &issuance.Request{
		Kind: token.KindAccess, Principal: &records.Principal{Client: &client}, Client: &records.Principal{Client: &client},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.do("GET", "/user", "", bearer(issued.Value.Reveal())).refused(t, "a client's token", 403)
}

func TestJWTKeysAreThoseThatSign(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a := s.do("GET", "/jwt/keys", "")
	set := decode[struct{ Keys [][]string }](t, a)
	signing, err := s.Ring.Signing()
	if err != nil || len(set.Keys) != 1 || set.Keys[0][0] != signing.KID {
		t.Fatalf("%v, %v", set, err)
	}
	block, rest := pem.Decode([]byte(set.Keys[0][1]))
	if block == nil || len(rest) > 0 || block.Type != "PUBLIC KEY" {
		t.Fatalf("%q", set.Keys[0][1])
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := key.(ed25519.PublicKey); !ok || !cmp.Equal(signing.Verification().Key, key) {
		t.Errorf("%T is not the key that verifies", key)
	}
	if got := a.header.Get("Cache-Control"); got != "public, max-age=300" {
		t.Errorf("Cache-Control: %s", got)
	}
}

func TestJWKSIsTheSetWithWhatTheKeysAreGoodFor(t *testing.T) {
	t.Parallel()
	s := newSiteWith(t, nodetest.Options{Algorithm: token.RS256})
	a := s.do("GET", "/.well-known/jwks", "")
	keys := decode[struct{ Keys []map[string]any }](t, a).Keys
	signing, err := s.Ring.Signing()
	if err != nil || len(keys) != 1 {
		t.Fatalf("%v, %v", keys, err)
	}
	members, err := signing.Verification().JWK()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"key_ops": []any{"verify"}}
	for name, value := range members {
		want[name] = value
	}
	if diff := cmp.Diff(want, keys[0]); diff != "" || a.header.Get("Cache-Control") != "public, max-age=300" {
		t.Errorf("%v (-want +got)\n%s", a.header, diff)
	}
}

func TestJWTKeysAreNoneForASharedSecret(t *testing.T) {
	t.Parallel()
	s := newSiteWith(t, nodetest.Options{Algorithm: token.HS256, Secret: []byte("a secret that is long enough for HS256 and unlike any other")})
	if a := s.do("GET", "/jwt/keys", ""); a.status != http.StatusOK || strings.TrimSpace(a.text) != `{"keys":[]}` {
		t.Errorf("%d %s", a.status, a.text)
	}
}
