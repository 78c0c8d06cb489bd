package adminapi_test

import (
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/verification"
)

func TestRemovingFromACollectionReachesThroughRoles(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.asAdmin(t, 201, "POST", "/collections", `{"id":4,"name":"Fish"}`)
	s.asAdmin(t, 201, "POST", "/roles", `{"name":"collection-admin","permissions":[{"action":"*","path":"/"}]}`)
	s.asAdmin(t, 200, "PATCH", "/users/ada", `{"groups":["curators"]}`)
	byRole := s.asAdmin(t, 201, "POST", "/bindings", `{"user":"ada","role":"collection-admin","path":"/collections/4"}`)
	direct := s.asAdmin(t, 201, "POST", "/bindings", `{"user":"ada","permission":{"action":"access","path":"/collections/4"}}`)
	byGroup := s.asAdmin(t, 201, "POST", "/bindings", `{"group":"curators","permission":{"action":"access","path":"/"},"path":"/collections/4"}`)
	elsewhere := s.asAdmin(t, 201, "POST", "/bindings", `{"user":"ada","permission":{"action":"access","path":"/collections/42"}}`)

	grants, _ := items(t, s.asAdmin(t, 200, "GET", "/users/ada/access", ""))
	if len(grants) != 4 {
		t.Errorf("grants: %v", grants)
	}
	want := map[string]any{
		"action": "*", "path": "/collections/4", "binding": byRole["id"], "via": "user", "role": "collection-admin",
	}
	found := false
	for _, g := range grants {
		found = found || cmp.Equal(want, g)
	}
	if !found {
		t.Errorf("the role's grant is not among %v", grants)
	}

	got := s.asAdmin(t, 200, "DELETE", "/users/ada/access?path="+url.QueryEscape("/collections/4"), "")
	removed := map[any]bool{}
	for _, b := range to[[]any](t, got["removed"]) {
		removed[to[map[string]any](t, b)["id"]] = true
	}
	if !cmp.Equal(removed, map[any]bool{byRole["id"]: true, direct["id"]: true}) {
		t.Errorf("removed: %v", got["removed"])
	}
	if diff := cmp.Diff([]any{any(byGroup)}, got["remaining"]); diff != "" {
		t.Errorf("remaining (-want +got):\n%s", diff)
	}
	left, _ := items(t, s.asAdmin(t, 200, "GET", "/bindings?user=ada", ""))
	if len(left) != 1 || left[0]["id"] != elsewhere["id"] {
		t.Errorf("left: %v", left)
	}
	again := s.asAdmin(t, 200, "DELETE", "/users/"+s.adaID+"/access?path=/collections/4", "")
	if len(to[[]any](t, again["removed"])) != 0 || len(to[[]any](t, again["remaining"])) != 1 {
		t.Errorf("the second time: %v", again)
	}
}

func TestLostCollectionEndsItsTokensAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Collection(t, 4, "Fish")
	s.asAdmin(t, 201, "POST", "/bindings", `{"user":"ada","permission":{"action":"access","path":"/collections/4"}}`)
	c := s.Login(t, "ada", password, 4)
	four := int64(4)
	issued, err := s.Issue(t.Context(), c, &issuance.Request{Kind: accessKind, Principal: c.Principal, Collection: &four})
	if err != nil {
		t.Fatal(err)
	}
	raw := issued.Value.Reveal()
	s.as(t, raw, "GET", "/me", "").Is(200)
	s.asAdmin(t, 200, "DELETE", "/users/ada/access?path=/collections/4", "")
	s.as(t, raw, "GET", "/me", "").Is(403)
	if _, err := s.Verify(t.Context(), raw, verification.Requirements{}); !fault.Is(err, fault.InsufficientScope) {
		t.Errorf("verify: %v", err)
	}
}

func TestBadPathsAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, query := range []string{"", "?path=", "?path=collections", "?path=/a/../b", "?path=/a//b", "?path=/%2561", "?path=/a&path=/b", "?path=/a/", "?paht=/a"} {
		s.asAdmin(t, 400, "DELETE", "/users/ada/access"+query, "")
	}
	s.asAdmin(t, 404, "DELETE", "/users/nobody/access?path=/a", "")
	s.asAdmin(t, 404, "GET", "/users/nobody/access", "")
}

func TestTokenForACollectionCantAdminister(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Collection(t, 4, "Fish")
	c := s.Login(t, "root", password, 4)
	four := int64(4)
	issued, err := s.Issue(t.Context(), c, &issuance.Request{
		Kind: accessKind, Principal: c.Principal, Collection: &four, Scope: []string{"admin"},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.as(t, issued.Value.Reveal(), "GET", "/users", "").Is(403)
}

func TestAdministratorByGroupIsOneWhileInIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.asAdmin(t, 200, "PATCH", "/users/ada", `{"groups":["admins"]}`)
	s.asAdmin(t, 201, "POST", "/bindings", `{"group":"admins","permission":{"action":"*","path":"/"}}`)
	admin := s.AccessToken(t, "ada", password, "admin").Value.Reveal()
	s.as(t, admin, "GET", "/users", "").Is(200)
	s.asAdmin(t, 200, "PATCH", "/users/ada", `{"groups":[]}`)
	s.as(t, admin, "GET", "/users", "").Is(403)
}
