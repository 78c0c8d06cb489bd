package adminapi_test

import (
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/adminapi"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
)

const (
	cookie   = "bearerd_session"
	password = "correct horse"
	root     = "/auth/api/v1"
)

// site is the API over a node, with an administrator "root" and a user "ada".
type site struct {
	*nodetest.Fixture
	*edgetest.Site

	admin, ada string // Bearer tokens
	adaID      string

	made, bound string // where the site is furnished: ids of a token and of a binding
}

func newSite(t *testing.T, change ...func(*adminapi.API)) *site {
	t.Helper()
	s := &site{Fixture: nodetest.New(t, nodetest.Options{})}
	s.User(t, "root", password, nodetest.Admin())
	s.adaID = s.User(t, "ada", password).ID
	s.admin = s.AccessToken(t, "root", password, identity.ScopeAdmin).Value.Reveal()
	s.ada = s.AccessToken(t, "ada", password).Value.Reveal()
	s.Site = s.serve(t, change...)
	return s
}

func (s *site) serve(t *testing.T, change ...func(*adminapi.API)) *edgetest.Site {
	t.Helper()
	api := &adminapi.API{
		SignIn: s.Authenticator, Accounts: s.Accounts, Issuance: s.Issuance, Tokens: s.Tokens, Usage: s.Usage, Revoker: s.Revoker, Directory: s.Directory, Provisioner: s.Provisioner, Explainer: s.Explainer,
		Status: s.Follower.Status, Policy: s.Settings.Policy, Now: s.Time,
		CrossOrigin: edgetest.CrossOrigin(t), Cookies: httpkit.NewCookies(nodetest.Issuer), SessionCookies: []string{cookie},
		Challenge: httpkit.Challenge{Realm: "bearerd"},
	}
	for _, c := range change {
		c(api)
	}
	served := edgetest.Serve(t, s.Time, api)
	served.Type, served.Check = edgetest.TypeJSON, check
	return served
}

// check checks what every answer of the API has in common.
func check(a *edgetest.Answer) {
	if !strings.Contains(a.What, root) {
		return
	}
	a.Uncached()
	if a.Status >= 400 {
		a.Problem()
	}
}

func session(value string) edgetest.Option { return edgetest.Cookie(cookie, value) }

// as sends a request of the API with a token.
func (s *site) as(t *testing.T, token, method, path, body string) *edgetest.Answer {
	t.Helper()
	return s.Do(t, method, root+path, body, edgetest.Bearer(token))
}

// asAdmin sends a request of the API as the administrator, checks its status, and
// returns its body.
func (s *site) asAdmin(t *testing.T, want int, method, path, body string) map[string]any {
	t.Helper()
	return s.as(t, s.admin, method, path, body).Is(want).Object()
}

// to returns what a member says, which must be a T.
func to[T any](t *testing.T, member any) T {
	t.Helper()
	v, ok := member.(T)
	if !ok {
		t.Fatalf("%v is a %T", member, member)
	}
	return v
}

// items returns a list's items and its next cursor.
func items(t *testing.T, m map[string]any) ([]map[string]any, string) {
	t.Helper()
	raw := to[[]any](t, m["items"])
	var all []map[string]any
	for _, item := range raw {
		all = append(all, to[map[string]any](t, item))
	}
	next, _ := m["next"].(string)
	return all, next
}
