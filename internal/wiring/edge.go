package wiring

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"

	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/dialect/senaite"
	"github.com/bearerd/bearerd/internal/dialect/specify"
	"github.com/bearerd/bearerd/internal/edge"
	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/server"
)

// EdgeParts are what an edge is put together from: a process that verifies for an issuer
// elsewhere, without a database.
type EdgeParts struct {
	Config  config.Edge
	Metrics *server.Metrics
	Process Process
}

// NewEdge returns the verifier of an edge. It sends no request yet.
func NewEdge(ctx context.Context, p EdgeParts) (*edge.Edge, error) {
	c := p.Config
	return edge.New(ctx, edge.Config{
		Label:  edgeLabel(),
		Issuer: c.Issuer, Audience: c.Config().DefaultAudience(), ClientID: c.ClientID, ClientSecretFile: c.ClientSecretFile,
		CAFile: c.CAFile, SecretFile: c.Signing.SecretFile, Scopes: askedScopes(c), CacheBytes: int64(c.Verify.Cache), Meter: p.Metrics, Now: p.Process.Now, Log: p.Process.Log,
	})
}

// edgeLabel names this edge after its machine.
func edgeLabel() string {
	host, err := os.Hostname()
	if err != nil {
		host = "of unknown host"
	}
	plain := strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '?'
		}
		return r
	}, host)
	return "edge " + plain[:min(len(plain), maxHost)]
}

// maxHost bounds the name of the machine in that label, in bytes.
const maxHost = 64

// askedScopes returns the scopes that routes and requirements ask for.
func askedScopes(c config.Edge) []string {
	var scopes []string
	for _, r := range c.Upstream.Routes {
		scopes = append(scopes, strings.Fields(r.Scope)...)
	}
	for _, r := range c.Requirements {
		scopes = append(scopes, strings.Fields(r.Scope)...)
		if r.SafeScope != nil {
			scopes = append(scopes, strings.Fields(*r.SafeScope)...)
		}
	}
	slices.Sort(scopes)
	return slices.Compact(scopes)
}

// EdgeServer mounts the gateway on an edge.
func EdgeServer(p EdgeParts, e *edge.Edge) (*server.Server, error) {
	c, process := p.Config, p.Process
	crossOrigin, err := httpkit.NewCrossOrigin(c.Issuer)
	if err != nil {
		return nil, err
	}
	like := c.Config()
	g, err := mountGateway(like, gatewayParts{
		gate: gateway.Gate{
			Verifier: e.Decision(), Now: process.Now, CrossOrigin: crossOrigin, Finders: edgeFinders(c, e), LooksLikeToken: e.LooksLikeToken, MetadataOf: e.MetadataOf,
			Challenge:  httpkit.Challenge{Realm: c.Issuer, ResourceMetadata: c.Issuer + resourcePath},
			TokensPage: c.Issuer + "/auth/tokens",
		},
		now: process.Now, staleness: e.Staleness, log: process.Log,
	})
	if err != nil {
		return nil, err
	}
	return server.New(server.Config{
		Node: edgeNode{e}, Unready: e.Unready, Metrics: p.Metrics, Build: process.Build, Issuer: c.Issuer, Now: process.Now, Log: process.Log,
		Listen: c.Listen, OpsListen: c.OpsListen, TLS: server.TLS{CertFile: c.TLS.CertFile, KeyFile: c.TLS.KeyFile},
		Gateway: g.edges, Verify: g.verify, Loops: append(process.Loops, g.loops...),
		CORS: c.CORS.Origins, Proxies: httpkit.Proxies(c.TrustedProxies), Notice: like.Shutdown.Notice.For(process.Env),
	})
}

// edgeFinders returns the dialects' finders of tokens outside Authorization, without
// those that accept passwords, which only the issuer can check.
func edgeFinders(c config.Edge, e *edge.Edge) []httpkit.CredentialFinder {
	var finders []httpkit.CredentialFinder
	for _, name := range c.Dialects {
		switch name { //nolint:exhaustive // the others take Bearer alone
		case config.DialectSpecify:
			finders = append(finders, &specify.Sessions{Check: e.CheckSession})
		case config.DialectSenaite:
			finders = append(finders, senaite.Tokens{})
		}
	}
	return finders
}

// edgeNode makes an edge a node for the server.
type edgeNode struct{ *edge.Edge }

// Status implements server.Node.
func (n edgeNode) Status() node.Status {
	return node.Status{Status: n.Edge.Status(), TokenCacheBytes: n.Health().CacheBytes}
}

// Nodes implements server.Node: only the issuer knows the nodes.
func (edgeNode) Nodes(context.Context) (int, error) {
	return 0, errors.New("an edge doesn't know the nodes")
}

// Run implements server.Node: an edge has no database to keep in order.
func (edgeNode) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

var _ server.Node = edgeNode{}
