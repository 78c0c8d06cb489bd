package oauth_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/revocation"
)

// facts asks what a token is and who its user is.
func (e *env) facts(t testing.TB, raw string, more ...string) answer {
	t.Helper()
	return e.post(t, "/oauth2/introspect", form(append([]string{"token", raw, "facts", "true"}, more...)...), asClient("edge"))
}

func newFactsEnv(t testing.TB) (*env, identity.User) {
	t.Helper()
	e := newEnv(t, nodetest.Options{})
	e.Client(t, "edge", identity.ScopeIntrospect, identity.ScopeRevocations)
	e.Collection(t, 4, "Fish")
	return e, e.User(t, "ada", "correct horse", nodetest.May("access", "/collections/4"), nodetest.May("read", "/lists"))
}

func update(t testing.TB, e *env, u identity.User, p identity.UserPatch) {
	t.Helper()
	if _, err := e.UpdateUser(t.Context(), caller.Operator(), u.ID, p); err != nil {
		t.Fatal(err)
	}
}

func TestFactsSayWhoTheUserIsNow(t *testing.T) {
	t.Parallel()
	e, ada := newFactsEnv(t)
	update(t, e, ada, identity.UserPatch{Username: new("ada2"), Name: new("Ada L."), Email: new("ada@example.org"), Groups: &[]string{"curators"}})
	raw := e.accessToken(t, "ada2")
	update(t, e, ada, identity.UserPatch{Username: new("countess")})
	a := e.facts(t, raw, "collection", "4").ok(t)
	want := map[string]any{
		"username": "countess", "name": "Ada L.", "email": "ada@example.org", "groups": []any{"curators"},
		"permissions": []any{
			map[string]any{"action": "access", "path": "/collections/4"}, map[string]any{"action": "read", "path": "/lists"},
		},
		"collection_exists": true, "log_seq": float64(e.Follower.Applied()),
	}
	got := map[string]any{}
	for name := range want {
		got[name] = a.body[name]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if a := e.facts(t, raw, "collection", "5").ok(t); a.body["collection_exists"] != false {
		t.Errorf("a collection that isn't there: %s", a.text)
	}
	a = e.post(t, "/oauth2/introspect", form("token", raw), asClient("edge")).ok(t)
	if _, there := a.body["permissions"]; there {
		t.Errorf("not asked for: %s", a.text)
	}
}

func TestFactsAreOfSessionsAndClientsToo(t *testing.T) {
	t.Parallel()
	e, _ := newFactsEnv(t)
	session := e.SessionToken(t, "ada", "correct horse").Value.Reveal()
	if a := e.facts(t, session).ok(t); a.body["token_kind"] != "session" || a.body["username"] != "ada" {
		t.Errorf("a session: %s", a.text)
	}
	e.post(t, "/oauth2/introspect", form("token", session), asClient("edge")).inactive(t, "a session without facts")
	a := e.facts(t, e.clientToken(t, "edge")).ok(t)
	if diff := cmp.Diff([]any{[]any{}, []any{}, nil}, []any{a.body["groups"], a.body["permissions"], a.body["username"]}); diff != "" {
		t.Errorf("a client's token (-want +got):\n%s", diff)
	}
	e.facts(t, "junk").inactive(t, "junk")
}

func TestFactsAreForClientsWithBothScopes(t *testing.T) {
	t.Parallel()
	e, _ := newFactsEnv(t)
	e.Client(t, "half", identity.ScopeIntrospect)
	e.User(t, "eve", "correct horse", nodetest.May(identity.ScopeIntrospect, "/tokens"), nodetest.May(identity.ScopeRevocations, "/tokens"))
	raw := e.accessToken(t, "eve", identity.ScopeIntrospect, identity.ScopeRevocations)
	asked := form("token", raw, "facts", "true")
	e.post(t, "/oauth2/introspect", asked, asBearer(e.clientToken(t, "edge", "scope", "introspect revocations"))).ok(t)
	for name, by := range map[string]option{
		"a client with one scope":         asClient("half"),
		"a client's token with one scope": asBearer(e.clientToken(t, "edge", "scope", "introspect")),
		"a user with both":                asBearer(raw),
	} {
		e.post(t, "/oauth2/introspect", form("token", raw), by).ok(t)
		e.post(t, "/oauth2/introspect", asked, by).refused(t, http.StatusForbidden, "insufficient_scope")
		t.Log(name)
	}
	for _, wrong := range []string{
		form("token", raw, "facts", "yes"), form("token", raw, "collection", "4"),
		form("token", raw, "facts", "true", "collection", "04"), form("token", raw, "facts", "true", "collection", "-1"),
	} {
		e.post(t, "/oauth2/introspect", wrong, asClient("edge")).refused(t, http.StatusBadRequest, "invalid_request")
	}
}

// TestAChangeOfNameOrAddressIsInTheLog: who keeps facts hears that they have changed.
func TestAChangeOfNameOrAddressIsInTheLog(t *testing.T) {
	t.Parallel()
	e, ada := newFactsEnv(t)
	key := revocation.KeyOf(revocation.Access, ada.ID)
	for what, p := range map[string]identity.UserPatch{
		"a name": {Name: new("Ada")}, "an address": {Email: new("ada@example.org")}, "a username": {Username: new("lovelace")},
	} {
		before := e.Follower.Applied()
		update(t, e, ada, p)
		if at := e.Ledger.Set().CutOff(key); at <= before {
			t.Errorf("%s: no entry after %d", what, before)
		}
	}
}
