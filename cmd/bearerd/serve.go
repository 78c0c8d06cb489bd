package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/hint"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/server"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/token"
)

func serveCommand(p *program) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Run the server until it gets SIGTERM or SIGINT; requests that are running can then
finish, and before that /readyz is 503 for as long as shutdown.notice says. SIGHUP
makes it read the certificate, the secrets and the log level again. The database,
its schema and the master key are created on the first start.

The log is JSON on standard error; "listening" has the address of each listener.`,
		Example: `  bearerd serve --config bearerd.yaml
  bearerd serve --listen 127.0.0.1:0`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.LoadConfig(cmd, "listen", "ops_listen")
			if err != nil {
				return err
			}
			level := &slog.LevelVar{}
			level.Set(c.Log.Level.Slog())
			logger := slog.New(slog.NewJSONHandler(p.Stderr, &slog.HandlerOptions{Level: level}))
			reloader := &reloader{
				config: c, level: level, log: logger,
				read: func() (config.Config, error) { return p.LoadConfig(cmd, "listen", "ops_listen") },
			}
			defer reloader.listen()()
			return serve(cmd.Context(), p, service{config: c, log: logger, reloader: reloader, ready: func() {
				if err := tellManager(cmd.Context(), p.Env, "READY=1"); err != nil {
					logger.LogAttrs(cmd.Context(), slog.LevelWarn, "not ready for the service manager", slog.Any("error", err))
				}
			}})
		},
	}
	cmd.Flags().String("listen", "", "the `ADDRESS` of the endpoints, instead of the configuration's; port 0 picks a free one")
	cmd.Flags().String("ops-listen", "", "the `ADDRESS` of health and metrics, instead of the configuration's")
	cmd.Flags().StringArrayVar(&p.insecureDocuments, insecureClientMetadata, nil,
		"for tests: read the documents of clients of HOST at another address, as `HOST=ADDR:PORT,CA_FILE`")
	_ = cmd.Flags().MarkHidden(insecureClientMetadata)
	return cmd
}

// service is how a server is run, and what it is run with.
type service struct {
	config   config.Config
	log      *slog.Logger
	reloader *reloader // nil: nothing is read again
	ready    func()    // called when the listeners are open
}

// serve runs the server until ctx ends.
func serve(ctx context.Context, p *program, sv service) (err error) {
	c, logger := sv.config, sv.log
	s, err := openStore(ctx, c, store.Options{Now: p.Now, Logger: logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	instead, err := insecureDocuments(p.insecureDocuments)
	if err != nil {
		return err
	}
	metrics := server.NewMetrics()
	metrics.SetReportOnly(len(c.ReportOnly()))
	i, err := assemble(ctx, parts{config: c, store: s, log: s, shared: c.Database.IsPostgres(), serves: true, instead: instead, meter: metrics, now: p.Now, logger: logger})
	if err != nil {
		return err
	}
	loops, err := i.count(metrics.Totals, logger)
	if err != nil {
		return err
	}
	e, err := i.edges(logger)
	if err != nil {
		return err
	}
	if i.config.Database.IsPostgres() {
		loops = append(loops, server.Loop{Name: "watching the list of nodes", Run: i.WatchNodes}, server.Loop{
			Name: "listening for revocations", // asking for the log as soon as another node has added to it
			Run:  func(ctx context.Context) error { return s.Listen(ctx, i.follower.Wake) },
		})
	}
	loops = append(loops, server.Loop{Name: "registering verifiers that confirm", Run: i.room.Run})
	if err := metrics.CountVerifiers(i.room.Status); err != nil {
		return err
	}
	sending, err := i.noticeLoops(metrics, logger)
	if err != nil {
		return err
	}
	loops = append(loops, sending...)
	loops = append(append(loops, e.loops...), server.Loop{Name: "tuning the garbage collector", Run: func(ctx context.Context) error { return tuneCollector(ctx, p.Env) }})
	if sv.reloader != nil {
		sv.reloader.secrets = i.secrets
		loops = append(loops, server.Loop{Name: "waiting for SIGHUP", Run: sv.reloader.run})
	}
	srv, err := server.New(server.Config{
		Node: i.Node, Metrics: metrics, Build: metricsBuild(), Issuer: c.Issuer, Now: i.now, Log: logger, Listen: c.Listen, OpsListen: c.OpsListen,
		TLS:   server.TLS{CertFile: c.TLS.CertFile, KeyFile: c.TLS.KeyFile},
		Edges: e.own, Gateway: e.gateway, Inner: e.inner, Verify: e.verify, Loops: loops, Refuse: e.refuse, Probe: e.probe,
		CORS: c.CORS.Origins, Proxies: httpkit.Proxies(c.TrustedProxies), Notice: c.Shutdown.Notice.For(p.Env),
	})
	if err != nil {
		return err
	}
	if sv.reloader != nil {
		sv.reloader.certificate = srv.Reload
	}
	if err := i.warn(ctx, logger); err != nil {
		return err
	}
	err = srv.Listen(ctx)
	if errors.Is(err, syscall.EADDRINUSE) {
		return hint.Add(err, "another program uses this address, perhaps another bearerd; choose other addresses in listen, ops_listen and verify_listen")
	}
	if err != nil {
		return err
	}
	sv.ready()
	if err := srv.Run(ctx); err != nil {
		return fmt.Errorf("serving: %w", err)
	}
	logger.LogAttrs(ctx, slog.LevelInfo, "stopped")
	return nil
}

// tellManager notifies the service manager of the state of this process, as sd_notify(3)
// describes. It does nothing if no service manager asked for that.
func tellManager(ctx context.Context, env []string, state string) error {
	for _, variable := range env {
		socket, asked := strings.CutPrefix(variable, "NOTIFY_SOCKET=")
		if !asked {
			continue
		}
		conn, err := new(net.Dialer).DialContext(ctx, "unixgram", socket)
		if err != nil {
			return fmt.Errorf("notifying the service manager of %s: %w", state, err)
		}
		defer func() { _ = conn.Close() }()
		if _, err := conn.Write([]byte(state)); err != nil {
			return fmt.Errorf("notifying the service manager of %s: %w", state, err)
		}
	}
	return nil
}

// warn logs what works but should not stay: an issuer without TLS, and a key that signs
// otherwise than the configuration says because it was made before.
func (i *instance) warn(ctx context.Context, logger *slog.Logger) error {
	u, err := url.Parse(i.config.Issuer)
	if err == nil && u.Scheme == "http" && !token.IsLoopback(u.Hostname()) {
		logger.LogAttrs(ctx, slog.LevelWarn, "the issuer is http and not on loopback: tokens travel in the clear, and browsers won't sign in",
			slog.String("issuer", i.config.Issuer))
	}
	for host, at := range i.instead.Instead {
		logger.LogAttrs(ctx, slog.LevelWarn, "INSECURE, for tests alone: --"+insecureClientMetadata+" reads what clients of this host say of themselves "+
			"at an address that need not be public, with certificates of its own. Anyone who signs in can make this server ask that address. Never use it in production",
			slog.String("host", host), slog.String("address", at.String()))
	}
	keys, err := i.Directory.KeyList(ctx, caller.Operator())
	if err != nil {
		return err
	}
	for _, k := range keys {
		if want := i.config.Signing.Algorithm; k.State == keyring.Active && string(k.Algorithm) != want {
			logger.LogAttrs(ctx, slog.LevelWarn,
				"the active signing key has another algorithm than signing.algorithm: it signs until the next key takes over, "+
					"or until `bearerd keys rotate --now`; verifiers that take the configured algorithm alone refuse its tokens",
				slog.String("algorithm", string(k.Algorithm)), slog.String("configured", want), slog.String("kid", k.KID))
		}
	}
	return nil
}
