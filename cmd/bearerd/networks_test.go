package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

const networksConfig = `
issuer: http://localhost:8080
dialects: [specify, senaite, hypothesis, gen3]
trusted_proxies: [127.0.0.0/8]
requirements: {any: {}}
upstream: {url: %q}
`

// Every endpoint that takes a token judges where it is used from, by the address that a
// trusted proxy names: forward auth, ext-authz, the proxy, bearerd's own API and pages, the
// token endpoint, and what the dialects have.
func TestEveryDoorJudgesTheNetworkOfAToken(t *testing.T) {
	t.Parallel()
	app := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(app.Close)
	b := newBench(t, t.TempDir(), fmt.Sprintf(networksConfig, app.URL))
	p := b.serve()
	api := b.run("token", "create", "ada", "--name", "script", "--scope", "credentials", "--network", "10.0.0.0/8", "--network", "2001:db8::/32")
	jwt := b.run("token", "issue", "ada", "--network", "10.0.0.0/8,2001:db8::/32")
	exchange := func(raw string) url.Values {
		return url.Values{
			"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "subject_token": {raw},
			"subject_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
		}
	}
	for _, door := range []struct {
		name, method, path string
		form               func(raw string) url.Values // in place of a Bearer
		refused            int
	}{
		{"forward auth", "GET", "/auth/verify", nil, 401},
		{"ext-authz", "GET", "/auth/ext-authz/any/specimens", nil, 401},
		{"the proxy", "GET", "/specimens", nil, 401},
		{"the API", "GET", "/auth/api/v1/me", nil, 401},
		{"token exchange", "POST", "/oauth2/token", exchange, 400},
		{"senaite", "GET", "/@@API/senaite/v1/auth", nil, 401},
		{"hypothesis", "GET", "/api/profile", nil, 401},
		{"gen3", "GET", "/user", nil, 401},
		{"gen3 keys", "GET", "/credentials/api", nil, 401},
	} {
		for kind, raw := range map[string]string{"API token": api, "JWT": jwt} {
			answer := func(address string) (int, string) {
				t.Helper()
				form := ""
				if door.form != nil {
					form = door.form(raw).Encode()
				}
				r, err := http.NewRequestWithContext(t.Context(), door.method, p.base+door.path, strings.NewReader(form))
				must(t, err)
				if door.form != nil {
					r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				} else {
					r.Header.Set("Authorization", "Bearer "+raw)
				}
				r.Header.Set("X-Forwarded-For", address)
				resp, err := b.client.Do(r)
				must(t, err)
				defer func() { _ = resp.Body.Close() }()
				var text strings.Builder
				_ = resp.Header.Write(&text)
				return resp.StatusCode, text.String()
			}
			for _, address := range []string{"10.1.2.3", "2001:db8::7", "::ffff:10.1.2.3"} {
				if status, text := answer(address); status == door.refused || status == http.StatusUnauthorized || status >= 500 {
					t.Errorf("%s, %s from %s: %d\n%s", door.name, kind, address, status, text)
				}
			}
			for _, address := range []string{"198.51.100.7", "11.0.0.1", "2001:db9::7", "unknown"} {
				if status, text := answer(address); status != door.refused {
					t.Errorf("%s, %s from %s: %d\n%s", door.name, kind, address, status, text)
				}
			}
		}
	}
}
