package identity_test

import (
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/identity"
)

// Only what can't lead a code to somebody else may be registered.
func TestRedirectURIsThatMayBeRegistered(t *testing.T) {
	t.Parallel()
	for _, good := range []string{
		"https://app.example/back", "https://app.example:8443/back?tenant=1", "https://xn--mller-kva.example/", "http://127.0.0.1/back", "http://localhost/back",
		"http://[::1]:1234/back", "org.example.app:/back", "org.example.app://back",
	} {
		if err := identity.ValidateRedirectURI(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "/back", "app.example/back", "http://app.example/back", "http://127.0.0.1.evil.example/", "https://app.example/back#x", "https://app.example/#",
		"https://user@app.example/", "https:///back", "https://APP.example/", "myapp:/back", "javascript:alert(1)", "data:text/html,x",
		"https://app.example/ back", "https://app.example\\@evil.example/", "https://müller.example/", "ORG.example:/x", "https://app.example/" + strings.Repeat("x", 2000),
		"http://localhost.evil.example/", "http://localhost@evil.example/",
	} {
		if err := identity.ValidateRedirectURI(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

// A request's redirect URI is one that is registered, byte by byte, but for the port of a
// loopback address.
func TestRedirectURIsThatMatch(t *testing.T) {
	t.Parallel()
	registered := []string{"https://app.example/back", "http://127.0.0.1/back?x=1", "http://localhost/cb", "org.example.app:/back"}
	for asked, want := range map[string]identity.Redirect{
		"https://app.example/back":        {URI: "https://app.example/back", Host: "app.example"},
		"http://127.0.0.1:54321/back?x=1": {URI: "http://127.0.0.1:54321/back?x=1", Host: "127.0.0.1:54321", Unproven: true},
		"http://localhost:1/cb":           {URI: "http://localhost:1/cb", Host: "localhost:1", Unproven: true},
		"org.example.app:/back":           {URI: "org.example.app:/back", Host: "org.example.app:", Unproven: true},
	} {
		if got, ok := identity.MatchRedirect(registered, asked); !ok || got != want {
			t.Errorf("%s: %+v, %v", asked, got, ok)
		}
	}
	for _, asked := range []string{
		"", "https://app.example/back/", "https://app.example/back?x", "https://app.example:443/back", "https://app.example/BACK", "https://app.example/%62ack",
		"https://evil.example/back", "http://app.example/back", "http://127.0.0.1:1/back", "http://127.0.0.1:1/back?x=2", "http://localhost:1/back?x=1",
		"http://127.0.0.2:1/back?x=1", "http://evil.example:1/back?x=1", "org.example.app:/back2", "https://app.example/back#", "http://localhost:1@evil.example/cb",
	} {
		if got, ok := identity.MatchRedirect(registered, asked); ok {
			t.Errorf("%s matches as %+v", asked, got)
		}
	}
	if got, ok := identity.MatchRedirect(registered[:1], ""); !ok || got.URI != registered[0] {
		t.Errorf("the only one, left out: %+v, %v", got, ok)
	}
}

// Scripts of a public client run at the origin of a redirect URI, and nowhere else.
func TestOriginsOfAClient(t *testing.T) {
	t.Parallel()
	app := identity.Client{ID: "app", RedirectURIs: []string{
		"https://app.example/back", "https://other.example:8443/back", "https://usual.example:443/", "http://localhost/cb", "org.example.app:/back",
	}}
	byURL := identity.ClientOfURL("https://assistant.example/client.json")
	for _, origin := range []string{"https://app.example", "https://other.example:8443", "https://usual.example", "http://localhost:5173", "http://localhost"} {
		if !app.HasOrigin(origin) {
			t.Errorf("%s is none of the client's", origin)
		}
	}
	for _, origin := range []string{
		"", "null", "*", "https://evil.example", "http://app.example", "https://app.example:8443", "https://other.example", "https://app.example/", "https://app.example/back",
		"https://APP.example", "http://127.0.0.1:5173", "http://localhost.evil.example", "https://localhost", "org.example.app:", "org.example.app://", "https://assistant.example",
	} {
		if app.HasOrigin(origin) {
			t.Errorf("%s is the client's", origin)
		}
	}
	if !byURL.HasOrigin("https://assistant.example") || byURL.HasOrigin("https://app.example") {
		t.Error("a client that nobody registered has another origin than that of its URL")
	}
	app.SecretDigest = []byte("x")
	if app.HasOrigin("https://app.example") {
		t.Error("a client with a secret has an origin")
	}
}
