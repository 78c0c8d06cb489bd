package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/bearerd/bearerd/internal/cli"
	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/hint"
	"github.com/bearerd/bearerd/internal/server"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/wiring"
)

func serveCommand(p *cli.Program) *cobra.Command {
	var insecure []string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Run the server until it gets SIGTERM or SIGINT; requests that are running can then
finish, and before that /readyz is 503 for as long as shutdown.notice says. A second
such signal ends it at once. SIGHUP makes it read the certificate, the secrets and
the log level again. The database, its schema and the master key are created on the
first start.

The log is JSON on standard error; "listening" has the address of each listener.`,
		Example: `  bearerd serve --config bearerd.yaml
  bearerd serve --listen 127.0.0.1:0`,
		Args: cli.Takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.LoadConfig(cmd, "listen", "ops_listen")
			if err != nil {
				return err
			}
			level := &slog.LevelVar{}
			level.Set(c.Log.Level.Slog())
			logger := slog.New(slog.NewJSONHandler(p.Stderr, &slog.HandlerOptions{Level: level}))
			if unread := p.Unread(); unread != "" {
				logger.LogAttrs(cmd.Context(), slog.LevelWarn, unread)
			}
			reloader := &reloader{
				config: c, level: level, log: logger,
				read: func() (config.Config, error) { return p.LoadConfig(cmd, "listen", "ops_listen") },
			}
			defer reloader.listen()()
			return serve(cmd.Context(), p, service{config: c, log: logger, reloader: reloader, insecure: insecure, ready: func() {
				if err := tellManager(cmd.Context(), p.Env, "READY=1"); err != nil {
					logger.LogAttrs(cmd.Context(), slog.LevelWarn, "not ready for the service manager", slog.Any("error", err))
				}
			}})
		},
	}
	cmd.Flags().String("listen", "", "the `ADDRESS` of the endpoints, instead of the configuration's; port 0 picks a free one")
	cmd.Flags().String("ops-listen", "", "the `ADDRESS` of health and metrics, instead of the configuration's")
	cmd.Flags().StringArrayVar(&insecure, insecureClientMetadata, nil,
		"for tests: read the documents of clients of HOST at another address, as `HOST=ADDR:PORT,CA_FILE`")
	_ = cmd.Flags().MarkHidden(insecureClientMetadata)
	return cmd
}

// service is how a server is run, and what it is run with.
type service struct {
	config   config.Config
	log      *slog.Logger
	reloader *reloader // nil: nothing is read again
	insecure []string  // of the flag insecureClientMetadata
	ready    func()    // called when the listeners are open
}

// processOf returns what a server needs to know of this process.
func processOf(p *cli.Program, log *slog.Logger) wiring.Process {
	return wiring.Process{Build: metricsBuild(), Version: version, Env: p.Env, Now: p.Now, Log: log, Loops: []server.Loop{
		{Name: "tuning the garbage collector", Run: func(ctx context.Context) error { return tuneCollector(ctx, p.Env) }},
	}}
}

// serve runs the server until ctx ends.
func serve(ctx context.Context, p *cli.Program, sv service) (err error) {
	c, logger := sv.config, sv.log
	s, err := wiring.OpenStore(ctx, c, store.Options{Now: p.Now, Logger: logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	instead, err := insecureDocuments(sv.insecure)
	if err != nil {
		return err
	}
	process := processOf(p, logger)
	if sv.reloader != nil {
		process.Loops = append(process.Loops, server.Loop{Name: "waiting for SIGHUP", Run: sv.reloader.run})
	}
	srv, err := wiring.NewServer(ctx, wiring.ServerParts{Config: c, Store: s, Instead: instead, Process: process})
	if err != nil {
		return err
	}
	if sv.reloader != nil {
		sv.reloader.secrets, sv.reloader.certificate = srv.Secrets, srv.Reload
	}
	warnOfInsecure(ctx, instead, logger)
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
