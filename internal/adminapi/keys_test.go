package adminapi_test

import (
	"net/url"
	"slices"
	"testing"
	"time"
)

// states returns the state of each key.
func (s *site) states(t *testing.T) map[string]string {
	t.Helper()
	list, _ := items(t, s.asAdmin(t, 200, "GET", "/keys", ""))
	states := map[string]string{}
	for _, k := range list {
		states[to[string](t, k["kid"])] = to[string](t, k["state"])
		if _, told := k["sealed"]; told {
			t.Error("a private key is told")
		}
	}
	return states
}

func (s *site) inState(t *testing.T, state string) string {
	t.Helper()
	for kid, is := range s.states(t) {
		if is == state {
			return kid
		}
	}
	return ""
}

func TestRotatingLetsTokensLiveAndRetiringDoesNot(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first := s.inState(t, "active")
	shown, _ := items(t, s.asAdmin(t, 201, "POST", "/keys", ""))
	if len(shown) != 2 {
		t.Errorf("answered %v", shown)
	}
	s.asAdmin(t, 201, "POST", "/keys", `{"now":false}`) // twice in a row is no error
	if got := s.states(t); len(got) != 2 || got[first] != "active" || s.inState(t, "next") == "" {
		t.Errorf("rotated: %v", got)
	}
	next := s.inState(t, "next")
	s.asAdmin(t, 201, "POST", "/keys", `{"now":true}`)
	if got := s.states(t); got[next] != "active" || got[first] != "retired" {
		t.Errorf("at once: %v", got)
	}
	s.as(t, s.ada, "GET", "/me", "").Is(200)
	signed := s.AccessToken(t, "ada", password).Value.Reveal()

	s.admin = s.AccessToken(t, "root", password, "admin").Value.Reveal()
	s.asAdmin(t, 204, "DELETE", "/keys/"+first, "")
	s.as(t, s.ada, "GET", "/me", "").Is(401)
	s.as(t, signed, "GET", "/me", "").Is(200)
	s.asAdmin(t, 404, "DELETE", "/keys/next", "")
	s.asAdmin(t, 404, "DELETE", "/keys/nothing", "")
	for _, body := range []string{`{"now":"yes"}`, `{"now":1}`, `[]`, `null`, `{"later":true}`} {
		s.asAdmin(t, 400, "POST", "/keys", body)
	}
}

func TestTokensAreListedAndTakenBack(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	credentials := s.AccessToken(t, "ada", password, "credentials").Value.Reveal()
	live := s.SessionToken(t, "ada", password)
	dead := s.SessionToken(t, "ada", password)
	s.as(t, credentials, "DELETE", "/tokens/"+dead.ID, "").Is(204)
	s.as(t, credentials, "DELETE", "/tokens/"+dead.ID+"?wait=false", "").Is(204)
	list, next := items(t, s.as(t, credentials, "GET", "/tokens", "").Object())
	if len(list) != 2 || next != "" {
		t.Fatalf("listed %v %q", list, next)
	}
	of := func(id string) map[string]any {
		i := slices.IndexFunc(list, func(m map[string]any) bool { return m["id"] == id })
		return list[i]
	}
	if got := of(live.ID); got["kind"] != "session" || got["prefix"] != "bds_" || got["revoked_at"] != nil || got["reason"] != nil {
		t.Errorf("the living one: %v", got)
	}
	if got := of(dead.ID); got["revoked_at"] == nil || got["reason"] != "revoked" {
		t.Errorf("the dead one: %v", got)
	}
	s.Do(t, "GET", root+"/me", "", session(dead.Value.Reveal())).Is(401)

	byAdmin, _ := items(t, s.asAdmin(t, 200, "GET", "/users/ada/tokens?kind=session&limit=1", ""))
	if len(byAdmin) != 1 {
		t.Errorf("one page: %v", byAdmin)
	}
	for _, query := range []string{"?kind=x", "?kind=session&kind=session", "?limit=0"} {
		s.as(t, credentials, "GET", "/tokens"+query, "").Is(400)
	}
	if none, _ := items(t, s.as(t, credentials, "GET", "/tokens?kind=api-key", "").Object()); len(none) != 0 {
		t.Errorf("keys: %v", none)
	}
	s.asAdmin(t, 404, "GET", "/users/nobody/tokens", "")
}

