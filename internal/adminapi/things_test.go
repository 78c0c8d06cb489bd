package adminapi_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/assertion/assertiontest"
	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/fault"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

func TestCollections(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	fish := map[string]any{"id": 4.0, "name": "Fish", "owner": ""}
	if diff := cmp.Diff(fish, s.asAdmin(t, 201, "POST", "/collections", `{"id":4,"name":"Fish"}`)); diff != "" {
		t.Errorf("made (-want +got):\n%s", diff)
	}
	s.asAdmin(t, 201, "POST", "/collections", `{"id":42,"name":"Birds"}`)
	s.asAdmin(t, 409, "POST", "/collections", `{"id":4,"name":"Other"}`)
	s.asAdmin(t, 409, "POST", "/collections", `{"id":5,"name":"Fish"}`)
	s.asAdmin(t, 409, "PATCH", "/collections/42", `{"name":"Fish"}`)
	fish["name"] = "Fishes"
	for _, body := range []string{`{"name":"Fishes"}`, `{}`} {
		if diff := cmp.Diff(fish, s.asAdmin(t, 200, "PATCH", "/collections/4", body)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", body, diff)
		}
	}
	for _, body := range []string{
		`{"name":"x"}`, `{"id":7}`, `{"id":"7","name":"x"}`, `{"id":-1,"name":"x"}`, `{"id":1.5,"name":"x"}`, `{"id":1e3,"name":"x"}`,
		`{"id":99999999999999999999,"name":"x"}`, `{"id":7,"name":""}`, `{"id":7,"name":"a\nb"}`, `{"id":7,"name":"x","extra":1}`,
		`{"id":null,"name":"x"}`, `{"id":7,"id":8,"name":"x"}`,
	} {
		s.asAdmin(t, 400, "POST", "/collections", body)
	}
	s.asAdmin(t, 400, "PATCH", "/collections/4", `{"id":5}`)
	s.asAdmin(t, 400, "PATCH", "/collections/4", `{"name":""}`)
	for _, id := range []string{"5", "04", "+4", "4.0", "x", "-1", "99999999999999999999"} {
		s.asAdmin(t, 404, "PATCH", "/collections/"+id, `{"name":"x"}`)
		s.asAdmin(t, 404, "DELETE", "/collections/"+id, "")
	}
	first, next := items(t, s.asAdmin(t, 200, "GET", "/collections?limit=1", ""))
	second, end := items(t, s.asAdmin(t, 200, "GET", "/collections?limit=1&cursor="+next, ""))
	if diff := cmp.Diff([]map[string]any{fish, {"id": 42.0, "name": "Birds", "owner": ""}}, append(first, second...)); diff != "" || end != "" {
		t.Errorf("listed, then %q (-want +got):\n%s", end, diff)
	}
	s.asAdmin(t, 204, "DELETE", "/collections/4", "")
	if all, _ := items(t, s.asAdmin(t, 200, "GET", "/collections", "")); len(all) != 1 {
		t.Errorf("left: %v", all)
	}
}

func TestRemovingACollectionRemovesItsBindings(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.asAdmin(t, 201, "POST", "/collections", `{"id":4,"name":"Fish"}`)
	s.asAdmin(t, 201, "POST", "/bindings", `{"user":"ada","permission":{"action":"access","path":"/"},"path":"/collections/4"}`)
	s.asAdmin(t, 204, "DELETE", "/collections/4", "")
	if left, _ := items(t, s.asAdmin(t, 200, "GET", "/bindings?user=ada", "")); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	reader := map[string]any{"name": "reader / all", "permissions": []any{map[string]any{"action": "read", "path": "/a"}}, "owner": ""}
	if diff := cmp.Diff(reader, s.asAdmin(t, 201, "POST", "/roles", `{"name":"reader / all","permissions":[{"action":"read","path":"/a"}]}`)); diff != "" {
		t.Errorf("made (-want +got):\n%s", diff)
	}
	s.asAdmin(t, 409, "POST", "/roles", `{"name":"reader / all"}`)
	at := "/roles/" + url.PathEscape("reader / all")
	if diff := cmp.Diff(reader, s.asAdmin(t, 200, "PATCH", at, `{}`)); diff != "" {
		t.Errorf("not changed (-want +got):\n%s", diff)
	}
	reader["permissions"] = []any{}
	if diff := cmp.Diff(reader, s.asAdmin(t, 200, "PATCH", at, `{"permissions":[]}`)); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
	for _, body := range []string{
		`{}`, `{"name":""}`, `{"name":"x","permissions":{}}`, `{"name":"x","permissions":[{}]}`, `{"name":"x","permissions":[{"action":"a b","path":"/"}]}`,
		`{"name":"x","permissions":[{"action":"a","path":"b"}]}`, `{"name":"x","permissions":[{"action":"a","path":"/","x":1}]}`, `{"name":"x","permissions":["a"]}`,
	} {
		s.asAdmin(t, 400, "POST", "/roles", body)
	}
	s.asAdmin(t, 404, "PATCH", "/roles/nobody", `{"permissions":[]}`)
	s.asAdmin(t, 400, "PATCH", at, `{"name":"x"}`)
	all, next := items(t, s.asAdmin(t, 200, "GET", "/roles", ""))
	if len(all) != 1 || next != "" {
		t.Errorf("listed: %v %q", all, next)
	}
	s.asAdmin(t, 204, "DELETE", at, "")
	s.asAdmin(t, 404, "DELETE", at, "")
}

