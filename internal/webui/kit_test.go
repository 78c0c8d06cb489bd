package webui_test

import (
	"net/http"
	"regexp"
	"testing"

	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/webui"
)

// site is the pages over a node.
type site struct {
	*nodetest.Fixture
	*edgetest.Site
}

// newSite serves the pages. Ada is a user, and eve another.
func newSite(t *testing.T, o nodetest.Options, change ...func(*webui.Pages)) *site {
	t.Helper()
	f := nodetest.New(t, o)
	f.User(t, "ada", "correct horse")
	f.User(t, "eve", "battery staple")
	p := &webui.Pages{
		SignIn: f.Authenticator, Accounts: f.Accounts, Issuance: f.Issuance, Tokens: f.Tokens, Flows: f.Flows, Revoker: f.Revoker, Directory: f.Directory, Explainer: f.Explainer,
		Status: f.Follower.Status, Policy: f.Settings.Policy, Now: f.Time,
		CrossOrigin: edgetest.CrossOrigin(t), Cookies: httpkit.NewCookies(nodetest.Issuer),

		SessionCookies: []string{"bearerd_session", "sessionid"}, Challenge: httpkit.Challenge{Realm: "test"}, Passwords: true,
	}
	for _, c := range change {
		c(p)
	}
	return &site{f, edgetest.Serve(t, f.Time, p)}
}

// signedIn is a browser in which somebody has signed in.
func (s *site) signedIn(t *testing.T, username, password string) *edgetest.Site {
	t.Helper()
	b := s.Browser(t)
	b.Submit(t, "/auth/login", "username", username, "password", password).Is(http.StatusSeeOther)
	return b
}

func (s *site) ada(t *testing.T) *edgetest.Site { return s.signedIn(t, "ada", "correct horse") }

var apiToken = regexp.MustCompile(`(?:bda_|6879-)[0-9A-Za-z]{36}`)

// shownToken returns the API token that a page shows.
func shownToken(t *testing.T, a *edgetest.Answer) string {
	t.Helper()
	value := apiToken.FindString(a.Body)
	if value == "" {
		t.Fatalf("%s shows no token:\n%s", a.What, a.Body)
	}
	return value
}
