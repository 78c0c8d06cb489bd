package wiring

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/bearerd/bearerd/internal/access"
	"github.com/bearerd/bearerd/internal/adminapi"
	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/dialect/specify"
	"github.com/bearerd/bearerd/internal/echo"
	"github.com/bearerd/bearerd/internal/feed"
	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/oauth"
	"github.com/bearerd/bearerd/internal/revocation"
	"github.com/bearerd/bearerd/internal/scim"
	"github.com/bearerd/bearerd/internal/server"
	"github.com/bearerd/bearerd/internal/verification"
	"github.com/bearerd/bearerd/internal/webui"
)

// resourcePath is where the metadata of the protected resource is (RFC 9728 §3).
const resourcePath = "/.well-known/oauth-protected-resource"

// edges are what the server mounts: bearerd's own endpoints, the gateway, and what has
// listeners of its own.
type edges struct {
	own, gateway []server.Edge
	inner        []server.Inner
	verify       *server.Verify // nil: none
	loops        []server.Loop
	refuse       httpkit.ErrorWriter // for requests that no endpoint serves
	probe        server.Probe        // for "bearerd doctor"
}

// shared is what several edges are assembled from.
type shared struct {
	*assembly

	cookies        httpkit.Cookies
	crossOrigin    *httpkit.CrossOrigin
	sessionCookies []string // the first is the one that is set
	challenge      httpkit.Challenge
	oauth          *oauth.Edge
	finders        []httpkit.CredentialFinder // of the dialects
	proxy          http.Handler               // of the application behind; set when its gateway is there

	developerPrefix string                // the prefix of the token of the developer page; "": no dialect has one
	description     *adminapi.Description // set when every edge is there
	logger          *slog.Logger
}

func (i *assembly) edges(logger *slog.Logger) (edges, error) {
	crossOrigin, err := httpkit.NewCrossOrigin(i.Config.Issuer)
	if err != nil {
		return edges{}, err
	}
	s := &shared{
		assembly: i, cookies: httpkit.NewCookies(i.Config.Issuer), crossOrigin: crossOrigin,
		sessionCookies: sessionCookies(i.Config), logger: logger,
		challenge: httpkit.Challenge{Realm: i.Config.Issuer, ResourceMetadata: i.Config.Issuer + resourcePath},
		oauth: &oauth.Edge{
			SignIn: i.SignIn, ClientAuth: i.ClientAuth, Issuance: i.Issuance, Flows: i.Flows, Assertions: i.Assertions, Revoker: i.Revoker, Verifier: i.Verifier,
			Applied: i.follower.Ledger().Applied, JWKS: i.Directory.JWKS, SignedBy: i.Directory.Algorithms, Quota: i.Quota, Now: i.Now, CacheTime: jwksLife,
			Site: oauth.Site{
				Issuer: i.Config.Issuer, DefaultAudience: i.Config.DefaultAudience(), Scopes: i.Config.Scopes,
				Staleness: i.Config.Revocation.MaxStaleness, ClientURLs: takesClientURLs(i.Config), Resources: siteResources(i.Config),
			},
		},
	}
	settings, err := edgeSettings(i.Config)
	if err != nil {
		return edges{}, err
	}
	doctor, err := i.ring.Derive(echo.Purpose)
	if err != nil {
		return edges{}, err
	}
	probe := &echo.Edge{Key: doctor, Proxies: httpkit.Proxies(i.Config.TrustedProxies), Now: i.Now}
	e := edges{probe: probe, own: []server.Edge{
		s.oauth,
		probe,
		&feed.Edge{
			Verifier: i.Verifier, Log: i.follower, Tail: i.tail, Issuer: i.Config.Issuer,
			Staleness: i.Config.Revocation.MaxStaleness, Clock: revocation.BootClock, Confirming: i.room, Settings: settings,
		},
		&scim.Edge{SignIn: i.SignIn, Directory: i.Provisioner, Issuer: i.Config.Issuer},
		&adminapi.API{
			SignIn: i.SignIn, Accounts: i.Accounts, Issuance: i.Issuance, Tokens: i.Tokens, Usage: i.Usage, Revoker: i.Revoker, Directory: i.Directory, Provisioner: i.Provisioner, Explainer: i.Explainer,
			Status: i.follower.Status, Policy: policyOf(i.Config), Now: i.Now,
			CrossOrigin: crossOrigin, Cookies: s.cookies, SessionCookies: s.sessionCookies, Challenge: s.challenge, Traffic: i.traffic, Shadow: i.Shadow,
		},
	}}
	for _, name := range i.Config.Dialects {
		if err := s.addDialect(name, &e); err != nil {
			return edges{}, err
		}
	}
	if err := s.addGateway(&e); err != nil {
		return edges{}, err
	}
	ways, err := i.pageWays(s.cookies)
	if err != nil {
		return edges{}, fmt.Errorf("sign_in: %w", err)
	}
	if len(i.ways) > 0 {
		e.loops = append(e.loops, askWays(i.ways, logger))
	}
	logo, err := readLogo(i.Config)
	if err != nil {
		return edges{}, err
	}
	pages := &webui.Pages{ // after what programs use, in the description too
		SignIn: i.SignIn, Accounts: i.Accounts, Issuance: i.Issuance, Tokens: i.Tokens, Usage: i.Usage, Flows: i.Flows, Revoker: i.Revoker, Directory: i.Directory, Explainer: i.Explainer,
		Status: i.follower.Status, Policy: policyOf(i.Config), Now: i.Now,
		CrossOrigin: crossOrigin, Cookies: s.cookies, SessionCookies: s.sessionCookies,
		Passwords: takesPasswords(i.Config), Ways: ways, Documents: i.documents,
		Challenge: s.challenge, Overlap: i.Config.APIToken.Overlap,
		DeveloperPrefix: s.developerPrefix, Traffic: i.traffic, Cluster: i.cluster(), Shadow: i.Shadow, ReportOnly: i.Config.ReportOnly(),
		Explorer: func() []byte { return s.description.JSON() },
		Name:     i.Config.Site.Name, Logo: logo, Front: i.Config.Upstream.URL == "",
	}
	e.own, e.refuse = append(e.own, pages), pages.Refuse
	return e, s.addDescription(&e)
}