func TestBindingsNameUsersByUsername(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.asAdmin(t, 201, "POST", "/roles", `{"name":"reader","permissions":[{"action":"read","path":"/"}]}`)
	made := s.asAdmin(t, 201, "POST", "/bindings", `{"user":"`+s.adaID+`","role":"reader"}`)
	want := map[string]any{
		"id": made["id"], "user": "ada", "user_id": s.adaID, "group": nil, "role": "reader", "permission": nil, "path": "/", "owner": "",
	}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("made (-want +got):\n%s", diff)
	}
	at := "/bindings/" + to[string](t, made["id"])
	if diff := cmp.Diff(want, s.asAdmin(t, 200, "PATCH", at, `{}`)); diff != "" {
		t.Errorf("not changed (-want +got):\n%s", diff)
	}
	want["path"], want["role"], want["permission"] = "/collections/4", nil, map[string]any{"action": "access", "path": "/"}
	if diff := cmp.Diff(want, s.asAdmin(t, 200, "PATCH", at, `{"path":"/collections/4","permission":{"action":"access","path":"/"}}`)); diff != "" {
		t.Errorf("another permission (-want +got):\n%s", diff)
	}
	want["user"], want["user_id"], want["group"] = nil, nil, "curators"
	if diff := cmp.Diff(want, s.asAdmin(t, 200, "PATCH", at, `{"group":"curators"}`)); diff != "" {
		t.Errorf("a group instead (-want +got):\n%s", diff)
	}
	s.asAdmin(t, 409, "POST", "/bindings", `{"group":"curators","permission":{"action":"access","path":"/"},"path":"/collections/4"}`)
	byGroup, _ := items(t, s.asAdmin(t, 200, "GET", "/bindings?group=curators", ""))
	if diff := cmp.Diff([]map[string]any{want}, byGroup); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
	s.asAdmin(t, 404, "GET", "/bindings?user=nobody", "")
	s.asAdmin(t, 204, "DELETE", at, "")
	s.asAdmin(t, 404, "DELETE", at, "")
	s.asAdmin(t, 404, "PATCH", at, `{"path":"/"}`)
}

func TestBadBindingsAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, body := range []string{
		`{}`, `{"user":"ada"}`, `{"role":"x"}`, `{"user":"nobody","role":"x"}`, `{"user":"ada","role":"no such role"}`,
		`{"user":"ada","group":"g","permission":{"action":"a","path":"/"}}`, `{"user":"ada","role":"r","permission":{"action":"a","path":"/"}}`,
		`{"user":"ada","permission":{"action":"a"}}`, `{"user":"ada","permission":{"path":"/"}}`, `{"user":"ada","permission":"a /"}`,
		`{"user":"ada","permission":{"action":"a","path":"/"},"path":""}`, `{"user":"ada","permission":{"action":"a","path":"/"},"path":"/a/"}`,
		`{"user":7,"permission":{"action":"a","path":"/"}}`, `{"user":"","permission":{"action":"a","path":"/"}}`,
	} {
		a := s.as(t, s.admin, "POST", "/bindings", body)
		if a.Status != 400 {
			t.Errorf("%s: %d %s", body, a.Status, a.Body)
		}
	}
	all, _ := items(t, s.asAdmin(t, 200, "GET", "/bindings", ""))
	if len(all) != 1 {
		t.Errorf("something was made: %v", all)
	}
	s.asAdmin(t, 400, "PATCH", "/bindings/"+to[string](t, all[0]["id"]), `{"path":""}`)
	s.asAdmin(t, 400, "PATCH", "/bindings/"+to[string](t, all[0]["id"]), `{"user":"ada","group":"g"}`)
}