func TestSomebodyElsesTokenIsNotFoundUnlessOneMayRevokeIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.User(t, "bob", password)
	bob := s.AccessToken(t, "bob", password).Value.Reveal()
	value := s.SessionToken(t, "ada", password)
	s.as(t, bob, "DELETE", "/tokens/"+value.ID, "").Is(404)
	s.as(t, bob, "DELETE", "/tokens/00000000-0000-0000-0000-000000000000", "").Is(404)
	s.as(t, bob, "DELETE", "/tokens/"+value.ID+"?wait=1", "").Is(400)
	s.Do(t, "GET", root+"/me", "", session(value.Value.Reveal())).Is(200)
	s.asAdmin(t, 204, "DELETE", "/tokens/"+value.ID, "")
	s.Do(t, "GET", root+"/me", "", session(value.Value.Reveal())).Is(401)
}

func TestAuditIsFilteredAndPaged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	before := s.Time().Add(-time.Hour).UTC().Format(time.RFC3339)
	s.as(t, s.ada, "PATCH", "/users/ada", `{"disabled":true}`)
	s.asAdmin(t, 200, "PATCH", "/users/ada", `{"name":"Ada"}`)
	ask := func(query string) []map[string]any {
		t.Helper()
		events, _ := items(t, s.asAdmin(t, 200, "GET", "/audit?"+query, ""))
		return events
	}
	all := ask("since=" + before)
	if len(all) < 5 {
		t.Fatalf("events: %v", all)
	}
	if got := ask("action=user.update"); len(got) != 2 || got[0]["target"] != s.adaID || got[0]["outcome"] != "ok" ||
		got[0]["address"] != "192.0.2.1" || got[0]["request_id"] != "r-1" ||
		got[1]["target"] != s.adaID || got[1]["target_name"] != "ada" || got[1]["outcome"] != "refused" || got[1]["actor"] != s.adaID {
		t.Errorf("by action: %v", got)
	}
	if got := ask("action=user.update&outcome=refused&address=192.0.2.0/24"); len(got) != 1 || got[0]["actor"] != s.adaID {
		t.Errorf("refused, from a network: %v", got)
	}
	for _, e := range ask("target=" + s.adaID) {
		if e["target"] != s.adaID {
			t.Errorf("by target: %v", e)
		}
	}
	for _, query := range []string{"until=" + before, "actor=nobody", "token_id=none", "address=192.0.2.2", "since=" + url.QueryEscape(time.Now().Add(time.Hour).Format(time.RFC3339))} {
		if got := ask(query); len(got) != 0 {
			t.Errorf("%s: %v", query, got)
		}
	}
	var seen []any
	cursor := ""
	for range 99 {
		page, next := items(t, s.asAdmin(t, 200, "GET", "/audit?limit=2&cursor="+cursor, ""))
		for _, e := range page {
			seen = append(seen, e["id"])
		}
		if cursor = next; next == "" {
			break
		}
	}
	if len(seen) != len(all) || !slices.IsSortedFunc(seen, func(a, b any) int { return int(to[float64](t, b) - to[float64](t, a)) }) {
		t.Errorf("paged: %v of %d", seen, len(all))
	}
	for _, query := range []string{
		"action=nothing", "outcome=perhaps", "address=192.0.2", "since=yesterday", "until=2026-01-02", "limit=0", "cursor=5", "who=ada", "since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "actor=a&actor=b",
	} {
		s.asAdmin(t, 400, "GET", "/audit?"+query, "")
	}
}

