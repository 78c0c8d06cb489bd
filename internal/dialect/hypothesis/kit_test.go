package hypothesis_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/bearerd/bearerd/internal/adminapi"
	"github.com/bearerd/bearerd/internal/adminapi/openapitest"
	"github.com/bearerd/bearerd/internal/credentials"
	"github.com/bearerd/bearerd/internal/dialect/hypothesis"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/identity"
	"github.com/bearerd/bearerd/internal/issuance"
	"github.com/bearerd/bearerd/internal/node/nodetest"
	"github.com/bearerd/bearerd/internal/oauth"
	"github.com/bearerd/bearerd/internal/token"
)

const password = "correct horse"

// site is the dialect over a real authority. Ada is a user.
type site struct {
	*nodetest.Fixture
	url     string
	ada     identity.User
	session string // hers
}

func newSite(t *testing.T, o nodetest.Options, change ...func(*hypothesis.Dialect)) *site {
	t.Helper()
	f := nodetest.New(t, o)
	edge := &oauth.Edge{
		SignIn: f.Authenticator, ClientAuth: f.ClientAuth, Issuance: f.Issuance, Flows: f.Flows, Assertions: f.Assertions, Revoker: f.Revoker, Verifier: f.Verifier,
		Applied: f.Ledger.Applied, JWKS: f.JWKS, Now: f.Time,
		Site: oauth.Site{
			Issuer: f.Settings.Policy.Issuer, DefaultAudience: f.Settings.Policy.DefaultAudience,
			Scopes: f.Settings.Policy.Scopes, Staleness: f.Settings.Staleness,
		},
	}
	forms, err := token.NewForms(token.PrefixAPIToken, hypothesis.TokenPrefix)
	if err != nil {
		t.Fatal(err)
	}
	d := &hypothesis.Dialect{
		SignIn: f.Authenticator, Issuance: f.Issuance, Revoker: f.Revoker, Forms: forms, Issuer: nodetest.Issuer, SessionCookies: []string{"bearerd_session"},
		Challenge: httpkit.Challenge{Realm: nodetest.Issuer},
	}
	oauthMux, mux := http.NewServeMux(), http.NewServeMux()
	edge.Register(oauthMux)
	d.Token = edge.TokenEndpoint()
	for _, c := range change {
		c(d)
	}
	d.Register(mux)
	sources := adminapi.Sources{Issuer: nodetest.Issuer, Edges: []adminapi.Described{edge, d}}
	var handler http.Handler = mux // what an application answers is not described
	if d.Application == nil {
		handler = openapitest.Describe(t, sources).Watch(mux)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	s := &site{Fixture: f, url: server.URL, ada: f.User(t, "ada", password)}
	s.session = f.SessionToken(t, "ada", password).Value.Reveal()
	return s
}

// developerToken is the one that ada makes on the developer page.
func (s *site) developerToken(t *testing.T) string {
	t.Helper()
	c, err := s.Session(t.Context(), s.session)
	if err != nil {
		t.Fatal(err)
	}
	issued, err := s.RenewSole(t.Context(), c, credentials.Sole{Name: "Developer token", Prefix: hypothesis.TokenPrefix})
	if err != nil {
		t.Fatal(err)
	}
	return issued.Value.Reveal()
}

// refreshToken is one of ada's.
func (s *site) refreshToken(t *testing.T) string {
	t.Helper()
	return s.pair(t).Refresh.Value.Reveal()
}

// pair is an access token of ada's and the refresh token beside it.
func (s *site) pair(t *testing.T) issuance.Pair {
	t.Helper()
	access := s.AccessToken(t, "ada", password)
	pair, err := s.Exchange(t.Context(), issuance.Exchange{
		Subject: access.Value.Reveal(), Scope: []string{identity.ScopeOfflineAccess},
	})
	if err != nil {
		t.Fatal(err)
	}
	return pair
}
