package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/cli/install"
	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/hint"
	"github.com/bearerd/bearerd/internal/server"
	"github.com/bearerd/bearerd/internal/wiring"
)

// checkTimeout is how long an edge waits at its start for the first answers of the issuer.
const checkTimeout = 3 * time.Second

func edgeCommand(p *cli.Program) *cobra.Command {
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
		Args: cli.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.LoadEdge(cmd, "listen", "ops_listen")
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

// checkEdge looks at the configuration and the issuer, and serves nothing.
func checkEdge(ctx context.Context, p *cli.Program, c config.Edge) error {
	parts := wiring.EdgeParts{Config: c, Metrics: server.NewMetrics(), Process: processOf(p, slog.New(slog.DiscardHandler))}
	e, err := wiring.NewEdge(ctx, parts)
	if err != nil {
		return err
	}
	defer e.Close()
	_, errServer := wiring.EdgeServer(parts, e)
	errAddresses := install.CheckAddresses(ctx, p, c.Config())
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
	return p.Show(map[string]bool{"ok": true}, cli.Silent)
}

// serveEdge runs an edge until ctx ends.
func serveEdge(ctx context.Context, p *cli.Program, c config.Edge) error {
	logger := slog.New(slog.NewJSONHandler(p.Stderr, nil))
	metrics := server.NewMetrics()
	metrics.SetReportOnly(len(c.Config().ReportOnly()))
	parts := wiring.EdgeParts{Config: c, Metrics: metrics, Process: processOf(p, logger)}
	e, err := wiring.NewEdge(ctx, parts)
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
	parts.Process.Loops = append([]server.Loop{
		{Name: "looking at the issuer", Run: func(ctx context.Context) error { return e.Watch(ctx, found) }},
		{Name: "waiting for SIGHUP", Run: func(ctx context.Context) error { return reloadCertificate(ctx, hangups, srv, logger) }},
	}, parts.Process.Loops...)
	srv, err = wiring.EdgeServer(parts, e)
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
