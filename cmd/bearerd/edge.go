package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/dialect/senaite"
	"github.com/bearerd/bearerd/internal/dialect/specify"
	"github.com/bearerd/bearerd/internal/edge"
	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/hint"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/server"
)

// checkTimeout is how long an edge waits at its start for the first answers of the issuer.
const checkTimeout = 3 * time.Second

func edgeCommand(p *program) *cobra.Command {
	check := false
	cmd := &cobra.Command{
		Use:   "edge",
		Short: "Verify tokens without a database, for an issuer elsewhere",
		Long: `Serve /auth/verify, /auth/ext-authz/ and the proxy with its routes for an issuer
elsewhere, without a database, until SIGTERM or SIGINT. Tokens are verified in this
process; it follows the issuer's revocation log, and answers 503 when it has had no
news for longer than the issuer's revocation.max_staleness. It starts without the
issuer, and /readyz is then 503.

It is a client of the issuer with the grant client_credentials and the scopes
introspect and revocations. The keys of its configuration are in the handbook,
"Verify without a database".`,
		Example: `  bearerd edge --config edge.yaml --check
  bearerd edge --config edge.yaml`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadEdge(p, cmd, "listen", "ops_listen")
			if err != nil {
				return err
			}
			if check {
				return checkEdge(cmd.Context(), p, c)
			}
			return serveEdge(cmd.Context(), p, c)
		},
	}
	cmd.Flags().String("listen", "", "the `ADDRESS` of the endpoints, instead of the configuration's; port 0 picks a free one")
	cmd.Flags().String("ops-listen", "", "the `ADDRESS` of health and metrics, instead of the configuration's")
	cmd.Flags().BoolVar(&check, "check", false, "check the configuration and ask the issuer everything that an edge asks, without serving")
	return cmd
}

func loadEdge(p *program, cmd *cobra.Command, more ...string) (config.Edge, error) {
	return config.LoadEdge(p.ConfigFile, p.Env, changedFlags(cmd, more...))
}

// newEdge returns the verifier of an edge. It sends no request yet.
func newEdge(ctx context.Context, p *program, c config.Edge, metrics *server.Metrics, logger *slog.Logger) (*edge.Edge, error) {
	return edge.New(ctx, edge.Config{
		Label:  edgeLabel(),
		Issuer: c.Issuer, Audience: c.Config().DefaultAudience(), ClientID: c.ClientID, ClientSecretFile: c.ClientSecretFile,
		CAFile: c.CAFile, SecretFile: c.Signing.SecretFile, Scopes: askedScopes(c), CacheBytes: int64(c.Verify.Cache), Meter: metrics, Now: p.Now, Log: logger,
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

// checkEdge looks at the configuration and the issuer, and serves nothing.
func checkEdge(ctx context.Context, p *program, c config.Edge) error {
	e, err := newEdge(ctx, p, c, server.NewMetrics(), silentLog())
	if err != nil {
		return err
	}
	defer e.Close()
	_, errServer := edgeServer(p, c, e, edgeParts{metrics: server.NewMetrics(), log: silentLog()})
	errAddresses := checks{p}.checkAddresses(ctx, c.Config())
	ctx, cancel := context.WithTimeout(ctx, 4*checkTimeout)
	defer cancel()
	errs := []error{errServer, errAddresses}
	for _, f := range e.Check(ctx).Findings {
		errs = append(errs, hint.Add(errors.New(f.Problem), "%s", f.Do))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	p.Say("the configuration is valid, and the issuer %s takes this edge for its client", c.Issuer)
	return p.Show(map[string]bool{"ok": true}, silent)
}

// edgeParts is what the server of an edge is assembled from.
type edgeParts struct {
	metrics *server.Metrics
	log     *slog.Logger
	loops   []server.Loop
}

// serveEdge runs an edge until ctx ends.
func serveEdge(ctx context.Context, p *program, c config.Edge) error {
	logger := slog.New(slog.NewJSONHandler(p.Stderr, nil))
	metrics := server.NewMetrics()
	metrics.SetReportOnly(len(c.Config().ReportOnly()))
	e, err := newEdge(ctx, p, c, metrics, logger)
	if err != nil {
		return err
	}
	first, cancel := context.WithTimeout(ctx, checkTimeout)
	found := e.Check(first)
	cancel()
	e.Log(ctx, found)
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	var srv *server.Server
	srv, err = edgeServer(p, c, e, edgeParts{metrics: metrics, log: logger, loops: []server.Loop{
		{Name: "looking at the issuer", Run: func(ctx context.Context) error { return e.Watch(ctx, found) }},
		{Name: "tuning the garbage collector", Run: func(ctx context.Context) error { return tuneCollector(ctx, p.Env) }},
		{Name: "waiting for SIGHUP", Run: func(ctx context.Context) error { return reloadCertificate(ctx, hangups, srv, logger) }},
	}})
	if err != nil {
		return err
	}
	err = srv.Listen(ctx)
	if errors.Is(err, syscall.EADDRINUSE) {
		return hint.Add(err, "another program uses this address, perhaps another bearerd; choose other addresses in listen, ops_listen and verify_listen")
	}
	if err != nil {
		return err
	}
	if err := tellManager(ctx, p.Env, "READY=1"); err != nil {
		logger.LogAttrs(ctx, slog.LevelWarn, "not ready for the service manager", slog.Any("error", err))
	}
	if err := srv.Run(ctx); err != nil {
		return fmt.Errorf("serving: %w", err)
	}
	logger.LogAttrs(ctx, slog.LevelInfo, "stopped")
	return nil
}

// reloadCertificate reads the certificate again whenever a reload is requested.
func reloadCertificate(ctx context.Context, hangups <-chan os.Signal, srv *server.Server, logger *slog.Logger) error {
	for {
		select {
		case <-hangups:
			if err := srv.Reload(); err != nil {
				logger.LogAttrs(ctx, slog.LevelError, "reloading the certificate: it stays as it was", slog.Any("error", err))
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// edgeServer mounts the gateway on an edge.
func edgeServer(p *program, c config.Edge, e *edge.Edge, parts edgeParts) (*server.Server, error) {
	crossOrigin, err := httpkit.NewCrossOrigin(c.Issuer)
	if err != nil {
		return nil, err
	}
	like := c.Config()
	g, err := mountGateway(like, gatewayParts{
		gate: gateway.Gate{
			Verifier: e.Decision(), Now: p.Now, CrossOrigin: crossOrigin, Finders: edgeFinders(c, e), LooksLikeToken: e.LooksLikeToken, MetadataOf: e.MetadataOf,
			Challenge:  httpkit.Challenge{Realm: c.Issuer, ResourceMetadata: c.Issuer + resourcePath},
			TokensPage: c.Issuer + "/auth/tokens",
		},
		now: p.Now, staleness: e.Staleness, log: parts.log,
	})
	if err != nil {
		return nil, err
	}
	return server.New(server.Config{
		Node: edgeNode{e}, Unready: e.Unready, Metrics: parts.metrics, Build: metricsBuild(), Issuer: c.Issuer, Now: p.Now, Log: parts.log,
		Listen: c.Listen, OpsListen: c.OpsListen, TLS: server.TLS{CertFile: c.TLS.CertFile, KeyFile: c.TLS.KeyFile},
		Gateway: g.edges, Verify: g.verify, Loops: append(parts.loops, g.loops...),
		CORS: c.CORS.Origins, Proxies: httpkit.Proxies(c.TrustedProxies), Notice: like.Shutdown.Notice.For(p.Env),
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
