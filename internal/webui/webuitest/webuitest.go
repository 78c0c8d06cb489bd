// Package webuitest serves the web pages over a node, for the tests of their rooms.
package webuitest

import (
	"html"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/webui"
)

// Site is the pages over a node.
type Site struct {
	*nodetest.Fixture
	*edgetest.Site
}

// New serves the pages. Ada is a user, and eve another.
func New(t *testing.T, o nodetest.Options, change ...func(*webui.Pages)) *Site {
	t.Helper()
	f := nodetest.New(t, o)
	f.User(t, "ada", "correct horse")
	f.User(t, "eve", "battery staple")
	p := &webui.Pages{
		SignIn: f.Authenticator, Accounts: f.Accounts, Issuance: f.Issuance, Tokens: f.Tokens, Usage: f.Usage, Flows: f.Flows, Revoker: f.Revoker, Directory: f.Directory, Explainer: f.Explainer,
		Status: f.Follower.Status, Policy: f.Settings.Policy, Now: f.Time,
		CrossOrigin: edgetest.CrossOrigin(t), Cookies: httpkit.NewCookies(nodetest.Issuer),

		SessionCookies: []string{"bearerd_session", "sessionid"}, Challenge: httpkit.Challenge{Realm: "test"}, Passwords: true,
	}
	for _, c := range change {
		c(p)
	}
	return &Site{f, edgetest.Serve(t, f.Time, p)}
}

// SignedIn returns a browser in which somebody has signed in.
func (s *Site) SignedIn(t *testing.T, username, password string) *edgetest.Site {
	t.Helper()
	b := s.Browser(t)
	b.Submit(t, "/auth/login", "username", username, "password", password).Is(http.StatusSeeOther)
	return b
}

// Ada returns a browser in which ada has signed in.
func (s *Site) Ada(t *testing.T) *edgetest.Site { return s.SignedIn(t, "ada", "correct horse") }

var apiToken = regexp.MustCompile(`(?:bda_|6879-)[0-9A-Za-z]{36}`)

// ShownToken returns the API token that a page shows.
func ShownToken(t *testing.T, a *edgetest.Answer) string {
	t.Helper()
	value := apiToken.FindString(a.Body)
	if value == "" {
		t.Fatalf("%s shows no token:\n%s", a.What, a.Body)
	}
	return value
}

// NewOffice is a site with an administrator who is signed in.
func NewOffice(t *testing.T, o nodetest.Options, change ...func(*webui.Pages)) (*Site, *edgetest.Site) {
	t.Helper()
	s := New(t, o, change...)
	s.User(t, "root", "power to root", nodetest.Admin())
	return s, s.SignedIn(t, "root", "power to root")
}

// ID returns the id of a user.
func (s *Site) ID(t *testing.T, username string) string {
	t.Helper()
	u, err := s.Directory.User(t.Context(), caller.Operator(), username)
	if err != nil {
		t.Fatal(err)
	}
	return u.ID
}

// Scopes declares some.
func Scopes(p *node.Settings) {
	p.Policy.Scopes = map[string]string{"read": "Read specimens", "write": "Write <specimens>"}
}

// DeveloperPage turns the developer page on.
func DeveloperPage(p *webui.Pages) { p.DeveloperPrefix = "6879-" }

// Between returns what stands in a text between two others.
func Between(text, before, after string) string {
	_, rest, _ := strings.Cut(text, before)
	inside, _, _ := strings.Cut(rest, after)
	return html.UnescapeString(inside)
}

// ShowsToken reports whether a page shows an API token.
func ShowsToken(a *edgetest.Answer) bool { return apiToken.MatchString(a.Body) }

var listedToken = regexp.MustCompile(`href="/auth/tokens/([0-9a-f-]{36})`)

// IDOf returns the id of the first valid token on the page of one's tokens.
func IDOf(t *testing.T, b *edgetest.Site) string {
	t.Helper()
	found := listedToken.FindStringSubmatch(b.Get(t, "/auth/tokens").Is(http.StatusOK).Body)
	if found == nil {
		t.Fatal("no token is listed")
	}
	return found[1]
}
