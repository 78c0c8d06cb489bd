package adminapi_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bearerd/bearerd/internal/edgetest"
)

// Everybody's tokens are listed for administrators, with whose they are.
func TestTokensAcrossUsers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.User(t, "bob", password)
	for _, one := range []struct{ who, body string }{
		{"ada", `{"name":"laptop","scope":"read","expires_in":86400}`},
		{"ada", `{"name":"ci_deploy","expires_in":864000}`},
		{"bob", `{"name":"ciXdeploy","scope":"read write"}`},
	} {
		made(t, s.Do(t, "POST", root+"/tokens", one.body, session(s.SessionToken(t, one.who, password).Value.Reveal())))
		s.Advance(time.Second)
	}
	names := func(query string) (names []string) {
		t.Helper()
		a := s.Do(t, "GET", root+"/tokens?all=true"+query, "", edgetest.Bearer(s.admin))
		a.Is(http.StatusOK)
		list, _ := items(t, a.Object())
		for _, one := range list {
			name, _ := one["name"].(string)
			who, _ := one["username"].(string)
			names = append(names, who+" "+name)
			if one["owner"] == "" || one["token"] != nil {
				t.Errorf("%v", one)
			}
		}
		return names
	}
	for query, want := range map[string][]string{
		"&kind=api-token":              {"bob ciXdeploy", "ada ci_deploy", "ada laptop"},
		"&kind=api-token&sort=created": {"ada laptop", "ada ci_deploy", "bob ciXdeploy"},
		"&sort=name":                   {"ada ci_deploy", "bob ciXdeploy", "ada laptop"},
		"&search=ci_":                  {"ada ci_deploy"},
		"&search=%25":                  nil,
		"&scope=read":                  {"bob ciXdeploy", "ada laptop"},
		"&expiring=7d":                 {"ada laptop"},
		"&expiring=240h":               {"ada laptop", "ada ci_deploy"},
		"&never_used=true&scope=write": {"bob ciXdeploy"},
		"&state=ended":                 nil,
	} {
		if diff := cmp.Diff(want, names(query)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	total := s.Do(t, "GET", root+"/tokens?all=true&kind=api-token&total=true&limit=1", "", edgetest.Bearer(s.admin)).Object()["total"]
	if diff := cmp.Diff(map[string]any{"count": 3.0, "more": false}, total); diff != "" {
		t.Errorf("the total (-want +got):\n%s", diff)
	}
	mine := s.Do(t, "GET", root+"/tokens?search=lap", "", session(s.SessionToken(t, "ada", password).Value.Reveal())).Object()
	if list, _ := items(t, mine); len(list) != 1 || list[0]["username"] != nil {
		t.Errorf("her own: %v", list)
	}
	for query, status := range map[string]int{
		"?all=true": 403, "?all=true&state=nonsense": 403, "?all=yes": 400, "?state=dead": 400, "?sort=size": 400, "?never_used=1": 400,
		"?expiring=7": 400, "?expiring=0d": 400, "?expiring=-1d": 400, "?expiring=99999999d": 400, "?expiring=d": 400, "?search=%ff": 400, "?search=%00": 400, "?total=x": 400,
	} {
		if a := s.Do(t, "GET", root+"/tokens"+query, "", edgetest.Bearer(s.AccessToken(t, "ada", password, "credentials").Value.Reveal())); a.Status != status {
			t.Errorf("%s: %d %s, want %d", query, a.Status, a.Body, status)
		}
	}
	if a := s.Do(t, "GET", root+"/tokens?all=true&kind=session&never_used=true", "", edgetest.Bearer(s.admin)); a.Status != http.StatusBadRequest {
		t.Errorf("sessions never used: %d %s", a.Status, a.Body)
	}
}
