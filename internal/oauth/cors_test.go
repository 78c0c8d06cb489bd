package oauth_test

import (
	"net/http"
	"testing"

	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

// A script may send a token request from everywhere, without credentials of the browser or
// of a client, and reads the answer, an error too, where it is the client's own.
func TestScriptsOfPublicClientsReadTheTokenEndpoint(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nodetest.Options{})
	grants := []string{identity.GrantTypeAuthorizationCode, identity.GrantTypeRefreshToken}
	back := []string{"https://app.example/back"}
	e.addClient(t, identity.NewClient{ID: "app", Grants: grants, RedirectURIs: back})
	e.addClient(t, identity.NewClient{ID: "server", Secret: nodetest.ClientSecret, Grants: grants, RedirectURIs: back})

	h := e.do(t, http.MethodOptions, "/oauth2/token", "", withHeader("Origin", "https://stranger.example"),
		withHeader("Access-Control-Request-Method", "POST"), withHeader("Access-Control-Request-Headers", "mcp-protocol-version")).header
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "POST", "Access-Control-Allow-Headers": "*", "Access-Control-Allow-Credentials": "",
	} {
		if h.Get(name) != want {
			t.Errorf("the preflight has %s: %q", name, h.Get(name))
		}
	}
	ask := func(origin, client string, options ...option) answer {
		return e.post(t, "/oauth2/token", form("grant_type", "refresh_token", "refresh_token", "bdr_x", "client_id", client), append(options, withHeader("Origin", origin))...)
	}
	for _, tt := range []struct {
		name string
		got  answer
		want string
	}{
		{"the client's origin", ask("https://app.example", "app"), "https://app.example"},
		{"another", ask("https://stranger.example", "app"), ""},
		{"no origin", ask("null", "app"), ""},
		{"an unknown client", ask("https://app.example", "nobody"), ""},
		{"a client with a secret", ask("https://app.example", "server", asClient("server")), ""},
	} {
		if got := tt.got.header.Get("Access-Control-Allow-Origin"); got != tt.want || tt.got.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %q", tt.name, got)
		}
		if tt.got.status == http.StatusOK {
			t.Errorf("%s: %s", tt.name, tt.got.text)
		}
	}
	if got := ask("https://app.example", "app"); got.header.Get("Vary") != "Origin" {
		t.Errorf("Vary: %q", got.header.Get("Vary"))
	}
}
