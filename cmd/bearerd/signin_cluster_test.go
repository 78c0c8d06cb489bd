package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bearerd/bearerd/internal/assertion/assertiontest"
	"github.com/bearerd/bearerd/internal/openid/openidtest"
	"github.com/bearerd/bearerd/internal/pgtest"
)

const (
	threeIssuer = "http://localhost:8080"
	museumHost  = "https://museum.example.org"
	museumKey   = "kZ8#vT2!qR5$wN7%yB4^xC6&jM9*hL3@"
)

// three are three servers on one PostgreSQL, whose people sign in elsewhere.
type three struct {
	*bench

	nodes    [3]*process
	provider *openidtest.Provider
}

func newThree(t *testing.T) *three {
	t.Helper()
	database, dir := pgtest.Start(t), t.TempDir()
	cmd := exec.Command("bearerd", "keys", "master", "master.key")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s := &three{provider: openidtest.New(t, time.Now)}
	s.bench = &bench{TB: t, dir: dir, client: &http.Client{Timeout: 20 * time.Second}}
	s.write("museum.secret", museumKey)
	s.write("op.secret", openidtest.Secret)
	s.write("bearerd.yaml", fmt.Sprintf(`
issuer: %s
database: %s
master_key_file: %s
sign_in:
  password: false
  sources:
    - {name: museum, type: app, url: %s/sign-in, secret_file: museum.secret, users: "scim:hr", external_id: employee}
    - {name: op, type: oidc, issuer: "%s", client_id: %s, client_secret_file: op.secret, unknown: create}
`, threeIssuer, database.DSN(), filepath.Join(dir, "master.key"), museumHost, s.provider.Issuer, openidtest.ClientID))
	s.write("access.yaml", `
clients:
  - {id: hr, secret: "`+benchSecret+`", grants: [client_credentials], scopes: [scim]}
`)
	s.run("apply", "-f", "access.yaml")
	for i := range s.nodes {
		s.nodes[i] = s.serve()
	}
	return s
}