// sessionCookies are the cookies that a session is found in: Specify's own name
// first where its login is bearerd's.
func sessionCookies(c config.Config) []string {
	own := httpkit.NewCookies(c.Issuer).SessionName()
	if c.Specify.Login && slices.Contains(c.Dialects, config.DialectSpecify) {
		return []string{specify.SessionCookie, own}
	}
	return []string{own}
}

// addGateway mounts forward auth and, where there is an upstream, the proxy.
func (s *shared) addGateway(e *edges) error {
	resources := metadataOf(s.Config)
	parts := gatewayParts{
		gate: gateway.Gate{
			Verifier: s.Verifier, Now: s.Now, Challenge: s.challenge, CrossOrigin: s.crossOrigin, Finders: s.finders, LooksLikeToken: s.Forms.LooksLikeToken, Shadow: s.Shadow,
			MetadataOf: func(audience string) string { return resources[audience] }, TokensPage: s.Config.Issuer + "/auth/tokens",
		},
		now: s.Now, staleness: func() time.Duration { return s.Config.Revocation.MaxStaleness }, log: s.logger,
	}
	if audience := s.Config.Upstream.AssertionAudience; audience != "" {
		parts.assert = func(ctx context.Context, id *verification.Identity) (string, error) {
			return s.Issuance.Assert(ctx, id, audience)
		}
	}
	g, err := mountGateway(s.Config, parts)
	if err != nil {
		return err
	}
	if g.proxy != nil {
		s.proxy = g.proxy
	}
	e.verify = g.verify
	e.gateway = append(e.gateway, g.edges...)
	e.loops = append(append(e.loops, server.Loop{Name: "writing what would have been refused", Run: s.Shadow.Run}), g.loops...)
	return nil
}

func requirementsOf(c config.Config) map[string]gateway.NamedRequirement {
	out := map[string]gateway.NamedRequirement{}
	for name, r := range c.Requirements {
		named := gateway.NamedRequirement{
			Audience: r.Audience, Scope: strings.Fields(r.Scope), Collection: r.Collection,
			Permission: access.Permission{Action: r.Action, Path: access.Path(r.Path)}, In: r.In, ReportOnly: r.ReportOnly(),
		}
		if r.SafeScope != nil {
			named.SafeScope = append([]string{}, strings.Fields(*r.SafeScope)...)
		}
		out[name] = named
	}
	return out
}

// application returns what serves a request that a dialect leaves to the application
// behind, by the routes; nil when there is none.
func (s *shared) application() http.Handler {
	if s.Config.Upstream.URL == "" {
		return nil
	}
	return httpkit.NotOwn(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.proxy.ServeHTTP(w, r) }))
}

func routesOf(c config.Config) []gateway.Route {
	routes := make([]gateway.Route, len(c.Upstream.Routes))
	for i, r := range c.Upstream.Routes {
		routes[i] = gateway.Route{
			Path: r.Path, Methods: r.Methods, TokensIn: r.TokensIn, ReportOnly: r.ReportOnly(), Require: gateway.Requirement(r.Require), Audience: r.Audience, Scope: strings.Fields(r.Scope),
			Permission: access.Permission{Action: r.Permission.Action, Path: access.Path(r.Permission.Path)},
		}
	}
	return routes
}

// addDescription mounts the OpenAPI document of all edges that have one.
func (s *shared) addDescription(e *edges) error {
	var described []adminapi.Described
	for _, edge := range slices.Concat(e.gateway, e.own) {
		if d, ok := edge.(adminapi.Described); ok {
			described = append(described, d)
		}
	}
	d, err := adminapi.Describe(adminapi.Sources{
		Issuer: s.Config.Issuer, Version: s.version, SessionCookie: s.sessionCookies[0], Edges: described,
	})
	if err != nil {
		return fmt.Errorf("describing the API: %w", err)
	}
	s.description = d
	e.own = append(e.own, d)
	return nil
}
