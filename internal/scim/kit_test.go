package scim_test

import (
	"flag"
	"strings"
	"testing"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/edgetest"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/scim"
)

const root = "/scim/v2"

var update = flag.Bool("update", false, "write the conversations again")

// site is SCIM over a node, with a client "hr" and a user "sync" who provision.
type site struct {
	*nodetest.Fixture
	*edgetest.Site

	sync   string // an API token of the user
	syncID string
}

func newSite(t testing.TB, o ...nodetest.Options) *site {
	t.Helper()
	options := nodetest.Options{}
	if len(o) > 0 {
		options = o[0]
	}
	s := &site{Fixture: nodetest.New(t, options)}
	s.Client(t, "hr", identity.ScopeSCIM)
	s.syncID = s.User(t, "sync", "", nodetest.May(identity.ScopeSCIM, access.PathUsers)).ID
	s.sync = s.APIToken(t, s.SignedIn(t, "sync"), credentials.NewCredential{Scope: []string{identity.ScopeSCIM}}).Value.Reveal()
	s.Site = s.serve(t)
	return s
}

// serve serves SCIM over the site's node.
func (s *site) serve(t testing.TB) *edgetest.Site {
	t.Helper()
	served := edgetest.Serve(t, s.Time, &scim.Edge{SignIn: s.Authenticator, Directory: s.Provisioner, Issuer: nodetest.Issuer})
	served.Type = "application/scim+json"
	served.Check = func(a *edgetest.Answer) {
		if !strings.Contains(a.What, root) {
			return
		}
		a.Uncached()
		if got := a.Header.Get("Content-Type"); a.Body != "" && got != "application/scim+json" {
			t.Errorf("%s: content type %q", a.What, got)
		}
	}
	return served
}

// hr is the client's authentication.
func hr() edgetest.Option { return edgetest.Basic("hr", nodetest.ClientSecret) }

// as sends a request of the client hr.
func (s *site) as(t testing.TB, method, path, body string) *edgetest.Answer {
	t.Helper()
	return s.Do(t, method, root+path, body, hr())
}

// create creates a user of hr, and returns their id.
func (s *site) create(t testing.TB, name string, more ...string) string {
	t.Helper()
	return s.as(t, "POST", "/Users", `{"userName":"`+name+`"`+strings.Join(more, "")+`}`).Is(201).Str("id")
}

// createGroup creates a group of hr, and returns its id.
func (s *site) createGroup(t testing.TB, name string, members ...string) string {
	t.Helper()
	return s.as(t, "POST", "/Groups", `{"displayName":"`+name+`","members":[`+strings.Join(each(members, `{"value":"`, `"}`), ",")+`]}`).Is(201).Str("id")
}

func each(list []string, before, after string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = before + s + after
	}
	return out
}

// groups returns the groups of a user, by name.
func (s *site) groups(t testing.TB, name string) string {
	t.Helper()
	u, err := s.Directory.User(t.Context(), operator, name)
	nodetest.Must(t, err)
	return strings.Join(u.Groups, " ")
}

// patch returns the body of a PATCH of these operations.
func patch(operations ...string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + strings.Join(operations, ",") + `]}`
}