func TestBindingsPageInTheirOrder(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, path := range []string{"/b", "/a/b", "/a", "/c"} {
		s.asAdmin(t, 201, "POST", "/bindings", `{"user":"ada","permission":{"action":"a","path":"/"},"path":"`+path+`"}`)
	}
	var seen []string
	cursor := ""
	for range 9 {
		page, next := items(t, s.asAdmin(t, 200, "GET", "/bindings?limit=2&cursor="+cursor, ""))
		for _, b := range page {
			seen = append(seen, to[string](t, b["path"]))
		}
		if cursor = next; next == "" {
			break
		}
	}
	if diff := cmp.Diff([]string{"/", "/a", "/a/b", "/b", "/c"}, seen); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCursorOfAnotherListIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, name := range []string{"a", "b"} {
		s.asAdmin(t, 201, "POST", "/roles", `{"name":"`+name+`"}`)
	}
	_, next := items(t, s.asAdmin(t, 200, "GET", "/roles?limit=1", ""))
	if next == "" || strings.Contains(next, "a:") {
		t.Fatalf("cursor %q", next)
	}
	for _, path := range []string{"/bindings", "/collections", "/clients", "/keys", "/audit", "/users", "/tokens"} {
		for _, cursor := range []string{next, "a", "!", "cm9sZXM6", next + "="} {
			s.asAdmin(t, 400, "GET", path+"?cursor="+url.QueryEscape(cursor), "")
		}
	}
}

func TestAuditSaysHowManyWereRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for range 57 {
		_ = s.Journal.Refuse(t.Context(), audit.Event{Action: audit.Login, Target: "bob"}, fault.New(fault.BadCredentials, "wrong"))
	}
	if err := s.Journal.FlushRefusals(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	list, _ := items(t, s.asAdmin(t, 200, "GET", "/audit?target=bob", ""))
	if len(list) != 1 || list[0]["count"] != 57. || list[0]["reason"] != "wrong" {
		t.Errorf("%v", list)
	}
	if all, _ := items(t, s.asAdmin(t, 200, "GET", "/audit?action=user.create&limit=1", "")); all[0]["count"] != 1. {
		t.Errorf("%v", all)
	}
}

func TestClientSecretIsShownOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	made := s.asAdmin(t, 201, "POST", "/clients", `{"id":"ci","grants":["client_credentials"],"scopes":["read"]}`)
	secret := to[string](t, made["secret"])
	if !strings.HasPrefix(secret, "bdc_") {
		t.Fatalf("secret %q", secret)
	}
	if _, err := s.AuthenticateClient(t.Context(), "ci", secret); err != nil {
		t.Errorf("the secret is not good: %v", err)
	}
	delete(made, "secret")
	want := map[string]any{
		"id": "ci", "public": false, "grants": []any{"client_credentials"}, "scopes": []any{"read"}, "owner": "", "audiences": []any{},
		"exchange_from": []any{}, "name": "", "redirect_uris": []any{},
	}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("made (-want +got):\n%s", diff)
	}
	list, _ := items(t, s.asAdmin(t, 200, "GET", "/clients", ""))
	if diff := cmp.Diff([]map[string]any{want}, list); diff != "" {
		t.Errorf("listed (-want +got):\n%s", diff)
	}
	if a := s.as(t, s.admin, "GET", "/audit", ""); strings.Contains(a.Body, secret) {
		t.Error("the audit log has the secret")
	}
}

func TestClientsAreChangedAndRemoved(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const chosen = "a client secret of more than 32 characters"
	a := s.as(t, s.admin, "POST", "/clients", `{"id":"ci","secret":"`+chosen+`","grants":["client_credentials"],"scopes":["read","write"]}`)
	a.Is(201)
	if strings.Contains(a.Body, chosen) {
		t.Errorf("a chosen secret comes back: %s", a.Body)
	}
	s.asAdmin(t, 409, "POST", "/clients", `{"id":"ci"}`)
	got := s.asAdmin(t, 200, "PATCH", "/clients/ci", `{"scopes":["read"],"audiences":["https://api.example"],"exchange_from":["web"]}`)
	want := map[string]any{
		"id": "ci", "public": false, "grants": []any{"client_credentials"}, "scopes": []any{"read"}, "owner": "", "audiences": []any{"https://api.example"},
		"exchange_from": []any{"web"}, "name": "", "redirect_uris": []any{},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, s.asAdmin(t, 200, "PATCH", "/clients/ci", `{}`)); diff != "" {
		t.Errorf("not changed (-want +got):\n%s", diff)
	}
	if _, err := s.AuthenticateClient(t.Context(), "ci", chosen); err != nil {
		t.Errorf("the secret is gone: %v", err)
	}
	s.asAdmin(t, 200, "PATCH", "/clients/ci", `{"secret":"another secret of more than 32 characters"}`)
	if _, err := s.AuthenticateClient(t.Context(), "ci", chosen); err == nil {
		t.Error("the old secret is good still")
	}
	s.asAdmin(t, 204, "DELETE", "/clients/ci", "")
	s.asAdmin(t, 404, "DELETE", "/clients/ci", "")
	s.asAdmin(t, 404, "PATCH", "/clients/ci", `{}`)
}