func TestExplainTellsWhy(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.Collection(t, 4, "Fish")
	ask := func(as, body string) map[string]any {
		t.Helper()
		a := s.as(t, as, "POST", "/explain", body)
		a.Is(200)
		return a.Object()
	}
	x := ask(s.ada, `{"user":"ada","action":"access","path":"/collections/4"}`)
	if x["allowed"] != false || len(to[[]any](t, x["bindings"])) != 0 {
		t.Errorf("without access: %v", x)
	}
	made := s.asAdmin(t, 201, "POST", "/bindings", `{"user":"ada","permission":{"action":"access","path":"/collections"}}`)
	x = ask(s.admin, `{"user":"ada","action":"access","path":"/collections/4"}`)
	if bindings := to[[]any](t, x["bindings"]); x["allowed"] != true || len(bindings) != 1 || to[map[string]any](t, bindings[0])["binding"] != made["id"] {
		t.Errorf("with access: %v", x)
	}

	x = ask(s.ada, `{"token":"`+s.ada+`"}`)
	if x["allowed"] != true || x["fresh"] != true || to[map[string]any](t, x["token"])["username"] != "ada" || x["revoked"] != nil {
		t.Errorf("a good token: %v", x)
	}
	for _, c := range to[[]any](t, x["checks"]) {
		if to[map[string]any](t, c)["ok"] != true {
			t.Errorf("check %v", c)
		}
	}
	for _, scope := range []string{`"read write"`, `["read","write"]`} {
		if x = ask(s.ada, `{"token":"`+s.ada+`","scope":`+scope+`}`); x["allowed"] != false || to[map[string]any](t, to[[]any](t, x["checks"])[8])["ok"] != false {
			t.Errorf("scope %s: %v", scope, x)
		}
	}
	s.User(t, "bob", password)
	bob := s.AccessToken(t, "bob", password).Value.Reveal()
	if x = ask(bob, `{"token":"`+s.ada+`","collection":4}`); x["allowed"] != true || x["token"] != nil || len(to[[]any](t, x["bindings"])) != 0 {
		t.Errorf("somebody else's: %v", x)
	}
	s.asAdmin(t, 204, "POST", "/users/ada/revoke-all", "")
	x = ask(s.admin, `{"token":"`+s.ada+`"}`)
	if r, _ := x["revoked"].(map[string]any); x["allowed"] != false || r == nil || r["what"] != "subject" || r["reason"] != "revoke-all" {
		t.Errorf("a revoked token: %v", x)
	}
	if x = ask(s.admin, `{"token":"junk"}`); x["allowed"] != false || x["token"] != nil {
		t.Errorf("junk: %v", x)
	}
}

func TestBadQuestionsAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, body := range []string{
		`{}`, `{"token":"x","user":"ada","action":"a","path":"/"}`, `{"user":"ada"}`, `{"user":"ada","action":"a"}`, `{"user":"ada","path":"/"}`,
		`{"token":"x","action":"a"}`, `{"token":"x","path":"/"}`, `{"token":"x","action":"a b","path":"/"}`, `{"token":"x","action":"a","path":"x"}`,
		`{"user":"ada","action":"a","path":"/","scope":"read"}`, `{"token":"x","scope":7}`, `{"token":"x","scope":["a b"]}`, `{"token":"x","scope":"é"}`,
		`{"token":"x","collection":"4"}`, `{"token":7}`, `{"user":"ada","action":"a","path":"/","collection":4}`, `[]`,
	} {
		a := s.as(t, s.admin, "POST", "/explain", body)
		if a.Status != 400 {
			t.Errorf("%s: %d %s", body, a.Status, a.Body)
		}
	}
	s.as(t, s.ada, "POST", "/explain", `{"user":"root","action":"a","path":"/"}`).Is(403)
	s.asAdmin(t, 400, "POST", "/explain", `{"user":"nobody","action":"a","path":"/"}`)
}
