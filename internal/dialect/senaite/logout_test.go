package senaite_test

import (
	"net/http"
	"testing"

	"github.com/bearerd/bearerd/internal/dialect/senaite"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

func noCrossOrigin(d *senaite.Dialect) { d.CrossOrigin = nil }

func TestLogoutForgetsTheCookieAndLeavesTheToken(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	good := s.login("ada")
	for name, options := range map[string][]option{
		"nobody": nil, "by cookie": {cookie(good)}, "by Bearer": {bearer(good)}, "by header": {jwtHeader(good)},
		"by Basic": {basic("ada", password)}, "from elsewhere": {cookie(good), foreign[0]},
	} {
		for _, path := range []string{"/logout", "/users/logout", "/logout?revoke=false", "/logout?revoke="} {
			a := s.do("GET", path, "", options...)
			got := decode[map[string]any](t, a)
			if a.status != http.StatusOK || got["authenticated"] != false || got["success"] != true ||
				got["url"] != nodetest.Issuer+prefix+"/users" || got["revoked"] != nil {
				t.Errorf("%s, %s: %d %s", name, path, a.status, a.text)
			}
			if c := a.cookies["token"]; c == nil || c.MaxAge >= 0 || c.Path != "/" || !c.HttpOnly {
				t.Errorf("%s, %s: cookie %v", name, path, c)
			}
		}
	}
	if !s.alive(good) {
		t.Error("the token is dead")
	}
}

func TestLogoutRevokesWhenAsked(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	other := s.login("ada")
	for name, place := range map[string]func(string) option{"cookie": cookie, "Bearer": bearer, "header": jwtHeader} {
		good := s.login("ada")
		a := s.do("GET", "/logout?revoke=true", "", place(good))
		if got := decode[map[string]any](t, a); a.status != http.StatusOK || got["revoked"] != true || a.cookies["token"] == nil {
			t.Errorf("%s: %d %s", name, a.status, a.text)
		}
		if s.alive(good) {
			t.Errorf("%s: the token is alive", name)
		}
		s.do("GET", "/logout?revoke=true", "", place(good)).refused(t, name+", again", 401)
	}
	first := s.login("ada")
	if a := s.do("GET", "/logout?revoke=true", "", bearer(first), cookie(other)); a.status != http.StatusOK || s.alive(first) {
		t.Errorf("the first is not the one that dies: %d", a.status)
	}
	if !s.alive(other) {
		t.Error("another token is dead")
	}
}

func TestLogoutIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	good := s.login("ada")
	for query, options := range map[string][]option{
		"?revoke=yes": {bearer(good)}, "?revoke=TRUE": {bearer(good)}, "?revoke=1": {bearer(good)},
		"?revoke=true&revoke=true": {bearer(good)}, "?revoke=%ff": {bearer(good)},
		"?revoke=true": nil, "?revoke=true&x=y": {basic("ada", password)},
	} {
		s.do("GET", "/logout"+query, "", options...).refused(t, query, 400)
	}
	if a := s.do("POST", "/logout", "", bearer(good)); a.status != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", a.status)
	}
	if !s.alive(good) {
		t.Error("the token is dead")
	}
}
