package wiring

import (
	"context"
	"log/slog"
	"net/url"
	"time"

	"github.com/bearerd/bearerd/internal/caller"
	"github.com/bearerd/bearerd/internal/clientdoc"
	"github.com/bearerd/bearerd/internal/config"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/keyring"
	"github.com/bearerd/bearerd/internal/secretfile"
	"github.com/bearerd/bearerd/internal/server"
	"github.com/bearerd/bearerd/internal/store"
	"github.com/bearerd/bearerd/internal/token"
)

// ServerParts are what a server is put together from.
type ServerParts struct {
	Config  config.Config
	Store   *store.Store
	Instead clientdoc.Config // how tests have documents of clients read; empty otherwise
	Process Process
}

// Process is what a server needs to know of the process that it runs in.
type Process struct {
	Build   server.Build
	Version string // in the description of the API
	Env     []string
	Now     func() time.Time
	Log     *slog.Logger
	Loops   []server.Loop // that run beside the server
}

// Server is a server with its secrets, which can be read again while it runs.
type Server struct {
	*server.Server

	Secrets *secretfile.Set
}

// NewServer puts a whole server together, which doesn't listen yet.
func NewServer(ctx context.Context, p ServerParts) (*Server, error) {
	c, logger := p.Config, p.Process.Log
	metrics := server.NewMetrics()
	metrics.SetReportOnly(len(c.ReportOnly()))
	i, err := assemble(ctx, parts{
		config: c, store: p.Store, log: p.Store, shared: c.Database.IsPostgres(), serves: true, instead: p.Instead,
		meter: metrics, version: p.Process.Version, now: p.Process.Now, logger: logger,
	})
	if err != nil {
		return nil, err
	}
	loops, err := i.count(metrics.Totals, logger)
	if err != nil {
		return nil, err
	}
	e, err := i.edges(logger)
	if err != nil {
		return nil, err
	}
	if c.Database.IsPostgres() {
		loops = append(loops, server.Loop{Name: "watching the list of nodes", Run: i.WatchNodes}, server.Loop{
			Name: "listening for revocations", // asking for the log as soon as another node has added to it
			Run:  func(ctx context.Context) error { return i.Store.Listen(ctx, i.follower.Wake) },
		})
	}
	loops = append(loops, server.Loop{Name: "registering verifiers that confirm", Run: i.room.Run})
	if err := metrics.CountVerifiers(i.room.Status); err != nil {
		return nil, err
	}
	sending, err := i.noticeLoops(metrics, logger)
	if err != nil {
		return nil, err
	}
	loops = append(append(append(loops, sending...), e.loops...), p.Process.Loops...)
	srv, err := server.New(server.Config{
		Node: i.Node, Metrics: metrics, Build: p.Process.Build, Issuer: c.Issuer, Now: i.Now, Log: logger, Listen: c.Listen, OpsListen: c.OpsListen,
		TLS:   server.TLS{CertFile: c.TLS.CertFile, KeyFile: c.TLS.KeyFile},
		Edges: e.own, Gateway: e.gateway, Inner: e.inner, Verify: e.verify, Loops: loops, Refuse: e.refuse, Probe: e.probe,
		CORS: c.CORS.Origins, Proxies: httpkit.Proxies(c.TrustedProxies), Notice: c.Shutdown.Notice.For(p.Process.Env),
	})
	if err != nil {
		return nil, err
	}
	return &Server{Server: srv, Secrets: i.secrets}, i.warn(ctx, logger)
}

// warn logs what works but should not stay: an issuer without TLS, and a key that signs
// otherwise than the configuration says because it was made before.
func (i *assembly) warn(ctx context.Context, logger *slog.Logger) error {
	u, err := url.Parse(i.Config.Issuer)
	if err == nil && u.Scheme == "http" && !token.IsLoopback(u.Hostname()) {
		logger.LogAttrs(ctx, slog.LevelWarn, "the issuer is http and not on loopback: tokens travel in the clear, and browsers won't sign in",
			slog.String("issuer", i.Config.Issuer))
	}
	keys, err := i.Directory.KeyList(ctx, caller.Operator())
	if err != nil {
		return err
	}
	for _, k := range keys {
		if want := i.Config.Signing.Algorithm; k.State == keyring.Active && string(k.Algorithm) != want {
			logger.LogAttrs(ctx, slog.LevelWarn,
				"the active signing key has another algorithm than signing.algorithm: it signs until the next key takes over, "+
					"or until `bearerd keys rotate --now`; verifiers that take the configured algorithm alone refuse its tokens",
				slog.String("algorithm", string(k.Algorithm)), slog.String("configured", want), slog.String("kid", k.KID))
		}
	}
	return nil
}