// A client has a secret, a key set or the address of one: naming one ends the others.
func TestAClientHasKeysOrASecret(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	set := assertiontest.Set(assertiontest.New(t, "ES256", "k1").JWK())
	is := func(what string, got map[string]any, jwks, uri bool) {
		t.Helper()
		if _, has := got["jwks"]; has != jwks || (got["jwks_uri"] != nil) != uri || got["secret"] != nil || got["public"] != false {
			t.Errorf("%s: %v", what, got)
		}
	}
	made := s.asAdmin(t, 201, "POST", "/clients", `{"id":"ci","grants":["client_credentials"],"jwks":`+set+`}`)
	is("made", made, true, false)
	var want any
	if err := json.Unmarshal([]byte(set), &want); err != nil || !cmp.Equal(want, made["jwks"]) {
		t.Errorf("%v, want %v, %v", made["jwks"], want, err)
	}
	is("unchanged", s.asAdmin(t, 200, "PATCH", "/clients/ci", `{"scopes":["read"]}`), true, false)
	is("an address", s.asAdmin(t, 200, "PATCH", "/clients/ci", `{"jwks_uri":"https://ci.example/jwks"}`), false, true)
	is("a secret", s.asAdmin(t, 200, "PATCH", "/clients/ci", `{"secret":"`+nodetest.ClientSecret+`"}`), false, false)
	if _, err := s.AuthenticateClient(t.Context(), "ci", nodetest.ClientSecret); err != nil {
		t.Errorf("the secret: %v", err)
	}
	is("a set", s.asAdmin(t, 200, "PATCH", "/clients/ci", `{"jwks":`+set+`}`), true, false)
	if _, err := s.AuthenticateClient(t.Context(), "ci", nodetest.ClientSecret); err == nil {
		t.Error("the secret is good beside the keys")
	}
	for _, body := range []string{`{"jwks":{}}`, `{"jwks":{"keys":[]}}`, `{"jwks":"x"}`, `{"jwks_uri":"http://ci.example/jwks"}`, `{"jwks":` + set + `,"secret":"` + nodetest.ClientSecret + `"}`} {
		s.asAdmin(t, 400, "PATCH", "/clients/ci", body) // without keys it would be public, with its grant
	}
	s.asAdmin(t, 400, "POST", "/clients/ci/secret", `{}`)
	s.asAdmin(t, 400, "POST", "/clients", `{"id":"tv","public":true,"jwks":`+set+`}`)
	is("still", s.asAdmin(t, 200, "PATCH", "/clients/ci", `{}`), true, false)
}

func TestAClientsSecretIsRotatedWithAnOverlap(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	first := to[string](t, s.asAdmin(t, 201, "POST", "/clients", `{"id":"a/b","grants":["client_credentials"]}`)["secret"])
	rotate := func(body string) (secret string, until any) {
		t.Helper()
		got := s.asAdmin(t, 200, "POST", "/clients/a%2Fb/secret", body)
		return to[string](t, got["secret"]), got["old_secret_until"]
	}
	good := func(when string, want map[string]bool) {
		t.Helper()
		for secret, good := range want {
			if _, err := s.AuthenticateClient(t.Context(), "a/b", secret); (err == nil) != good {
				t.Errorf("%s: %v, want good %v", when, err, good)
			}
		}
	}
	second, until := rotate(`{"overlap":3600}`)
	if at, err := time.Parse(time.RFC3339, to[string](t, until)); err != nil || time.Until(at) > time.Hour || time.Until(at) < 59*time.Minute {
		t.Errorf("until %v: %v", until, err)
	}
	good("with an overlap", map[string]bool{first: true, second: true})
	if got := s.asAdmin(t, 200, "PATCH", "/clients/a%2Fb", `{}`)["old_secret_until"]; got != until {
		t.Errorf("the client says %v, want %v", got, until)
	}
	third, until := rotate(`{}`)
	if until != nil {
		t.Errorf("without an overlap the old secret is good until %v", until)
	}
	good("without an overlap", map[string]bool{first: false, second: false, third: true})
	for _, bad := range []string{`{"overlap":-1}`, `{"overlap":7776001}`, `{"overlap":"1h"}`, `{"overlap":1.5}`, `{"revoke":"yes"}`, `{"secret":"x"}`, ``} {
		s.asAdmin(t, 400, "POST", "/clients/a%2Fb/secret", bad)
	}
	s.asAdmin(t, 404, "POST", "/clients/nobody/secret", `{}`)
	s.as(t, s.ada, "POST", "/clients/a%2Fb/secret", `{}`).Is(403)
	good("refused", map[string]bool{third: true})
}