// browser is a browser that keeps its cookies and follows no redirect.
func (s *three) browser() *http.Client {
	s.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.Fatal(err)
	}
	return &http.Client{Jar: jar, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// page is what a browser is shown, and where it is led.
type page struct {
	status   int
	location string
	body     string
}

// ask sends a request and returns the answer.
func (s *three) ask(c *http.Client, method, target, kind, body string, set ...string) page {
	s.Helper()
	r, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		s.Fatal(err)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for i := 0; i < len(set); i += 2 {
		r.Header.Set(set[i], set[i+1])
	}
	res, err := c.Do(r)
	if err != nil {
		s.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.Fatal(err)
	}
	return page{res.StatusCode, res.Header.Get("Location"), string(text)}
}

// scim asks as the provisioner, at one of the servers.
func (s *three) scim(node int, method, path, body string) map[string]any {
	s.Helper()
	r, err := http.NewRequest(method, s.nodes[node].base+"/scim/v2"+path, bytes.NewReader([]byte(body)))
	if err != nil {
		s.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/scim+json")
	r.SetBasicAuth("hr", url.QueryEscape(benchSecret))
	a, err := s.send(r)
	if err != nil || a.status >= 300 {
		s.Fatalf("%s %s: %v, %+v", method, path, err, a)
	}
	return a.body
}

const formType = "application/x-www-form-urlencoded"

var threeToken = regexp.MustCompile(`bda_[0-9A-Za-z]{36}`)

// newToken creates a token on the page of somebody who is signed in, and tries it everywhere.
func (s *three) newToken(c *http.Client, node int) string {
	s.Helper()
	res := s.ask(c, http.MethodPost, s.nodes[node].base+"/auth/tokens", formType, "name=script&expiry=never", "Sec-Fetch-Site", "same-origin")
	token := threeToken.FindString(res.body)
	if token == "" {
		s.Fatalf("no token: %d\n%s", res.status, res.body)
	}
	s.wantEverywhere("a new token", token, http.StatusOK)
	return token
}

func (s *three) wantEverywhere(what, token string, status int) {
	s.Helper()
	for i, n := range s.nodes {
		if a, err := s.verify(n, token); err != nil || a.status != status {
			s.Errorf("%s at server %d: %v, %+v", what, i, err, a)
		}
	}
}

// A person who is signed in to the application gets a token without a password here. When
// the HR system says that they have left, the token is accepted nowhere from the moment of
// the answer, and the application's word doesn't let them in again.
func TestWhoIsDisabledBySCIMHoldsNothingThatWorks(t *testing.T) {
	t.Parallel()
	s := newThree(t)
	made := s.scim(0, http.MethodPost, "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"grace","externalId":"e-7","active":true}`)
	id, _ := made["id"].(string)
	c := s.browser()
	signIn := func(jti string) (int, string) {
		res := s.ask(c, http.MethodGet, s.nodes[1].base+"/auth/sign-in/museum", "", "")
		to, err := url.Parse(res.location)
		if err != nil || to.Host != "museum.example.org" {
			t.Fatalf("leads to %q", res.location)
		}
		now := time.Now().Unix()
		raw := assertiontest.Shared(t, []byte(museumKey)).Sign("bearerd-sign-in+jwt", map[string]any{
			"iss": museumHost, "aud": threeIssuer, "nonce": to.Query().Get("request"), "sub": "pk-1", "employee": "e-7", "iat": now, "exp": now + 60, "jti": jti,
			"auth_time": now, "preferred_username": "somebody else's name",
		})
		res = s.ask(c, http.MethodPost, s.nodes[1].base+"/auth/sign-in/museum", formType, url.Values{"assertion": {raw}}.Encode(), "Origin", museumHost)
		return res.status, res.body
	}
	if status, body := signIn("1"); status != http.StatusSeeOther {
		t.Fatalf("%d\n%s", status, body)
	}
	token := s.newToken(c, 1)
	s.scim(2, http.MethodPatch, "/Users/"+id, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"Replace","path":"active","value":"False"}]}`)
	s.wantEverywhere("the token of somebody who has left", token, http.StatusUnauthorized)
	if res := s.ask(c, http.MethodGet, s.nodes[0].base+"/auth/tokens", "", ""); res.status != http.StatusSeeOther {
		t.Errorf("the session of somebody who has left: %d", res.status)
	}
	if status, body := signIn("2"); status != http.StatusForbidden || !strings.Contains(body, "disabled") {
		t.Errorf("somebody who has left signs in: %d\n%s", status, body)
	}
}

// A person who signs in at an OpenID provider gets a token; when the provider ends their
// session at one server, no server accepts the session, or what was made from it.
func TestWhoIsSignedOutAtTheProviderIsSignedOutEverywhere(t *testing.T) {
	t.Parallel()
	s := newThree(t)
	c := s.browser()
	res := s.ask(c, http.MethodGet, s.nodes[0].base+"/auth/sign-in/op", "", "")
	res = s.ask(s.browser(), http.MethodGet, res.location, "", "")
	back, err := url.Parse(res.location)
	if err != nil || back.Path != "/auth/sign-in/op/callback" {
		t.Fatalf("the provider leads to %q", res.location)
	}
	// Another server finishes what the first began.
	if res := s.ask(c, http.MethodGet, s.nodes[1].base+back.RequestURI(), "", ""); res.status != http.StatusSeeOther {
		t.Fatalf("%d\n%s", res.status, res.body)
	}
	s.newToken(c, 1)
	for i, n := range s.nodes {
		if res := s.ask(c, http.MethodGet, n.base+"/auth/tokens", "", ""); res.status != http.StatusOK {
			t.Fatalf("the session at server %d: %d", i, res.status)
		}
	}
	res = s.ask(s.client, http.MethodPost, s.nodes[2].base+"/auth/sign-in/op/backchannel-logout", formType,
		url.Values{"logout_token": {s.provider.LogoutToken(nil)}}.Encode())
	if res.status >= 300 {
		t.Fatalf("%d\n%s", res.status, res.body)
	}
	for i, n := range s.nodes {
		if res := s.ask(c, http.MethodGet, n.base+"/auth/tokens", "", ""); res.status != http.StatusSeeOther {
			t.Errorf("the session at server %d after the logout: %d", i, res.status)
		}
	}
}
