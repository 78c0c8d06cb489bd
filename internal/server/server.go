// Package server makes one HTTP server of bearerd's edges: it mounts them, puts
// what every request needs around them, opens the listeners, runs the loops
// behind them, and stops in an order that loses nothing.
//
// A request passes, outermost first: the bound on its body, the observer (an id, one log event, the origin
// for the audit log, the metric of its route, the last recover), CORS, and the
// router. The router asks three places in turn: the gateway's named endpoints,
// bearerd's own edges, whose answers carry the security headers, and the gateway's
// "/", which is the proxied application. So an application behind bearerd can't take a
// path from it, and its answers pass unchanged. A path beneath /auth/ or /oauth2/, and
// every other spelling of an endpoint's path, never reaches the application: the answer
// is 404, and names the endpoint. In addition a dialect takes the methods and paths that
// it serves, and leaves the rest to the application, whose proxy refuses a path that is
// not clean or passes it on unchanged.
//
// Where the issuer has a path, everything is beneath that path: a proxy in front may pass
// it on or cut it off. A path that is an endpoint's without that is never cut.
//
// When its context ends, a server first reports on /readyz that it stops, then takes no
// more connections, ends its streams and lets requests finish, and only then ends the
// loops: a request that is still under way can be judged to its end.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/bearerd/bearerd/internal/audit"
	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/localaddr"
	"github.com/bearerd/bearerd/internal/node"
	"github.com/bearerd/bearerd/internal/verifylisten"
)

// Edge mounts its endpoints.
type Edge interface {
	Register(mux *http.ServeMux)
}

// Node is what runs behind the endpoints: a [node.Node], or what takes its place where
// there is no database.
type Node interface {
	Status() node.Status
	Nodes(ctx context.Context) (int, error) // that a revocation waits for; an error where that is not known
	Follow(ctx context.Context) error       // the revocation log, until ctx ends
	Run(ctx context.Context) error          // the housekeeping, until ctx ends
}

// Streaming is an edge with answers that go on by themselves. The server counts
// them, and ends them when it stops.
type Streaming interface {
	Edge
	Streams() int // under way
	EndStreams()  // ends them all, lets no more begin, and returns at once
}

// Exact is an edge of the gateway whose one endpoint is asked with every request to
// an application. It is found without a search.
type Exact interface {
	// Exact returns its path, which is also its pattern in Register, and its handler for
	// every method.
	Exact() (path string, h http.Handler)
}

// Beneath is an edge of the gateway that serves every path beneath one, as it was sent:
// what follows is a path of another application, which must not be cleaned.
type Beneath interface {
	// Beneath returns that path, with a slash at its end, and its handler.
	Beneath() (path string, h http.Handler)
}

// Loop is work beside the requests, run until they have drained. An error of it
// ends the server.
type Loop struct {
	Name string
	Run  func(ctx context.Context) error
}

// Inner is a listener of its own, for what the main one must not show. It speaks
// plain HTTP.
type Inner struct {
	Listen string
	Edges  []Edge
}

// Verify is the listener verify_listen: forward auth alone, for proxies on this machine.
type Verify struct {
	Address localaddr.Address
	Auth    *gateway.ForwardAuth
}

// TLS names a certificate chain and its key in PEM. With neither the main listener
// speaks plain HTTP. A file that changes is read again.
type TLS struct {
	CertFile, KeyFile string
}

// Build is the version and the source of this build, for the metric bearerd_build_info.
type Build struct {
	Version, Revision, GoVersion string
}

// Probe answers requests that ask whether the path of an endpoint leads to this server.
type Probe interface {
	// Asks reports whether a request asks that about the path.
	Asks(r *http.Request, path string) bool
	// Reached answers that it does. The endpoint isn't called.
	Reached(w http.ResponseWriter)
}

// Config is what a server serves and where. All of Node, Metrics, Issuer, Now, Log
// and Listen must be set.
type Config struct {
	Node    Node
	Metrics *Metrics // the node's Meter
	Issuer  string   // the realm of challenges; its path is cut from what is requested
	Now     func() time.Time
	Log     *slog.Logger
	Build   Build

	Listen    string // host:port of the endpoints
	OpsListen string // host:port of /healthz, /readyz and /metrics; "": none
	TLS       TLS

	Edges   []Edge  // bearerd's own endpoints
	Gateway []Edge  // forward auth, and at "/" the proxied application
	Inner   []Inner // more listeners, apart from these
	Verify  *Verify // nil: none
	Loops   []Loop  // in addition to the follower, the housekeeping and the server's own

	// Unready returns why this process should get no requests, "" when it should get
	// them; nil: by the node's status.
	Unready func() string
	// Refuse answers a request that no endpoint serves; nil: with a problem of RFC 9457.
	Refuse httpkit.ErrorWriter
	// Probe answers, in place of any endpoint, requests that ask whether its path leads
	// here; nil: nobody may ask.
	Probe Probe

	CORS    []string        // origins whose scripts may call with a Bearer token
	Proxies httpkit.Proxies // whose X-Forwarded-For is believed
	Notice  time.Duration   // how long to go on serving after /readyz reports 503
	Drain   time.Duration   // how long requests may take to finish; 0: 10 s
	// BodyTimeout is how long each 64 KiB of a request's body may take to arrive; 0:
	// 30 s. It applies to a proxied request too, until the application has begun to answer.
	BodyTimeout time.Duration
}

