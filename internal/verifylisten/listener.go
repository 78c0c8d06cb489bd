package verifylisten

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"github.com/valyala/fasthttp"

	"github.com/bearerd/bearerd/internal/gateway"
	"github.com/bearerd/bearerd/internal/httpkit"
	"github.com/bearerd/bearerd/internal/localaddr"
)

// Config is what a Listener serves. All but Varies must be set.
type Config struct {
	Address localaddr.Address
	Auth    *gateway.ForwardAuth
	// Observer is the observer of Auth on the other listeners.
	Observer *httpkit.Observer
	// HTTP serves requests that are not plain, over net/http, by a handler that serves
	// Auth and nothing else. Its ReadHeaderTimeout and IdleTimeout are those of every
	// connection.
	HTTP *http.Server
	// Varies is set where scripts of other origins may call with a token: every answer
	// then has Vary: Origin, and HTTP's handler answers requests that have an origin.
	Varies bool
	// Stopping reports whether the server stops: then each answer ends its connection. Nil:
	// answers end connections only once Drain is called.
	Stopping func() bool
	Log      *slog.Logger
}

// Listener serves forward auth. It is made by [New], opened by Listen, run by Serve and ended
// by Drain, each once.
type Listener struct {
	cfg      Config
	fast     *fasthttp.Server
	arrivals httpkit.Arrivals   // of net/http
	template *http.Request      // what all requests have in common; its context is theirs
	end      context.CancelFunc // of that context

	door   *door // nil until it is open
	rest   *diversion
	served chan struct{} // closed when Serve has returned

	mu    sync.Mutex // guards conns
	conns map[*conn]struct{}
}

// readBuffer is the longest head of a request that fasthttp reads; longer ones are passed
// to net/http.
const readBuffer = 16 << 10

// New returns a listener that isn't open.
func New(cfg Config) *Listener {
	l := &Listener{cfg: cfg, served: make(chan struct{}), conns: map[*conn]struct{}{}}
	base, end := context.WithCancel(context.Background())
	l.template, l.end = (&http.Request{Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody}).WithContext(base), end
	l.arrivals.Watch(cfg.HTTP)
	l.fast = &fasthttp.Server{
		Handler: l.handle, ReadBufferSize: readBuffer, Logger: quiet{cfg.Log},
		NoDefaultServerHeader: true, NoDefaultContentType: true, DisableHeaderNamesNormalizing: true,
		LazyRequestTime: true, CloseOnShutdown: true,
	}
	return l
}

// Listen opens the address; the error is that of [localaddr.Address.Listen].
func (l *Listener) Listen(ctx context.Context) error {
	opened, err := l.cfg.Address.Listen(ctx)
	if err != nil {
		return err //nolint:wrapcheck // the caller names the listener
	}
	l.door = &door{Listener: opened, listener: l, begun: make(chan struct{}), closing: make(chan struct{})}
	l.rest = newDiversion(opened.Addr())
	return nil
}

// Addr returns where the listener is open; nil before Listen.
func (l *Listener) Addr() net.Addr {
	if l.door == nil {
		return nil
	}
	return l.door.Addr()
}

// Close closes a listener that is open and was never served.
func (l *Listener) Close() error { return l.door.Listener.Close() } //nolint:wrapcheck // as the listener says it

// Serve serves until Drain, and then returns nil.
func (l *Listener) Serve() error {
	defer close(l.served)
	ended := make(chan error, 1)
	go func() { ended <- l.cfg.HTTP.Serve(l.rest) }()
	err := l.fast.Serve(l.door)
	if !l.door.stopped() {
		_ = l.rest.Close()
		return errors.Join(err, <-ended)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) && !errors.Is(err, http.ErrServerClosed) {
		return err //nolint:wrapcheck // the caller names the listener
	}
	return nil
}

// Drain answers the clients that have connected and lets requests finish. When ctx ends
// it cuts the others, and returns an error.
func (l *Listener) Drain(ctx context.Context) error {
	defer l.end()
	select {
	case <-l.door.begun: // fasthttp can't be ended before
	case <-ctx.Done():
	}
	_ = l.door.Close()
	errFast := l.fast.ShutdownWithContext(ctx) // waits for Accept to end too
	_ = l.rest.Close()
	if errFast != nil {
		l.cut()
	}
	select {
	case <-l.served:
		l.arrivals.Wait(ctx)
	case <-ctx.Done():
	}
	errRest := l.cfg.HTTP.Shutdown(ctx)
	if errRest != nil {
		_ = l.cfg.HTTP.Close()
	}
	return errors.Join(errFast, errRest)
}

// admit returns a connection as fasthttp reads it.
func (l *Listener) admit(inner net.Conn) net.Conn {
	c := &conn{Conn: inner, listener: l, header: http.Header{}}
	c.remote = c.RemoteAddr().String()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[c] = struct{}{}
	return c
}

func (l *Listener) forget(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.conns, c)
}

// cut closes what fasthttp still serves.
func (l *Listener) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		if !c.diverted.Load() {
			_ = c.Conn.Close()
		}
	}
}

// quiet logs fasthttp's messages at the level debug.
type quiet struct{ log *slog.Logger }

// Printf implements fasthttp.Logger.
func (q quiet) Printf(format string, args ...any) {
	q.log.Debug("verify listener", slog.String("message", sprint(format, args)))
}
