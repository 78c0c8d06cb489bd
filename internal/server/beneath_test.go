package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/server"
)

// newBeneath runs what newRouted does for an issuer with a path, whose last segment is a
// dialect's endpoint too.
func newBeneath(t *testing.T, gateway ...server.Edge) *running {
	t.Helper()
	return run(t, server.Config{
		Issuer: "https://commons.example.org/data/user",
		Edges: []server.Edge{
			dialect{edge{"GET /data/user": says("who"), "POST /keys": says("key")}, []string{"/data/user", "/keys"}},
			edge{"GET /auth/me": says("me"), "GET /auth/users/{id}/x": says("user"), "POST /oauth2/token": says("token"), "GET /.well-known/jwks.json": says("keys")},
		},
		Gateway: append([]server.Edge{edge{"/auth/verify": says("verified")}}, gateway...),
	})
}

func TestEverythingStandsBeneathTheIssuersPath(t *testing.T) {
	t.Parallel()
	r := newBeneath(t, edge{"/": says("the application")})
	for _, c := range []struct{ method, path, want string }{
		{http.MethodGet, "/auth/me", "me"},
		{http.MethodGet, "/auth/users/a%2Fb/x", "user"},
		{http.MethodPost, "/oauth2/token?x=y", "token"},
		{http.MethodGet, "/.well-known/jwks.json", "keys"},
		{http.MethodPatch, "/auth/verify", "verified"},
		{http.MethodPost, "/keys", "key"},
		{http.MethodGet, "/data/user", "who"},
	} {
		for _, base := range []string{"", "/data/user"} { // cut off by a proxy, and not
			if a := r.Do(t, c.method, base+c.path, ""); a.Status != http.StatusOK || a.Body != c.want {
				t.Errorf("%s %s%s: %d %q", c.method, base, c.path, a.Status, a.Body)
			}
		}
	}
	// What is no endpoint beneath it is the application's, as it came.
	for _, path := range []string{"/", "/data", "/data/user/", "/data/user/fish", "/data/users/auth/me", "/data/userauth/me", "/user/auth/me"} {
		if a := r.Do(t, http.MethodGet, path, ""); a.Body != "the application" {
			t.Errorf("%s: %d %q", path, a.Status, a.Body)
		}
	}
	a := r.Do(t, http.MethodGet, "/data/user/oauth2/token", "")
	if a.Is(http.StatusMethodNotAllowed).Problem(); a.Header.Get("Allow") != "POST" {
		t.Errorf("GET of the token endpoint: %v", a.Header)
	}
	if a := r.Do(t, http.MethodPut, "/data/user/keys", ""); a.Body != "the application" {
		t.Errorf("a method that the dialect leaves to the application: %d %q", a.Status, a.Body)
	}
}

func TestNoSpellingBeneathTheIssuersPathReachesTheApplication(t *testing.T) {
	t.Parallel()
	r := newBeneath(t, edge{"/": says("the application")})
	for path, meant := range map[string]string{
		"/data/user/oauth2/token/": "/data/user/oauth2/token", "/data/user//oauth2/token": "/data/user/oauth2/token",
		"/data//user/oauth2/token": "/data/user/oauth2/token", "/DATA/User/oauth2/token": "/data/user/oauth2/token",
		"/data%2fuser/oauth2/token": "/data/user/oauth2/token", "/x/../data/user/oauth2/token": "/data/user/oauth2/token",
		"/data/./user/OAuth2/Token": "/data/user/oauth2/token", "/data/user/auth/verify/": "/data/user/auth/verify",
		"/data/user/x/../auth/verify": "/data/user/auth/verify", "/data/user;v=1/auth/verify": "/data/user/auth/verify",
		"/data/user/AUTH/nothing": "", "/data/user/auth/": "", "/data/user//keys": "/data/user/keys",
		"/oauth2/token/": "/oauth2/token", "/AUTH/verify": "/auth/verify",
	} {
		a := r.raw(t, http.MethodPost, path)
		if strings.Contains(a.Body, "the application") || a.Status != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, a.Status, a.Body)
			continue
		}
		detail, _ := a.Is(http.StatusNotFound).Problem()["detail"].(string)
		_, hint, _ := strings.Cut(detail, "did you mean ")
		if hint = strings.TrimSuffix(hint, "?"); hint != meant {
			t.Errorf("%s: names %q, want %q", path, hint, meant)
		}
	}
}

func TestBeneathTheIssuersPathNothingElseIsServed(t *testing.T) {
	t.Parallel()
	r := newBeneath(t)
	for _, path := range []string{"/data/user/", "/data/user/nothing", "/data/user/auth", "/data/user/data/user/auth/me", "/data/user%2fauth/me"} {
		if a := r.Get(t, path); a.Status != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, a.Status, a.Body)
		}
	}
}