const defaultDrain = 10 * time.Second

// Server serves. It is made by [New] and run once.
type Server struct {
	Config
	log     *slog.Logger
	main    *listener
	ops     *listener              // nil: none
	inner   []*listener            // those of Config.Inner
	verify  *verifylisten.Listener // nil: none
	handler http.Handler
	state   state
	tls     *certificate // nil: the main listener speaks plain HTTP

	streaming []Streaming
}

// streams counts the streams under way.
func (s *Server) streams() int {
	n := 0
	for _, e := range s.streaming {
		n += e.Streams()
	}
	return n
}

// New checks the configuration and mounts the edges; it opens nothing. Two edges
// that claim the same endpoint are a programming error and panic, as with
// http.ServeMux.
func New(c Config) (*Server, error) {
	if c.Node == nil || c.Metrics == nil || c.Issuer == "" || c.Now == nil || c.Log == nil || c.Listen == "" {
		return nil, errors.New("server: node, metrics, issuer, clock, log and listen must be set")
	}
	if c.Drain == 0 {
		c.Drain = defaultDrain
	}
	if c.BodyTimeout == 0 {
		c.BodyTimeout = httpkit.BodyTimeout
	}
	var streaming []Streaming
	for _, e := range c.Edges {
		if s, ok := e.(Streaming); ok {
			streaming = append(streaming, s)
		}
	}
	s := &Server{Config: c, log: c.Log, streaming: streaming}
	if err := errors.Join(c.Metrics.watch(c.Node, s.streams), c.Metrics.describe(c.Build)); err != nil {
		return nil, err
	}
	// For every listener it puts the origin of each request into its context for the
	// audit log, and counts it under the route that it took.
	observer := httpkit.NewObserver(httpkit.ObserverConfig{
		Logger: s.log, Now: s.Now, Proxies: s.Proxies,
		Context: func(ctx context.Context, e *httpkit.Event) context.Context {
			return audit.WithOriginFunc(ctx, func() audit.Origin {
				return audit.Origin{Address: e.ClientAddress(), RequestID: e.RequestID(), Agent: e.Agent()}
			})
		},
		Done: func(r *http.Request, status int, took time.Duration) { s.Metrics.Ended(r.Pattern, status, took) },
	})
	s.handler = s.mount(observer, c.Edges, c.Gateway)
	s.main = s.listen("main", c.Listen, s.handler)
	for _, i := range c.Inner {
		s.inner = append(s.inner, s.listen("inner", i.Listen, s.mount(observer, i.Edges, nil)))
	}
	if v := c.Verify; v != nil {
		s.verify = verifylisten.New(verifylisten.Config{
			Address: v.Address, Auth: v.Auth, Observer: observer, Varies: len(c.CORS) > 0, Stopping: s.state.stopping.Load, Log: s.log,
			HTTP: s.httpServer(s.mount(observer, nil, []Edge{v.Auth})),
		})
	}
	if c.OpsListen != "" {
		s.ops = s.listen("ops", c.OpsListen, s.opsHandler())
	}
	return s, s.secure()
}

// secure makes the main listener speak TLS when files are named for it.
func (s *Server) secure() error {
	if s.TLS == (TLS{}) {
		return nil
	}
	c := &certificate{files: s.TLS, now: s.Now, log: s.log}
	if err := c.load(); err != nil {
		return err
	}
	s.tls = c
	// It asks for the certificate at each handshake.
	s.main.http.TLSConfig = &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.current(), nil },
	}
	return nil
}

// Reload reads the certificate now, and not only when a handshake finds its files changed.
// The error says why it stays as it was.
func (s *Server) Reload() error {
	if s.tls == nil {
		return nil
	}
	return s.tls.reload()
}

// Handler is what the main listener serves, for tests and for embedding.
func (s *Server) Handler() http.Handler { return s.handler }
