package adminapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/records"
)

func (s *site) session(t *testing.T, username string) string {
	t.Helper()
	return s.SessionToken(t, username, password).Value.Reveal()
}

// own sends a request of the API with a session.
func (s *site) own(t *testing.T, value, method, path, body string, o ...edgetest.Option) *edgetest.Answer {
	t.Helper()
	return s.Do(t, method, root+path, body, append(o, session(value), edgetest.Header("Sec-Fetch-Site", "same-origin"))...)
}

// A password is changed by a session and the current password; a new session begins in the
// same answer, and nothing else of the user goes on.
func TestOwnPasswordIsChanged(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	value := s.session(t, "ada")
	change := func(current, to string) string {
		return `{"password":"` + to + `","current_password":"` + current + `"}`
	}
	for body, want := range map[string]struct {
		status int
		field  string
	}{
		`{"password":"battery staple"}`:         {400, "current_password"},
		`{"current_password":"correct horse"}`:  {400, "password"},
		change("wrong horse", "battery staple"): {403, "current_password"},
		change(password, "short"):               {400, "password"},
		change(password, "password123"):         {400, "password"},
		change(password, "Ada"):                 {400, "password"},
	} {
		if a := s.own(t, value, "PATCH", "/me", body).Is(want.status); a.Str("field") != want.field {
			t.Errorf("%s: %s", body, a.Body)
		}
	}
	s.as(t, s.AccessToken(t, "ada", password, identity.ScopeCredentials).Value.Reveal(), "PATCH", "/me", change(password, "battery staple")).Is(403)
	s.own(t, value, "PATCH", "/me", change(password, "battery staple"), edgetest.Header("Sec-Fetch-Site", "cross-site")).Is(403)

	a := s.own(t, value, "PATCH", "/me", change(password, "battery staple")).Is(http.StatusOK)
	if me := a.Object(); me["username"] != "ada" || to[map[string]any](t, me["token"])["kind"] != "session" {
		t.Errorf("%s", a.Body)
	}
	set, _, _ := strings.Cut(a.Header.Get("Set-Cookie"), ";")
	next, ok := strings.CutPrefix(set, cookie+"=")
	if !ok || next == value {
		t.Fatalf("Set-Cookie %q", a.Header.Get("Set-Cookie"))
	}
	s.own(t, value, "GET", "/me", "").Is(401)
	s.as(t, s.ada, "GET", "/me", "").Is(401)
	if me := s.own(t, next, "GET", "/me", "").Is(200).Object(); to[map[string]any](t, me["token"])["id"] != to[map[string]any](t, a.Object()["token"])["id"] {
		t.Errorf("%v", me)
	}

	s.Advance(16 * time.Minute)
	late := s.own(t, next, "PATCH", "/me", change("battery staple", password)).Is(403)
	if late.Str("code") != "sign_in_again" {
		t.Errorf("%s", late.Body)
	}
}

func TestOwnSessionsAreListedAndEnded(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	here, there, roots := s.session(t, "ada"), s.session(t, "ada"), s.session(t, "root")
	list, next := items(t, s.own(t, here, "GET", "/me/sessions", "").Is(200).Object())
	if len(list) != 2 || next != "" {
		t.Fatalf("%v", list)
	}
	var other string
	for _, one := range list {
		if one["current"] != true {
			other = to[string](t, one["id"])
		}
		if one["source"] != nil || one["signed_in_at"] == nil || one["expires_at"] == nil || one["name"] != "session" {
			t.Errorf("%v", one)
		}
	}
	rootsList, _ := items(t, s.own(t, roots, "GET", "/me/sessions", "").Is(200).Object())
	s.own(t, here, "DELETE", "/me/sessions/"+to[string](t, rootsList[0]["id"]), "").Is(404)
	s.own(t, here, "DELETE", "/me/sessions/nobody", "").Is(404)
	s.own(t, here, "DELETE", "/me/sessions/"+other, "").Is(204)
	s.own(t, there, "GET", "/me", "").Is(401)
	s.own(t, here, "DELETE", "/me/sessions/"+other, "").Is(404)
	s.own(t, roots, "GET", "/me", "").Is(200)
	credentials := s.AccessToken(t, "ada", password, identity.ScopeCredentials).Value.Reveal()
	s.as(t, credentials, "GET", "/me/sessions", "").Is(200)
	s.as(t, s.ada, "GET", "/me/sessions", "").Is(403)
}

// Links are the administrators' to add; users see and remove their own.
func TestLinksAreAddedAndRemoved(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const odd = "https://orcid.org/0000?x=1&y=%"
	for _, id := range []string{"7", odd} {
		made := s.asAdmin(t, 201, "POST", "/users/ada/links", `{"source":"orcid","external_id":"`+id+`"}`)
		if made["source"] != "orcid" || made["external_id"] != id || made["linked_at"] == nil {
			t.Errorf("%v", made)
		}
	}
	s.as(t, s.admin, "POST", "/users/root/links", `{"source":"orcid","external_id":"7"}`).Is(409)
	s.as(t, s.admin, "POST", "/users/ada/links", `{"source":"","external_id":"7"}`).Is(400)
	s.as(t, s.admin, "POST", "/users/nobody/links", `{"source":"orcid","external_id":"8"}`).Is(404)
	value := s.session(t, "ada")
	list, _ := items(t, s.own(t, value, "GET", "/me/links", "").Is(200).Object())
	if len(list) != 2 || list[0]["external_id"] != "7" || list[1]["external_id"] != odd {
		t.Errorf("%v", list)
	}
	const oddPath = "https:%2F%2Forcid.org%2F0000%3Fx=1&y=%25"
	s.own(t, value, "DELETE", "/me/links/orcid/"+oddPath, "").Is(204)
	s.own(t, value, "DELETE", "/me/links/orcid/"+oddPath, "").Is(404)
	s.own(t, value, "DELETE", "/me/links/orcid/%ff", "").Is(404)
	s.as(t, s.admin, "DELETE", "/users/root/links/orcid/7", "").Is(404)
	s.as(t, s.admin, "DELETE", "/users/ada/links/orcid/7", "").Is(204)
	left, _ := items(t, s.asAdmin(t, 200, "GET", "/users/ada/links", ""))
	if len(left) != 0 {
		t.Errorf("%v", left)
	}

	nobody := s.User(t, "nopassword", "")
	s.asAdmin(t, 201, "POST", "/users/nopassword/links", `{"source":"orcid","external_id":"9"}`)
	only := s.SessionOf(t, nobody.Username).Value.Reveal()
	s.own(t, only, "DELETE", "/me/links/orcid/9", "").Is(409)
	links, err := s.Store.Links(t.Context(), records.LinkQuery{User: nobody.ID})
	if err != nil || len(links) != 1 {
		t.Errorf("%v, %v", links, err)
	}
}

func TestAPasswordLinkIsCreatedForAUser(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	link := s.asAdmin(t, 201, "POST", "/users/ada/password-link", "")
	if url := to[string](t, link["url"]); !strings.HasPrefix(url, "http://localhost:8080/auth/password-link#bdl_") || link["expires_at"] == nil {
		t.Errorf("%v", link)
	}
	s.as(t, s.admin, "POST", "/users/nobody/password-link", "").Is(404)
	s.asAdmin(t, 200, "PATCH", "/users/ada", `{"disabled":true}`)
	s.as(t, s.admin, "POST", "/users/ada/password-link", "").Is(409)
}