func TestAnAnswerWarnsOfWhatCurlCantSend(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const plain, plus = "a client secret of more than 32 characters", "a+client+secret+of+more+than+32+characters"
	for body, warned := range map[string]bool{
		`{"id":"a","secret":"` + plain + `"}`: false, `{"id":"b","secret":"` + plus + `"}`: true,
		`{"id":"https://c.example"}`: true, `{"id":"d"}`: false,
	} {
		a := s.as(t, s.admin, "POST", "/clients", body)
		a.Is(201)
		if strings.Contains(a.Body, "form-encoding") != warned || strings.Contains(a.Body, plus) {
			t.Errorf("%s: %s", body, a.Body)
		}
	}
	if a := s.as(t, s.admin, "PATCH", "/clients/a", `{"secret":"`+plus+`"}`); !strings.Contains(a.Body, "form-encoding") {
		t.Errorf("changed: %s", a.Body)
	}
	if a := s.as(t, s.admin, "PATCH", "/clients/a", `{"scopes":["read"]}`); strings.Contains(a.Body, "form-encoding") {
		t.Errorf("changed otherwise: %s", a.Body)
	}
}

func TestClientIsPublicWhenAllItsGrantsAre(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for id, tc := range map[string]struct {
		body   string
		public bool
	}{
		"device":     {`"grants":["urn:ietf:params:oauth:grant-type:device_code","refresh_token"]`, true},
		"exchange":   {`"grants":["refresh_token","urn:ietf:params:oauth:grant-type:token-exchange"]`, false},
		"none":       {`"grants":[]`, false},
		"insistent":  {`"public":false,"grants":["refresh_token"]`, false},
		"said":       {`"public":true,"grants":["refresh_token"]`, true},
		"own secret": {`"secret":"a client secret of more than 32 characters","grants":["refresh_token"]`, false},
	} {
		made := s.asAdmin(t, 201, "POST", "/clients", `{"id":"`+id+`",`+tc.body+`}`)
		if _, shown := made["secret"]; made["public"] != tc.public || shown != (!tc.public && id != "own secret") {
			t.Errorf("%s: %v", id, made)
		}
	}
}

func TestBadClientsAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, body := range []string{
		`{}`, `{"id":""}`, `{"id":"é"}`, `{"id":"bearerd"}`, `{"id":"` + s.adaID + `"}`, `{"id":"x","grants":["password"]}`, `{"id":"x","grants":"client_credentials"}`,
		`{"id":"x","secret":""}`, `{"id":"x","secret":"short"}`, `{"id":"x","secret":"` + strings.Repeat("x", 40) + `"}`, `{"id":"x","scopes":["a b"]}`,
		`{"id":"x","public":true,"grants":["client_credentials"]}`, `{"id":"x","public":true,"secret":"a client secret of more than 32 characters"}`,
		`{"id":"x","audiences":["https://a#b"]}`, `{"id":"x","exchange_from":["x"]}`, `{"id":"x","exchange_from":"web"}`, `{"id":"x","public":"yes"}`, `{"id":"x","secret":7}`,
	} {
		a := s.as(t, s.admin, "POST", "/clients", body)
		if a.Status != 400 {
			t.Errorf("%.60s: %d %s", body, a.Status, a.Body)
		}
	}
	s.asAdmin(t, 201, "POST", "/clients", `{"id":"x"}`)
	for _, body := range []string{`{"id":"y"}`, `{"public":true}`, `{"secret":"short"}`, `{"secret":""}`, `{"grants":["password"]}`} {
		s.asAdmin(t, 400, "PATCH", "/clients/x", body)
	}
}
