package gen3_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/directory"
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
	if _, err := s.UpdateUser(t.Context(), caller.Operator(), "ada", directory.UserPatch{Groups: &groups}); err != nil {
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
	if _, err := s.UpdateUser(t.Context(), caller.Operator(), "ada", directory.UserPatch{Name: new(string), Email: new(string)}); err != nil {
		t.Fatal(err)
	}
	a := s.do("GET", "/user/", "", s.bySession)
	if strings.Contains(a.text, "null") || decode[userInfo](t, a).Name != "ada" {
		t.Errorf("%s", a.text)
	}
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

func TestJWTKeysAreNoneForASharedSecret(t *testing.T) {
	t.Parallel()
	s := newSiteWith(t, nodetest.Options{Algorithm: token.HS256, Secret: []byte("a secret that is long enough for HS256 and unlike any other")})
	if a := s.do("GET", "/jwt/keys", ""); a.status != http.StatusOK || strings.TrimSpace(a.text) != `{"keys":[]}` {
		t.Errorf("%d %s", a.status, a.text)
	}
}
