package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/server"
)

// dialect is an edge with paths among the application's.
type dialect struct {
	edge
	paths []string
}

func (d dialect) Paths() []string { return d.paths }

// TestNoSpellingOfAnEndpointReachesTheApplication: a client that misspells the path of the token
// endpoint sends a client's secret all the same.
func TestNoSpellingOfAnEndpointReachesTheApplication(t *testing.T) {
	t.Parallel()
	r := newRouted(t)
	for path, meant := range map[string]string{
		"/oauth2/token/": "/oauth2/token", "/oauth2//token": "/oauth2/token", "//oauth2/token": "/oauth2/token", "/OAuth2/Token": "/oauth2/token",
		"/oauth2%2ftoken": "/oauth2/token", "/oauth2%252Ftoken": "/oauth2/token", "/oauth2\\token": "/oauth2/token", "/oauth2/./token": "/oauth2/token",
		"/x/../oauth2/token": "/oauth2/token", "/x/%2e%2e/oauth2/token": "/oauth2/token", "/oauth2;x=y/token": "/oauth2/token", "/oauth2/token;x": "/oauth2/token",
		"/oauth2/token.": "/oauth2/token", "/oauth2./token": "/oauth2/token", "/%6fauth2//token": "/oauth2/token", "/oauth2/token%3fx": "/oauth2/token",
		"/oauth2/token%20": "/oauth2/token", "/oauth2/nothing": "", "/oauth2/": "",
		"/auth/verify/": "/auth/verify", "/auth//verify": "/auth/verify", "/AUTH/verify": "/auth/verify", "/auth%2Fverify": "/auth/verify", "/auth/verify/x": "",
		"/auth/users/7/X": "/auth/users/{id}/x", "/auth/nothing": "", "/auth/../x": "",
		"/.well-known//jwks.json": "/.well-known/jwks.json", "/.Well-Known/jwks.json": "/.well-known/jwks.json", "/.well-known/JWKS.json/": "/.well-known/jwks.json",
		"/.well-known/oauth-protected-resource/mcp": "", "/.well-known/openid-configuration": "",
		"/accounts//token/": "/accounts/token", "/Accounts/token/": "/accounts/token", "/accounts%2Ftoken/": "/accounts/token", "/accounts/x/../token/": "/accounts/token",
		"/accounts/token;/": "/accounts/token", "/accounts/\u017fession/../token": "/accounts/token", "/accounts/to\u212aen": "/accounts/token",
		"/things//Fish": "/things/{id}", "/THINGS/Fish": "/things/{id}",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, "BREW"} {
			a := r.raw(t, method, path)
			if strings.Contains(a.Body, "the application") || a.Status != http.StatusNotFound {
				t.Errorf("%s %s: %d %s", method, path, a.Status, a.Body)
				continue
			}
			detail, _ := a.Is(http.StatusNotFound).Problem()["detail"].(string)
			_, hint, _ := strings.Cut(detail, "did you mean ")
			if hint = strings.TrimSuffix(hint, "?"); hint != meant {
				t.Errorf("%s %s: names %q, want %q", method, path, hint, meant)
			}
		}
	}
}

func TestWithoutAnApplicationNoPathIsRedirected(t *testing.T) {
	t.Parallel()
	r := run(t, server.Config{Edges: []server.Edge{edge{"POST /oauth2/token": says("token")}}})
	for _, path := range []string{"/oauth2//token", "/x/../oauth2/token", "//x"} {
		if a := r.raw(t, http.MethodPost, path); a.Status != http.StatusNotFound || a.Header.Get("Location") != "" {
			t.Errorf("%s: %d %v", path, a.Status, a.Header)
		}
	}
}
